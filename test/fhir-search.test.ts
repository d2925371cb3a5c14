// Search over HTTP: https://hl7.org/fhir/R4/search.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { put } from './bundle-entries.ts';
import { assertOutcome, type Client, createClient, entries, ids, linkOf } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;

const LOINC = 'http://loinc.org';
const UCUM = 'http://unitsofmeasure.org';
const observation = (id: string, code: string, date: string, value: number, more: Record<string, unknown> = {}) =>
  put('Observation', id, {
    status: 'final',
    code: { coding: [{ system: LOINC, code }], text: 'a text' },
    subject: { reference: 'Patient/p1' },
    effectiveDateTime: date,
    valueQuantity: { value, unit: 'beats', system: UCUM, code: '/min' },
    ...more,
  });

before(async () => {
  server = await startTestServer();
  fhir = createClient(server.fhirBaseUrl);
  const reply = await fhir('POST', '', {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      put('Organization', 'org', { name: 'Sankt Mär Klinik' }),
      put('Patient', 'p1', {
        name: [{ family: 'Müller', given: ['Änne', 'Eva'] }],
        gender: 'female',
        birthDate: '1980-05',
        identifier: [{ system: 'urn:mrn', value: 'A1' }],
        managingOrganization: { reference: 'Organization/org' },
      }),
      put('Patient', 'p2', {
        name: [{ family: 'Mueller' }],
        gender: 'male',
        birthDate: '1990-12-31',
        identifier: [{ value: 'A1' }],
      }),
      put('Patient', 'p3', { name: [{ family: '100%_sure\\' }], active: true }),
      observation('o1', '8867-4', '2026-01-01T10:00:00+01:00', 60),
      observation('o2', '8867-4', '2026-01-02', 80.5),
      observation('o3', '9279-1', '2026-02', 16, { status: 'amended' }),
      observation('o4', '8867-4', '2026-03-01T00:00:00Z', 90, { subject: { reference: 'Patient/p2' } }),
      put('Observation', 'o5', { status: 'final', code: { text: 'no code' }, valueQuantity: { value: 5, unit: 'mg' } }),
      put('Encounter', 'e1', {
        status: 'finished',
        class: { code: 'AMB' },
        subject: { reference: 'Patient/p1' },
        period: { start: '2026-01-01', end: '2026-01-03' },
      }),
      put('Encounter', 'e2', {
        status: 'in-progress',
        class: { code: 'IMP' },
        subject: { reference: 'Patient/p1' },
        period: { start: '2026-01-02' },
      }),
      put('ValueSet', 'v1', { status: 'draft', url: 'http://example.org/vs/a/b' }),
      put('RiskAssessment', 'r1', {
        status: 'final',
        subject: { reference: 'Patient/p1' },
        prediction: [{ probabilityDecimal: 0.25 }],
      }),
    ],
  });
  assert.equal(reply.status, 200, reply.text);
});
after(() => server.stop());

