// What becomes of the alerts of a patient whose record is deleted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainOf } from '../../escalation/testing/rig.ts';
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
} from '../../testing/alert-rules.ts';
import { createRig } from '../../testing/rig.ts';

test('the alerts of a patient who is deleted are over, whatever rule has raised them; those of others stay', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await rig.store.put(chainOf([{ who: ['Practitioner/a'], channels: ['websocket'] }]));
  await rig.store.put({ resourceType: 'Practitioner', id: 'a' });
  for (const id of ['p1', 'p2']) await rig.store.put({ resourceType: 'Patient', id });
  const extension = [ext('high', 'Quantity', quantity(6, 'mmol/L'))];
  const action = { title: 'High', priority: 'stat', extension, trigger: [onCode('k')] };
  await inForce(
    rig,
    eventRule('t', 'threshold', [ext('escalation', 'String', 'chain')], [action]),
    eventRule('s', 'threshold', [ext('suppress', 'String', 'true')], [action]),
  );
  // Dated ahead, it would stay the newest for minutes.
  const ahead = { effectiveDateTime: new Date(Date.now() + 4 * 60_000).toISOString() };
  await judged(rig, reading('o1', 7, 0, ahead), reading('o2', 7, 0, { subject: { reference: 'Patient/p2' } }));
  await rig.store.put({ resourceType: 'Patient', id: 'p1', active: true });
  await settled(rig);
  const states = async () =>
    (await Promise.all(['t', 's'].map((rule) => alertsOf(rig.db, rule))))
      .flat()
      .map((one) => `${one.rule} ${one.subject} ${one.status}`)
      .sort();
  const others = ['s Patient/p2 suppressed', 't Patient/p2 active'];
  assert.deepEqual(await states(), [
    's Patient/p1 suppressed',
    's Patient/p2 suppressed',
    't Patient/p1 active',
    't Patient/p2 active',
  ]);

  await rig.store.remove('Patient', 'p1');
  await settled(rig);
  assert.deepEqual(await states(), ['s Patient/p1 resolved', others[0], 't Patient/p1 resolved', others[1]]);
  const of = (all: readonly object[], who: 'for' | 'subject') =>
    (all as { status: string; for?: { reference: string }; subject?: { reference: string } }[])
      .map((one) => `${one[who]?.reference} ${one.status}`)
      .sort();
  assert.deepEqual(of(await rig.store.list('Flag'), 'subject'), ['Patient/p1 inactive', 'Patient/p2 active']);
  assert.deepEqual(of(await tasksOf(rig), 'for'), ['Patient/p1 cancelled', 'Patient/p2 requested']);
  const text = `select e.state from escalation e join alert a on a.id = e.alert order by a.subject`;
  assert.deepEqual(await rig.db.query({ text }), [{ state: 'cleared' }, { state: 'open' }]);
});

test('the alerts of one rule end together', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await rig.store.put({ resourceType: 'Patient', id: 'p1' });
  const extension = [ext('high', 'Quantity', quantity(6, 'mmol/L'))];
  const key = ext('key', 'String', 'id');
  await inForce(rig, eventRule('t', 'threshold', [key], [{ title: 'High', extension, trigger: [onCode('k')] }]));
  await judged(rig, ...['o1', 'o2', 'o3'].map((id) => reading(id, 7, 0)));
  await rig.store.remove('Patient', 'p1');
  await settled(rig);
  assert.deepEqual(
    (await alertsOf(rig.db, 't')).map(({ status }) => status),
    ['resolved', 'resolved', 'resolved'],
  );
  // xmin: the transaction that wrote the row.
  const text = 'select count(distinct xmin::text)::int as transactions from alert';
  assert.deepEqual(await rig.db.query({ text }), [{ transactions: 1 }]);
});
