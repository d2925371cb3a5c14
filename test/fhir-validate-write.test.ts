// What writes check beyond structure: profiles that are claimed or required. docs/validation.md
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sendMllp } from '#hl7-engine';
import { assertOutcome, type Client, createClient, entries, type Reply } from './client.ts';
import { serveTests, startTestServer } from './server.ts';

const HEART_RATE = 'http://hl7.org/fhir/StructureDefinition/heartrate';
const VITAL_SIGNS = 'http://hl7.org/fhir/StructureDefinition/vitalsigns';
const UNKNOWN = 'http://example.org/StructureDefinition/unknown';
const JSON_PATCH = { 'Content-Type': 'application/json-patch+json' };

const heartRate = {
  resourceType: 'Observation',
  meta: { profile: [HEART_RATE] },
  status: 'final',
  category: [
    { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] },
  ],
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
  subject: { reference: 'Patient/example' },
  effectiveDateTime: '2026-01-02',
  valueQuantity: { value: 70, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
};
const { subject: _subject, ...withoutSubject } = heartRate;
const claiming = (resource: object, ...profile: string[]) => ({ ...resource, meta: { profile } });

const expressions = (reply: Reply): string[] =>
  (reply.json.issue as unknown as { severity: string; expression?: string[] }[])
    .filter(({ severity }) => severity === 'error')
    .flatMap(({ expression = [] }) => expression);

async function count(fhir: Client, query: string): Promise<unknown> {
  return (await fhir('GET', `${query}${query.includes('?') ? '&' : '?'}_summary=count`)).json.total;
}

