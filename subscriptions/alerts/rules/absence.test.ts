// Readings that are awaited of a patient whose record is no longer one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { alertsOf, eventRule, inForce, judged, minutes, onCode, reading } from '../../testing/alert-rules.ts';
import { createRig } from '../../testing/rig.ts';

const patient = (id: string, rest: JsonObject = {}) => ({ resourceType: 'Patient', id, ...rest });
const merged = (id: string, into: string) =>
  patient(id, { active: false, link: [{ type: 'replaced-by', other: { reference: `Patient/${into}` } }] });

test('nobody waits for readings of a patient whose record was merged into another one, or deleted', async (t) => {
  const rig = await createRig(t);
  const startedMs = Date.now();
  let nowMs = startedMs;
  await rig.start({ clock: { now: () => nowMs } });
  const rule = { title: 'No reading', priority: 'asap', trigger: [onCode('k')] };
  await inForce(rig, eventRule('a', 'absence', [minutes('window', 15)], [rule]));
  const of = (id: string, who: string, minute = 0) =>
    reading(id, 4, 0, {
      effectiveDateTime: new Date(startedMs + minute * 60_000).toISOString(),
      subject: { reference: `Patient/${who}` },
    });
  const states = async () => {
    const flags = (await rig.store.list('Flag')) as unknown as (JsonObject & { subject: { reference: string } })[];
    return (await alertsOf(rig.db, 'a'))
      .map(({ subject, status }) => {
        const flag = flags.find((one) => one.subject.reference === subject);
        return `${subject} ${status}, ${String(flag?.status)}`;
      })
      .sort();
  };

  const all = ['early', 'late', 'target', 'gone', 'there'];
  await judged(rig, ...all.map((id) => patient(id)));
  await judged(rig, of('o1', 'late', -1), of('o2', 'early'), of('o3', 'gone'), of('o4', 'there'), of('o5', 'nowhere'));
  await judged(rig, merged('early', 'target'), of('o2', 'target'));
  await rig.store.remove('Patient', 'gone');
  const due = 'select due_at from alert_watch where due_at is not null order by due_at';
  const [first] = await rig.db.query<{ due_at: number }>({ text: due });
  nowMs = first!.due_at + 30_000;
  await waitFor(async () => (await states()).length === 1, 'the first alert');
  assert.deepEqual(await states(), ['Patient/late active, active']);

  nowMs += 120_000;
  await waitFor(async () => (await rig.db.query({ text: due })).length === 0, 'all that is due');
  const others = ['nowhere', 'target', 'there'].map((id) => `Patient/${id} active, active`);
  assert.deepEqual(await states(), ['Patient/late active, active', ...others]);

  // What was raised rested on a reading that is the other one's now.
  await judged(rig, merged('late', 'target'), of('o1', 'target', -1));
  assert.deepEqual(await states(), ['Patient/late resolved, entered-in-error', ...others]);
});

test('a window that is changed counts for those who are waited for already', async (t) => {
  const rig = await createRig(t);
  const startedMs = Date.now();
  let nowMs = startedMs;
  await rig.start({ clock: { now: () => nowMs } });
  const action = { title: 'No reading', trigger: [onCode('k')] };
  const of = (id: string, window: number) => eventRule(id, 'absence', [minutes('window', window)], [action]);
  await inForce(rig, of('longer', 15), of('shorter', 600));
  const at = { effectiveDateTime: new Date(startedMs).toISOString() };
  await judged(rig, reading('o1', 4, 0, at));
  const dueAfter = async (rule: string) => {
    const text = 'select due_at from alert_watch where rule = $1';
    const [row] = await rig.db.query<{ due_at: number | null }>({ text }, [rule]);
    return row?.due_at == null ? row?.due_at : (row.due_at - startedMs) / 60_000;
  };
  assert.deepEqual([await dueAfter('longer'), await dueAfter('shorter')], [15, 600]);
  await inForce(rig, of('longer', 60), of('shorter', 40));
  nowMs += 20 * 60_000;
  await waitFor(async () => (await dueAfter('longer')) === 60, 'the longer window');
  await waitFor(async () => (await dueAfter('shorter')) === 40, 'the shorter window');
  await inForce(rig, of('shorter', 10));
  nowMs += 10 * 60_000;
  await waitFor(async () => (await dueAfter('shorter')) === 30, 'what is missed by the shorter window now');
  nowMs += 30_000;
  await waitFor(async () => (await alertsOf(rig.db, 'shorter')).length === 1, 'what is missed by the shorter window');
  const [raised] = await rig.db.query<{ raised_at: number }>({
    text: `select raised_at from alert where rule = 'shorter'`,
  });
  assert.equal(raised?.raised_at, startedMs + 30 * 60_000);
  assert.deepEqual(await alertsOf(rig.db, 'longer'), []);
});
