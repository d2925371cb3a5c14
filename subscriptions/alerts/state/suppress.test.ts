// What a rule's `suppress` keeps silent of an alert that was told before: it must be told once nothing suppresses it.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { alertsOf, eventRule, ext, inForce, judged, onCode, quantity, reading } from '../../testing/alert-rules.ts';
import { createRig, type Rig, type Server } from '../../testing/rig.ts';

const level = (title: string, priority: string, limit: number): JsonObject => ({
  ...{ title, priority, trigger: [onCode('k')] },
  extension: [ext('high', 'Quantity', quantity(limit, 'mmol/L'))],
});
const silent = { note: [{ text: 'theatre' }] };

async function rigOf(t: TestContext, options: Parameters<Rig['start']>[0] = {}) {
  const rig = await createRig(t);
  const server = await rig.start(options);
  const suppress = ext('suppress', 'String', "note.text = 'theatre'");
  const levels = [level('High', 'asap', 6), level('Very high', 'stat', 9)];
  await inForce(rig, eventRule('s', 'threshold', [suppress], levels));
  return { rig, server };
}

/** Status, severity and tellings by the row, what it is by its Flag, and what was told last. */
async function seen({ db, store }: Rig): Promise<string> {
  const [row, ...others] = await alertsOf(db, 's');
  const [flag] = (await store.list('Flag')) as JsonObject[];
  const told = ((await store.list('Communication')) as JsonObject[]).filter(({ status }) => status === 'in-progress');
  assert.deepEqual([others.length, told.length], [0, 1]);
  const [{ contentString }] = told[0]!.payload as [JsonObject];
  return `${row!.status} ${row!.severity} ${row!.tells}; ${(flag!.code as JsonObject).text}; ${contentString}`;
}

const high = (tells = 1, value = 7) => `active high ${tells}; High; High: ${value} mmol/L (limit 6 mmol/L)`;
const veryHigh = (tells: number) => `active critical ${tells}; Very high; Very high: 10 mmol/L (limit 9 mmol/L)`;

test('an alert that was told stays as it was told while it is suppressed; what got worse is told when it is not', async (t) => {
  const { rig } = await rigOf(t);
  await judged(rig, reading('o1', 7, 1));
  assert.equal(await seen(rig), high());
  await judged(rig, reading('o2', 10, 2, silent));
  assert.equal(await seen(rig), high());
  // One that was measured before it ends nothing, and as much as was told is told to nobody.
  await judged(rig, reading('o3', 4, 1), reading('o4', 7, 3));
  assert.equal(await seen(rig), high());
  await judged(rig, reading('o5', 10, 4, silent), reading('o5', 10, 4));
  assert.equal(await seen(rig), veryHigh(2));
  await judged(rig, reading('o6', 4, 5));
  assert.deepEqual(
    (await alertsOf(rig.db, 's')).map(({ status }) => status),
    ['resolved'],
  );
});

test('a correction that is suppressed is told when it is not any more', async (t) => {
  const { rig } = await rigOf(t);
  await judged(rig, reading('o1', 7, 1), reading('o1', 8, 1, silent));
  assert.equal(await seen(rig), high());
  await judged(rig, reading('o1', 8, 1, { status: 'amended' }));
  assert.equal(await seen(rig), high(2, 8));
  await judged(rig, reading('o1', 10, 1, silent));
  assert.equal(await seen(rig), high(2, 8));
  await judged(rig, reading('o1', 10, 1));
  assert.equal(await seen(rig), veryHigh(3));
});

test('what is worse and takes the place of a value that is withdrawn is told when it is not suppressed any more', async (t) => {
  const { rig } = await rigOf(t);
  await judged(rig, reading('o1', 7, 2), reading('o2', 10, 1, silent));
  await judged(rig, reading('o1', 7, 2, { status: 'entered-in-error' }));
  assert.equal(await seen(rig), high());
  await judged(rig, reading('o3', 10, 3));
  assert.equal(await seen(rig), veryHigh(2));
});

async function snooze({ db }: Rig, { adminRoutes }: Server): Promise<void> {
  const [row] = await db.query<{ id: string }>({ text: 'select id from alert' });
  const route = adminRoutes.find(({ path }) => path === '/admin/alerts/:id/snooze')!;
  const body = Buffer.from(JSON.stringify({ by: 'Practitioner/a', minutes: 30 }));
  await route.handle({ params: { id: row!.id }, query: new URLSearchParams(), body });
}

test('what got worse while it is suppressed is not told by the end of a snooze', async (t) => {
  let aheadMs = 0;
  const { rig, server } = await rigOf(t, { clock: { now: () => Date.now() + aheadMs } });
  await judged(rig, reading('o1', 7, 1));
  await snooze(rig, server);
  await judged(rig, reading('o2', 10, 2, silent));
  aheadMs = 31 * 60_000;
  await waitFor(async () => (await rig.store.list('Communication')).length === 2, 'the telling after the snooze');
  assert.equal(await seen(rig), high(2));
});

test('the end of a snooze tells neither a value that is withdrawn nor what is worse and suppressed', async (t) => {
  let aheadMs = 0;
  const { rig, server } = await rigOf(t, { clock: { now: () => Date.now() + aheadMs } });
  await judged(rig, reading('o1', 7, 2), reading('o2', 10, 1, silent));
  await snooze(rig, server);
  await judged(rig, reading('o1', 7, 2, { status: 'entered-in-error' }));
  aheadMs = 31 * 60_000;
  await waitFor(async () => (await rig.store.list('Communication')).length === 2, 'the telling after the snooze');
  assert.equal(await seen(rig), 'active high 2; High; High');
});
