// A value that is withdrawn, or another patient's, or dated earlier: the newest of the others says what is so now, live and in a
// dry run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { alertsOf, eventRule, ext, inForce, judged, onCode, quantity, reading } from '../../testing/alert-rules.ts';
import { createRig, type Rig } from '../../testing/rig.ts';
import type { DryRun } from '../dry-run.ts';

const limits = [ext('high', 'Quantity', quantity(6, 'mmol/L')), ext('rearm-high', 'Quantity', quantity(4, 'mmol/L'))];
const urgent = [ext('high', 'Quantity', quantity(9, 'mmol/L')), ext('rearm-high', 'Quantity', quantity(7, 'mmol/L'))];
const high = { title: 'High', priority: 'asap', extension: limits, trigger: [onCode('k')] };
const higher = { title: 'Very high', priority: 'stat', extension: urgent, trigger: [onCode('k')] };
const wrong = { status: 'entered-in-error' };
const ofP2 = { subject: { reference: 'Patient/p2' } };
const raised = (value: number, limit = 6) => `${value} mmol/L (limit ${limit} mmol/L)`;

/** `subject status severity, told so often: detail`, in the order in which they were raised. */
const told = async ({ db }: Rig): Promise<string[]> =>
  (await alertsOf(db, 't')).map(
    ({ subject, status, severity, tells, detail }) => `${subject} ${status} ${severity}, ${tells}: ${detail}`,
  );

type Server = Awaited<ReturnType<Rig['start']>>;

/** The dry run raises and ends what was raised and has ended. */
async function assertSameDry(rig: Rig, { adminRoutes }: Server): Promise<void> {
  const route = adminRoutes.find(({ path }) => path === '/admin/alerts/rules/:id/dry-run')!;
  const query = new URLSearchParams({ wait: '20' });
  const run = (await route.handle({ params: { id: 't' }, query, body: Buffer.alloc(0) })).body as DryRun;
  const rows = await alertsOf(rig.db, 't');
  const over = rows.filter(({ status }) => status === 'resolved').length;
  assert.deepEqual([run.state, run.errors, run.raised, run.resolved], ['done', 0, rows.length, over]);
}

async function rigWith(t: Parameters<typeof createRig>[0], action: JsonObject[], extension: JsonObject[] = []) {
  const rig = await createRig(t);
  const server = await rig.start();
  await inForce(rig, eventRule('t', 'threshold', extension, action));
  return { rig, server };
}

test('the alert goes on with the value before the one that is withdrawn, deleted or another patient’s', async (t) => {
  const { rig, server } = await rigWith(t, [high]);
  await judged(rig, reading('o1', 6.5, 1), reading('o2', 7, 2), reading('o3', 8, 3), reading('o4', 8.5, 4));
  await judged(rig, reading('o4', 8.5, 4, wrong));
  assert.deepEqual(await told(rig), [`Patient/p1 active high, 1: ${raised(8)}`]);
  await judged(rig, reading('o3', 8, 3, ofP2));
  assert.deepEqual(await told(rig), [
    `Patient/p1 active high, 1: ${raised(7)}`,
    `Patient/p2 active high, 1: ${raised(8)}`,
  ]);
  await rig.store.remove('Observation', 'o2');
  await judged(rig);
  assert.equal((await told(rig))[0], `Patient/p1 active high, 1: ${raised(6.5)}`);
  await judged(rig, reading('o1', 6.5, 1, wrong));
  assert.equal((await told(rig))[0], `Patient/p1 resolved high, 1: ${raised(6.5)}`);
  await assertSameDry(rig, server);
});

test('who has acknowledged it is not called again; a value between the limits leaves the one before it', async (t) => {
  const { rig, server } = await rigWith(t, [high]);
  await judged(rig, reading('o1', 6.5, 1), reading('o2', 5, 2), reading('o3', 7, 3));
  const [{ id } = { id: '' }] = await rig.db.query<{ id: string }>({ text: 'select id from alert' });
  const route = server.adminRoutes.find(({ path }) => path === '/admin/alerts/:id/acknowledge')!;
  const body = Buffer.from(JSON.stringify({ by: 'Practitioner/1' }));
  await route.handle({ params: { id }, query: new URLSearchParams(), body });
  await judged(rig, reading('o3', 7, 3, wrong));
  assert.deepEqual(await told(rig), [`Patient/p1 acknowledged high, 1: ${raised(6.5)}`]);
});

