// Triggers that look at other resources: the database decides that part, of the current state alone.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Json } from '#fhir-model';
import { CerebraError } from '#platform';
import type { StoredSearch } from '../match/stored.ts';
import type { RegistrationRules } from '../registration.ts';
import { testRules } from '../testing/rules.ts';
import { changeOf, type MatchingRig, matchingRig, topicBasic } from './testing/topic.ts';

let rules: RegistrationRules;
before(async () => {
  rules = await testRules();
});

const url = 'http://example.org/topic/t';
const chain = 'patient.family=TEST';

const encounter = (id: string, status: string, patient = 'p1') => ({
  ...{ resourceType: 'Encounter', id, status, class: { code: 'IMP' } },
  subject: { reference: `Patient/${patient}` },
});

/** Finds those whose id begins with `met`; says what it was asked. */
function searching(): { asked: string[]; search: StoredSearch } {
  const asked: string[] = [];
  const search: StoredSearch = async (type, text, ids) => {
    asked.push(`${type}?${decodeURIComponent(text)} ${ids.join(',')}`);
    return new Set(ids.filter((id) => id.startsWith('met')));
  };
  return { asked, search };
}

async function rigOf(search: StoredSearch, elements: Record<string, Json | Json[]>): Promise<MatchingRig> {
  const rig = matchingRig(rules, [], search);
  await rig.define(topicBasic('t', elements));
  return rig;
}

/** Of a topic with that trigger: who is told, and what had to be asked. */
async function told(
  queryCriteria: Record<string, Json>,
  changes: readonly ReturnType<typeof changeOf>[],
  replaced: readonly (object | undefined)[] = [],
  more: Record<string, Json> = {},
): Promise<{ ids: string[]; asked: string[] }> {
  const { asked, search } = searching();
  const rig = await rigOf(search, { resourceTrigger: { resource: 'Encounter', queryCriteria, ...more } });
  rig.subscribe('s', url);
  const lines = await rig.tell(changes, replaced);
  assert.deepEqual(rig.errors, []);
  return { ids: lines.map((line) => line.split('/')[1]!), asked };
}

test('memory decides its own part first; what is left is one question for all changes and Subscriptions', async () => {
  const { asked, search } = searching();
  const current = `status=finished&${chain}`;
  const rig = await rigOf(search, { resourceTrigger: { resource: 'Encounter', queryCriteria: { current } } });
  rig.subscribe('s', url);
  rig.subscribe('t', url);
  const changes = ['met1', 'no1', 'met2'].map((id) => changeOf('create', encounter(id, 'finished')));
  assert.deepEqual(await rig.tell([...changes, changeOf('create', encounter('met3', 'planned'))]), [
    ...['s Encounter/met1', 't Encounter/met1', 's Encounter/met2', 't Encounter/met2'],
  ]);
  assert.deepEqual(asked, [`Encounter?${chain} met1,no1,met2`]);
});

test('beside previous: both must hold, or one is enough and nobody is asked where it holds', async () => {
  const changes = [
    changeOf('update', encounter('met-became', 'finished')),
    changeOf('update', encounter('no-became', 'finished')),
    changeOf('update', encounter('met-was', 'finished')),
    changeOf('update', encounter('no-was', 'finished')),
    changeOf('update', encounter('met-open', 'in-progress')),
  ];
  const replaced = ['in-progress', 'in-progress', 'finished', 'finished', 'finished'].map((status, i) =>
    encounter(changes[i]!.id, status),
  );
  const query = { previous: 'status:not=finished', current: `status=finished&${chain}` };
  assert.deepEqual(await told({ ...query, requireBoth: true }, changes, replaced), {
    ids: ['met-became'],
    asked: [`Encounter?${chain} met-became,no-became`],
  });
  assert.deepEqual(await told(query, changes, replaced), {
    ids: ['met-became', 'no-became', 'met-was'],
    asked: [`Encounter?${chain} met-was,no-was`],
  });
});

test('beside FHIRPath, which memory decides before', async () => {
  const changes = ['met-a', 'no-a', 'met-b'].map((id) => changeOf('create', encounter(id, 'finished')));
  assert.deepEqual(await told({ current: chain }, changes, [], { fhirPathCriteria: "%current.id.endsWith('-a')" }), {
    ids: ['met-a'],
    asked: [`Encounter?${chain} met-a,no-a`],
  });
  const updates = ['met-a', 'met-b'].map((id) => changeOf('update', encounter(id, 'finished')));
  const replaced = [encounter('met-a', 'planned'), encounter('met-b', 'finished')];
  assert.deepEqual(
    await told({ current: chain }, updates, replaced, { fhirPathCriteria: "%previous.status = 'planned'" }),
    { ids: ['met-a'], asked: [`Encounter?${chain} met-a`] },
  );
});

