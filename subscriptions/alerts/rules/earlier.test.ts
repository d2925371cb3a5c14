// Values that the store had before a rule was in force.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource, ResourceReader } from '#fhir-model';
import { waitFor } from '#platform/testing';
import {
  alertsOf,
  eventRule,
  ext,
  inForce,
  instant,
  judged,
  minutes,
  onCode,
  putAt,
  quantity,
  reading,
  settled,
  shortly,
} from '../../testing/alert-rules.ts';
import { createRig, type Rig } from '../../testing/rig.ts';
import { createLookups } from './query.ts';

const change = [ext('change', 'Quantity', quantity(1.5, 'mmol/L'))];
const jump = (id: string, more: JsonObject[] = [], code = 'k', window = 60) =>
  eventRule(
    id,
    'delta',
    [minutes('window', window), ...more],
    [{ title: 'Jump', extension: change, trigger: [onCode(code)] }],
  );
const coded = (code: string): JsonObject => ({ code: { coding: [{ system: 'http://x', code }] } });
const of = (patient: string): JsonObject => ({ subject: { reference: `Patient/${patient}` } });
const stored = async (rig: Rig, ...resources: ReturnType<typeof reading>[]) => {
  for (const one of resources) await rig.store.put(one);
};
const searchesOf = (rig: Rig, type: string) => rig.store.searches.filter((one) => one.startsWith(`${type}?`));

test('delta, trend and combination: the first change is judged with what the store had', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await stored(
    rig,
    reading('old', 1, -30),
    reading('a', 4, 0),
    reading('b', 4.2, 10),
    reading('wrong', 9, 15, { status: 'entered-in-error' }),
    reading('other-code', 9, 15, coded('x')),
    reading('other-patient', 9, 15, of('p2')),
    reading('bp', 85, 5, coded('bp')),
  );
  await rig.store.put(reading('gone', 9, 16));
  await rig.store.remove('Observation', 'gone');
  const slope = [ext('change-per-hour', 'Quantity', quantity(2, 'mmol/L'))];
  const when = (code: string, expression: string) =>
    onCode(code, { name: code, condition: { language: 'text/fhirpath', expression } });
  const both = [when('k', 'value.value > 5'), when('bp', 'value.value < 90')];
  await inForce(
    rig,
    jump('d'),
    eventRule('s', 'trend', [minutes('window', 60)], [{ title: 'Rises', extension: slope, trigger: [onCode('k')] }]),
    eventRule('c', 'combination', [minutes('window', 60)], [{ title: 'Both', trigger: both }]),
  );
  assert.deepEqual(searchesOf(rig, 'Observation'), []);
  await judged(rig, reading('c', 6, 40));
  assert.deepEqual(await shortly(rig.db, 'd'), ['active: from 4 mmol/L to 6 mmol/L within 40 min']);
  assert.deepEqual(await shortly(rig.db, 's'), ['active: rising by 3.13846 mmol/L an hour, 3 values, now 6']);
  assert.deepEqual(await shortly(rig.db, 'c'), ['active: k, bp']);
  // Two for each trigger: what stood then, and what was changed since.
  assert.equal(searchesOf(rig, 'Observation').length, 8);
  await judged(rig, reading('d', 6.1, 41), reading('e', 6.1, 42));
  assert.equal(searchesOf(rig, 'Observation').length, 8);
});

test('what came after the change is not known to it, also where it is judged late or again', async (t) => {
  const rig = await createRig(t);
  const first = await rig.start();
  await stored(rig, reading('a', 4, 0));
  await inForce(rig, jump('d'));
  await first.stop();
  await stored(rig, reading('b', 6, 10));
  await stored(rig, reading('a', 5.8, 0, { status: 'corrected' }), reading('c', 3, 20, of('p2')), reading('c2', 6, 21));
  await rig.start();
  await settled(rig);
  // With the value of now the first would not have been raised.
  assert.deepEqual(await shortly(rig.db, 'd'), ['resolved: from 4 mmol/L to 6 mmol/L within 10 min']);
  const asked = searchesOf(rig, 'Observation').length;
  const facts = () => rig.db.query({ text: 'select * from alert_fact order by subject, series, resource' });
  const [alerts, known] = [await alertsOf(rig.db, 'd'), await facts()];
  await rig.db.query({ text: `update subscriber set done_number = 0, due_at = now() where id = 'alert:d'` });
  await settled(rig);
  assert.deepEqual([await alertsOf(rig.db, 'd'), await facts()], [alerts, known]);
  assert.equal(searchesOf(rig, 'Observation').length, asked);
});

