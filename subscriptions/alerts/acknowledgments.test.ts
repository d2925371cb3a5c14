import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '#fhir-model';
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
async function acknowledgedBy(answer: Resource): Promise<string[]> {
  const { entries } = acknowledgmentEntries({ ...(await testRules()), baseUrl });
  if (!entries.find(({ query }) => query.type === 'Communication')!.test!(answer, 1)) return [];
  const done: string[] = [];
  const acknowledge = async (id: string, by: string) => {
    done.push(`${id} by ${by}`);
    return true;
  };
  const alertOf = async (type: string, id: string) => (type === 'Communication' && id === 'told' ? 'alert' : undefined);
  await acknowledgeBy(answer, { baseUrl, alerts: { acknowledge }, alertOf, statusOf: async () => 'completed' });
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
  await rig.store.put({ ...open!, status: 'completed' });
  await settled(rig);
  assert.deepEqual(await states(), ['critical acknowledged']);
});
