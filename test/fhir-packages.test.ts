// FHIR packages over HTTP: $load-package, IG_PACKAGES and what the CapabilityStatement tells of them.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { readConfig } from '#platform';
import {
  type PackageRegistry,
  type PackageSketch,
  packageOf,
  packageParts,
  sampleProfile,
  sampleSearchParameter,
  sampleValueSet,
  startPackageRegistry,
  testConnection,
  testLog,
  tgzOf,
  waitFor,
} from '#platform/testing';
import { startServer } from '../bin/server.ts';
import { assertOutcome, type Client, createClient, ids, type Reply } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let registry: PackageRegistry;
let server: TestServer;
let fhir: Client;

before(async () => {
  registry = await startPackageRegistry();
  server = await startTestServer({ PACKAGE_REGISTRY: `${registry.url}/packages` });
  fhir = createClient(server.fhirBaseUrl);
});
after(async () => {
  await server.stop();
  await registry.close();
});

const send = (bytes: Buffer, more: JsonObject[] = [], client = fhir): Promise<Reply> =>
  client('POST', '$load-package', {
    resourceType: 'Parameters',
    parameter: [{ name: 'package', valueBase64Binary: bytes.toString('base64') }, ...more],
  });

const load = (sketch: PackageSketch, more: JsonObject[] = []): Promise<Reply> => send(packageOf(sketch), more);

interface Part {
  name: string;
  part?: Part[];
  resource?: Resource;
  [value: string]: unknown;
}

/** Of each package: the parts' names with their values. */
const toldOf = ({ json }: Reply): Record<string, unknown>[] =>
  ((json.parameter ?? []) as Part[]).map(({ part = [] }) =>
    Object.fromEntries(part.map(({ name, ...value }) => [name, Object.values(value)[0]])),
  );

interface Statement {
  implementationGuide?: string[];
  rest: { resource: { type: string; supportedProfile?: string[]; searchParam: { name: string }[] }[] }[];
}

const statement = async (client = fhir): Promise<Statement> =>
  (await client('GET', 'metadata')).json as unknown as Statement;

const resourceOf = ({ rest }: Statement, type: string) => rest[0]!.resource.find((one) => one.type === type)!;