/** query → ids in any order. */
const cases: [string, string[]][] = [
  ['Observation?code=8867-4', ['o1', 'o2', 'o4']],
  [`Observation?code=${LOINC}|8867-4`, ['o1', 'o2', 'o4']],
  [`Observation?code=${LOINC}|`, ['o1', 'o2', 'o3', 'o4']],
  ['Observation?code=|8867-4', []],
  ['Observation?code=8867-4,9279-1', ['o1', 'o2', 'o3', 'o4']],
  ['Observation?code=8867-4&status=amended', []],
  ['Observation?code:not=8867-4', ['o3', 'o5']],
  ['Observation?code:missing=true', []],
  ['Observation?code:missing=false', ['o1', 'o2', 'o3', 'o4', 'o5']],
  ['Patient?identifier=urn:mrn|A1', ['p1']],
  ['Patient?identifier=|A1', ['p2']],
  ['Patient?identifier=A1', ['p1', 'p2']],
  ['Patient?family=muller', ['p1']],
  ['Patient?family=MÜLL', ['p1']],
  ['Patient?family:exact=Müller', ['p1']],
  ['Patient?family:exact=müller', []],
  ['Patient?family:contains=ELL', ['p2']],
  ['Patient?name=eva', ['p1']],
  ['Patient?family=100%25_sure\\\\', ['p3']],
  ['Patient?family=200%25', []],
  ['Patient?family:exact=100%25_sure\\\\', ['p3']],
  ['Patient?family:exact=100__sure\\\\', []],
  ['Patient?active=true', ['p3']],
  ['Patient?gender:missing=true', ['p3']],
  ['Patient?birthdate=1980', ['p1']],
  ['Patient?birthdate=1980-05-01', []],
  ['Patient?birthdate=lt1985', ['p1']],
  ['Patient?birthdate=ge1990-12-31', ['p2']],
  ['Patient?_id=p1,p3', ['p1', 'p3']],
  ['Patient?_id=nobody', []],
  ['Observation?subject=Patient/p2', ['o4']],
  ['Observation?subject=p2', ['o4']],
  ['Observation?patient=p2', ['o4']],
  ['Observation?subject:Patient=p2', ['o4']],
  ['Observation?subject:Group=p2', []],
  ['Observation?date=2026-01-01', ['o1']],
  ['Observation?date=2026-01', ['o1', 'o2']],
  ['Observation?date=2026-02-14', []],
  ['Observation?date=gt2026-01-31', ['o3', 'o4']],
  ['Observation?date=ge2026-01-02&date=lt2026-02-01', ['o2']],
  ['Observation?date=sa2026-02-28', ['o4']],
  ['Observation?date=eb2026-01-02', ['o1']],
  ['Observation?date=ne2026-01', ['o3', 'o4']],
  ['Encounter?date=2026-01-02', []],
  ['Encounter?date=ge2026-01-03', ['e1', 'e2']],
  ['Encounter?date=gt2026-01-03', ['e2']],
  ['Encounter?date=le2026-01-01', ['e1']],
  ['Encounter?date=2026', ['e1']],
  ['Observation?value-quantity=60', ['o1']],
  [`Observation?value-quantity=80.5|${UCUM}|/min`, ['o2']],
  ['Observation?value-quantity=80.5||/min', ['o2']],
  ['Observation?value-quantity=80.5||kg', []],
  ['Observation?value-quantity=5||mg', ['o5']],
  ['Observation?value-quantity=gt80', ['o2', 'o4']],
  ['Observation?value-quantity=le16', ['o3', 'o5']],
  ['Observation?value-quantity=ap58', ['o1']],
  ['RiskAssessment?probability=0.25', ['r1']],
  ['RiskAssessment?probability=gt0.25', []],
  ['RiskAssessment?probability=0.3', ['r1']],
  ['ValueSet?url=http://example.org/vs/a/b', ['v1']],
  ['ValueSet?url=http://example.org/vs', []],
  ['ValueSet?url:below=http://example.org/vs', ['v1']],
  ['ValueSet?url:above=http://example.org/vs/a/b/c', ['v1']],
  ['Observation?subject:Patient.family=muller', ['o1', 'o2', 'o3']],
  ['Observation?patient.identifier=urn:mrn|A1&code=9279-1', ['o3']],
  ['Observation?subject.gender=male', ['o4']],
  ['Patient?organization.name=sankt', ['p1']],
  ['Observation?_lastUpdated=gt2100-01-01', []],
  ['Patient?_lastUpdated=ge2000', ['p1', 'p2', 'p3']],
];

