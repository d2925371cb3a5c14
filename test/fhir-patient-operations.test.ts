// Patient/$match, $merge and $member-match over HTTP: how they are called and what they answer.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { assertOutcome, type Client, createClient, entries, ids } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let client: Client;

const person = {
  resourceType: 'Patient',
  name: [{ family: 'Testperson', given: ['Alpha'] }],
  birthDate: '1980-01-02',
  gender: 'female',
};

const parameters = (...parameter: JsonObject[]) => ({ resourceType: 'Parameters', parameter });
const refer = (name: string, id: string): JsonObject => ({ name, valueReference: { reference: `Patient/${id}` } });

before(async () => {
  server = await startTestServer();
  client = createClient(server.fhirBaseUrl);
  for (const id of ['a', 'b']) {
    const identifier = [{ system: 'urn:test:mrn', value: id }];
    assert.equal((await client('PUT', `Patient/${id}`, { ...person, id, identifier })).status, 201);
  }
  await client('PUT', 'Observation/o', {
    ...{ resourceType: 'Observation', id: 'o', status: 'final', code: { text: 'x' } },
    subject: { reference: 'Patient/b' },
  });
  await client('PUT', 'Coverage/c', {
    ...{ resourceType: 'Coverage', id: 'c', status: 'active', subscriberId: 'S-1', payor: [{ display: 'Payer' }] },
    beneficiary: { reference: 'Patient/a' },
  });
});

after(() => server.stop());

describe('$match', () => {
  it('takes a patient alone, its other parameters in the URL', async () => {
    const reply = await client('POST', 'Patient/$match?count=1', {
      ...person,
      identifier: [{ system: 'urn:test:mrn', value: 'b' }],
    });
    assert.deepEqual([reply.status, ids(reply)[0], reply.json.total], [200, 'b', 1]);
    assert.equal((entries(reply)[0]!.search as { score?: number }).score, 1);
  });

  it('answers in XML', async () => {
    const xml =
      '<Patient xmlns="http://hl7.org/fhir"><name><family value="Testperson"/><given value="Alpha"/></name><birthDate value="1980-01-02"/></Patient>';
    const response = await fetch(`${client.base}/Patient/$match`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/fhir+xml', Accept: 'application/fhir+xml' },
      body: xml,
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    assert.match(
      text,
      /<extension url="http:\/\/hl7\.org\/fhir\/StructureDefinition\/match-grade"><valueCode value="probable"\/><\/extension><mode value="match"\/><score value="0\.9\d+"\/>/,
    );
  });

  it('refuses GET, other resources and values that are none', async () => {
    assertOutcome(await client('GET', 'Patient/$match'), 405, 'not-supported');
    assertOutcome(await client('POST', 'Patient/$match', { resourceType: 'Basic', code: { text: 'x' } }), 400, 'value');
    assertOutcome(await client('POST', 'Patient/$match?count=many', person), 400, 'value', 'count');
    assertOutcome(await client('POST', 'Patient/$match', { resourceType: 'Patient' }), 400, 'required', 'resource');
  });
});

describe('$merge', () => {
  const both = [refer('source-patient', 'b'), refer('target-patient', 'a')];

  it('refuses with an OperationOutcome that names the parameter', async () => {
    assertOutcome(await client('GET', 'Patient/$merge'), 405, 'not-supported');
    assertOutcome(await client('POST', 'Patient/$merge', parameters(both[1]!)), 400, 'required', 'source-patient');
    const unknown = parameters(refer('source-patient', 'none'), both[1]!);
    assertOutcome(await client('POST', 'Patient/$merge', unknown), 422, 'business-rule', 'source-patient');
  });

  it('merges; the old identifier finds the patient that stays, and so does a conditional request', async () => {
    const reply = await client('POST', 'Patient/$merge', parameters(...both));
    assert.equal(reply.status, 200, reply.text);
    const source = await client('GET', 'Patient/b');
    assert.deepEqual([source.status, source.headers.get('etag'), source.json.active], [200, 'W/"2"', false]);
    assert.deepEqual(ids(await client('GET', 'Patient?identifier=urn:test:mrn|b')), ['a']);
    assert.deepEqual(ids(await client('GET', 'Observation?patient=a')), ['o']);
    const created = await client('POST', 'Patient', person, { 'If-None-Exist': 'identifier=urn:test:mrn|b' });
    assert.deepEqual([created.status, created.json.id], [200, 'a']);
    assertOutcome(await client('POST', 'Patient/$merge', parameters(...both)), 422, 'business-rule', 'source-patient');
  });
});

describe('$member-match', () => {
  const asked = (subscriberId: string) =>
    parameters(
      { name: 'MemberPatient', resource: person },
      {
        name: 'CoverageToMatch',
        resource: {
          ...{ resourceType: 'Coverage', status: 'active', subscriberId },
          ...{ beneficiary: { display: 'member' }, payor: [{ display: 'Payer' }] },
        },
      },
    );

  it('finds the member, or says 422', async () => {
    const { status, json } = await client('POST', 'Patient/$member-match', asked('S-1'));
    const [identifier, id] = json.parameter as { valueIdentifier?: JsonObject; valueReference?: JsonObject }[];
    assert.deepEqual(
      [status, identifier!.valueIdentifier!.value, id!.valueReference],
      [200, 'a', { reference: 'Patient/a' }],
    );
    assertOutcome(await client('POST', 'Patient/$member-match', asked('S-2')), 422, 'not-found', 'MemberPatient');
    assertOutcome(
      await client('POST', 'Patient/$member-match', { resourceType: 'Parameters' }),
      400,
      'required',
      'MemberPatient',
    );
    assertOutcome(await client('GET', 'Patient/$member-match'), 405, 'not-supported');
  });
});
