// JSON may have objects with a `toString` of their own, which JavaScript can't turn into text: where a name should be, that is the
// caller's fault, and told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertOutcome, entries } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests();

/** And a list whose text is built up by a call for each level. */
const odd = [
  { toString: 'x', valueOf: 'y' },
  [{ toString: null }],
  JSON.parse(`${'['.repeat(60)}${']'.repeat(60)}`) as object,
];
const parameters = (...parameter: object[]) => ({ resourceType: 'Parameters', parameter });
const bundle = (type: string, method: string, resource: object) => ({
  ...{ resourceType: 'Bundle', type },
  entry: [{ request: { method, url: method === 'POST' ? 'Patient' : 'Patient/x' }, resource }],
});

test('as the type of a resource', async () => {
  for (const resourceType of odd) {
    const told = /^(an object|an array) instead of a type$/;
    const diagnosticsOf = ({ diagnostics }: { diagnostics: string }) =>
      assert.match(diagnostics.replace(/^.*resource is /, ''), told);
    const given = parameters({ name: 'resource', resource: { resourceType } });
    diagnosticsOf(assertOutcome(await fhir('POST', 'Patient/$validate', given), 400, 'invalid', 'resource'));
    for (const method of ['POST', 'PUT']) {
      const place = 'Bundle.entry[0].resource';
      const transaction = bundle('transaction', method, { resourceType });
      diagnosticsOf(assertOutcome(await fhir('POST', '', transaction), 400, 'invalid', place));
      const batch = await fhir('POST', '', bundle('batch', method, { resourceType }));
      assert.match(entries(batch)[0]!.response!.status!, /^400/, batch.text);
    }
  }
});

test('as the name of a parameter', async () => {
  for (const name of odd) {
    const given = parameters({ name, valueString: 'x' });
    // A Parameters resource in which there is nothing of its own is what $validate is asked about.
    const validated = await fhir('POST', '$validate', given);
    assert.equal(validated.status, 200, validated.text);
    assert.match(validated.text, /Parameters\.parameter\[0\]\.name: must be a s/);
    for (const operation of ['Patient/$match', 'CodeSystem/$lookup', '$closure', '$graphql'])
      assertOutcome(await fhir('POST', operation, given), 400, 'structure', 'Parameters.parameter[0].name');
    const { status, text } = await fhir('POST', '$graphql', given, { 'Content-Type': 'application/json' });
    assert.match(text, /has no parameter 'an (object|array)'/);
    assert.equal(status, 400);
  }
});

test('as the type of a resource in GraphQL', async () => {
  for (const resourceType of odd) {
    const query = 'mutation M($res: PatientInput!) { PatientCreate(res: $res) { id } }';
    const type = { 'Content-Type': 'application/json' };
    const { status, text } = await fhir('POST', '$graphql', { query, variables: { res: { resourceType } } }, type);
    assert.match(text, /takes a Patient, 'res' is (an object|an array) instead of a type/);
    assert.equal(status, 400);
  }
});
