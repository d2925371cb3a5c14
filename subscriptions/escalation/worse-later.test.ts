// What gets worse in quiet hours calls people when they end, as it would at once at any other time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { startTwilio, waitFor } from '#platform/testing';
import { eventRule, ext, inForce, judged, onCode, putAt, quantity, reading, settled } from '../testing/alert-rules.ts';
import { createRig } from '../testing/rig.ts';
import { alertOfMessage } from './answered.ts';
import {
  alertOf,
  chainOf,
  createEscalationRig,
  practitioner,
  publicUrl,
  settled as sentAll,
  sms,
  smsAt,
} from './testing/rig.ts';

const level = (title: string, priority: string, limit: number): JsonObject => ({
  ...{ title, priority, trigger: [onCode('k')] },
  extension: [ext('high', 'Quantity', quantity(limit, 'mmol/L'))],
});

test('what got less severe and in quiet hours as severe as it was begins its chain anew when they end', async (t) => {
  const rig = await createRig(t);
  let aheadMs = 0;
  await rig.start({ clock: { now: () => Date.now() + aheadMs } });
  await rig.store.put({ resourceType: 'Practitioner', id: 'a' } as Parameters<typeof rig.store.put>[0]);
  await rig.store.put(
    chainOf([{ who: ['Practitioner/a'], channels: ['websocket'] }]) as Parameters<typeof rig.store.put>[0],
  );
  const at = (shift: number) => new Date(Date.now() + shift * 60_000).toISOString().slice(11, 17).concat('00');
  const quiet = {
    url: 'urn:cerebra:alert:quiet-hours',
    extension: [
      { url: 'from', valueTime: at(-2) },
      { url: 'to', valueTime: at(60) },
    ],
  };
  const levels = [level('Raised', 'urgent', 5), level('High', 'asap', 6)];
  await inForce(rig, eventRule('q', 'threshold', [quiet, ext('escalation', 'String', 'chain')], levels));
  const steps = async () => {
    const text = `select number from escalation_message where alert in (select id from alert where rule = 'q') order by number`;
    return (await rig.db.query<{ number: number }>({ text })).map(({ number }) => number);
  };
  await putAt(rig, reading('o1', 7, 1), Date.now() - 30 * 60_000);
  await settled(rig);
  await waitFor(async () => (await steps()).length === 1, 'the first step');
  await judged(rig, reading('o2', 5.5, 2), reading('o3', 7, 3));
  const [row] = await rig.db.query({ text: `select severity, tells, notify_at is not null as waits from alert` });
  assert.deepEqual(row, { severity: 'high', tells: 1, waits: true });
  assert.deepEqual(await steps(), [1]);
  aheadMs = 61 * 60_000;
  await waitFor(async () => (await steps()).length === 2, 'the first step once more');
  const [{ awaited }] = (await rig.db.query({ text: `select facts ->> 'awaited' as awaited from escalation` })) as [
    { awaited: unknown },
  ];
  assert.equal(awaited, null);
});

test('what was sent before it got worse in quiet hours acknowledges nothing until what it is now has been seen', async (t) => {
  const rig = await createEscalationRig(t);
  const twilio = await startTwilio(t);
  await rig.put(practitioner('a', [sms('+15550100001')]), chainOf([{ who: ['Practitioner/a'], channels: ['sms'] }]));
  const server = await rig.start({ endpoints: [smsAt(twilio)] });
  await server.raise(alertOf('a1', { severity: 'low' }));
  await sentAll(server, 'a1', { sms: 'sent' });
  const path = new URL(new RegExp(`${publicUrl}alerts/[\\w.-]+`).exec(twilio.taken[0]!.Body)![0]).pathname;
  const [communication] = await rig.store.list('Communication');
  assert.equal(await alertOfMessage(rig.db, communication!), 'a1');
  await rig.db.tx((tx) => server.awaitWorse(tx, 'a1', 'high'));
  assert.equal(await alertOfMessage(rig.db, communication!), undefined);
  const page = (await server.call('POST', path)).text!.text;
  assert.match(page, /It got worse since: this is what it is now/);
  assert.deepEqual(server.acknowledged, []);
  // The page has shown what it is now: its button counts.
  await server.call('POST', path, { body: `step=${/name="step" value="(\d+)"/.exec(page)![1]}` });
  assert.deepEqual(
    server.acknowledged.map(({ id }) => id),
    ['a1'],
  );
});

test('a page that was shown in quiet hours acknowledges nothing that got worse once more since', async (t) => {
  const rig = await createEscalationRig(t);
  const twilio = await startTwilio(t);
  await rig.put(practitioner('a', [sms('+15550100001')]), chainOf([{ who: ['Practitioner/a'], channels: ['sms'] }]));
  const server = await rig.start({ endpoints: [smsAt(twilio)] });
  await server.raise(alertOf('a1', { severity: 'low' }));
  await sentAll(server, 'a1', { sms: 'sent' });
  const path = new URL(new RegExp(`${publicUrl}alerts/[\\w.-]+`).exec(twilio.taken[0]!.Body)![0]).pathname;
  await rig.db.tx((tx) => server.awaitWorse(tx, 'a1', 'moderate'));
  const press = async (page: string) => {
    const inputs = [...page.matchAll(/type="hidden" name="(\w+)" value="(\w+)"/g)];
    const body = new URLSearchParams(inputs.map(([, name, value]) => [name!, value!])).toString();
    return (await server.call('POST', path, { body })).text!.text;
  };
  const shown = (await server.call('GET', path)).text!.text;
  await server.raise(alertOf('a1', { severity: 'critical' }));
  const page = await press(shown);
  assert.match(page, /It got worse since: this is what it is now/);
  assert.deepEqual(server.acknowledged, []);
  await press(page);
  assert.deepEqual(
    server.acknowledged.map(({ id }) => id),
    ['a1'],
  );
});
