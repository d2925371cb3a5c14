import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { chainOf } from '../escalation/testing/rig.ts';
import {
  alertsOf,
  eventRule,
  ext,
  inForce,
  judged,
  onCode,
  quantity,
  reading,
  settled,
  tasksOf,
} from '../testing/alert-rules.ts';
import { createRig, type Rig } from '../testing/rig.ts';
import { testRules } from '../testing/rules.ts';
import { acknowledgeBy, acknowledgmentEntries } from './acknowledgments.ts';

const baseUrl = 'https://fhir.example.org/fhir/R4';

const answerTo = (reference: string, rest: object = {}): Resource => ({
  ...{ resourceType: 'Communication', id: 'answer', status: 'completed', inResponseTo: [{ reference }] },
  ...rest,
});

/** Which alert the answer acknowledges, and by whom, if the change stream is listened to for it at all. */
async function acknowledgedBy(answer: Resource, previous?: Resource): Promise<string[]> {
  const { entries } = acknowledgmentEntries({ ...(await testRules()), baseUrl });
  if (!entries.find(({ query }) => query.type === 'Communication')!.test!(answer, 1)) return [];
  const done: string[] = [];
  const acknowledge = async (id: string, by: string, note?: string) => {
    done.push(`${id} by ${by}${note === undefined ? '' : `: ${note}`}`);
    return true;
  };
  const alertOf = async (type: string, id: string) => (type === 'Communication' && id === 'told' ? 'alert' : undefined);
  await acknowledgeBy(answer, previous, {
    baseUrl,
    alerts: { acknowledge },
    alertOf,
    statusOf: async () => 'completed',
  });
  return done;
}

test('an answer may name the Communication, and its sender, with our own base', async () => {
  const sender = { reference: `${baseUrl}/Practitioner/a` };
  assert.deepEqual(await acknowledgedBy(answerTo('Communication/told')), ['alert by Communication']);
  for (const reference of [`${baseUrl}/Communication/told`, `${baseUrl}/Communication/told/_history/1`]) {
    assert.deepEqual(await acknowledgedBy(answerTo(reference, { sender })), ['alert by Practitioner/a']);
  }
  assert.deepEqual(await acknowledgedBy(answerTo('https://other.example.org/fhir/Communication/told')), []);
});

test('who has done it is the author of the note that came with it, not whoever it was given to', async () => {
  const sender = { reference: 'PractitionerRole/ward' };
  const answer = (...note: object[]) => answerTo('Communication/told', { sender, note });
  const seen = { text: 'seen', authorReference: { reference: `${baseUrl}/Practitioner/nina` } };
  assert.deepEqual(await acknowledgedBy(answer(seen)), ['alert by Practitioner/nina: seen']);
  assert.deepEqual(await acknowledgedBy(answer({ text: 'on my way', authorString: 'Nina' })), [
    'alert by Nina: on my way',
  ]);
  assert.deepEqual(await acknowledgedBy(answer({ text: 'seen' })), ['alert by PractitionerRole/ward: seen']);
  // What somebody has said before is nothing of this.
  assert.deepEqual(await acknowledgedBy(answer(seen), answer(seen)), ['alert by PractitionerRole/ward']);
  const again = answer(seen, { text: 'done', authorString: 'Otto' });
  assert.deepEqual(await acknowledgedBy(again, answer(seen)), ['alert by Otto: done']);
});

test('an answer about a Flag that is only completed later is none to what the alert is by then', async () => {
  const answer = (status: string, rest: object = {}) => answerTo('Flag/f', { status, ...rest });
  assert.deepEqual(await acknowledgedBy(answer('in-progress')), ['f by Communication']);
  assert.deepEqual(await acknowledgedBy(answer('completed'), answer('preparation')), ['f by Communication']);
  assert.deepEqual(await acknowledgedBy(answer('completed'), answer('in-progress')), []);
  const payload = [{ contentString: 'I see that it got worse' }];
  assert.deepEqual(await acknowledgedBy(answer('completed', { payload }), answer('in-progress')), [
    'f by Communication',
  ]);
});

type Stored = Resource & { id: string };

/** As if it had been told only now. */
async function toldAgain({ db }: Rig, task: Stored, version: number): Promise<void> {
  const text = `with s as (update subscriber set last_number = last_number + 1, due_at = statement_timestamp()
      where id = 'alert::acknowledgments' returning last_number)
    insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id, op)
    select d.subscriber, s.last_number, d.change_xid, d.change_seq, d.changed_at, d.version, d.type, d.id, d.op
    from delivery d, s where d.subscriber = 'alert::acknowledgments' and d.id = $1 and d.version = $2`;
  assert.equal(await db.queryCount({ text }, [task.id, version]), 1);
}