describe('by default', () => {
  const fhir = serveTests();

  test('a resource that conforms to what it claims is stored', async () => {
    assert.equal((await fhir('POST', 'Observation', heartRate)).status, 201);
    assert.equal((await fhir('PUT', 'Observation/a', { ...heartRate, id: 'a' })).status, 201);
  });

  test('one that does not is refused with what is wrong, and not stored', async () => {
    const before = await count(fhir, 'Observation');
    const reply = await fhir('POST', 'Observation', withoutSubject);
    assertOutcome(reply, 422, 'required', 'Observation.subject');
    assertOutcome(await fhir('PUT', 'Observation/b', { ...withoutSubject, id: 'b' }), 422, 'required');
    assert.equal(await count(fhir, 'Observation'), before);
  });

  test('structure goes first: 400', async () => {
    assertOutcome(await fhir('POST', 'Observation', { ...withoutSubject, status: 'no' }), 400, 'code-invalid');
  });

  test('claims that are not known count for nothing', async () => {
    assert.equal((await fhir('POST', 'Observation', claiming(withoutSubject, UNKNOWN))).status, 201);
    assertOutcome(await fhir('POST', 'Observation', claiming(withoutSubject, UNKNOWN, HEART_RATE)), 422, 'required');
  });

  test('a patch and $meta-add are refused for what they would make', async () => {
    await fhir('PUT', 'Observation/c', { ...heartRate, id: 'c' });
    const patch = JSON.stringify([{ op: 'remove', path: '/subject' }]);
    assertOutcome(await fhir('PATCH', 'Observation/c', patch, JSON_PATCH), 422, 'required', 'Observation.subject');
    const plain = claiming({ ...withoutSubject, id: 'd' }, UNKNOWN);
    assert.equal((await fhir('PUT', 'Observation/d', plain)).status, 201);
    const add = {
      resourceType: 'Parameters',
      parameter: [{ name: 'meta', valueMeta: { profile: [HEART_RATE] } }],
    };
    assertOutcome(await fhir('POST', 'Observation/d/$meta-add', add), 422, 'required');
    assert.equal((await fhir('GET', 'Observation/d')).json.meta?.versionId, '1');
    assert.equal((await fhir('POST', 'Observation/c/$meta-add', add)).status, 200);
  });

  test('a transaction is refused as a whole, with the entry’s place', async () => {
    const before = await count(fhir, 'Observation');
    const entry = [heartRate, withoutSubject].map((resource) => ({
      resource,
      request: { method: 'POST', url: 'Observation' },
    }));
    const reply = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
    assert.equal(reply.status, 422, reply.text);
    assert.deepEqual(expressions(reply), ['Bundle.entry[1].resource.subject']);
    assert.equal(await count(fhir, 'Observation'), before);
  });

  test('a patch within a transaction is checked before the transaction writes', async () => {
    const data = Buffer.from(JSON.stringify([{ op: 'remove', path: '/subject' }])).toString('base64');
    const patchEntry = (id: string) => ({
      resource: { resourceType: 'Binary', contentType: 'application/json-patch+json', data },
      request: { method: 'PATCH', url: `Observation/${id}` },
    });
    const bundle = (...entry: object[]) => ({ resourceType: 'Bundle', type: 'transaction', entry });
    await fhir('PUT', 'Observation/e', { ...heartRate, id: 'e' });
    await fhir('PUT', 'Observation/f', claiming({ ...heartRate, id: 'f' }, UNKNOWN));
    const reply = await fhir('POST', '', bundle(patchEntry('e')));
    assert.equal(reply.status, 422, reply.text);
    assert.deepEqual(expressions(reply), ['Bundle.entry[0].resource.subject']);
    assert.equal((await fhir('POST', '', bundle(patchEntry('f')))).status, 200);
    assert.equal((await fhir('GET', 'Observation/f')).json.subject, undefined);
  });

  test('a patch within a transaction refers to what the transaction creates', async () => {
    await fhir('PUT', 'Observation/g', { ...heartRate, id: 'g' });
    const urn = 'urn:uuid:0f0b0b5e-7d0c-4d5f-9a53-0f6c1f6f3c10';
    const data = Buffer.from(JSON.stringify([{ op: 'replace', path: '/subject/reference', value: urn }]));
    const patch = {
      resource: {
        resourceType: 'Binary',
        contentType: 'application/json-patch+json',
        data: data.toString('base64'),
      },
      request: { method: 'PATCH', url: 'Observation/g' },
    };
    for (const ifNoneExist of [undefined, 'identifier=urn:test|patched']) {
      const value = ifNoneExist === undefined ? 'plain' : 'patched';
      const patient = {
        fullUrl: urn,
        resource: { resourceType: 'Patient', identifier: [{ system: 'urn:test', value }] },
        request: { method: 'POST', url: 'Patient', ifNoneExist },
      };
      const reply = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [patient, patch] });
      assert.equal(reply.status, 200, reply.text);
      const [created] = entries(reply) as unknown as { response: { location: string } }[];
      const stored = (await fhir('GET', 'Observation/g')).json as { subject?: { reference: string } };
      assert.equal(`${stored.subject!.reference}/_history/1`, created!.response.location);
    }
  });

  test('the result that $merge is given is held to what it claims', async () => {
    const url = 'http://example.org/StructureDefinition/born';
    const born = {
      ...{ resourceType: 'StructureDefinition', id: 'born', url, name: 'Born', status: 'active', kind: 'resource' },
      ...{ abstract: false, type: 'Patient', derivation: 'constraint' },
      baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
      differential: { element: [{ id: 'Patient.birthDate', path: 'Patient.birthDate', min: 1 }] },
    };
    assert.equal((await fhir('PUT', 'StructureDefinition/born', born)).status, 201);
    for (const id of ['source', 'target']) await fhir('PUT', `Patient/${id}`, { resourceType: 'Patient', id });
    const link = [{ other: { reference: 'Patient/source' }, type: 'replaces' }];
    const result = claiming({ resourceType: 'Patient', id: 'target', link }, url);
    const merge = (resource: object, ...more: object[]) =>
      fhir('POST', 'Patient/$merge', {
        resourceType: 'Parameters',
        parameter: [
          ...['source', 'target'].map((id) => ({
            ...{ name: `${id}-patient`, valueReference: { reference: `Patient/${id}` } },
          })),
          { name: 'result-patient', resource },
          ...more,
        ],
      });
    assertOutcome(await merge(result), 422, 'required', 'Patient.birthDate');
    assertOutcome(await merge(result, { name: 'preview', valueBoolean: true }), 422, 'required', 'Patient.birthDate');
    assert.equal((await fhir('GET', 'Patient/target')).json.meta?.versionId, '1');
    assert.equal((await merge({ ...result, birthDate: '1980-01-02' })).status, 200);
  });

  test('of a batch only that entry fails', async () => {
    const entry = [heartRate, withoutSubject].map((resource) => ({
      resource,
      request: { method: 'POST', url: 'Observation' },
    }));
    const reply = await fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry });
    const answers = entries(reply).map(({ response }) => response!);
    assert.deepEqual(
      answers.map(({ status }) => status.slice(0, 3)),
      ['201', '422'],
    );
    const [issue] = answers[1]!.outcome!.issue as unknown as { expression: string[] }[];
    assert.deepEqual(issue!.expression, ['Bundle.entry[1].resource.subject']);
  });

  test('a Bundle that is stored is refused for what its entries claim', async () => {
    const bundle = { resourceType: 'Bundle', type: 'collection', entry: [{ resource: withoutSubject }] };
    const reply = await fhir('POST', 'Bundle', bundle);
    assertOutcome(reply, 422, 'required', 'Bundle.entry[0].resource.subject');
  });
});

