// $status, $events, $resend and $get-ws-binding-token: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html
// What needs a search is in test/topic-notifications.test.ts.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { type Receiver, startReceiver, waitFor } from '#platform/testing';
import type { SubscriptionsOptions } from './index.ts';
import { pruneDeliveries } from './retention.ts';
import { testBaseUrl as baseUrl, type CallOperation, createCalls } from './testing/operation.ts';
import { createRig, type Rig, waitForState, waitForStatus } from './testing/rig.ts';
import {
  type AskedTopic,
  allDone,
  appointment,
  appointmentTopic,
  eventNumbers,
  events,
  statusPart,
  topicSubscription,
} from './testing/topic.ts';

interface Told extends Rig {
  call: CallOperation;
  receiver: Receiver;
}

/** A Subscription `s` that has been told of so many events. */
async function tell(
  t: TestContext,
  count: number,
  asked: AskedTopic = {},
  limits: SubscriptionsOptions['limits'] = {},
): Promise<Told> {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start({ baseUrl, limits });
  await rig.store.put(topicSubscription('s', receiver.url, asked));
  await waitForState(rig.db, 's', 'active');
  for (let i = 1; i <= count; i++) await rig.store.put(appointment(`a${i}`));
  if (count > 0) await allDone(rig, 's', count);
  return { ...rig, receiver, call: await createCalls(rig) };
}

const told = ({ receiver }: Told): number[][] => events(receiver.received);

const errorsOf = (bundle: Resource): string[] =>
  (
    (bundle.entry as JsonObject[])[0]!.resource as {
      parameter: { name: string; valueCodeableConcept: { text: string } }[];
    }
  ).parameter
    .filter(({ name }) => name === 'error')
    .map(({ valueCodeableConcept }) => valueCodeableConcept.text);

test('$events of long resources are as many as one answer may hold, and where to go on', async (t) => {
  const rig = await tell(t, 0);
  const comment = 'x'.repeat(3 * 1024 * 1024);
  for (let i = 1; i <= 3; i++) await rig.store.put(appointment(`a${i}`, 'booked', { comment }));
  await allDone(rig, 's', 3);
  const first = await rig.call('events', { id: 's' });
  assert.deepEqual(eventNumbers(first), [1, 2]);
  assert.deepEqual(errorsOf(first), ['There are more events: ask again with eventsSinceNumber=3']);
  const rest = await rig.call('events', { id: 's', input: { eventsSinceNumber: ['3'] } });
  assert.deepEqual([eventNumbers(rest), errorsOf(rest)], [[3], []]);
  assert.deepEqual(eventNumbers(await rig.call('events', { id: 's', input: { content: ['id-only'] } })), [1, 2, 3]);
});

test('$status of one Subscription, active and in error', async (t) => {
  const rig = await tell(t, 2, { content: 'id-only' });
  const active = await rig.call('status', { id: 's' });
  const [entry] = active.entry as { fullUrl: string; resource: Resource; search: JsonObject }[];
  assert.deepEqual([active.type, active.total, entry!.search], ['searchset', 1, { mode: 'match' }]);
  assert.equal(entry!.fullUrl, `urn:uuid:${entry!.resource.id}`);
  const parameters = [
    { name: 'subscription', valueReference: { reference: `${baseUrl}/Subscription/s` } },
    { name: 'topic', valueCanonical: appointmentTopic },
    { name: 'status', valueCode: 'active' },
    { name: 'type', valueCode: 'query-status' },
    { name: 'events-since-subscription-start', valueString: '2' },
  ];
  assert.deepEqual(entry!.resource.parameter, parameters);
  rig.receiver.answer = () => 410;
  await rig.store.put(appointment('last'));
  await waitForStatus(rig.store, 's', 'error');
  await waitForState(rig.db, 's', 'error');
  const failed = await rig.call('status', { id: 's' });
  const text = 'The endpoint answered with HTTP 410';
  const coding = [{ system: 'http://terminology.hl7.org/CodeSystem/subscription-error', code: 'error-response' }];
  assert.deepEqual((failed.entry as { resource: Resource }[])[0]!.resource.parameter, [
    ...parameters.slice(0, 2),
    { name: 'status', valueCode: 'error' },
    { name: 'type', valueCode: 'query-status' },
    { name: 'events-since-subscription-start', valueString: '3' },
    { name: 'error', valueCodeableConcept: { coding, text } },
  ]);
});

