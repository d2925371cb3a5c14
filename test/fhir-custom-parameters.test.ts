// Custom search parameters over HTTP: https://hl7.org/fhir/R4/searchparameter.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { assertOutcome, type Client, createClient, type EntryShape, entries, ids, type Reply } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;

before(async () => {
  server = await startTestServer();
  fhir = createClient(server.fhirBaseUrl);
});
after(() => server.stop());

const URL = 'http://example.org/fhir/SearchParameter';
const EXTENSION = 'http://example.org/fhir/StructureDefinition';

const parameter = (code: string, base: string, type: string, expression: string, more: object = {}): Resource => ({
  resourceType: 'SearchParameter',
  ...{ url: `${URL}/${base}-${code}`, name: code.replaceAll('-', ''), status: 'active', description: `The ${code}` },
  ...{ code, base: [base], type, expression },
  ...more,
});

const create = async (resource: Resource): Promise<string> => {
  const reply = await fhir('POST', resource.resourceType, resource);
  assert.equal(reply.status, 201, reply.text);
  return reply.json.id!;
};

const put = async (resource: Resource, client = fhir): Promise<void> => {
  const reply = await client('PUT', `${resource.resourceType}/${resource.id}`, resource);
  assert.ok(reply.status === 200 || reply.status === 201, reply.text);
};

const valuesOf = ({ json }: Reply): Record<string, unknown> => {
  const values = (json.parameter as unknown as JsonObject[]).map(({ name, ...rest }) => [name, Object.values(rest)[0]]);
  return Object.fromEntries(values) as Record<string, unknown>;
};

/** The states of a parameter, by type. */
async function states(id: string, client = fhir): Promise<Record<string, unknown>> {
  const { json } = await client('GET', `SearchParameter/${id}/$index-status`);
  const found = (json.parameter as unknown as { part: JsonObject[] }[]).map(({ part }) => {
    const value = (name: string) => part.find((one) => one.name === name)?.valueCode;
    return [value('type') ?? '', value('state')];
  });
  return Object.fromEntries(found) as Record<string, unknown>;
}

async function reindex(type: string, client = fhir): Promise<void> {
  const started = await client('POST', `${type}/$reindex`);
  assert.equal(started.status, 202);
  const location = started.headers.get('Content-Location')!;
  await waitFor(async () => {
    const { status, ...reply } = await client('GET', location);
    if (status === 202) return false;
    assert.equal(valuesOf({ status, ...reply }).status, 'done');
    return true;
  }, 'the rebuild to end');
}

const outcomesIn = (reply: Reply): EntryShape[] => entries(reply).filter(({ search }) => search?.mode === 'outcome');
const matchesIn = (reply: Reply): string[] =>
  entries(reply).flatMap(({ search, resource }) => (search?.mode === 'match' ? [resource!.id!] : []));

const colour = (id: string, code: string): Resource => ({
  ...{ resourceType: 'Patient', id },
  extension: [{ url: `${EXTENSION}/colour`, valueCodeableConcept: { coding: [{ system: 'urn:colours', code }] } }],
});

describe('a custom SearchParameter', () => {
  test('finds new resources at once and old ones after $reindex', async () => {
    await put(colour('old', 'red'));
    const id = await create(
      parameter('colour', 'Patient', 'token', `Patient.extension('${EXTENSION}/colour').value as CodeableConcept`),
    );
    await put(colour('new', 'red'));
    await put(colour('other', 'blue'));
    assert.deepEqual(await states(id), { Patient: 'none' });

    const partly = await fhir('GET', 'Patient?colour=urn:colours|red');
    assert.deepEqual(matchesIn(partly), ['new']);
    const [outcome] = outcomesIn(partly);
    const [issue] = outcome!.resource!.issue as unknown as JsonObject[];
    assert.deepEqual([issue!.severity, issue!.code, issue!.expression], ['warning', 'incomplete', ['colour']]);
    assert.match(String(issue!.diagnostics), /\/Patient\/\$reindex/);

    const strict = await fhir('GET', 'Patient?colour=red', undefined, { Prefer: 'handling=strict' });
    assertOutcome(strict, 422, 'incomplete', 'colour');
    assertOutcome(await fhir('GET', 'Patient?colour=red&_summary=count'), 422, 'incomplete', 'colour');

    await reindex('Patient');
    assert.deepEqual(await states(id), { Patient: 'complete' });
    const whole = await fhir('GET', 'Patient?colour=urn:colours|red', undefined, { Prefer: 'handling=strict' });
    assert.deepEqual(ids(whole).sort(), ['new', 'old']);
    assert.equal((await fhir('GET', 'Patient?colour=red&_summary=count')).json.total, 2);
  });
});