describe('VALIDATION_RECORD', () => {
  const fhir = serveTests({ VALIDATION_RECORD: VITAL_SIGNS });
  const { valueQuantity: _value, effectiveDateTime: _effective, ...bare } = heartRate;
  const tags = ({ json }: Reply) => json.meta?.tag?.map(({ system, code }) => `${system}|${code}`);
  const TAG = 'urn:cerebra:validation|nonconformant';

  test('a profile whose faults are recorded keeps nothing out; the resource is tagged until it conforms', async () => {
    const wrong = claiming({ ...bare, id: 'a' }, VITAL_SIGNS);
    const stored = await fhir('PUT', 'Observation/a', wrong);
    assert.equal(stored.status, 201, stored.text);
    assert.deepEqual(tags(stored), [TAG]);
    assert.equal(await count(fhir, `Observation?_tag=${encodeURIComponent(TAG)}`), 1);
    const back = (await fhir('GET', 'Observation/a')).json;
    const mended = { ...back, effectiveDateTime: '2026-01-02', valueQuantity: heartRate.valueQuantity };
    const updated = await fhir('PUT', 'Observation/a', mended);
    assert.equal(updated.status, 200, updated.text);
    assert.equal(tags(updated), undefined);
    assert.equal(await count(fhir, `Observation?_tag=${encodeURIComponent(TAG)}`), 0);
    const metrics = await (await fetch(new URL('/metrics', fhir.base))).text();
    assert.match(metrics, /^cerebra_validation_recorded_total\{type="Observation"\} 1$/m);
  });

  test('$validate tells the faults, and that a write takes it', async () => {
    const wrong = claiming(bare, VITAL_SIGNS);
    const reply = await fhir('POST', 'Observation/$validate?mode=create', wrong);
    assert.equal(reply.status, 200);
    const issues = reply.json.issue as unknown as { severity: string; diagnostics: string }[];
    assert.equal(issues[0]!.severity, 'error');
    assert.match(issues.at(-1)!.diagnostics, /^A write takes it all the same/);
    const refused = await fhir('POST', 'Observation/$validate?mode=create', withoutSubject);
    assert.deepEqual(expressions(refused), ['Observation.subject']);
    assert.doesNotMatch(refused.text, /A write takes it/);
  });

  test('other profiles are enforced as ever', async () => {
    assertOutcome(await fhir('POST', 'Observation', withoutSubject), 422, 'required', 'Observation.subject');
  });
});