test('levels: down to that of the value before, and up again where that is worse', async (t) => {
  const { rig, server } = await rigWith(t, [high, higher]);
  await judged(rig, reading('o1', 6.5, 1), reading('o2', 10, 2));
  assert.deepEqual(await told(rig), [`Patient/p1 active critical, 2: ${raised(10, 9)}`]);
  await judged(rig, reading('o2', 10, 2, wrong));
  assert.deepEqual(await told(rig), [`Patient/p1 active high, 2: ${raised(6.5)}`]);
  // 8 keeps the level of 10, which 6.1 does not: without it the level is there again, and told.
  await judged(rig, reading('o3', 10, 3), reading('o4', 8, 4), reading('o5', 6.1, 5));
  assert.deepEqual(await told(rig), [`Patient/p1 active high, 3: ${raised(6.1)}`]);
  await judged(rig, reading('o5', 6.1, 5, wrong));
  assert.deepEqual(await told(rig), [`Patient/p1 active critical, 4: ${raised(8)}`]);
  await assertSameDry(rig, server);
});

test('a value that ended the alert and was none of the patient’s: the alert is there again', async (t) => {
  const { rig, server } = await rigWith(t, [high]);
  await judged(rig, reading('o1', 6.5, 1), reading('o2', 3, 2), reading('o2', 3, 2, { note: [{ text: 'seen' }] }));
  assert.deepEqual(await told(rig), [`Patient/p1 resolved high, 1: ${raised(6.5)}`]);
  await judged(rig, reading('o2', 3, 2, ofP2));
  const again = `Patient/p1 active high, 1: ${raised(6.5)}`;
  assert.deepEqual(await told(rig), [`Patient/p1 resolved high, 1: ${raised(6.5)}`, again]);
  // That one ends it; what somebody has ended by hand stays so.
  await judged(rig, reading('o3', 3, 3), reading('o4', 7, 4));
  const [{ id } = { id: '' }] = await rig.db.query<{ id: string }>({
    text: `select id from alert where status = 'active'`,
  });
  const route = server.adminRoutes.find(({ path }) => path === '/admin/alerts/:id/close')!;
  await route.handle({ params: { id }, query: new URLSearchParams(), body: Buffer.from('{"by":"Practitioner/1"}') });
  await judged(rig, reading('o5', 3, 5), reading('o5', 3, 5, wrong));
  assert.equal((await told(rig)).filter((one) => !one.includes(' resolved ')).length, 0);
});

test('dated earlier than a value that stands, it ends nothing', async (t) => {
  const { rig, server } = await rigWith(t, [high]);
  await judged(rig, reading('o1', 6.5, 1), reading('o2', 3, 5), reading('o2', 3, 0));
  assert.deepEqual(await told(rig), [
    `Patient/p1 resolved high, 1: ${raised(6.5)}`,
    `Patient/p1 active high, 1: ${raised(6.5)}`,
  ]);
  // Still the newest one: it ends it.
  await judged(rig, reading('o3', 3, 9), reading('o3', 3, 8));
  assert.equal((await told(rig))[1], `Patient/p1 resolved high, 1: ${raised(6.5)}`);
  await assertSameDry(rig, server);
});

test('a value that was cancelled before is none to go back to', async (t) => {
  const { rig, server } = await rigWith(t, [high]);
  await judged(rig, reading('o1', 6.5, 1), reading('o2', 7, 2), reading('o1', 6.5, 1, { status: 'cancelled' }));
  assert.deepEqual(await told(rig), [`Patient/p1 active high, 1: ${raised(7)}`]);
  await judged(rig, reading('o2', 7, 2, wrong));
  assert.deepEqual(await told(rig), [`Patient/p1 resolved high, 1: ${raised(7)}`]);
  await assertSameDry(rig, server);
});

test('a dry run takes a value that has been deleted since for what it was then', async (t) => {
  const { rig, server } = await rigWith(t, [high]);
  await judged(rig, reading('o1', 6.5, 1), reading('o2', 7, 2), reading('o2', 7, 2, wrong), reading('o3', 8, 3));
  for (const id of ['o1', 'o3']) await rig.store.remove('Observation', id);
  await judged(rig);
  assert.deepEqual(await told(rig), [`Patient/p1 resolved high, 1: ${raised(8)}`]);
  await assertSameDry(rig, server);
});

test('two that are withdrawn at once leave nothing; those of another key are passed over', async (t) => {
  const key = ext('key', 'String', 'bodySite.text');
  const { rig } = await rigWith(t, [high], [key]);
  const left = { bodySite: { text: 'left' } };
  const right = { bodySite: { text: 'right' } };
  await judged(rig, reading('r', 9, 9, right), reading('o1', 6.5, 1, left), reading('o2', 7, 3, left));
  const both = [reading('o1', 6.5, 1, { ...left, ...wrong }), reading('o2', 7, 3, { ...left, ...wrong })];
  const entries = both.map((resource) => ({ method: 'PUT' as const, url: `Observation/${resource.id}`, resource }));
  await rig.store.writer.transaction(entries, { scope: { kind: 'everything' } });
  await judged(rig);
  assert.deepEqual(await told(rig), [
    `Patient/p1 active high, 1: ${raised(9)}`,
    `Patient/p1 resolved high, 1: ${raised(7)}`,
  ]);
});
