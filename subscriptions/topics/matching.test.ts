import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Json } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { RegistrationRules } from '../registration.ts';
import { testRules } from '../testing/rules.ts';
import { changeOf, matchingRig, topicBasic } from './testing/topic.ts';

let rules: RegistrationRules;
before(async () => {
  rules = await testRules();
});

const encounter = (id: string, status: string, rest: object = {}) => ({
  ...{ resourceType: 'Encounter', id, status, class: { code: 'IMP' }, subject: { reference: 'Patient/p1' } },
  ...rest,
});

const url = 'http://example.org/topic/t';

/** Which of these changes a topic with one resourceTrigger tells: by their names. */
async function fires(trigger: Record<string, Json>, names: (keyof typeof happenings)[]): Promise<string[]> {
  const rig = matchingRig(rules);
  await rig.define(topicBasic('t', { resourceTrigger: { resource: 'Encounter', ...trigger } }));
  rig.subscribe('s', url);
  const told: string[] = [];
  for (const name of names) {
    const [op, before, now] = happenings[name];
    const change = changeOf(op, now ?? encounter('e', 'unknown'));
    if ((await rig.tell([change], [before])).length > 0) told.push(name);
  }
  assert.deepEqual(rig.errors, []);
  return told;
}

const happenings = {
  'created open': ['create', undefined, encounter('e', 'in-progress')],
  'created finished': ['create', undefined, encounter('e', 'finished')],
  'open to finished': ['update', encounter('e', 'in-progress'), encounter('e', 'finished')],
  'finished to finished': ['update', encounter('e', 'finished'), encounter('e', 'finished')],
  'finished to open': ['update', encounter('e', 'finished'), encounter('e', 'in-progress')],
  'open to open': ['update', encounter('e', 'in-progress'), encounter('e', 'in-progress')],
  'deleted open': ['delete', encounter('e', 'in-progress'), undefined],
  'deleted finished': ['delete', encounter('e', 'finished'), undefined],
} as const;
const all = Object.keys(happenings) as (keyof typeof happenings)[];

const criteria = { previous: 'status:not=finished', current: 'status=finished' };

test('interactions: those that are named, all where none is', async () => {
  assert.deepEqual(await fires({}, all), all);
  assert.deepEqual(await fires({ supportedInteraction: 'create' }, all), ['created open', 'created finished']);
  assert.deepEqual(await fires({ supportedInteraction: 'delete' }, all), ['deleted open', 'deleted finished']);
});

test('both criteria must hold, or one of them', async () => {
  const updates = all.filter((name) => name.includes(' to '));
  assert.deepEqual(await fires({ queryCriteria: { ...criteria, requireBoth: true } }, updates), ['open to finished']);
  assert.deepEqual(await fires({ queryCriteria: criteria }, updates), [
    'open to finished',
    'finished to finished',
    'open to open',
  ]);
});

test('resultForCreate counts for previous, resultForDelete for current', async () => {
  const ends = all.filter((name) => !name.includes(' to '));
  const fire = (more: Record<string, Json>) => fires({ queryCriteria: { ...criteria, ...more } }, ends);
  const passes = { resultForCreate: 'test-passes', resultForDelete: 'test-passes' };
  const fails = { resultForCreate: 'test-fails', resultForDelete: 'test-fails' };
  assert.deepEqual(await fire({ ...passes, requireBoth: true }), ['created finished', 'deleted open']);
  assert.deepEqual(await fire({ ...passes, requireBoth: false }), ends);
  assert.deepEqual(await fire({ ...fails, requireBoth: true }), []);
  assert.deepEqual(await fire({ ...fails, requireBoth: false }), ['created finished', 'deleted open']);
  // Left to the server: the test that there is decides alone.
  assert.deepEqual(await fire({ requireBoth: true }), ['created finished', 'deleted open']);
  assert.deepEqual(await fires({ queryCriteria: { current: 'status=finished' } }, ends), ['created finished']);
  assert.deepEqual(await fires({ queryCriteria: { previous: 'status=finished' } }, ends), ['deleted finished']);
});