describe('VALIDATION and VALIDATION_PROFILES', () => {
  const fhir = serveTests({
    VALIDATION: 'structure, Basic=off',
    VALIDATION_PROFILES: `Observation=${VITAL_SIGNS}, Patient=${UNKNOWN}`,
  });

  test('a required profile holds for who does not claim it, claims themselves are not looked at', async () => {
    const { meta: _meta, ...unclaimed } = withoutSubject;
    assertOutcome(await fhir('POST', 'Observation', unclaimed), 422, 'required', 'Observation.subject');
    const percent = { ...heartRate, valueQuantity: { ...heartRate.valueQuantity, unit: '%', code: '%' } };
    assert.equal((await fhir('POST', 'Observation', percent)).status, 201);
  });

  test('a required profile that is not here lets nothing in', async () => {
    const issue = assertOutcome(await fhir('POST', 'Patient', { resourceType: 'Patient' }), 503, 'transient');
    assert.match(issue.diagnostics, /VALIDATION_PROFILES/);
  });

  test('$validate with mode=create tells what a required profile refuses', async () => {
    const { meta: _meta, ...unclaimed } = withoutSubject;
    assert.deepEqual(expressions(await fhir('POST', 'Observation/$validate?mode=create', unclaimed)), [
      'Observation.subject',
    ]);
    assert.deepEqual(expressions(await fhir('POST', 'Observation/$validate', unclaimed)), []);
    const reply = await fhir('POST', 'Patient/$validate?mode=create', { resourceType: 'Patient', active: true });
    assert.match(reply.text, /VALIDATION_PROFILES\), which is not known here/);
  });

  test('off: not even structure', async () => {
    const odd = { resourceType: 'Basic', what: 'ever' };
    assert.equal((await fhir('POST', 'Basic', odd)).status, 201);
    assertOutcome(await fhir('POST', 'List', { resourceType: 'List', what: 'ever' }), 400, 'structure');
  });
});

test('an HL7v2 message that yields what a required profile refuses is answered AE, and leaves nothing', async (t) => {
  const server = await startTestServer({ VALIDATION_PROFILES: `Observation=${VITAL_SIGNS}` });
  t.after(() => server.stop());
  const message = [
    'MSH|^~\\&|TESTLAB|TESTHOSP|EHR|TESTHOSP|20260131120000+0000||ORU^R01^ORU_R01|V1|P|2.5.1',
    'PID|1||P1^^^TESTHOSP&2.999.5&ISO^MR||Labname^Anna||19800102|F',
    'OBR|1|PO1^EHR|FO1^LAB|24323-8^Panel^LN|||20260131080000|||||||||||||||20260131113000||CH|F',
    'OBX|1|NM|2823-3^Potassium^LN||4.9|mmol/L^^UCUM|3.5-5.1|N|||F',
  ].join('\r');
  const acknowledgment = (await sendMllp(server.host, server.mllpPort, message, { timeoutMs: 120_000 })).toString();
  assert.match(acknowledgment, /^MSA\|AE\|V1/m);
  assert.match(acknowledgment, /Refused by the store: .*Observation/);
  const fhir = createClient(server.fhirBaseUrl);
  assert.equal(await count(fhir, 'Observation'), 0);
  assert.equal(await count(fhir, 'Patient'), 0);
});

test('an HL7v2 message that admits a new patient is stored where a required profile holds for the encounter', async (t) => {
  const server = await startTestServer({
    VALIDATION_PROFILES: 'Encounter=http://hl7.org/fhir/StructureDefinition/Encounter',
  });
  t.after(() => server.stop());
  const visit = [1, 'I', 'W1^1^1', ...Array(15).fill(''), 'V1^^^TESTHOSP&2.999.6&ISO^VN'].join('|');
  const message = [
    'MSH|^~\\&|TESTADT|TESTHOSP|EHR|TESTHOSP|20260131120000+0000||ADT^A01^ADT_A01|V2|P|2.5.1',
    'EVN||20260131120000',
    'PID|1||P2^^^TESTHOSP&2.999.5&ISO^MR||Name^Anna||19800102|F',
    `PV1|${visit}${'|'.repeat(25)}20260131120000`,
  ].join('\r');
  const acknowledgment = (await sendMllp(server.host, server.mllpPort, message, { timeoutMs: 120_000 })).toString();
  assert.match(acknowledgment, /^MSA\|AA\|V2/m);
  const fhir = createClient(server.fhirBaseUrl);
  const patient = entries(await fhir('GET', 'Patient'))[0]!.resource!;
  const encounter = (await fhir('GET', `Encounter?subject=Patient/${patient.id}`)).json;
  assert.equal(encounter.total, 1);
});