describe('criteria', () => {
  for (const [query, expected] of cases) {
    test(query, async () => {
      const reply = await fhir('GET', query.replaceAll('|', '%7C'));
      assert.equal(reply.status, 200, reply.text);
      assert.deepEqual(ids(reply).sort(), expected);
      assert.equal(reply.json.total, expected.length);
      assert.equal((await fhir('GET', `${query.replaceAll('|', '%7C')}&_summary=count`)).json.total, expected.length);
    });
  }

  test('POST _search takes the same, in form and URL', async () => {
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const reply = await fhir('POST', 'Observation/_search?status=final', 'code=8867-4&date=2026-01', form);
    assert.deepEqual(ids(reply).sort(), ['o1', 'o2']);
    assertOutcome(await fhir('POST', 'Observation/_search', {}), 415, 'not-supported');
  });
});

describe('order and pages', () => {
  const ordered = async (query: string) => ids(await fhir('GET', query));

  test('_sort by date, string, quantity, _id and _lastUpdated; what has no value comes last', async () => {
    assert.deepEqual(await ordered('Observation?_sort=date'), ['o1', 'o2', 'o3', 'o4', 'o5']);
    assert.deepEqual(await ordered('Observation?_sort=-date'), ['o4', 'o3', 'o2', 'o1', 'o5']);
    assert.deepEqual(await ordered('Observation?code=8867-4&_sort=-date'), ['o4', 'o2', 'o1']);
    assert.deepEqual(await ordered('Observation?_sort=-value-quantity'), ['o4', 'o2', 'o1', 'o3', 'o5']);
    assert.deepEqual(await ordered('Patient?_sort=family'), ['p3', 'p2', 'p1']);
    assert.deepEqual(await ordered('Patient?_sort=-_id'), ['p3', 'p2', 'p1']);
    assert.deepEqual(await ordered('Observation?_sort=code-value-quantity').catch(() => []), []);
    assert.deepEqual(await ordered('Observation?_sort=status,date'), ['o3', 'o1', 'o2', 'o4', 'o5']);
    assertOutcome(await fhir('GET', 'Observation?_sort=nonsense'), 400, 'not-supported', '_sort');
  });

  for (const query of [
    'Observation?',
    'Observation?_sort=date&',
    'Observation?_sort=-date&',
    'Observation?status=final,amended&_sort=-value-quantity,_id&',
    'Observation?code:missing=false&',
  ]) {
    test(`pages of one: ${query}`, async () => {
      const whole = await ordered(query);
      const seen: string[] = [];
      let url: string | undefined = `${query}_count=1`;
      while (url) {
        const page = await fhir('GET', url);
        assert.equal(page.status, 200, page.text);
        seen.push(...ids(page));
        assert.equal(entries(page).length, 1);
        url = linkOf(page, 'next');
      }
      assert.deepEqual(seen, whole);
    });
  }

  test('pages hold while others write: nothing is skipped or repeated', async () => {
    const first = await fhir('GET', 'Encounter?_count=1');
    const before = ids(first);
    await fhir('PUT', `Encounter/${before[0]}`, {
      resourceType: 'Encounter',
      id: before[0],
      status: 'cancelled',
      class: { code: 'AMB' },
    });
    await fhir('POST', 'Encounter', { resourceType: 'Encounter', status: 'planned', class: { code: 'AMB' } });
    const second = await fhir('GET', linkOf(first, 'next')!);
    assert.deepEqual([...before, ...ids(second)].sort(), ['e1', 'e2']);
    assert.equal(linkOf(second, 'next'), undefined);
    await fhir('PUT', `Encounter/${before[0]}`, {
      resourceType: 'Encounter',
      id: before[0],
      status: 'finished',
      class: { code: 'AMB' },
    });
  });

  test('_count: 0 counts, too much is capped, nonsense is refused', async () => {
    const counted = await fhir('GET', 'Patient?_count=0');
    assert.equal(counted.json.total, 3);
    assert.deepEqual(entries(counted), []);
    assert.equal((await fhir('GET', 'Patient?_count=1000000000')).status, 200);
    assertOutcome(await fhir('GET', 'Patient?_count=-1'), 400, 'value', '_count');
    assertOutcome(await fhir('GET', 'Patient?_count=many'), 400, 'value', '_count');
    assertOutcome(await fhir('GET', 'Patient?_cursor=abc'), 400, 'value', '_cursor');
    const forged = Buffer.from('["1; drop table resource"]').toString('base64url');
    assertOutcome(await fhir('GET', `Patient?_cursor=${forged}`), 400, 'value', '_cursor');
  });

  test('_total', async () => {
    assert.equal((await fhir('GET', 'Observation?_count=2')).json.total, undefined);
    assert.equal((await fhir('GET', 'Observation?_count=2&_total=accurate')).json.total, 5);
    assert.equal(typeof (await fhir('GET', 'Observation?_count=2&_total=estimate')).json.total, 'number');
    assertOutcome(await fhir('GET', 'Observation?_total=some'), 400, 'value', '_total');
  });
});