test('FHIRPath with %previous and %current, alone and beside criteria', async () => {
  // The guide's own example.
  const fhirPathCriteria =
    "(%previous.id.empty() or (%previous.status != 'finished')) and (%current.status = 'finished')";
  assert.deepEqual(await fires({ fhirPathCriteria }, all), ['created finished', 'open to finished']);
  const both = { fhirPathCriteria, queryCriteria: { current: 'Encounter?status=finished&class=AMB' } };
  assert.deepEqual(await fires(both, all), []);
  assert.deepEqual(await fires({ fhirPathCriteria: '%current.empty()' }, all), ['deleted open', 'deleted finished']);
  assert.deepEqual(await fires({ fhirPathCriteria: "status = 'finished'" }, all), [
    ...['created finished', 'open to finished', 'finished to finished'],
    'deleted finished',
  ]);
});

test('a former version is asked for only where a filter passes and a trigger needs it', async () => {
  const rig = matchingRig(rules);
  const query = { ...criteria, requireBoth: true };
  await rig.define(
    topicBasic('t', {
      resourceTrigger: { resource: 'Encounter', queryCriteria: query },
      canFilterBy: { resource: 'Encounter', filterParameter: 'patient' },
    }),
  );
  rig.subscribe('s', url, 'Encounter?patient=Patient/p1');
  const other = { subject: { reference: 'Patient/p2' } };
  const changes = [
    changeOf('update', encounter('a', 'finished', other)),
    changeOf('update', encounter('b', 'in-progress')),
    changeOf('create', encounter('c', 'in-progress')),
  ];
  assert.deepEqual(await rig.tell(changes, [encounter('a', 'in-progress', other), encounter('b', 'planned')]), []);
  assert.equal(rig.asked(), 0);
  const finished = changeOf('update', encounter('d', 'finished'));
  assert.deepEqual(await rig.tell([finished], [encounter('d', 'in-progress')]), ['s Encounter/d']);
  assert.equal(rig.asked(), 1);
});

test('so many that one push() could not take them are told, and what the change replaced is read once', async () => {
  const rig = matchingRig(rules);
  const resourceTrigger = {
    ...{ resource: 'Observation', supportedInteraction: 'update' },
    queryCriteria: { previous: 'status=preliminary', current: 'status=final', requireBoth: true },
  };
  for (const id of ['one', 'other']) await rig.define(topicBasic(id, { resourceTrigger }));
  for (let i = 0; i < 150_000; i++) rig.subscribe(`s${i}`, 'http://example.org/topic/one');
  rig.subscribe('last', 'http://example.org/topic/other');
  const was = { resourceType: 'Observation', id: 'o', status: 'preliminary' };
  const told = await rig.tell([changeOf('update', { ...was, status: 'final' })], [was]);
  assert.equal(new Set(told).size, 150_001);
  assert.equal(rig.asked(), 1);
});

test('a former version that is no longer stored is none', async () => {
  assert.deepEqual(await fires({ fhirPathCriteria: '%previous.exists()' }, ['created open']), []);
  const rig = matchingRig(rules);
  const query = { ...criteria, requireBoth: true, resultForCreate: 'test-passes' };
  await rig.define(topicBasic('t', { resourceTrigger: { resource: 'Encounter', queryCriteria: query } }));
  rig.subscribe('s', url);
  assert.deepEqual(await rig.tell([changeOf('update', encounter('gone', 'finished'), 7)]), ['s Encounter/gone']);
});