describe('$load-package', () => {
  test('stores what is sent; it is found by search, and the CapabilityStatement tells of it', async () => {
    assert.equal((await statement()).implementationGuide, undefined);
    const guide: Resource = {
      ...{ resourceType: 'ImplementationGuide', id: 'guide', url: 'http://test.example/guide', version: '1.0.0' },
      ...{ name: 'Guide', status: 'active', packageId: 'test.guide', fhirVersion: ['4.0.1'] },
    };
    const reply = await load({
      dependencies: { 'gone.guide': '2.0.0' },
      files: {
        'ImplementationGuide-guide.json': guide,
        'StructureDefinition-painted.json': sampleProfile('painted', 'Patient'),
        'SearchParameter-mark.json': sampleSearchParameter(
          'mark',
          "Patient.extension('urn:mark').value.ofType(string)",
        ),
        'ValueSet-wrong.json': sampleValueSet('wrong', '1.0.0', { status: 'great' }),
      },
    });
    assert.equal(reply.status, 200, reply.text);
    const [told] = toldOf(reply);
    const { refused, ...rest } = told!;
    assert.deepEqual(rest, {
      ...{ name: 'test.guide', version: '1.0.0', outcome: 'installed', created: 3, present: 0 },
      missing: 'gone.guide#2.0.0',
    });
    const [issue] = (refused as Resource).issue as { diagnostics: string; expression: string[] }[];
    assert.match(issue!.diagnostics, /^package\/ValueSet-wrong\.json: ValueSet\.status/);
    assert.deepEqual(issue!.expression, ['ValueSet.status']);

    const url = 'http://test.example/StructureDefinition/painted';
    assert.deepEqual(ids(await fhir('GET', `StructureDefinition?url=${url}`)), ['painted-1.0.0']);
    const told1 = await statement();
    assert.deepEqual(told1.implementationGuide, ['http://test.example/guide|1.0.0']);
    assert.deepEqual(resourceOf(told1, 'Patient').supportedProfile, [url]);
    assert.equal(resourceOf(told1, 'Observation').supportedProfile, undefined);
    assert.ok(resourceOf(told1, 'Patient').searchParam.some(({ name }) => name === 'mark'));
  });

  test('of two versions of a profile tells both, until one is deleted', async () => {
    const files = { 'a.json': sampleProfile('painted', 'Patient', '2.0.0') };
    assert.equal((await load({ version: '2.0.0', files })).status, 200);
    const url = 'http://test.example/StructureDefinition/painted';
    assert.deepEqual(resourceOf(await statement(), 'Patient').supportedProfile, [`${url}|1.0.0`, `${url}|2.0.0`]);
    assert.equal((await fhir('DELETE', 'StructureDefinition/painted-2.0.0')).status, 204);
    assert.deepEqual(resourceOf(await statement(), 'Patient').supportedProfile, [url]);
  });

  test('indexes what is there by its search parameters, in the background', async () => {
    await fhir('PUT', 'Goal/old', {
      ...{ resourceType: 'Goal', id: 'old', lifecycleStatus: 'active', description: { text: 'Walk' } },
      subject: { display: 'Test' },
    });
    const parameter = sampleSearchParameter('words', 'Goal.description.text', { base: ['Goal'] });
    const reply = await load({ name: 'words.guide', files: { 'a.json': parameter } });
    const job = toldOf(reply)[0]!.job as string;
    assert.match(job, /^[0-9a-f-]{36}$/);
    await waitFor(async () => (await fhir('GET', `$reindex-status?job=${job}`)).status === 200, 'the rebuild to end');
    assert.deepEqual(ids(await fhir('GET', 'Goal?words=walk', undefined, { Prefer: 'handling=strict' })), ['old']);
  });

  test('takes a url below the registry, and no other', async () => {
    registry.answers.set(
      '/packages/far.guide/1.0.0',
      packageOf({ name: 'far.guide', dependencies: { 'near.guide': '1.0.0' } }),
    );
    registry.answers.set('/packages/near.guide/1.0.0', packageOf({ name: 'near.guide' }));
    registry.answers.set('/elsewhere/far.guide/1.0.0', packageOf({ name: 'far.guide' }));
    const take = (url: string) =>
      fhir('POST', '$load-package', { resourceType: 'Parameters', parameter: [{ name: 'url', valueUri: url }] });
    const reply = await take(`${registry.url}/packages/far.guide/1.0.0`);
    assert.deepEqual(
      toldOf(reply).map(({ name, outcome }) => `${name} ${outcome}`),
      ['near.guide installed', 'far.guide installed'],
    );
    const asked = registry.asked.length;
    for (const url of [
      `${registry.url}/elsewhere/far.guide/1.0.0`,
      `${registry.url}/packages/../elsewhere/far.guide/1.0.0`,
      `${registry.url}/packages`,
      'http://169.254.169.254/packages/far.guide/1.0.0',
      'file:///etc/passwd',
      'packages/far.guide',
    ]) {
      assertOutcome(await take(url), 403, 'forbidden', 'url');
    }
    assert.equal(registry.asked.length, asked);
    assertOutcome(await take(`${registry.url}/packages/gone/1.0.0`), 404, 'not-found');
  });

  test('refuses what is no package, and stores nothing of it', async () => {
    const evil = packageParts({ name: 'evil.guide', files: { 'a.json': sampleValueSet('evil') } });
    const cases: [Buffer, number, string][] = [
      [Buffer.from('nothing'), 400, 'invalid'],
      [tgzOf([{ name: 'package/a.json', content: '{}' }]), 400, 'invalid'],
      [tgzOf([...evil, { name: '../../etc/cron', content: 'x' }]), 400, 'invalid'],
      [packageOf({ fhirVersions: ['5.0.0'] }), 400, 'not-supported'],
      [
        tgzOf([
          ...packageParts({ name: 'bomb.guide' }),
          { name: 'package/b.json', content: Buffer.alloc(65 * 2 ** 20, ' ') },
        ]),
        413,
        'too-long',
      ],
    ];
    for (const [bytes, status, code] of cases) assertOutcome(await send(bytes), status, code);
    assert.deepEqual(ids(await fhir('GET', 'ValueSet?url=http://test.example/ValueSet/evil')), []);
    const empty = { resourceType: 'Parameters' };
    const outcome = assertOutcome(await fhir('POST', '$load-package', empty), 400, 'required');
    assert.deepEqual(outcome.expression, ['package', 'url']);
    const both = [{ name: 'url', valueUri: `${registry.url}/packages/x/1` }];
    assertOutcome(await load({}, both), 400, 'required');
    assertOutcome(await fhir('GET', '$load-package?url=http://x.example'), 405, 'not-supported');
    const text = { resourceType: 'Parameters', parameter: [{ name: 'package', valueString: 'abc' }] };
    assert.equal((await fhir('POST', '$load-package', text)).status, 400);
  });

  test('without a registry no address is called', async () => {
    const alone = await startTestServer();
    try {
      const client = createClient(alone.fhirBaseUrl);
      const parameter = [{ name: 'url', valueUri: `${registry.url}/packages/near.guide/1.0.0` }];
      const reply = await client('POST', '$load-package', { resourceType: 'Parameters', parameter });
      assertOutcome(reply, 403, 'forbidden', 'url');
    } finally {
      await alone.stop();
    }
  });
});

test('IG_PACKAGES are loaded after the start, once; what cannot be loaded keeps nothing else away', async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-packages-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [fine, broken] = [path.join(folder, 'fine.tgz'), path.join(folder, 'broken.tgz')];
  await writeFile(fine, packageOf({ files: { 'a.json': sampleProfile('painted', 'Patient') } }));
  await writeFile(broken, 'broken');
  const connection = await testConnection(t);
  const config = readConfig({
    ...{ PORT: '0', MLLP_PORT: '0', MQTT_PORT: '0' },
    IG_PACKAGES: `${broken}, ${path.join(folder, 'gone.tgz')}, ${fine}`,
  });
  for (const round of [1, 2]) {
    const started = await startServer({ config, log: testLog(), connection });
    try {
      const client = createClient(started.fhirBaseUrl);
      await waitFor(
        async () => resourceOf(await statement(client), 'Patient').supportedProfile !== undefined,
        'the package',
      );
      const found = await client('GET', 'StructureDefinition?url=http://test.example/StructureDefinition/painted');
      assert.deepEqual(ids(found), ['painted-1.0.0'], `start ${round}`);
      assert.equal((await client('GET', 'StructureDefinition/painted-1.0.0')).json.meta?.versionId, '1');
    } finally {
      await started.stop();
    }
  }
});
