// SUBSCRIPTION_TLS: rest-hooks that ask who calls, and whose certificate no public authority vouches for.
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { createTestAuthority, waitFor } from '#platform/testing';
import { readHostCertificates } from './channels/certificates.ts';
import { createRig, observation, subscription, waitForState } from './testing/rig.ts';

function folder(t: TestContext, files: Record<string, string>): (name: string) => string {
  const made = mkdtempSync(path.join(tmpdir(), 'cerebra-certificates-'));
  t.after(() => rmSync(made, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(made, name), text);
  return (name) => path.join(made, name);
}

test('a receiver that asks for a certificate gets the one of its host; without it nothing is told', async (t) => {
  const authority = createTestAuthority('test authority');
  const [theirs, ours] = [authority.issue('receiver'), authority.issue('cerebra')];
  const callers: string[] = [];
  const receiver = createServer(
    { ...theirs, ca: authority.cert, requestCert: true, rejectUnauthorized: true },
    (request, response) => {
      callers.push(String((request.socket as TLSSocket).getPeerCertificate().subject.CN));
      response.end();
    },
  );
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    receiver.closeAllConnections();
    return new Promise((resolve) => receiver.close(resolve));
  });
  const { port } = receiver.address() as AddressInfo;
  const file = folder(t, {
    'tls.json': JSON.stringify({ [`127.0.0.1:${port}`]: { cert: 'our.pem', key: 'our.key', ca: 'ca.pem' } }),
    ...{ 'our.pem': ours.cert, 'our.key': ours.key, 'ca.pem': authority.cert },
  });
  const { db, store, start } = await createRig(t);
  const without = await start();
  await store.put(subscription('s', `https://127.0.0.1:${port}/hook`));
  await waitForState(db, 's', 'active');
  await store.put(observation('a'));
  await waitFor(
    async () => (await db.query({ text: `select 1 from subscriber where id = 's' and attempts > 1` })).length === 1,
    'two attempts',
  );
  await without.stop();
  assert.deepEqual(callers, []);
  await start({ certificates: readHostCertificates(file('tls.json')) });
  await waitFor(() => callers.length > 0, 'the notification');
  assert.deepEqual(callers, ['cerebra']);
});

test('what is wrong in the file is named', async (t) => {
  const authority = createTestAuthority('test authority');
  const [one, other] = [authority.issue('one'), authority.issue('other')];
  const file = folder(t, {
    ...{ 'a.pem': one.cert, 'a.key': one.key, 'b.key': other.key, 'no.json': '{', 'list.json': '[]' },
    'misfit.json': '{"h": {"cert": "a.pem", "key": "b.key"}}',
    'half.json': '{"h": {"cert": "a.pem"}}',
    'absent.json': '{"h": {"ca": "gone.pem"}}',
    'no-pem.json': '{"h": {"ca": "no.json"}}',
    'unknown.json': '{"h": {"pfx": "a.pem"}}',
    'host.json': '{"https://h": {}}',
    'fine.json': '{"H.example.org": {"cert": "a.pem", "key": "a.key"}}',
  });
  const faults: Record<string, RegExp> = {
    'none.json': /none\.json: it can not be read/,
    'no.json': /it is no JSON/,
    'list.json': /must be a JSON object/,
    'misfit.json': /h: the certificate and the key do not fit/,
    'half.json': /cert and key belong together/,
    'absent.json': /gone\.pem: it can not be read/,
    'no-pem.json': /one of the files is no PEM/,
    'unknown.json': /'pfx' is none of cert, key, ca/,
    'host.json': /'https:\/\/h' is no host/,
  };
  for (const [name, message] of Object.entries(faults)) {
    assert.throws(() => readHostCertificates(file(name)), { code: 'config', message }, name);
  }
  const certificates = readHostCertificates(file('fine.json'))!;
  assert.equal(certificates('h.example.org')?.cert, one.cert);
  assert.equal(certificates('h.example.org:8443')?.key, one.key);
  assert.equal(certificates('example.org'), undefined);
  assert.equal(readHostCertificates(undefined), undefined);
});

test('renewed certificates are used without a restart; what can not be used is told once, and the former go on', (t) => {
  const authority = createTestAuthority('test authority');
  const [first, second, third] = ['first', 'second', 'third'].map((name) => authority.issue(name));
  const file = folder(t, {
    'tls.json': '{"h": {"cert": "our.pem", "key": "our.key"}}',
    ...{ 'our.pem': first!.cert, 'our.key': first!.key },
  });
  const certificates = readHostCertificates(file('tls.json'), 0)!;
  const faults: string[] = [];
  const certOf = (host: string) => certificates(host, (fault) => faults.push(String(fault)))?.cert;
  assert.equal(certOf('h'), first!.cert);
  // As those who renew do it: each file is written beside and moved into its place.
  const replace = (name: string, text: string) => {
    writeFileSync(file(`${name}.new`), text);
    renameSync(file(`${name}.new`), file(name));
  };
  replace('our.pem', second!.cert);
  assert.deepEqual([certOf('h'), certOf('h')], [first!.cert, first!.cert]);
  assert.equal(faults.length, 1);
  assert.match(faults[0]!, /h: the certificate and the key do not fit/);
  replace('our.key', second!.key);
  assert.equal(certOf('h'), second!.cert);
  replace('third.pem', third!.cert);
  replace('tls.json', '{"h": {"cert": "third.pem", "key": "third.key"}, "i": {"cert": "our.pem", "key": "our.key"}}');
  assert.deepEqual([certOf('h'), certOf('i')], [second!.cert, undefined]);
  assert.match(faults[1]!, /third\.key: it can not be read/);
  replace('third.key', third!.key);
  assert.deepEqual([certOf('h'), certOf('i')], [third!.cert, second!.cert]);
  rmSync(file('tls.json'));
  assert.equal(certOf('h'), third!.cert);
  assert.equal(faults.length, 3);
});