test('filters: by type, all of them, on the former version of what is deleted', async () => {
  const rig = matchingRig(rules);
  const filter = (resource: string, filterParameter: string, more: Record<string, Json> = {}) => ({
    ...{ resource, filterParameter },
    ...more,
  });
  await rig.define(
    topicBasic('t', {
      resourceTrigger: [{ resource: 'http://hl7.org/fhir/StructureDefinition/Encounter' }, { resource: 'Condition' }],
      canFilterBy: [
        filter('', 'patient'),
        filter('Encounter', 'class', { modifier: 'not' }),
        filter('Encounter', 'date', { comparator: ['ge', 'lt'] }),
        filter('Encounter', 'stay', { filterDefinition: 'http://hl7.org/fhir/SearchParameter/Encounter-length' }),
      ].map(({ resource, ...rest }) => (resource === '' ? rest : { resource, ...rest })),
    }),
  );
  const asked: Record<string, string[]> = {
    everybody: [],
    ofPatient: ['patient=Patient/p1'],
    ofPatientsStays: ['Encounter?patient=Patient/p1'],
    both: ['Encounter?patient=Patient/p1', 'Encounter?class=IMP'],
    oneFilter: ['Encounter?patient=Patient/p1&class=AMB'],
    not: ['Encounter?class:not=AMB,IMP'],
    early: ['Encounter?date=lt2020'],
    later: ['Encounter?date=ge2020'],
    named: ['Encounter?stay=90||min'],
  };
  for (const [id, filters] of Object.entries(asked)) rig.subscribe(id, url, ...filters);
  const stay = encounter('e', 'finished', {
    period: { start: '2024-05-01', end: '2024-05-02' },
    length: { value: 90, code: 'min' },
  });
  const whom = async (...args: Parameters<typeof rig.tell>) =>
    (await rig.tell(...args)).map((line) => line.split(' ')[0]);
  const expected = ['everybody', 'ofPatient', 'ofPatientsStays', 'both', 'later', 'named'];
  assert.deepEqual((await whom([changeOf('create', stay)])).toSorted(), expected.toSorted());
  assert.deepEqual((await whom([changeOf('delete', stay, 4)], [stay])).toSorted(), expected.toSorted());
  const condition = { resourceType: 'Condition', id: 'c', subject: { reference: 'Patient/p1' } };
  // A type without filters of its own has all events.
  const others = ['both', 'early', 'later', 'named', 'not', 'ofPatientsStays', 'oneFilter'];
  assert.deepEqual(
    (await whom([changeOf('create', condition)])).toSorted(),
    ['everybody', 'ofPatient', ...others].toSorted(),
  );
});

test('filters that the topic does not have are refused, each by its reason', async () => {
  const rig = matchingRig(rules);
  await rig.define(
    topicBasic('t', {
      resourceTrigger: { resource: 'Encounter' },
      canFilterBy: [
        { resource: 'Encounter', filterParameter: 'patient' },
        { resource: 'Encounter', filterParameter: '_in' },
        { resource: 'Encounter', filterParameter: 'length', modifier: ['gt', 'lt'] },
      ],
    }),
  );
  const refusal = (filter: string, canonical = url): string => {
    try {
      rig.subscribe('s', canonical, filter);
    } catch (error) {
      assert.ok(isCerebraError(error));
      return error.message;
    }
    return '';
  };
  const filterAt = 'Subscription.criteria.extension: filter 1: ';
  assert.equal(refusal('Encounter?patient:Patient=p1'), '');
  assert.equal(
    refusal('Encounter?status=finished'),
    `${filterAt}'status' is none of the topic's filters (patient, _in, length)`,
  );
  assert.equal(refusal('Observation?patient=1'), `${filterAt}the topic is about Encounter, not about 'Observation'`);
  assert.equal(
    refusal('Encounter?patient:missing=true'),
    `${filterAt}'patient' can't be used with ':missing'; the topic allows none`,
  );
  assert.equal(refusal('Encounter?length=gt3,lt5'), '');
  assert.equal(
    refusal('Encounter?length=gt3,le5'),
    `${filterAt}'length' can't be used with 'le'; the topic allows gt, lt`,
  );
  assert.equal(refusal('Encounter?_in=Group/1'), `${filterAt}Encounter has no search parameter '_in'`);
  assert.equal(refusal('patient'), `${filterAt}'patient' is not of the form 'Type?parameter=value'`);
  assert.match(refusal('patient=1', 'http://example.org/no'), /^Subscription\.criteria: there is no topic/);
});

