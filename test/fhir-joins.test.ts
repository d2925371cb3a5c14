// Chains, _has, _list, _filter, _query and compartments over HTTP: https://hl7.org/fhir/R4/search.html#chaining
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { put } from './bundle-entries.ts';
import { assertOutcome, type Client, createClient, entries, ids, linkOf } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;

const reference = (to: string) => ({ reference: to });
const coded = (code: string) => ({ coding: [{ system: 'http://loinc.org', code }] });
const observation = (id: string, patient: string, code: string, more: Record<string, unknown> = {}) =>
  put('Observation', id, { status: 'final', code: coded(code), subject: reference(`Patient/${patient}`), ...more });
const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';

before(async () => {
  server = await startTestServer();
  fhir = createClient(server.fhirBaseUrl);
  const patient = (id: string, family: string, more: Record<string, unknown>) =>
    put('Patient', id, { name: [{ family }], ...more });
  const reply = await fhir('POST', '', {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      put('Organization', 'top', { name: 'Top' }),
      put('Organization', 'north', { name: 'North Clinic', partOf: reference('Organization/top') }),
      put('Practitioner', 'dora', { name: [{ family: 'Hill' }] }),
      patient('a', 'Alder', {
        ...{ gender: 'female', generalPractitioner: [reference('Practitioner/dora')] },
        managingOrganization: reference('Organization/north'),
      }),
      patient('b', 'Birch', { gender: 'male', link: [{ other: reference('Patient/a'), type: 'seealso' }] }),
      patient('c', 'Cedar', { gender: 'female', managingOrganization: reference('Organization/top') }),
      put('Location', 'ward', { name: 'Ward 3' }),
      put('Encounter', 'ea', {
        ...{ status: 'in-progress', class: { system: ACT, code: 'IMP' }, subject: reference('Patient/a') },
        ...{ location: [{ location: reference('Location/ward') }], serviceProvider: reference('Organization/north') },
      }),
      put('Encounter', 'eb', {
        status: 'finished',
        class: { system: ACT, code: 'IMP' },
        subject: reference('Patient/b'),
      }),
      put('Encounter', 'ec', {
        status: 'in-progress',
        class: { system: ACT, code: 'AMB' },
        subject: reference('Patient/c'),
      }),
      observation('oa1', 'a', '1', { encounter: reference('Encounter/ea'), effectiveDateTime: '2026-01-01' }),
      observation('oa2', 'a', '2', { performer: [reference('Practitioner/dora')] }),
      observation('ob1', 'b', '1', { performer: [reference('Patient/a')] }),
      put('DiagnosticReport', 'r1', { status: 'final', code: coded('r'), result: [reference('Observation/oa2')] }),
      put('Group', '102', { type: 'person', actual: true, member: [{ entity: reference('Patient/a') }] }),
      put('List', '42', { status: 'current', mode: 'working', entry: [{ item: reference('Patient/c') }] }),
      put('Condition', 'open', {
        subject: reference('Patient/a'),
        clinicalStatus: {
          coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }],
        },
      }),
      put('Condition', 'past', {
        subject: reference('Patient/a'),
        clinicalStatus: {
          coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'resolved' }],
        },
      }),
    ],
  });
  assert.equal(reply.status, 200, reply.text);
});
after(() => server.stop());

async function finds(search: string, ...wanted: string[]): Promise<void> {
  const reply = await fhir('GET', search);
  assert.equal(reply.status, 200, `${search}: ${reply.text}`);
  assert.deepEqual(ids(reply).sort(), wanted.sort(), search);
}

const filter = (expression: string): string => `_filter=${encodeURIComponent(expression)}`;

describe('chains', () => {
  test('of one, two and three links, with types and without', async () => {
    await finds('Observation?subject.family=alder', 'oa1', 'oa2');
    await finds('Observation?subject:Patient.general-practitioner:Practitioner.family=hill', 'oa1', 'oa2');
    await finds('Observation?subject.organization.partof.name=top', 'oa1', 'oa2');
    await finds('Observation?encounter.location.name=ward&code=1', 'oa1');
    await finds('Observation?patient.family:exact=alder');
    await finds('Observation?patient.organization:missing=true', 'ob1');
  });

  test('the limits and faults name the parameter', async () => {
    const deep = `${'partof.'.repeat(9)}name`;
    const issue = assertOutcome(await fhir('GET', `Organization?${deep}=x`), 400, 'too-costly', deep);
    assert.match(issue.diagnostics, /a chain may have 8 links/);
    assertOutcome(await fhir('GET', 'Observation?subject.nope=x'), 400, 'not-supported', 'subject.nope');
    assertOutcome(await fhir('GET', 'Observation?code.nope=x'), 400, 'value', 'code.nope');
    const bad = "subject:Patient.name');delete from resource;--";
    assertOutcome(await fhir('GET', `Observation?${encodeURIComponent(bad)}=x`), 400, 'value', bad);
    await finds('Observation?subject:Patient.family=%27);delete from resource;--');
    await finds('Patient', 'a', 'b', 'c');
  });
});

