// BASE_URL with a path of its own: FHIR is there, and everything that tells where FHIR is says so.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { readConfig } from '#platform';
import { listen } from '../bin/listening.ts';
import { startTestServer } from './server.ts';

const BASE_URL = 'http://localhost/r4';

test('FHIR is at the path of BASE_URL, which / and what is not found tell', async () => {
  const server = await startTestServer({ BASE_URL });
  const ask = async (path: string) => {
    const response = await fetch(`${server.rootUrl}${path}`);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  assert.equal((await ask('/r4/metadata?_elements=fhirVersion')).body.resourceType, 'CapabilityStatement');
  const { fhir, capabilities, webSockets } = (await ask('/')).body;
  const sockets = { subscriptions: '/r4/ws', patient: '/ws/patient/:id' };
  assert.deepEqual(
    { fhir, capabilities, webSockets },
    { fhir: '/r4', capabilities: '/r4/metadata', webSockets: sockets },
  );
  const message = 'There is nothing at this path; FHIR is at /r4, GET / lists the rest';
  assert.deepEqual(await ask('/fhir/R4/metadata'), { status: 404, body: { error: { code: 'not-found', message } } });
});

test('while the server starts, FHIR requests are answered there with an OperationOutcome', async (t) => {
  const server = await listen(readConfig({ PORT: '0', BASE_URL }));
  t.after(async () => {
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });
    return [response.status, ((await response.json()) as { resourceType?: string }).resourceType];
  };
  assert.deepEqual(await ask('/r4/Patient'), [503, 'OperationOutcome']);
  assert.deepEqual(await ask('/fhir/R4/Patient'), [503, undefined]);
});
