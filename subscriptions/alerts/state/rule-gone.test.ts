// What becomes of alerts whose rule goes out of force: they end as if what was found were over.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import {
  alertsOf,
  eventRule,
  ext,
  holds,
  inForce,
  judged,
  minutes,
  onCode,
  quantity,
  reading,
  settled,
} from '../../testing/alert-rules.ts';
import { createRig, type Rig, waitForState } from '../../testing/rig.ts';

type Stored = Resource & { id: string };

const highRule = (id: string, priority = 'stat', extension: JsonObject[] = []): Stored =>
  eventRule(id, 'threshold', extension, [
    {
      title: `High ${id}`,
      priority,
      extension: [ext('high', 'Quantity', quantity(6, 'mmol/L'))],
      trigger: [onCode('k')],
    },
  ]);

/** Dated as far ahead as is believed: it stays the newest for minutes. */
const aheadOfTime = () => ({ effectiveDateTime: new Date(Date.now() + 4 * 60_000).toISOString() });

const statuses = async ({ db }: Rig, ...rules: string[]): Promise<string[]> =>
  (await Promise.all(rules.map((rule) => alertsOf(db, rule)))).flat().map(({ rule, status }) => `${rule}: ${status}`);

const ended = (rig: Rig, ...rules: string[]) =>
  waitFor(
    async () => (await statuses(rig, ...rules)).every((one) => one.endsWith('resolved')),
    'the end of the alerts',
  );

/** `title: status` of what tells of alerts. */
async function told({ store }: Rig, type: string): Promise<string[]> {
  const found = (await store.list(type)) as (Resource & { code?: JsonObject; description?: string })[];
  const shown = found
    .filter(({ id }) => id !== 'none')
    .map(({ status, description, code }) => `${description ?? String(code?.text)}: ${String(status)}`);
  return shown.sort();
}

test('deleted, retired, or no rule any more: Flag, Task and escalation end, however the value was dated', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const within = [minutes('acknowledge-within', 5), ext('escalation', 'String', 'chain')];
  const rules = [highRule('deleted', 'routine', within), highRule('retired'), highRule('other'), highRule('stays')];
  await inForce(rig, ...rules);
  await judged(rig, reading('o1', 7, 1, aheadOfTime()));
  assert.deepEqual(await told(rig, 'Flag'), rules.map(({ id }) => `High ${id}: active`).sort());
  assert.deepEqual(await told(rig, 'Task'), rules.map(({ id }) => `High ${id}: requested`).sort());

  await rig.store.remove('PlanDefinition', 'deleted');
  await rig.store.put({ ...highRule('retired'), status: 'retired' });
  await rig.store.put({ resourceType: 'PlanDefinition', id: 'other', status: 'active' });
  await ended(rig, 'deleted', 'retired', 'other');
  assert.deepEqual(await told(rig, 'Flag'), [
    'High deleted: inactive',
    'High other: inactive',
    'High retired: inactive',
    'High stays: active',
  ]);
  assert.deepEqual(await told(rig, 'Task'), [
    'High deleted: cancelled',
    'High other: cancelled',
    'High retired: cancelled',
    'High stays: requested',
  ]);
  const text = `select e.state from escalation e join alert a on a.id = e.alert where a.rule = 'deleted'`;
  assert.deepEqual(await rig.db.query({ text }), [{ state: 'cleared' }]);

  // Put again it is a rule anew: what it finds from there on is another alert. A new version goes on with what there is.
  await inForce(rig, highRule('deleted', 'routine', within), { ...highRule('stays'), title: 'Another' });
  await judged(rig, reading('o2', 8, 1, aheadOfTime()));
  assert.deepEqual(await statuses(rig, 'deleted', 'retired', 'other', 'stays'), [
    'deleted: resolved',
    'deleted: active',
    'retired: resolved',
    'other: resolved',
    'stays: active',
  ]);
});

test('what is owed to a rule that is deleted is not judged; its alerts end after a crash, too', async (t) => {
  const rig = await createRig(t);
  const first = await rig.start();
  await inForce(rig, highRule('owed'));
  await judged(rig, reading('o1', 7, 1));
  await first.stop();
  await rig.store.put(reading('o2', 9, 2, { subject: { reference: 'Patient/p2' } }));
  await rig.store.remove('PlanDefinition', 'owed');
  await rig.start();
  await settled(rig);
  await ended(rig, 'owed');
  assert.deepEqual(await statuses(rig, 'owed'), ['owed: resolved']);
  assert.deepEqual(
    await rig.db.query({ text: `select 1 from delivery where subscriber = 'alert:owed' and outcome is null` }),
    [],
  );
});

test('what a rule could not judge is repeated while it is in force, and not when it is gone', async (t) => {
  const rig = await createRig(t);
  const { adminRoutes } = await rig.start();
  const retry = async () => {
    const route = adminRoutes.find(({ path }) => path === '/admin/subscriptions/:id/retry')!;
    const asked = { params: { id: 'alert:r' }, query: new URLSearchParams(), body: Buffer.alloc(0) };
    return ((await route.handle(asked)).body as JsonObject).requeued;
  };
  await inForce(rig, highRule('r'));
  await judged(rig, reading('o1', 7, 1));
  await rig.db.query({ text: `update delivery set outcome = 'failed' where subscriber = 'alert:r'` });
  await rig.store.remove('PlanDefinition', 'r');
  await waitForState(rig.db, 'alert:r', 'deleted');
  assert.equal(await retry(), 0);
  const owed = `select number from delivery where subscriber = 'alert:r' and outcome is null`;
  assert.deepEqual(await rig.db.query({ text: owed }), []);
  await inForce(rig, highRule('r'));
  assert.equal(await retry(), 1);
});

test('a rule that is no sound one any more, and one alert that can not be ended, which holds up no other', async (t) => {
  const rig = await createRig(t);
  const first = await rig.start();
  await inForce(rig, highRule('stuck'), highRule('unsound'));
  await judged(rig, reading('o1', 7, 1));
  const text = `create function stuck() returns trigger language plpgsql as $$ begin
      if old.rule = 'stuck' then raise 'stuck'; end if; return new; end $$;
    create trigger stuck before update on alert for each row execute function stuck()`;
  await rig.db.query({ text });
  t.after(() => rig.db.query({ text: 'drop function stuck() cascade' }));
  await rig.store.remove('PlanDefinition', 'stuck');
  const wrong = { title: 'x', trigger: [onCode('k')], condition: [holds('value.matches(1')] };
  await rig.store.put(eventRule('unsound', 'threshold', [], [wrong]));
  await ended(rig, 'unsound');
  assert.deepEqual(await statuses(rig, 'stuck', 'unsound'), ['stuck: active', 'unsound: resolved']);

  // A server that starts knows of it, and hears of its end.
  await first.stop();
  await rig.start();
  await rig.store.remove('PlanDefinition', 'unsound');
  await settled(rig);
  const state = `select state from subscriber where id = 'alert:unsound'`;
  assert.deepEqual(await rig.db.query({ text: state }), [{ state: 'deleted' }]);
});

test('more than are ended at once end one page after another', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await inForce(rig, highRule('many'));
  const of = (i: number) => ({ subject: { reference: `Patient/p${i}` } });
  await judged(rig, ...Array.from({ length: 205 }, (_, i) => reading(`o${i}`, 7, 1, of(i))));
  await rig.store.remove('PlanDefinition', 'many');
  await ended(rig, 'many');
  assert.deepEqual(await statuses(rig, 'many'), Array<string>(205).fill('many: resolved'));
  assert.deepEqual(await told(rig, 'Flag'), Array<string>(205).fill('High many: inactive'));
});