test('what was done before an alert got worse does not acknowledge it', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const above = (limit: number, priority: string) => ({
    ...{ title: `Above ${limit}`, priority, trigger: [onCode('k')] },
    extension: [ext('high', 'Quantity', quantity(limit, 'mmol/L'))],
  });
  await inForce(rig, eventRule('w', 'threshold', [], [above(6, 'asap'), above(9, 'stat')]));
  const states = async () => (await alertsOf(rig.db, 'w')).map(({ severity, status }) => `${severity} ${status}`);
  await judged(rig, reading('a', 7, 1));
  const [task] = (await tasksOf(rig)) as Stored[];
  const owner = { reference: 'Practitioner/a' };
  const done = await rig.store.put({ ...task!, status: 'completed', owner });
  await settled(rig);
  assert.deepEqual(await states(), ['high acknowledged']);
  await judged(rig, reading('b', 10, 2));
  assert.deepEqual(await states(), ['critical active']);
  await toldAgain(rig, task!, done);
  await settled(rig);
  assert.deepEqual(await states(), ['critical active']);
  // As it is now it acknowledges.
  const [open] = (await tasksOf(rig)) as Stored[];
  assert.equal(open!.status, 'requested');
  const note = [
    ...((open!.note ?? []) as object[]),
    { text: 'seen', authorReference: { reference: 'Practitioner/b' } },
  ];
  await rig.store.put({ ...open!, status: 'completed', note } as Stored);
  await settled(rig);
  assert.deepEqual(await states(), ['critical acknowledged']);
  const text = 'select acknowledged_by, note from alert';
  assert.deepEqual(await rig.db.query({ text }), [{ acknowledged_by: 'Practitioner/b', note: 'seen' }]);
});

const answers = async (rig: Rig, id: string, reference: string) => {
  await rig.store.put(answerTo(reference, { id, sender: { reference: 'Practitioner/a' } }) as Stored);
  await settled(rig);
};

test('an answer to what was told before it got worse acknowledges nothing, one to what was told last does', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const above = (limit: number, priority: string) => ({
    ...{ title: `Above ${limit}`, priority, trigger: [onCode('k')] },
    extension: [ext('high', 'Quantity', quantity(limit, 'mmol/L'))],
  });
  await inForce(rig, eventRule('w', 'threshold', [], [above(6, 'asap'), above(9, 'stat')]));
  const states = async () => (await alertsOf(rig.db, 'w')).map(({ severity, status }) => `${severity} ${status}`);
  await judged(rig, reading('a', 7, 1), reading('b', 10, 2));
  const told = (await rig.store.list('Communication')) as Stored[];
  const idOf = (wanted: string) => told.find(({ priority }) => priority === wanted)!.id;
  await answers(rig, 'a1', `Communication/${idOf('asap')}`);
  assert.deepEqual(await states(), ['critical active']);
  await answers(rig, 'a2', `Communication/${idOf('stat')}`);
  assert.deepEqual(await states(), ['critical acknowledged']);
});

test('an answer to a message of escalation acknowledges, unless the alert got worse since', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const above = (limit: number, priority: string) => ({
    ...{ title: `Above ${limit}`, priority, trigger: [onCode('k')] },
    extension: [ext('high', 'Quantity', quantity(limit, 'mmol/L'))],
  });
  await rig.store.put(chainOf([{ who: ['Practitioner/a'], channels: ['websocket'] }]) as Stored);
  await rig.store.put({ resourceType: 'Practitioner', id: 'a' } as Stored);
  const escalation = ext('escalation', 'String', 'chain');
  await inForce(rig, eventRule('w', 'threshold', [escalation], [above(6, 'asap'), above(9, 'stat')]));
  const states = async () => (await alertsOf(rig.db, 'w')).map(({ severity, status }) => `${severity} ${status}`);
  const message = (priority: string) =>
    waitFor(async () => {
      const all = (await rig.store.list('Communication')) as (Stored & { recipient?: { reference?: string }[] })[];
      const isIt = (one: (typeof all)[number]) => one.recipient?.[0]?.reference === 'Practitioner/a';
      return all.find((one) => one.priority === priority && isIt(one));
    }, `the message of priority ${priority}`);
  await judged(rig, reading('a', 7, 1));
  const first = await message('asap');
  await judged(rig, reading('b', 10, 2));
  const second = await message('stat');
  await answers(rig, 'a1', `Communication/${first.id}`);
  assert.deepEqual(await states(), ['critical active']);
  await answers(rig, 'a2', `Communication/${second.id}`);
  assert.deepEqual(await states(), ['critical acknowledged']);
});