describe('_include and _revinclude', () => {
  const modes = async (query: string) => {
    const reply = await fhir('GET', query);
    assert.equal(reply.status, 200, reply.text);
    return entries(reply)
      .map((entry) => `${entry.search!.mode} ${entry.resource!.resourceType}/${entry.resource!.id}`)
      .sort();
  };

  test('follow references, each resource once', async () => {
    const expected = ['include Patient/p1', 'match Observation/o1', 'match Observation/o2'];
    assert.deepEqual(await modes('Observation?date=2026-01&_include=Observation:subject'), expected);
    assert.deepEqual(await modes('Observation?date=2026-01&_include=Observation:subject:Patient'), expected);
    assert.deepEqual(await modes('Observation?date=2026-01&_include=Observation:subject:Group'), [
      'match Observation/o1',
      'match Observation/o2',
    ]);
  });

  test('find what refers to the matches', async () => {
    assert.deepEqual(await modes('Patient?_id=p2&_revinclude=Observation:subject'), [
      'include Observation/o4',
      'match Patient/p2',
    ]);
    assert.deepEqual(await modes('Organization?_revinclude=Patient:organization'), [
      'include Patient/p1',
      'match Organization/org',
    ]);
  });

  test('what is wrong is refused', async () => {
    assert.equal((await fhir('GET', 'Patient?_include=Patient:nonsense')).status, 400);
    assert.equal((await fhir('GET', 'Patient?_include=Nonsense:subject')).status, 400);
    assert.equal((await fhir('GET', 'Patient?_include=Patient')).status, 400);
  });
});

describe('what is not known or not supported', () => {
  test('an unknown parameter is left out of the self link, and an error under handling=strict', async () => {
    const lenient = await fhir('GET', 'Patient?nonsense=1&gender=female');
    assert.equal(lenient.status, 200);
    assert.equal(linkOf(lenient, 'self'), `${fhir.base}/Patient?gender=female`);
    const strict = await fhir('GET', 'Patient?nonsense=1', undefined, { Prefer: 'handling=strict' });
    assertOutcome(strict, 400, 'not-supported', 'nonsense');
  });

  test('bad modifiers, prefixes and values name the parameter', async () => {
    assertOutcome(await fhir('GET', 'Patient?family:nonsense=x'), 400, 'value', 'family:nonsense');
    assertOutcome(await fhir('GET', 'Patient?birthdate=yesterday'), 400, 'value', 'birthdate');
    assertOutcome(await fhir('GET', 'Observation?value-quantity=much'), 400, 'value', 'value-quantity');
    assertOutcome(
      await fhir('GET', "Patient?family';drop%20table%20resource;--=x", undefined, { Prefer: 'handling=strict' }),
      400,
      'not-supported',
    );
    assertOutcome(await fhir('GET', 'Nonsense?x=1'), 404, 'not-supported');
  });

  test('10,000 alternatives are refused with the limit', async () => {
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const reply = await fhir(
      'POST',
      'Observation/_search',
      `code=${Array.from({ length: 10_000 }, (_, i) => i).join(',')}`,
      form,
    );
    assert.equal(reply.status, 400);
  });
});