describe('_has', () => {
  test('alone, nested, chained and inside a chain', async () => {
    await finds('Patient?_has:Observation:patient:code=1', 'a', 'b');
    await finds('Patient?_has:Observation:patient:code=1&_has:Observation:patient:code=2', 'a');
    await finds('Patient?_has:Observation:patient:_has:DiagnosticReport:result:code=r', 'a');
    await finds('Patient?_has:Encounter:subject:service-provider.name=north', 'a');
    await finds('Encounter?patient._has:Group:member:_id=102', 'ea');
    await finds('Patient?_has:Observation:patient:code=1&gender=male', 'b');
  });

  test('pages and totals', async () => {
    const first = await fhir('GET', 'Patient?_has:Observation:patient:code=1&_count=1&_total=accurate');
    assert.equal(first.json.total, 2);
    assert.equal(
      linkOf(first, 'self'),
      `${fhir.base}/Patient?_has:Observation:patient:code=1&_count=1&_total=accurate`,
    );
    const second = await fhir('GET', linkOf(first, 'next')!);
    assert.deepEqual([...ids(first), ...ids(second)].sort(), ['a', 'b']);
    assert.equal(linkOf(second, 'next'), undefined);
  });

  test('what is deleted refers to nothing, and is no target', async () => {
    const saved = [observation('gone', 'c', '9'), put('Practitioner', 'gone', { name: [{ family: 'Gone' }] })];
    for (const { resource } of saved) await fhir('PUT', `${resource.resourceType}/gone`, resource);
    await fhir('PUT', 'Patient/d', {
      ...put('Patient', 'd', {}).resource,
      generalPractitioner: [reference('Practitioner/gone')],
    });
    await finds('Patient?_has:Observation:patient:code=9', 'c');
    await finds('Patient?general-practitioner:Practitioner.family=gone', 'd');
    for (const { resource } of saved) assert.equal((await fhir('DELETE', `${resource.resourceType}/gone`)).status, 204);
    await finds('Patient?_has:Observation:patient:code=9');
    await finds('Patient?general-practitioner:Practitioner.family=gone');
    await fhir('DELETE', 'Patient/d');
  });
});

describe('_list', () => {
  test('by id; functional lists are refused', async () => {
    await finds('Patient?_list=42', 'c');
    await finds('Patient?_list=42&gender=male');
    await finds('Encounter?patient._list=42', 'ec');
    assertOutcome(await fhir('GET', 'Patient?_list=$current-problems'), 400, 'not-supported', '_list');
  });
});

describe('_filter', () => {
  test('logic, operators and paths', async () => {
    await finds(`Patient?${filter('family eq "birch" or (gender eq female and organization.name sw top)')}`, 'b', 'c');
    await finds(`Patient?${filter('not (gender eq female)')}`, 'b');
    await finds(`Patient?${filter('organization pr false')}`, 'b');
    await finds(`Patient?${filter('family ew ER and family gt b')}`);
    await finds(
      `Observation?${filter('code eq loinc|1 and subject[gender eq female].organization.name co clinic')}`,
      'oa1',
    );
    await finds(`Observation?${filter('date po 2026')}&code=1`, 'oa1');
    await finds(
      `Patient?${filter('_has:Observation:patient:code eq 1 and _has:Encounter:patient:status eq finished')}`,
      'b',
    );
  });

  test('faults tell the place', async () => {
    const issue = assertOutcome(await fhir('GET', `Patient?${filter('family is x')}`), 400, 'value', '_filter');
    assert.match(issue.diagnostics, /at character 8, before 'is x'/);
    assertOutcome(await fhir('GET', `Patient?${filter('gender sw f')}`), 400, 'value', '_filter');
    assertOutcome(await fhir('GET', `Patient?${filter('('.repeat(10_000))}`), 400, 'too-costly', '_filter');
  });
});