test('a deletion has no current state: resultForDelete decides, without it what is left', async () => {
  const deleted = [changeOf('delete', encounter('met-1', 'finished'))];
  const former = [encounter('met-1', 'finished')];
  const tell = (query: Record<string, Json>) => told({ current: chain, ...query }, deleted, former);
  assert.deepEqual(await tell({}), { ids: [], asked: [] });
  assert.deepEqual(await tell({ resultForDelete: 'test-passes' }), { ids: ['met-1'], asked: [] });
  assert.deepEqual(await tell({ resultForDelete: 'test-fails' }), { ids: [], asked: [] });
  assert.deepEqual(await tell({ previous: 'status=finished' }), { ids: ['met-1'], asked: [] });
  const both = { previous: 'status=finished', requireBoth: true };
  assert.deepEqual(await tell({ ...both, resultForDelete: 'test-fails' }), { ids: [], asked: [] });
});

test('several triggers: one that memory finds true asks nobody, else one of the searches must find it', async () => {
  const { asked, search } = searching();
  const trigger = (current: string) => ({ resource: 'Encounter', queryCriteria: { current } });
  const rig = await rigOf(search, {
    resourceTrigger: [trigger('status=cancelled'), trigger(chain), trigger('location.name=met')],
  });
  rig.subscribe('s', url);
  const changes = [
    changeOf('create', encounter('no-1', 'cancelled')),
    changeOf('create', encounter('met-1', 'planned')),
    changeOf('create', encounter('no-2', 'planned')),
  ];
  assert.deepEqual(await rig.tell(changes), ['s Encounter/no-1', 's Encounter/met-1']);
  assert.deepEqual(asked.toSorted(), [`Encounter?location.name=met met-1,no-2`, `Encounter?${chain} met-1,no-2`]);
});

test('with filters that the database decides, both must be met', async () => {
  const search: StoredSearch = async (_type, text, ids) =>
    new Set(ids.filter((id) => id.startsWith(text.startsWith('patient.family') ? 'met' : 'm')));
  const rig = await rigOf(search, {
    resourceTrigger: { resource: 'Encounter', queryCriteria: { current: chain } },
    canFilterBy: { resource: 'Encounter', filterParameter: 'location.name' },
  });
  rig.subscribe('all', url);
  rig.subscribe('some', url, 'Encounter?location.name=x');
  const changes = ['met', 'm', 'no'].map((id) => changeOf('create', encounter(id, 'planned')));
  assert.deepEqual(await rig.tell(changes), ['all Encounter/met', 'some Encounter/met']);
});

test('a search that is refused: why its Subscriptions are told no more; the others are told', async () => {
  const search: StoredSearch = () => Promise.reject(new CerebraError('invalid-parameter', 'no such value set'));
  const rig = await rigOf(search, {
    resourceTrigger: { resource: 'Encounter', queryCriteria: { current: 'class:in=http://example.org/vs' } },
  });
  await rig.define(topicBasic('other', { resourceTrigger: { resource: 'Encounter' } }));
  rig.subscribe('s', url);
  rig.subscribe('o', 'http://example.org/topic/other');
  assert.deepEqual(await rig.tell([changeOf('create', encounter('e', 'planned'))]), ['o Encounter/e']);
  assert.deepEqual(rig.errors, ['Subscription.criteria: no such value set']);
});

test('an event and the change it is about are told once, whichever the database lets through', async () => {
  const system = 'http://terminology.hl7.org/CodeSystem/v2-0003';
  const { search } = searching();
  const rig = await rigOf(search, {
    eventTrigger: { resource: 'Encounter', event: { coding: [{ system, code: 'A01' }] } },
    resourceTrigger: { resource: 'Encounter', queryCriteria: { current: chain } },
  });
  rig.subscribe('s', url);
  const happened = (id: string) =>
    changeOf('create', {
      ...{ resourceType: 'Provenance', id: `v-${id}`, activity: { coding: [{ system, code: 'A01' }] } },
      target: [{ reference: `Encounter/${id}` }],
    });
  const change = (id: string) => changeOf('create', encounter(id, 'planned'));
  assert.deepEqual(await rig.tell([change('met'), happened('met')]), ['s Encounter/met']);
  assert.deepEqual(await rig.tell([happened('met'), change('met')]), ['s Encounter/met']);
  assert.deepEqual(await rig.tell([change('no'), happened('no')]), ['s Encounter/no']);
  // In two batches they are asked about at two moments: rather told twice than not at all.
  for (const [id, first] of Object.entries({ 'no-parted': [], 'met-parted': ['s Encounter/met-parted'] })) {
    assert.deepEqual(await rig.tell([change(id)]), first);
    assert.deepEqual(await rig.tell([happened(id)]), [`s Encounter/${id}`]);
  }
});

test('previous may not look at other resources, and the refusal says so', async () => {
  const rig = matchingRig(rules);
  const queryCriteria = { previous: `status=planned&${chain}`, current: 'status=finished' };
  await rig.define(topicBasic('t', { resourceTrigger: { resource: 'Encounter', queryCriteria } }));
  assert.throws(
    () => rig.subscribe('s', url),
    /resourceTrigger\[0\]: queryCriteria\.previous: 'patient\.family=TEST' looks at other resources, which can be asked of the current state alone/,
  );
});