test('another version of the rule forgets what it remembered and asks the store anew', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await inForce(rig, jump('d'));
  await judged(rig, reading('a', 9, 0), reading('b', 4, 5, coded('other')));
  await inForce(rig, jump('d', [], 'other'));
  // 9 is of the code that the rule no longer listens for.
  await judged(rig, reading('c', 4.1, 10, coded('other')));
  assert.deepEqual(await shortly(rig.db, 'd'), []);
  await judged(rig, reading('d', 6, 15, coded('other')));
  assert.deepEqual(await shortly(rig.db, 'd'), ['active: from 4 mmol/L to 6 mmol/L within 10 min']);
});

test('a subject of its own: among what the store has of the same patient', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const at = (encounter: string): JsonObject => ({ encounter: { reference: `Encounter/${encounter}` } });
  await stored(rig, reading('a', 4, 0, at('e1')), reading('b', 9, 5, at('e2')));
  await inForce(rig, jump('d', [ext('subject', 'String', 'encounter')]));
  await judged(rig, reading('c', 6, 10, at('e1')));
  assert.deepEqual(
    (await alertsOf(rig.db, 'd')).map(({ subject, detail }) => [subject, detail]),
    [['Encounter/e1', 'from 4 mmol/L to 6 mmol/L within 10 min']],
  );
});

test('a dry run begins with what the store had when its range and the window before it begin', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  await inForce(rig, jump('d', [], 'k', 30));
  const nowMs = Date.now();
  const time = (minute: number): JsonObject => ({
    effectiveDateTime: new Date(nowMs + minute * 60_000).toISOString(),
  });
  const at = (id: string, value: number, minute: number, writtenMinute = minute) =>
    putAt(rig, reading(id, value, minute, time(minute)), nowMs + writtenMinute * 60_000);
  await at('a', 4, -100);
  await at('b', 4.1, -80);
  await at('changed', 4, -75);
  // Written when the range has begun, of a time before: the newest value was written before it.
  await at('late', 6, -85, -20);
  await at('changed', 8, -75, -15);
  await settled(rig);
  assert.deepEqual(await shortly(rig.db, 'd'), ['active: from 4 mmol/L to 8 mmol/L within 25 min']);
  const route = server.adminRoutes.find(({ path }) => path === '/admin/alerts/rules/:id/dry-run')!;
  const from = new Date(nowMs - 40 * 60_000).toISOString();
  const query = new URLSearchParams({ from, wait: '20' });
  const { body } = (await route.handle({ params: { id: 'd' }, query, body: Buffer.alloc(0) })) as unknown as {
    body: { fired: { detail: string }[]; errors: number; judged: number };
  };
  assert.deepEqual([body.errors, body.judged], [0, 2]);
  // As the late one found it: 4 was changed to 8 five minutes later.
  assert.deepEqual(
    body.fired.map(({ detail }) => detail),
    ['from 6 mmol/L to 4 mmol/L within 10 min'],
  );
});

test('delta: when the newest value is withdrawn or moved back, the one before it is judged with its own window', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await inForce(rig, jump('d'));
  await judged(rig, reading('a', 4, 0), reading('b', 6, 30));
  const raised = 'from 4 mmol/L to 6 mmol/L within 30 min';
  assert.deepEqual(await shortly(rig.db, 'd'), [`active: ${raised}`]);
  // Nothing else lies in the window of this one.
  await judged(rig, reading('far', 6, 200));
  assert.deepEqual(await shortly(rig.db, 'd'), [`resolved: ${raised}`]);
  await judged(rig, reading('far', 6, 50, { status: 'corrected' }));
  assert.deepEqual((await shortly(rig.db, 'd')).slice(1), ['active: from 4 mmol/L to 6 mmol/L within 50 min']);
  await judged(
    rig,
    reading('far', 6, 200, { status: 'corrected' }),
    reading('far', 6, 200, { status: 'entered-in-error' }),
  );
  assert.deepEqual((await shortly(rig.db, 'd')).slice(2), [`active: ${raised}`]);
});