describe('_query', () => {
  test('named queries, with parameters of their own', async () => {
    await finds('Patient?_query=current-inpatients', 'a');
    await finds('Patient?_query=current-inpatients&location=Location/ward&gender=female', 'a');
    await finds('Patient?_query=current-inpatients&location=Location/other');
    await finds('Condition?_query=open-problems&patient=a', 'open');
    assertOutcome(await fhir('GET', 'Patient?_query=nope'), 400, 'not-supported', '_query');
  });

  test('are told in the CapabilityStatement, with their definitions', async () => {
    const { json } = await fhir('GET', 'metadata');
    const [rest] = json.rest as unknown as {
      resource: { type: string; operation: { name: string; definition: string }[] }[];
      searchParam: { name: string }[];
      compartment: string[];
    }[];
    const query = rest!.resource
      .find(({ type }) => type === 'Patient')!
      .operation.find(({ name }) => name === 'current-inpatients');
    assert.equal(query?.definition, `${fhir.base}/OperationDefinition/Patient-current-inpatients`);
    const definition = await fhir('GET', query.definition);
    assert.deepEqual(
      [definition.status, definition.json.kind, definition.json.code],
      [200, 'query', 'current-inpatients'],
    );
    assert.deepEqual(
      rest!.searchParam.map(({ name }) => name),
      // Those that every type has: `_text` is of resources with a narrative alone.
      [
        '_content',
        '_id',
        '_lastUpdated',
        '_profile',
        '_security',
        '_source',
        '_tag',
        '_has',
        '_list',
        '_filter',
        '_query',
      ],
    );
    assert.equal(rest!.compartment.length, 5);
  });
});

describe('compartments', () => {
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };

  test('of one type, by GET and POST', async () => {
    await finds('Patient/a/Observation', 'oa1', 'oa2', 'ob1');
    await finds('Patient/a/Observation?code=1', 'oa1', 'ob1');
    await finds('Practitioner/dora/Observation', 'oa2');
    await finds('Practitioner/dora/Patient', 'a');
    await finds('Encounter/ea/Observation', 'oa1');
    await finds('Patient/a/Patient', 'a', 'b');
    await finds('Patient/nobody/Observation');
    const reply = await fhir('POST', 'Patient/a/Observation/_search?_count=1', 'code=1', form);
    assert.equal(reply.status, 200);
    assert.equal(linkOf(reply, 'self'), `${fhir.base}/Patient/a/Observation?_count=1&code=1`);
    const next = await fhir('GET', linkOf(reply, 'next')!);
    assert.deepEqual([...ids(reply), ...ids(next)].sort(), ['oa1', 'ob1']);
  });

  test('as a whole', async () => {
    const all = ['a', 'b', 'ea', 'oa1', 'oa2', 'ob1', '102', 'open', 'past'];
    await finds('Patient/a/*', ...all);
    await finds('Patient/a/*?_type=Encounter,Condition', 'ea', 'open', 'past');
    await finds('Patient/nobody/*');
    for (const path of ['Patient/a/_search', 'Patient/a/*/_search']) {
      const reply = await fhir('POST', path, '_count=50', form);
      assert.deepEqual(ids(reply).sort(), all.sort(), path);
    }
    const paged: string[] = [];
    for (let url: string | undefined = 'Patient/a/*?_count=2'; url; ) {
      const reply = await fhir('GET', url);
      paged.push(...entries(reply).map((entry) => entry.resource!.id!));
      url = linkOf(reply, 'next');
    }
    assert.deepEqual(paged.sort(), all.sort());
  });

  test('what there is not', async () => {
    assertOutcome(await fhir('GET', 'Observation/oa1/Patient'), 404, 'not-found');
    assertOutcome(await fhir('GET', 'Observation/oa1/*'), 404, 'not-found');
    assertOutcome(await fhir('GET', 'Patient/a/Nope'), 404, 'not-supported');
    assertOutcome(await fhir('GET', 'Nope/a/Observation'), 404, 'not-supported');
    assertOutcome(await fhir('GET', 'Patient/a/Organization'), 400, 'not-supported');
    assertOutcome(await fhir('GET', 'Patient/a%20b/Observation'), 404, 'not-found');
    assertOutcome(await fhir('GET', 'Patient/a/*?_type=Organization'), 400, 'value', '_type');
    assertOutcome(await fhir('DELETE', 'Patient/a/Observation'), 405, 'not-supported');
  });
});

test('a conditional interaction may use them', async () => {
  const body = { resourceType: 'Patient', id: 'b', name: [{ family: 'Birch' }], gender: 'other' };
  const reply = await fhir('PUT', 'Patient?_has:Encounter:patient:status=finished', body);
  assert.equal(reply.status, 200, reply.text);
  assert.equal(reply.json.id, 'b');
  assert.equal((await fhir('DELETE', 'Condition?patient.family=alder&clinical-status=resolved')).status, 204);
  await finds('Condition', 'open');
});
