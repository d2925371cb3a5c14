import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventRule, ext, inForce, judged, onCode, quantity, reading } from '../../testing/alert-rules.ts';
import { createRig } from '../../testing/rig.ts';

test('a snooze that ends in quiet hours lasts as long as they do', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const at = (shift: number) => new Date(Date.now() + shift * 60_000).toISOString().slice(11, 17).concat('00');
  const quiet = {
    url: 'urn:cerebra:alert:quiet-hours',
    extension: [
      { url: 'from', valueTime: at(-60) },
      { url: 'to', valueTime: at(600) },
    ],
  };
  const high = { title: 'High', priority: 'asap', extension: [ext('high', 'Quantity', quantity(6, 'mmol/L'))] };
  await inForce(rig, eventRule('q', 'threshold', [quiet], [{ ...high, trigger: [onCode('k')] }]));
  await judged(rig, reading('o1', 7, 1));
  const find = async () => {
    const text = `select id, notify_at, tells from alert where rule = 'q'`;
    return (await rig.db.query<{ id: string; notify_at: number; tells: number }>({ text }))[0]!;
  };
  const before = await find();
  assert.equal(before.tells, 0);
  const snooze = async (minutes: number) => {
    const route = server.adminRoutes.find(({ path }) => path === '/admin/alerts/:id/snooze')!;
    const body = Buffer.from(JSON.stringify({ by: 'Practitioner/a', minutes }));
    const { body: said } = await route.handle({ params: { id: before.id }, query: new URLSearchParams(), body });
    return Date.parse((said as { silentUntil: string }).silentUntil);
  };
  assert.equal(await snooze(30), before.notify_at);
  assert.equal((await find()).notify_at, before.notify_at);
  // Beyond them it ends when it says.
  assert.ok((await snooze(660)) > before.notify_at);
});
