// Patient/$everything and Encounter/$everything: https://hl7.org/fhir/R4/patient-operation-everything.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { assertOutcome, type Client, createClient, entries, linkOf, type Reply } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;

const ref = (reference: string) => ({ reference });
const code = { text: 'c' };

/** Two patients; what is `a…` belongs to patient A, `b…` to B, the rest to nobody. */
const scene: JsonObject[] = [
  { resourceType: 'Organization', id: 'org', name: 'Clinic' },
  { resourceType: 'Organization', id: 'org-unused', name: 'Elsewhere' },
  { resourceType: 'Practitioner', id: 'doc', name: [{ family: 'Doc' }] },
  { resourceType: 'Practitioner', id: 'doc-b', name: [{ family: 'Other' }] },
  { resourceType: 'Medication', id: 'med', code },
  { resourceType: 'Location', id: 'loc', name: 'Ward', managingOrganization: ref('Organization/org') },
  { resourceType: 'Binary', id: 'scan', contentType: 'text/plain', data: 'QUJD' },
  { resourceType: 'Patient', id: 'b', active: true, generalPractitioner: [ref('Practitioner/doc-b')] },
  {
    resourceType: 'Patient',
    id: 'a',
    active: true,
    managingOrganization: ref('Organization/org'),
    link: [{ type: 'seealso', other: ref('Patient/b') }],
  },
  {
    resourceType: 'Encounter',
    id: 'a-enc',
    status: 'finished',
    class: { code: 'AMB' },
    subject: ref('Patient/a'),
    period: { start: '2020-05-01T08:00:00Z', end: '2020-05-03T08:00:00Z' },
    location: [{ location: ref('Location/loc') }],
    diagnosis: [{ condition: ref('Condition/a-cond') }],
  },
  {
    resourceType: 'Condition',
    id: 'a-cond',
    subject: ref('Patient/a'),
    code,
    onsetDateTime: '2010-01-01',
    asserter: ref('Practitioner/doc'),
  },
  {
    resourceType: 'Condition',
    id: 'a-past',
    subject: ref('Patient/a'),
    code,
    onsetDateTime: '2011',
    abatementDateTime: '2012',
  },
  {
    resourceType: 'Observation',
    id: 'a-obs',
    status: 'final',
    code,
    subject: ref('Patient/a'),
    encounter: ref('Encounter/a-enc'),
    effectiveDateTime: '2020-05-02',
    performer: [ref('Practitioner/doc')],
  },
  {
    resourceType: 'Observation',
    id: 'a-old',
    status: 'final',
    code,
    subject: ref('Patient/a'),
    effectiveDateTime: '2015-01-01',
    performer: [ref('Practitioner/doc'), ref('Organization/org')],
  },
  {
    resourceType: 'MedicationRequest',
    id: 'a-rx',
    status: 'active',
    intent: 'order',
    subject: ref('Patient/a'),
    medicationReference: ref('Medication/med'),
    encounter: ref('Encounter/a-enc'),
    authoredOn: '2020-05-02',
  },
  {
    resourceType: 'DocumentReference',
    id: 'a-doc',
    status: 'current',
    subject: ref('Patient/a'),
    content: [{ attachment: { url: 'Binary/scan' } }],
  },
  {
    resourceType: 'Coverage',
    id: 'a-cov',
    status: 'active',
    beneficiary: ref('Patient/a'),
    payor: [ref('Organization/org')],
  },
  {
    resourceType: 'Group',
    id: 'a-b-group',
    type: 'person',
    actual: true,
    member: [{ entity: ref('Patient/a') }, { entity: ref('Patient/b') }],
  },
  { resourceType: 'Observation', id: 'b-obs', status: 'final', code, subject: ref('Patient/b') },
  { resourceType: 'Observation', id: 'nobodys', status: 'final', code, device: ref('Device/x') },
];

before(async () => {
  server = await startTestServer();
  fhir = createClient(server.fhirBaseUrl);
  for (const resource of scene) {
    const reply = await fhir('PUT', `${resource.resourceType}/${resource.id}`, resource);
    assert.equal(reply.status, 201, reply.text);
  }
});
after(() => server.stop());

const names = (reply: Reply, mode?: string): string[] =>
  entries(reply)
    .filter(({ search }) => mode === undefined || search?.mode === mode)
    .map(({ resource }) => `${resource?.resourceType}/${resource?.id}`);

const membersOfA = [
  'Condition/a-cond',
  'Condition/a-past',
  'Coverage/a-cov',
  'DocumentReference/a-doc',
  'Encounter/a-enc',
  'Group/a-b-group',
  'MedicationRequest/a-rx',
  'Observation/a-obs',
  'Observation/a-old',
];
const supportOfA = ['Binary/scan', 'Location/loc', 'Medication/med', 'Organization/org', 'Practitioner/doc'];