test('what is not known, deleted or not the caller’s', async (t) => {
  const rig = await tell(t, 0);
  for (const name of ['status', 'events', 'resend', 'get-ws-binding-token']) {
    const input: Record<string, string> = name === 'resend' ? { eventNumber: '1' } : {};
    await assert.rejects(rig.call(name, { id: 'nobody', input }), { code: 'not-found' }, name);
  }
  await assert.rejects(rig.call('get-ws-binding-token', { id: 's' }), {
    code: 'business-rule',
    message: "Subscription/s can't be bound: its channel is not websocket",
  });
  await rig.store.remove('Subscription', 's');
  await assert.rejects(rig.call('events', { id: 's' }), { code: 'deleted' });
});

test('$events: a range, another content, told or not', async (t) => {
  const rig = await tell(t, 3, { content: 'id-only' });
  rig.receiver.answer = () => 500;
  await rig.store.remove('Appointment', 'a2');
  await waitFor(
    async () =>
      (await rig.db.query({ text: 'select 1 from delivery where attempts > 0 and outcome is null' })).length === 1,
    'an attempt',
  );
  const all = await rig.call('events', { id: 's' });
  assert.deepEqual([all.type, statusPart(all, 'type'), eventNumbers(all)], ['history', 'query-event', [1, 2, 3, 4]]);
  assert.equal(statusPart(all, 'events-since-subscription-start'), '4');
  assert.deepEqual(errorsOf(all), []);
  const input = { eventsSinceNumber: '2', eventsUntilNumber: '4', content: 'full-resource' };
  const some = await rig.call('events', { id: 's', input });
  assert.deepEqual(eventNumbers(some), [2, 3, 4]);
  const entries = (some.entry as { resource?: Resource; request: JsonObject }[]).slice(1);
  assert.deepEqual(
    entries.map(({ resource, request }) => [resource?.id, request.method, request.url]),
    [
      ['a2', 'PUT', 'Appointment/a2'],
      ['a3', 'PUT', 'Appointment/a3'],
      [undefined, 'DELETE', 'Appointment/a2'],
    ],
  );
  const none = await rig.call('events', { id: 's', input: { eventsSinceNumber: '5', content: 'empty' } });
  assert.deepEqual([eventNumbers(none), (none.entry as unknown[]).length, errorsOf(none)], [[], 1, []]);
  for (const wrong of [
    { eventsSinceNumber: '-1' },
    { eventsUntilNumber: 'x' },
    { eventsSinceNumber: '3', eventsUntilNumber: '2' },
    { content: 'all' },
  ]) {
    await assert.rejects(rig.call('events', { id: 's', input: wrong as Record<string, string> }), {
      code: 'invalid-parameter',
    });
  }
});

test('$events tells which are no longer kept, and where to go on', async (t) => {
  const rig = await tell(t, 4, { content: 'id-only' });
  await rig.db.query({ text: `update delivery set ended_at = now() - interval '2 days' where number <= 2` });
  await pruneDeliveries(rig.db, { keepMs: 86_400_000 });
  const kept = await rig.call('events', { id: 's' });
  assert.deepEqual([eventNumbers(kept), errorsOf(kept)], [[3, 4], ['Events 1 to 2 are no longer kept']]);
  const gone = await rig.call('events', { id: 's', input: { eventsUntilNumber: '1' } });
  assert.deepEqual([eventNumbers(gone), errorsOf(gone)], [[], ['Event 1 is no longer kept']]);
  await rig.db.query({
    text: `insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id, outcome, ended_at)
      select 's', n, 1, n, now(), 1, 'Appointment', 'a3', 'delivered', now() from generate_series(5, 104) n`,
  });
  await rig.db.query({ text: `update subscriber set last_number = 104, done_number = 104 where id = 's'` });
  const page = await rig.call('events', { id: 's', input: { eventsSinceNumber: '3', content: 'full-resource' } });
  assert.equal(eventNumbers(page).length, 100);
  assert.deepEqual(errorsOf(page), ['There are more events: ask again with eventsSinceNumber=103']);
});

test('$resend tells events again with their numbers, also by another server, also what fails at first', async (t) => {
  const rig = await tell(t, 5, { content: 'id-only', maxCount: 2 });
  const before = told(rig).length;
  const outcome = await rig.call('resend', { id: 's', input: { eventsSinceNumber: '2', eventsUntilNumber: '4' } });
  assert.deepEqual(outcome.issue, [
    { severity: 'information', code: 'informational', diagnostics: '3 events are told again' },
  ]);
  await waitFor(() => told(rig).length === before + 2, 'them');
  assert.deepEqual(told(rig).slice(before), [[2, 3], [4]]);
  const answers = [500, 200];
  rig.receiver.answer = () => answers.shift() ?? 200;
  await rig.call('resend', { id: 's', input: { eventNumber: '1' } });
  await waitFor(() => told(rig).length === before + 4, 'both attempts');
  await rig.store.put(appointment('new'));
  await allDone(rig, 's', 6);
  assert.deepEqual(told(rig).slice(before + 2), [[1], [1], [6]]);
  const [row] = await rig.db.query<JsonObject>({
    text: `select resends, attempts, error, (select count(*)::int from delivery where resend) as left,
      (select count(*)::int from delivery where outcome = 'delivered') as told from subscriber where id = 's'`,
  });
  assert.deepEqual(row, { resends: 0, attempts: 0, error: null, left: 0, told: 6 });
});

