// `npm run demo` tells its story against a running server, twice in a row, and says so when there is none.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { patientMrn } from '../bin/demo/names.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server?.stop());

const script = path.join(import.meta.dirname, '../bin/demo.ts');

function runDemo(
  environment: Record<string, string>,
  options: string[] = [],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, NODE_TEST_CONTEXT: '', ...environment };
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...options], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

const environment = (): Record<string, string> => ({
  CEREBRA_URL: server.fhirBaseUrl,
  CEREBRA_MLLP: `127.0.0.1:${server.mllpPort}`,
  CEREBRA_MQTT: `mqtt://127.0.0.1:${server.mqttPort}`,
});

test('works, and works again at once', async () => {
  for (const expected of ['47 created, 0 there already', '0 created, 47 there already']) {
    const { code, stdout, stderr } = await runDemo(environment());
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, new RegExp(`47 entries: ${expected}`));
    assert.equal(stdout.match(/^ {3}reading /gm)?.length, 5);
    assert.match(stdout, /notified +PUT \/notify\/Observation\/\S+, Potassium .* 7\.1 mmol\/L \(HH\)/);
    assert.match(stdout, /flag +Flag\/\S+, active: Critically high potassium/);
    assert.match(stdout, /communication +Communication\/\S+, stat/);
  }
});

test('works when its patient was deleted in between', async () => {
  const identifier = encodeURIComponent(`${patientMrn.system}|${patientMrn.value}`);
  const { status } = await fetch(`${server.fhirBaseUrl}/Patient?identifier=${identifier}`, { method: 'DELETE' });
  assert.equal(status, 204);
  const { code, stdout, stderr } = await runDemo(environment());
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /47 entries: 1 created, 46 there already/);
  assert.equal(stdout.match(/^ {3}reading /gm)?.length, 5);
});

test('leaves no Subscription behind', async () => {
  const bundle = await (await fetch(`${server.fhirBaseUrl}/Subscription?_total=accurate`)).json();
  assert.equal((bundle as { total: number }).total, 0);
});

test('says which part is missing', async () => {
  const cases: [Record<string, string>, RegExp][] = [
    [
      { CEREBRA_URL: 'http://127.0.0.1:9/fhir/R4' },
      /no server answers at http:\/\/127\.0\.0\.1:9\/fhir\/R4\. Start one/,
    ],
    [{ CEREBRA_MLLP: '127.0.0.1:9' }, /over MLLP at 127\.0\.0\.1:9: set CEREBRA_MLLP /],
    [{ CEREBRA_MQTT: 'mqtt://127.0.0.1:9' }, /no MQTT broker answers/],
  ];
  for (const [wrong, message] of cases) {
    const { code, stderr } = await runDemo({ ...environment(), ...wrong });
    assert.equal(code, 1);
    assert.match(stderr, message);
  }
});

test('tells of an option that it does not know', async () => {
  const { code, stdout, stderr } = await runDemo({}, ['--bogus']);
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^Unknown option '--bogus'[^\n]*\n\nnpm run demo /);
  assert.doesNotMatch(stderr, /\n {4}at /);
});