test('trend: what is deleted of another code is not taken for a new finding', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const slope = [ext('change-per-hour', 'Quantity', quantity(2, 'mmol/L'))];
  await inForce(
    rig,
    eventRule('s', 'trend', [minutes('window', 60)], [{ title: 'Rises', extension: slope, trigger: [onCode('k')] }]),
  );
  await judged(rig, reading('a', 4, 0), reading('b', 5, 10), reading('c', 6, 20), reading('x', 9, 30, coded('x')));
  const raised = await shortly(rig.db, 's');
  // A late value, which clears nothing, and then one that is none of this rule's goes.
  await judged(rig, reading('late', 9, 5));
  await rig.store.remove('Observation', 'x');
  await settled(rig);
  assert.deepEqual(await shortly(rig.db, 's'), raised);
  assert.equal(raised.length, 1);
});

test('a burst of changes of one patient asks the store once for all that are judged together', async (t) => {
  const rig = await createRig(t);
  const first = await rig.start();
  const query = {
    url: 'urn:cerebra:alert:query',
    valueExpression: {
      ...{ name: 'others', language: 'application/x-fhir-query' },
      expression: 'Condition?subject={{%resource.subject.reference}}',
    },
  };
  const condition = [
    { kind: 'applicability', expression: { language: 'text/fhirpath', expression: '%others.exists()' } },
  ];
  const high = [ext('high', 'Quantity', quantity(6, 'mmol/L'))];
  await inForce(
    rig,
    eventRule('q', 'threshold', [query], [{ title: 'High', extension: high, trigger: [onCode('k')], condition }]),
  );
  await rig.store.put({ resourceType: 'Condition', id: 'c1', ...of('p1') } as Resource & { id: string });
  await first.stop();
  await stored(rig, ...Array.from({ length: 60 }, (_, i) => reading(`o${i}`, 5 + i / 10, i)));
  await stored(rig, reading('p2', 9, 1, of('p2')));
  // Other databases of the cluster may hold some of them back, which are judged later then.
  await waitFor(async () => {
    const { changes } = await rig.store.feed.read(rig.db, { xid: 0n, seq: 0n }, 1000);
    return changes.some(({ type, id }) => type === 'Observation' && id === 'p2');
  }, 'all in the stream');
  await rig.start();
  await settled(rig);
  assert.deepEqual(await shortly(rig.db, 'q'), ['active: 10.9 mmol/L (limit 6 mmol/L)']);
  assert.equal(searchesOf(rig, 'Condition').length, 2);
});

test('each question is asked once; a few hundred answers are kept', async () => {
  const asked: string[] = [];
  const body = JSON.stringify({ resourceType: 'Patient', id: '1', birthDate: instant(0) });
  const one = { type: 'Patient', id: '1', version: 1, updatedMs: 0, body, deleted: false };
  const reader: ResourceReader = {
    async read(type, id) {
      asked.push(`${type}/${id}`);
      return id === '1' ? one : undefined;
    },
    async search(type, query) {
      asked.push(`${type}?${query}`);
      return { resources: [one], included: [] };
    },
  };
  const lookups = createLookups(reader, { kind: 'everything' });
  assert.equal((await lookups.read('Patient', '1'))?.birthDate, instant(0));
  assert.equal(await lookups.read('Patient', '2'), undefined);
  await lookups.read('Patient', '1');
  const [first, again] = await Promise.all([lookups.search('Patient', '_id=1'), lookups.search('Patient', '_id=1')]);
  assert.equal(first, again);
  assert.deepEqual(asked, ['Patient/1', 'Patient/2', 'Patient?_id=1']);
  for (let i = 0; i < 200; i++) await lookups.search('Patient', `_id=x${i}`);
  await lookups.read('Patient', '1');
  assert.equal(asked.length, 204);
});