test('$resend of events before those that are being told again, and of more than one batch takes', async (t) => {
  const rig = await tell(t, 5, { content: 'id-only' }, { batchDeliveries: 2 });
  const gate = Promise.withResolvers<void>();
  rig.receiver.answer = async () => {
    await gate.promise;
    return 200;
  };
  await rig.call('resend', { id: 's', input: { eventsSinceNumber: '4' } });
  await waitFor(() => told(rig).length === 6, 'the first of them to be under way');
  await rig.call('resend', { id: 's', input: { eventsUntilNumber: '3' } });
  gate.resolve();
  await waitFor(() => told(rig).length === 10, 'all');
  assert.deepEqual(told(rig).slice(5).flat(), [4, 5, 1, 2, 3]);
  await rig.store.put(appointment('new'));
  await allDone(rig, 's', 6);
  const text =
    'select resends, (select count(*)::int from delivery where resend) as left from subscriber where id = $1';
  await waitFor(async () => (await rig.db.query<JsonObject>({ text }, ['s']))[0]!.resends === 0, 'none to be left');
  assert.deepEqual(told(rig).slice(10), [[6]]);
  assert.deepEqual(await rig.db.query({ text }, ['s']), [{ resends: 0, left: 0 }]);
});

test('an event beyond all there have been is answered as such, also beyond 2 to the 53rd', async (t) => {
  const rig = await tell(t, 1, { content: 'id-only' });
  for (const eventsSinceNumber of ['2', '9007199254740993', '999999999999999999']) {
    const none = await rig.call('events', { id: 's', input: { eventsSinceNumber } });
    assert.deepEqual([eventNumbers(none), errorsOf(none)], [[], []]);
    const { issue } = await rig.call('resend', { id: 's', input: { eventsSinceNumber } });
    assert.deepEqual(
      (issue as JsonObject[]).map(({ diagnostics }) => diagnostics),
      ['0 events are told again', 'The last event that was told is number 1'],
    );
  }
});

test('$resend by time, of what is no longer kept, and what is refused', async (t) => {
  const rig = await tell(t, 3, { content: 'id-only' });
  await rig.db.query({
    text: `update delivery set changed_at = timestamptz '2026-01-01' + number * interval '1 hour'`,
  });
  const input = { eventsSinceInstant: '2026-01-01T02:00:00Z', eventsUntilInstant: '2026-01-01T02:00:00.000Z' };
  await rig.call('resend', { id: 's', input });
  await waitFor(() => told(rig).length === 4, 'one');
  assert.deepEqual(told(rig)[3], [2]);
  await rig.db.query({ text: 'delete from delivery where number = 1' });
  const outcome = await rig.call('resend', { id: 's', input: { eventsUntilNumber: '2' } });
  assert.deepEqual(
    (outcome.issue as JsonObject[]).map(({ diagnostics }) => diagnostics),
    ['1 event is told again', '1 event is no longer kept'],
  );
  const { issue } = await rig.call('resend', { id: 's', input: { eventNumber: '77' } });
  assert.deepEqual(
    (issue as JsonObject[]).map(({ diagnostics }) => diagnostics),
    ['0 events are told again', 'The last event that was told is number 3'],
  );
  await waitFor(() => told(rig).length === 5, 'the other');
  await assert.rejects(rig.call('resend', { id: 's' }), { code: 'required' });
  for (const wrong of [
    { eventNumber: '1', eventsSinceNumber: '1' },
    { eventNumber: 'x' },
    { eventsSinceNumber: '3', eventsUntilNumber: '1' },
    { eventsSinceInstant: '2026-01-02T00:00:00Z', eventsUntilInstant: '2026-01-01T00:00:00Z' },
    { eventsSinceInstant: 'yesterday' },
  ]) {
    await assert.rejects(rig.call('resend', { id: 's', input: wrong as Record<string, string> }), {
      code: 'invalid-parameter',
    });
  }
  rig.receiver.answer = () => 410;
  await rig.store.put(appointment('last'));
  await waitForState(rig.db, 's', 'error');
  await assert.rejects(rig.call('resend', { id: 's', input: { eventNumber: '2' } }), {
    code: 'business-rule',
    message: 'Subscription/s is not active: request it anew first',
  });
});
