// A storm's alert stands for others: none of those may be left that nobody is told of.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { alertsOf, eventRule, ext, inForce, judged, onCode, quantity, reading } from '../../testing/alert-rules.ts';
import { createRig, type Rig, type Server } from '../../testing/rig.ts';

const storm = {
  url: 'urn:cerebra:alert:storm',
  extension: [
    { url: 'count', valueInteger: 2 },
    { url: 'window', valueDuration: quantity(10, 'min') },
  ],
};
const level = (title: string, priority: string, limit: number, code: string) => ({
  ...{ title, priority, extension: [ext('high', 'Quantity', quantity(limit, 'mmol/L'))], trigger: [onCode(code)] },
});
const ruleOn = (id: string, code = id) =>
  eventRule(id, 'threshold', [storm], [level('Very high', 'stat', 9, code), level('High', 'routine', 6, code)]);

const valueAt = (code: string, patient: number, value: number, minute = 1) =>
  reading(`${code}${patient}`, value, minute, {
    ...{ subject: { reference: `Patient/p${patient}` }, code: { coding: [{ system: 'http://x', code }] } },
  });

async function stormOf({ db }: Rig, rule: string) {
  const { status, severity, title, tells } = (await alertsOf(db, rule)).findLast(({ key }) => key === 'storm')!;
  return { status, severity, title, tells };
}

async function acknowledge(rig: Rig, server: Server, rule: string): Promise<void> {
  const text = `select id from alert where rule = $1 and status = 'active' order by key desc`;
  for (const { id } of await rig.db.query<{ id: string }>({ text }, [rule])) {
    const route = server.adminRoutes.find(({ path }) => path === '/admin/alerts/:id/acknowledge')!;
    const body = Buffer.from(JSON.stringify({ by: 'Practitioner/a' } satisfies JsonObject));
    // Those of a storm are acknowledged with it.
    await route.handle({ params: { id }, query: new URLSearchParams(), body }).catch(() => {});
  }
}

test('a storm that nobody has acknowledged goes on while what it stands for does', async (t) => {
  const rig = await createRig(t);
  let aheadMs = 0;
  const server = await rig.start({ clock: { now: () => Date.now() + aheadMs } });
  await inForce(rig, ruleOn('t'), ruleOn('u'));
  for (const code of ['t', 'u']) await judged(rig, ...[1, 2, 3, 4].map((patient) => valueAt(code, patient, 7)));
  await acknowledge(rig, server, 'u');
  aheadMs = 11 * 60_000;
  const isOver = async (rule: string) => (await stormOf(rig, rule)).status === 'resolved';
  // Both are looked at in one go, the one that stands first.
  await waitFor(() => isOver('u'), 'the end of the storm that was acknowledged');
  assert.equal((await stormOf(rig, 't')).status, 'active');
  await judged(rig, valueAt('t', 3, 5, 2), valueAt('t', 4, 5, 2));
  aheadMs = 22 * 60_000;
  await waitFor(() => isOver('t'), 'the end of the storm of which nothing stands');
});

test('what joins a storm after it was acknowledged is told', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  await inForce(rig, ruleOn('t'));
  await judged(rig, ...[1, 2, 3].map((patient) => valueAt('t', patient, 7)));
  await acknowledge(rig, server, 't');
  const many = { severity: 'low', title: 'Many alerts: High' };
  assert.deepEqual(await stormOf(rig, 't'), { status: 'acknowledged', ...many, tells: 1 });
  await judged(rig, valueAt('t', 4, 7, 0));
  assert.deepEqual(await stormOf(rig, 't'), { status: 'active', ...many, tells: 2 });
  await judged(rig, valueAt('t', 5, 7));
  assert.deepEqual(await stormOf(rig, 't'), { status: 'active', ...many, tells: 2 });
});

test('a storm is as severe as the worst that it stands for, also when they come at once', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  await inForce(rig, ruleOn('t'));
  await server.stop();
  for (const [patient, value] of [7, 7, 7, 10, 7].entries()) await rig.store.put(valueAt('t', patient, value));
  await rig.start();
  await judged(rig);
  const worst = { status: 'active', severity: 'critical', title: 'Many alerts: Very high', tells: 1 };
  assert.deepEqual(await stormOf(rig, 't'), worst);
  await judged(rig, valueAt('t', 6, 7));
  assert.deepEqual(await stormOf(rig, 't'), worst);
});