test('comparators of chained filters are allowed only as listed, those of _has too', async () => {
  const rig = matchingRig(rules);
  const born = 'patient.birthdate';
  await rig.define(
    topicBasic('t', {
      resourceTrigger: { resource: 'Encounter' },
      canFilterBy: [
        { resource: 'Encounter', filterParameter: born, modifier: ['lt'] },
        { resource: 'Encounter', filterParameter: '_has:Observation:encounter:date' },
        { resource: 'Encounter', filterParameter: 'patient.family' },
      ],
    }),
  );
  const subscribe = (filter: string) => () => rig.subscribe('s', url, `Encounter?${filter}`);
  subscribe(`${born}=lt1950-01-01,1980`)();
  subscribe('patient.family=gt5')();
  subscribe('_has:Observation:encounter:date=2024')();
  assert.throws(subscribe(`${born}=gt1950`), /'patient.birthdate' can't be used with 'gt'; the topic allows lt$/);
  assert.throws(subscribe(`${born}=ap1950`), /can't be used with 'ap'/);
  assert.throws(subscribe('_has:Observation:encounter:date=ge2024'), /can't be used with 'ge'; the topic allows none$/);
});

test('several triggers of a topic tell once; several topics each', async () => {
  const rig = matchingRig(rules);
  const twice = [{ resource: 'Encounter', supportedInteraction: 'create' }, { resource: 'Encounter' }];
  await rig.define(topicBasic('t', { resourceTrigger: twice }));
  await rig.define(topicBasic('u', { resourceTrigger: { resource: 'Encounter' } }));
  rig.subscribe('a', url);
  rig.subscribe('b', 'http://example.org/topic/u');
  const told = await rig.tell([changeOf('create', encounter('e', 'planned'))]);
  assert.deepEqual(told.toSorted(), ['a Encounter/e', 'b Encounter/e']);
});

test('a condition that fails on a resource triggers nothing, and does not stop the others', async () => {
  const rig = matchingRig(rules);
  const fhirPathCriteria = "%current.participant.individual.display.single() = 'x'";
  await rig.define(topicBasic('t', { resourceTrigger: { resource: 'Encounter', fhirPathCriteria } }));
  await rig.define(topicBasic('u', { resourceTrigger: { resource: 'Encounter' } }));
  rig.subscribe('a', url);
  rig.subscribe('b', 'http://example.org/topic/u');
  const participant = [{ individual: { display: 'x' } }, { individual: { display: 'y' } }];
  assert.deepEqual(await rig.tell([changeOf('create', encounter('e', 'planned', { participant }))]), ['b Encounter/e']);
  assert.deepEqual(rig.errors, [url]);
});

test('end: nothing is told from that instant on; the same filters are shared', async () => {
  const rig = matchingRig(rules);
  await rig.define(topicBasic('t', { resourceTrigger: { resource: 'Encounter' } }));
  const change = changeOf('create', encounter('e', 'planned'));
  rig.matching.put({ id: 'over', url, filters: [], endsMs: change.updatedMs });
  rig.matching.put({ id: 'not yet', url, filters: [], endsMs: change.updatedMs + 1 });
  rig.subscribe('open', url);
  assert.deepEqual(await rig.tell([change]), ['not yet Encounter/e', 'open Encounter/e']);
  rig.matching.remove('open');
  rig.matching.remove('open');
  assert.deepEqual(await rig.tell([change]), ['not yet Encounter/e']);
});

test('a topic that changes is matched anew at once; what it can serve no more says why', async () => {
  const rig = matchingRig(rules);
  const define = (version: number, elements: Record<string, Json>) =>
    rig.define(topicBasic('t', { resourceTrigger: { resource: 'Encounter' }, ...elements }), version);
  const byPatient = { canFilterBy: { resource: 'Encounter', filterParameter: 'patient' } };
  await define(1, byPatient);
  rig.subscribe('all', url);
  rig.subscribe('one', url, 'Encounter?patient=p1');
  const change = changeOf('create', encounter('e', 'planned'));
  assert.deepEqual(await define(2, { ...byPatient, resourceTrigger: { resource: 'Condition' } }), [
    {
      id: 'one',
      error: "Subscription.criteria.extension: filter 1: the topic is about Condition, not about 'Encounter'",
    },
  ]);
  assert.deepEqual(await rig.tell([change]), []);
  assert.deepEqual(await define(3, {}), []);
  assert.deepEqual(await rig.tell([change]), ['all Encounter/e']);
  // An older version that comes late changes nothing.
  assert.deepEqual(await define(2, { status: 'retired' }), []);
  assert.deepEqual(await rig.tell([change]), ['all Encounter/e']);
  assert.deepEqual(await define(4, { status: 'retired' }), [
    { id: 'all', error: 'Subscription.criteria: the topic is retired; only active ones can be subscribed to' },
  ]);
  assert.deepEqual(await rig.tell([change]), []);
});

test('versions: a URL means the latest active one, url|version just that', async () => {
  const rig = matchingRig(rules);
  const version = (id: string, number: string, status: string, resource: string) =>
    rig.define(topicBasic(id, { url, version: number, status, resourceTrigger: { resource } }));
  await version('t1', '1.0.0', 'active', 'Encounter');
  await version('t2', '2.0.0', 'active', 'Condition');
  await version('t3', '3.0.0', 'draft', 'Patient');
  rig.subscribe('first', `${url}|1.0.0`);
  rig.subscribe('latest', url);
  assert.throws(() => rig.subscribe('draft', `${url}|3.0.0`), /the topic is draft/);
  assert.throws(() => rig.subscribe('none', `${url}|4`), /its versions are 2\.0\.0, 1\.0\.0, 3\.0\.0/);
  const told = await rig.tell([
    changeOf('create', encounter('e', 'planned')),
    changeOf('create', { resourceType: 'Condition', id: 'c' }),
  ]);
  assert.deepEqual(told, ['first Encounter/e', 'latest Condition/c']);
});

test('events: what a Provenance or a MessageHeader of the same transaction says', async () => {
  const rig = matchingRig(rules);
  const system = 'http://terminology.hl7.org/CodeSystem/v2-0003';
  const event = { coding: [{ system, code: 'A01' }] };
  await rig.define(
    topicBasic('t', {
      eventTrigger: { resource: 'Encounter', event },
      resourceTrigger: { resource: 'Encounter', supportedInteraction: 'create' },
      canFilterBy: { resource: 'Encounter', filterParameter: 'patient' },
    }),
  );
  rig.subscribe('all', url);
  rig.subscribe('other', url, 'Encounter?patient=p2');
  const provenance = (code: string, ...target: string[]) => ({
    ...{ resourceType: 'Provenance', id: 'v', activity: { coding: [{ system, code }] } },
    target: target.map((reference) => ({ reference })),
  });
  const stay = (op: 'create' | 'update') => changeOf(op, encounter('e', 'in-progress'));
  const header = { resourceType: 'MessageHeader', id: 'm', eventCoding: { system, code: 'A01' } };
  const tell = (...changes: ReturnType<typeof changeOf>[]) => rig.tell(changes);
  assert.deepEqual(await tell(stay('update'), changeOf('create', provenance('A01', 'Encounter/e', 'Patient/p1'))), [
    'all Encounter/e',
  ]);
  assert.deepEqual(
    await tell(changeOf('create', { ...header, focus: [{ reference: 'Encounter/e' }] }), stay('update')),
    ['all Encounter/e'],
  );
  assert.deepEqual(await tell(stay('update'), changeOf('create', provenance('A08', 'Encounter/e'))), []);
  // The resource's own trigger and the event are one and the same.
  assert.deepEqual(await tell(stay('create'), changeOf('create', provenance('A01', 'Encounter/e'))), [
    'all Encounter/e',
  ]);
});

test('events: a target may be named with our own base, and not with that of another server', async () => {
  const baseUrl = 'http://cerebra.example.org/fhir/R4';
  const rig = matchingRig({ ...rules, baseUrl });
  const coding = { system: 'http://terminology.hl7.org/CodeSystem/v2-0003', code: 'A01' };
  await rig.define(topicBasic('t', { eventTrigger: { resource: 'Encounter', event: { coding: [coding] } } }));
  rig.subscribe('all', url);
  const provenance = (reference: string) =>
    changeOf('create', {
      resourceType: 'Provenance',
      id: 'v',
      activity: { coding: [coding] },
      target: [{ reference }],
    });
  const stay = changeOf('update', encounter('e', 'in-progress'));
  assert.deepEqual(await rig.tell([stay, provenance(`${baseUrl}/Encounter/e`)]), ['all Encounter/e']);
  assert.deepEqual(await rig.tell([stay, provenance(`${baseUrl}/Encounter/e/_history/1`)]), ['all Encounter/e']);
  assert.deepEqual(await rig.tell([stay, provenance('http://other.example.org/fhir/Encounter/e')]), []);
});