/** All pages from this one on. */
async function pages(path: string): Promise<Reply[]> {
  const all = [await fhir('GET', path)];
  for (let next = linkOf(all[0]!, 'next'); next !== undefined; next = linkOf(all.at(-1)!, 'next')) {
    all.push(await fhir('GET', next));
    assert.equal(all.at(-1)!.status, 200, all.at(-1)!.text);
    assert.ok(all.length < 100, 'paging ends');
  }
  return all;
}

describe('Patient/[id]/$everything', () => {
  test('its links keep the format that was asked for in the URL', async () => {
    for (const place of ['Patient/a', 'Patient']) {
      const url = `${fhir.base}/${place}/$everything?_format=application%2Ffhir%2Bxml&_count=1&_pretty=true`;
      const text = await (await fetch(url)).text();
      const links = [...text.matchAll(/<relation value="(\w+)"\/>\s*<url value="([^"]+)"/g)];
      assert.deepEqual(
        links.map(([, relation]) => relation),
        ['self', 'next'],
      );
      for (const [, , link] of links) assert.match(link!, /&amp;_format=application%2Ffhir%2Bxml&amp;_pretty=true/);
    }
    const bundle = await fhir('GET', 'Patient/a/$everything?_format=json&_count=1');
    assert.match(linkOf(bundle, 'next')!, /\$everything\?_count=1&_format=json&_cursor=/);
    const next = await fhir('GET', linkOf(bundle, 'next')!);
    assert.match(linkOf(next, 'next')!, /\$everything\?_count=1&_format=json&_cursor=/);
  });

  test('the patient first, the compartment, and what it refers to', async () => {
    const reply = await fhir('GET', 'Patient/a/$everything');
    assert.equal(reply.status, 200);
    assert.equal(reply.json.type, 'searchset');
    assert.equal(reply.json.total, 10);
    assert.equal(linkOf(reply, 'self'), `${fhir.base}/Patient/a/$everything`);
    assert.equal(linkOf(reply, 'next'), undefined);
    const [first, ...members] = names(reply, 'match');
    assert.equal(first, 'Patient/a');
    assert.deepEqual(members.sort(), membersOfA);
    assert.deepEqual(names(reply, 'include').sort(), supportOfA);
    for (const { fullUrl, resource } of entries(reply)) {
      assert.equal(fullUrl, `${fhir.base}/${resource?.resourceType}/${resource?.id}`);
    }
    const posted = await fhir('POST', 'Patient/a/$everything', { resourceType: 'Parameters' });
    assert.deepEqual(names(posted), names(reply));
  });

  test('nothing of another patient', async () => {
    const reply = await fhir('GET', 'Patient/b/$everything');
    // Patient/a links to this one: that makes it a member, its record not.
    assert.deepEqual(names(reply, 'match').sort(), ['Group/a-b-group', 'Observation/b-obs', 'Patient/a', 'Patient/b']);
    assert.deepEqual(names(reply, 'include').sort(), ['Organization/org', 'Practitioner/doc-b']);
  });

  for (const count of [1, 2, 4, 9]) {
    test(`in pages of ${count}: the same, each once`, async () => {
      const all = await pages(`Patient/a/$everything?_count=${count}`);
      assert.equal(all.length, Math.ceil(9 / count));
      const matches = all.flatMap((page) => names(page, 'match'));
      assert.deepEqual(matches.toSorted(), ['Patient/a', ...membersOfA].sort());
      assert.equal(matches[0], 'Patient/a');
      const included = all.flatMap((page) => names(page, 'include'));
      assert.deepEqual(included.sort(), supportOfA);
      for (const page of all) assert.ok(names(page, 'match').length <= count + 1);
    });
  }

  test('_type: only these, members and supporting ones', async () => {
    const reply = await fhir('GET', 'Patient/a/$everything?_type=Observation,Practitioner');
    assert.deepEqual(names(reply).sort(), ['Observation/a-obs', 'Observation/a-old', 'Practitioner/doc']);
    const twice = await fhir('GET', 'Patient/a/$everything?_type=Observation&_type=Patient');
    assert.deepEqual(names(twice).sort(), ['Observation/a-obs', 'Observation/a-old', 'Patient/a']);
    const paged = await pages('Patient/a/$everything?_type=Observation,Practitioner&_count=1');
    assert.deepEqual(
      paged.flatMap((page) => names(page, 'include')),
      ['Practitioner/doc'],
    );
    assertOutcome(await fhir('GET', 'Patient/a/$everything?_type=Observation,Nothing'), 400, 'value', '_type');
  });

  test('_type: supporting ones too that only members refer to which are not asked for, once', async () => {
    const supporting = ['Medication/med', 'Organization/org', 'Practitioner/doc'];
    const reply = await fhir('GET', 'Patient/a/$everything?_type=Medication,Organization,Practitioner');
    assert.deepEqual([names(reply, 'match'), names(reply, 'include').sort()], [[], supporting]);
    const paged = await pages(
      'Patient/a/$everything?_type=Coverage,Group,Medication,Organization,Practitioner&_count=1',
    );
    assert.deepEqual(paged.flatMap((page) => names(page, 'match')).sort(), ['Coverage/a-cov', 'Group/a-b-group']);
    assert.deepEqual(paged.flatMap((page) => names(page, 'include')).sort(), supporting);
    const past = await fhir('GET', 'Patient/a/$everything?_type=Medication,Practitioner&end=2016');
    assert.deepEqual(names(past), ['Practitioner/doc']);
    const since = await fhir('GET', 'Patient/a/$everything?_type=Medication,Practitioner&_since=2020-01-01T00:00:00Z');
    assert.deepEqual(names(since).sort(), ['Medication/med', 'Practitioner/doc']);
    const encounter = await fhir('GET', 'Encounter/a-enc/$everything?_type=Practitioner,Medication');
    assert.deepEqual(names(encounter).sort(), ['Medication/med', 'Practitioner/doc']);
  });

  test('_elements and _summary, on each page; _elements leaves what is included whole', async () => {
    const all = await pages('Patient/a/$everything?_type=Patient,Coverage,Group,Organization&_elements=id&_count=1');
    assert.equal(all.length, 2);
    for (const page of all) assert.match(linkOf(page, 'self')!, /[?&]_elements=id(&|$)/);
    const shown = all.flatMap((page) => entries(page));
    const isPart = (resource: JsonObject) =>
      (resource.meta as { tag?: { code: string }[] }).tag?.some((tag) => tag.code === 'SUBSETTED') === true;
    assert.deepEqual(
      shown.map(({ resource, search }) => [resource!.resourceType, search!.mode, isPart(resource!)]),
      [
        ['Patient', 'match', true],
        ['Coverage', 'match', true],
        ['Organization', 'include', false],
        ['Group', 'match', true],
      ],
    );
    // With the elements that may change the meaning of others: Patient.active, Patient.link.
    assert.deepEqual(Object.keys(shown[0]!.resource!).sort(), ['active', 'id', 'link', 'meta', 'resourceType']);
    const short = entries(await fhir('GET', 'Patient/$everything?_type=Patient,Organization&_summary=text'));
    for (const { resource } of short) assert.ok(isPart(resource!));
    assertOutcome(await fhir('GET', 'Patient/a/$everything?_summary=count'), 400, 'value', '_summary');
    assertOutcome(await fhir('GET', 'Patient/a/$everything?_elements=id&_summary=text'), 400, 'value', '_elements');
  });

  test('start and end: care in that time, what lasts into it and what has no date', async () => {
    const reply = await fhir('GET', 'Patient/a/$everything?start=2020-05-02&end=2020-06-01');
    const kept = membersOfA.filter((name) => !['Condition/a-past', 'Observation/a-old'].includes(name));
    assert.deepEqual(names(reply, 'match').slice(1).sort(), kept);
    const before = await fhir('GET', 'Patient/a/$everything?end=2014&_type=Observation,Condition,Encounter');
    assert.deepEqual(names(before).sort(), ['Condition/a-cond', 'Condition/a-past']);
    const paged = await pages('Patient/a/$everything?start=2020-05-02&end=2020-06-01&_count=1');
    assert.deepEqual(paged.flatMap((page) => names(page, 'include')).sort(), supportOfA);
  });

  test('_since: what has changed, supporting ones too', async () => {
    const seen = entries(await fhir('GET', 'Patient/a/$everything'))
      .map(({ resource }) => resource!.meta!.lastUpdated!)
      .sort()
      .at(-1)!;
    const since = new Date(Date.parse(seen) + 1).toISOString();
    assert.deepEqual(names(await fhir('GET', `Patient/a/$everything?_since=${since}`)), ['Patient/a']);
    for (const name of ['Observation/a-old', 'Observation/b-obs', 'Practitioner/doc', 'Organization/org-unused']) {
      const { json } = await fhir('GET', name);
      await fhir('PUT', name, { ...json, language: 'en' });
    }
    const reply = await fhir('GET', `Patient/a/$everything?_since=${since}`);
    assert.deepEqual(names(reply, 'match'), ['Patient/a', 'Observation/a-old']);
    assert.deepEqual(names(reply, 'include'), ['Practitioner/doc']);
    const paged = await pages(`Patient/a/$everything?_count=1&_since=${since}`);
    assert.deepEqual(
      paged.flatMap((page) => names(page)),
      names(reply),
    );
  });

  test('_since: attachments of what has changed', async () => {
    const before = (await fhir('PUT', 'Patient/b', { ...scene.find(({ id }) => id === 'b'), language: 'de' })).json;
    const since = new Date(Date.parse(before.meta!.lastUpdated!) + 1).toISOString();
    const note = { ...scene.find(({ id }) => id === 'a-doc'), language: 'en' };
    await fhir('PUT', 'DocumentReference/a-doc', note);
    const at = `Patient/a/$everything?_since=${since}`;
    assert.deepEqual(names(await fhir('GET', at)), ['Patient/a', 'DocumentReference/a-doc']);
    await fhir('PUT', 'Binary/scan', { ...scene.find(({ id }) => id === 'scan'), data: 'REVG' });
    assert.deepEqual(names(await fhir('GET', at)), ['Patient/a', 'DocumentReference/a-doc', 'Binary/scan']);
    assert.deepEqual(names(await fhir('GET', `${at}&_type=Binary,DocumentReference&_count=1`)), [
      'DocumentReference/a-doc',
      'Binary/scan',
    ]);
  });

  test('refusals', async () => {
    assertOutcome(await fhir('GET', 'Patient/none/$everything'), 404, 'not-found');
    assertOutcome(await fhir('GET', 'Observation/a-obs/$everything'), 404, 'not-found');
    assertOutcome(await fhir('GET', 'Patient/a/$everything?_count=0'), 400, 'value', '_count');
    assertOutcome(await fhir('GET', 'Patient/a/$everything?_count=x'), 400, 'value', '_count');
    assertOutcome(await fhir('GET', 'Patient/a/$everything?_since=2020'), 400, 'value', '_since');
    assertOutcome(await fhir('GET', 'Patient/a/$everything?start=yesterday'), 400, 'value', 'start');
    assertOutcome(await fhir('GET', 'Patient/a/$everything?start=2021&end=2020'), 400, 'value', 'end');
    assertOutcome(await fhir('GET', 'Patient/a/$everything?_cursor=%27;drop'), 400, 'value', '_cursor');
    assertOutcome(await fhir('GET', 'Patient/a/$everything?_sort=x'), 400, 'not-supported', '_sort');
    await fhir('PUT', 'Patient/gone', { resourceType: 'Patient', id: 'gone' });
    await fhir('DELETE', 'Patient/gone');
    assertOutcome(await fhir('GET', 'Patient/gone/$everything'), 410, 'deleted');
  });
});

describe('Patient/$everything', () => {
  const whole = [
    ...['Patient/a', 'Patient/b', ...membersOfA, 'Observation/b-obs'],
    ...[...supportOfA, 'Practitioner/doc-b'],
  ].sort();

  test('all patients’ records, nothing that is nobody’s', async () => {
    const reply = await fhir('GET', 'Patient/$everything');
    assert.equal(reply.status, 200);
    assert.deepEqual(names(reply).sort(), whole);
    assert.deepEqual(names(reply, 'include').sort(), [...supportOfA, 'Practitioner/doc-b'].sort());
  });

  test('in pages of 3: each once', async () => {
    const all = await pages('Patient/$everything?_count=3');
    assert.equal(all.length, Math.ceil(whole.length / 3));
    assert.deepEqual(all.flatMap((page) => names(page)).sort(), whole);
  });

  test('_type and care dates', async () => {
    const reply = await fhir('GET', 'Patient/$everything?_type=Observation&start=2020-01-01');
    assert.deepEqual(names(reply).sort(), ['Observation/a-obs', 'Observation/b-obs']);
  });
});

describe('Encounter/[id]/$everything', () => {
  test('the encounter, its compartment, what it refers to and what supports them', async () => {
    const reply = await fhir('GET', 'Encounter/a-enc/$everything');
    assert.deepEqual(names(reply, 'match'), ['Encounter/a-enc', 'Observation/a-obs', 'MedicationRequest/a-rx']);
    assert.deepEqual(names(reply, 'include').sort(), [
      'Condition/a-cond',
      'Location/loc',
      'Medication/med',
      'Patient/a',
      'Practitioner/doc',
    ]);
    assertOutcome(await fhir('GET', 'Encounter/$everything'), 404, 'not-found');
    assertOutcome(await fhir('GET', 'Encounter/a-enc/$everything?start=2020'), 400, 'not-supported', 'start');
  });

  test('in pages of 1: each once', async () => {
    const all = await pages('Encounter/a-enc/$everything?_count=1');
    assert.deepEqual(
      all.flatMap((page) => names(page)).sort(),
      names(await fhir('GET', 'Encounter/a-enc/$everything')).sort(),
    );
  });
});
