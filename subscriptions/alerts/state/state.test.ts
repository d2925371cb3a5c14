// What becomes of an alert: who is told, who takes care of it, what is grouped, and that doing it again is doing it once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { random, waitFor } from '#platform/testing';
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
  tasksOf,
} from '../../testing/alert-rules.ts';
import { createRig, type Rig, type Server } from '../../testing/rig.ts';
import { quietUntil } from './quiet-hours.ts';

const high = (limit: number) => ext('high', 'Quantity', quantity(limit, 'mmol/L'));
const simple = (id: string, extension: JsonObject[] = []) =>
  eventRule(id, 'threshold', extension, [
    { title: 'High', priority: 'stat', extension: [high(6)], trigger: [onCode('k')] },
  ]);

type Stored = Resource & { id: string };
const current = async ({ store }: Rig, type: string): Promise<Stored[]> => (await store.list(type)) as Stored[];
const codeOf = (event: Resource) => (event.subtype as JsonObject[])[0]!.code;
const whoOf = (event: Resource) => {
  const [{ who, altId }] = event.agent as [{ who?: JsonObject; altId?: string }];
  return who?.reference ?? altId;
};
/** By which way, and what else it is about than the Flag. */
const throughOf = (event: Resource): unknown[] => {
  const [flag, ...about] = event.entity as { what: JsonObject; detail: JsonObject[] }[];
  const way = flag!.detail.find(({ type }) => type === 'way' || type === 'until')!.valueString;
  return [way, ...about.map(({ what }) => what.reference)];
};
const statuses = async (rig: Rig, rule: string) => (await alertsOf(rig.db, rule)).map(({ status }) => status);

async function admin(
  server: Server,
  method: string,
  path: string,
  options: { id?: string; query?: string; body?: unknown } = {},
) {
  const route = server.adminRoutes.find((one) => one.method === method && one.path === path)!;
  const { id = '', query = '', body } = options;
  const bytes = Buffer.from(body === undefined ? '' : JSON.stringify(body));
  const answer = await route.handle({ params: { id }, query: new URLSearchParams(query), body: bytes });
  return answer.body as JsonObject & { alerts: JsonObject[]; rules: JsonObject[]; fired: JsonObject[] };
}

test('a completed Task, a closed Flag and an answered Communication acknowledge; what follows is silent', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await inForce(rig, simple('t'));
  const patients = ['p1', 'p2', 'p3'];
  const raise = (value: number, minute: number) =>
    judged(
      rig,
      ...patients.map((p) => reading(`${p}-${minute}`, value, minute, { subject: { reference: `Patient/${p}` } })),
    );
  await raise(7, 1);
  const task = (await tasksOf(rig)).find((one) => (one.for as JsonObject).reference === 'Patient/p1') as Stored;
  await rig.store.put({ ...task, status: 'completed', owner: { reference: 'Practitioner/a' } });
  const flag = (await current(rig, 'Flag')).find(({ subject }) => (subject as JsonObject).reference === 'Patient/p2')!;
  await rig.store.put({ ...flag, status: 'inactive', author: { reference: 'Practitioner/b' } } as Stored);
  const told = (await current(rig, 'Communication')).find(
    ({ subject }) => (subject as JsonObject).reference === 'Patient/p3',
  )!;
  await rig.store.put({
    ...{ resourceType: 'Communication', id: 'answer', status: 'completed', sender: { reference: 'Practitioner/c' } },
    inResponseTo: [{ reference: `Communication/${told.id}` }],
  } as Stored);
  await settled(rig);
  assert.deepEqual(await statuses(rig, 't'), ['acknowledged', 'acknowledged', 'acknowledged']);
  const by = await rig.db.query({ text: 'select acknowledged_by as by from alert order by subject' });
  assert.deepEqual(by, [{ by: 'Practitioner/a' }, { by: 'Practitioner/b' }, { by: 'Practitioner/c' }]);
  assert.deepEqual(
    (await tasksOf(rig)).map(({ status }) => status),
    ['completed', 'completed', 'completed'],
  );
  // Each was audited, with what it was done by; the alerts' own resources that changed with it are no further answer.
  const audited = (await current(rig, 'AuditEvent')).map((event) => [codeOf(event), whoOf(event), throughOf(event)]);
  const taskOfP3 = (await tasksOf(rig)).find((one) => (one.for as JsonObject).reference === 'Patient/p3') as Stored;
  assert.deepEqual(audited.map(([kind, who]) => [kind, who]).sort(), [
    ['alert-acknowledged', 'Practitioner/a'],
    ['alert-acknowledged', 'Practitioner/b'],
    ['alert-acknowledged', 'Practitioner/c'],
  ]);
  const throughs = new Map(audited.map(([, who, through]) => [who, through]));
  assert.deepEqual(throughs.get('Practitioner/a'), ['resource', `Task/${task.id}`, 'Patient/p1']);
  assert.equal((throughs.get('Practitioner/b') as string[]).at(-1), 'Patient/p2');
  assert.deepEqual(throughs.get('Practitioner/c'), [
    ...['resource', `Task/${taskOfP3.id}`, 'Communication/answer', 'Patient/p3'],
  ]);
  await raise(7.5, 2);
  assert.deepEqual(await statuses(rig, 't'), ['acknowledged', 'acknowledged', 'acknowledged']);
  assert.equal((await current(rig, 'Communication')).length, 4);
  await raise(5, 3);
  assert.deepEqual(await statuses(rig, 't'), ['resolved', 'resolved', 'resolved']);
  assert.deepEqual(
    (await tasksOf(rig)).map(({ status }) => status),
    ['completed', 'completed', 'completed'],
  );
});

test('operators list, acknowledge and snooze; a snoozed alert is told anew', async (t) => {
  const rig = await createRig(t);
  let aheadMs = 0;
  const server = await rig.start({ clock: { now: () => Date.now() + aheadMs } });
  await inForce(rig, simple('t'));
  const of = (p: string) => reading(`o-${p}`, 7, 1, { subject: { reference: `Patient/${p}` } });
  await judged(rig, of('p1'), of('p2'), of('p3'));
  const list = async (query: string) => (await admin(server, 'GET', '/admin/alerts', { query })).alerts;
  assert.deepEqual(
    (await list('patient=p2')).map(({ subject, status }) => [subject, status]),
    [['Patient/p2', 'active']],
  );
  assert.deepEqual(await list('severity=critical&status=resolved'), []);
  const first = await admin(server, 'GET', '/admin/alerts', { query: 'limit=2' });
  assert.equal(first.alerts.length, 2);
  const second = await admin(server, 'GET', '/admin/alerts', { query: `limit=2&after=${first.next}` });
  assert.deepEqual([second.alerts.length, second.next], [1, undefined]);
  const [p1] = await list('patient=p1');
  const done = await admin(server, 'POST', '/admin/alerts/:id/acknowledge', {
    ...{ id: p1!.id as string, body: { by: 'Practitioner/1', note: 'seen' } },
  });
  assert.deepEqual([done.status, done.acknowledgedBy, done.note], ['acknowledged', 'Practitioner/1', 'seen']);
  const again = admin(server, 'POST', '/admin/alerts/:id/acknowledge', { id: p1!.id as string, body: { by: 'x' } });
  await assert.rejects(again, { code: 'business-rule' });
  const nobody = admin(server, 'POST', '/admin/alerts/:id/acknowledge', { id: 'nobody', body: { by: 'x' } });
  await assert.rejects(nobody, { code: 'not-found' });
  await assert.rejects(admin(server, 'GET', '/admin/alerts', { query: 'status=x' }), { code: 'invalid-parameter' });
  const [p2] = await list('patient=p2');
  const snooze = ({ id }: JsonObject) =>
    admin(server, 'POST', '/admin/alerts/:id/snooze', { id: id as string, body: { by: 'x', minutes: 30 } });
  await snooze(p2!);
  const message = 'It can not be snoozed: it is acknowledged';
  await assert.rejects(snooze(p1!), { code: 'business-rule', message });
  assert.equal((await current(rig, 'Communication')).length, 3);
  aheadMs = 31 * 60_000;
  await waitFor(async () => (await current(rig, 'Communication')).length === 4, 'the second Communication');
  assert.deepEqual(
    (await list('patient=p2')).map(({ told, silentUntil }) => [told, silentUntil]),
    [[2, undefined]],
  );
});

test('suppressed alerts are silent until what suppresses them is over', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await inForce(rig, simple('t', [ext('suppress', 'String', "note.text = 'palliative'")]));
  await judged(rig, reading('o1', 7, 1, { note: [{ text: 'palliative' }] }));
  assert.deepEqual(await statuses(rig, 't'), ['suppressed']);
  assert.deepEqual(await current(rig, 'Flag'), []);
  assert.deepEqual(await current(rig, 'Communication'), []);
  await judged(rig, reading('o2', 7.1, 2));
  assert.deepEqual(await statuses(rig, 't'), ['active']);
  assert.equal((await current(rig, 'Communication')).length, 1);
});

test('a storm becomes one alert; whoever acknowledges it acknowledges what it is made of; it ends by itself', async (t) => {
  const rig = await createRig(t);
  let aheadMs = 0;
  const server = await rig.start({ clock: { now: () => Date.now() + aheadMs } });
  const storm = {
    url: 'urn:cerebra:alert:storm',
    extension: [
      { url: 'count', valueInteger: 3 },
      { url: 'window', valueDuration: quantity(10, 'min') },
    ],
  };
  await inForce(rig, simple('t', [storm]));
  const many = Array.from({ length: 6 }, (_, i) => reading(`o${i}`, 7, 1, { subject: { reference: `Patient/p${i}` } }));
  await judged(rig, ...many);
  const all = await alertsOf(rig.db, 't');
  assert.equal(all.filter(({ key }) => key === '').length, 6);
  const group = all.find(({ key }) => key === 'storm')!;
  assert.deepEqual([group.subject, group.title, group.detail], ['', 'Many alerts: High', '6 alerts within 10 min']);
  assert.equal((await current(rig, 'Communication')).length, 4);
  assert.equal((await current(rig, 'Flag')).length, 6);
  const { alerts } = await admin(server, 'GET', '/admin/alerts', { query: 'rule=t' });
  const { id } = alerts.find(({ key }) => key === 'storm')!;
  await admin(server, 'POST', '/admin/alerts/:id/acknowledge', { id: id as string, body: { by: 'x' } });
  const counts = (await statuses(rig, 't')).filter((status) => status === 'acknowledged').length;
  assert.equal(counts, 4);
  aheadMs = 11 * 60_000;
  await waitFor(
    async () => (await alertsOf(rig.db, 't')).find(({ key }) => key === 'storm')!.status === 'resolved',
    'the end of the storm',
  );
});

test('quiet hours, over midnight and where clocks change', () => {
  const quiet = { fromMinutes: 22 * 60, toMinutes: 6 * 60, timeZone: 'Europe/Berlin', below: 'critical' as const };
  const until = (iso: string, severity: 'high' | 'critical' = 'high') => {
    const ms = quietUntil(quiet, severity, Date.parse(iso));
    return ms === undefined ? undefined : new Date(ms).toISOString();
  };
  assert.equal(until('2026-01-10T20:59:00Z'), undefined);
  assert.equal(until('2026-01-10T21:00:00Z'), '2026-01-11T05:00:00.000Z');
  assert.equal(until('2026-01-11T04:59:30Z'), '2026-01-11T05:00:00.000Z');
  assert.equal(until('2026-01-11T05:00:00Z'), undefined);
  assert.equal(until('2026-01-10T23:00:00Z', 'critical'), undefined);
  assert.equal(until('2026-03-28T22:00:00Z'), '2026-03-29T04:00:00.000Z'); // summer time begins
  assert.equal(until('2026-10-24T21:00:00Z'), '2026-10-25T05:00:00.000Z'); // and ends
  // On 29 March no clock in Berlin shows 2:00 to 2:59.
  for (const toMinutes of [120, 150]) {
    quiet.toMinutes = toMinutes;
    assert.equal(until('2026-03-28T21:00:00Z'), '2026-03-29T01:00:00.000Z');
    assert.equal(until('2026-03-29T00:45:30Z'), '2026-03-29T01:00:00.000Z');
    assert.equal(until('2026-03-29T01:00:00Z'), undefined);
  }
});

test('quiet hours: told when they are over', async (t) => {
  const rig = await createRig(t);
  let aheadMs = 0;
  await rig.start({ clock: { now: () => Date.now() + aheadMs } });
  // From two minutes ago to in two: whenever this runs, it is inside.
  const at = (shift: number) => new Date(Date.now() + shift * 60_000).toISOString().slice(11, 17).concat('00');
  const quiet = {
    url: 'urn:cerebra:alert:quiet-hours',
    extension: [
      { url: 'from', valueTime: at(-2) },
      { url: 'to', valueTime: at(5) },
      { url: 'time-zone', valueCode: 'UTC' },
      { url: 'below', valueCode: 'critical' },
    ],
  };
  await inForce(
    rig,
    eventRule(
      'q',
      'threshold',
      [quiet],
      [
        { title: 'High', priority: 'asap', extension: [high(6)], trigger: [onCode('k')] },
        { title: 'Very high', priority: 'stat', extension: [high(9)], trigger: [onCode('k')] },
      ],
    ),
  );
  await judged(rig, reading('o1', 7, 1), reading('o2', 10, 1, { subject: { reference: 'Patient/p2' } }));
  assert.equal((await current(rig, 'Flag')).length, 2);
  const told = (await current(rig, 'Communication')).map(({ subject }) => (subject as JsonObject).reference);
  assert.deepEqual(told, ['Patient/p2']);
  aheadMs = 6 * 60_000;
  await waitFor(async () => (await current(rig, 'Communication')).length === 2, 'the Communication after quiet hours');
});

test('a wrong rule is not in force and is listed with its fault; a retired one closes what it raised', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  await inForce(rig, simple('t'));
  await judged(rig, reading('o1', 7, 1));
  await inForce(
    rig,
    eventRule(
      'wrong',
      'threshold',
      [],
      [{ title: 'x', trigger: [onCode('k')], condition: [holds('value.matches(1')] }],
    ),
  );
  const { rules } = await admin(server, 'GET', '/admin/alerts/rules');
  assert.deepEqual(
    rules.map(({ id, state, kind, builtIn, open }) => [id, state, kind, builtIn, open]),
    [
      ['critical-laboratory-values', 'active', 'critical-value', true, 0n],
      ['t', 'active', 'threshold', false, 1n],
      ['wrong', 'error', undefined, false, 0n],
    ],
  );
  assert.match(
    rules[2]!.error as string,
    /^PlanDefinition\.action\[0\]\.condition\[0\]\.expression\.expression: .*it is no FHIRPath/,
  );
  await rig.store.put({ ...simple('t'), status: 'retired' } as Stored);
  await waitFor(async () => (await statuses(rig, 't'))[0] === 'resolved', 'the end of the alert');
  await rig.store.put({ ...simple('critical-laboratory-values'), status: 'retired' } as Stored);
  await settled(rig);
  const left = await admin(server, 'GET', '/admin/alerts/rules');
  assert.deepEqual(
    left.rules.map(({ id }) => id),
    ['wrong'],
  );
});

const versions = ({ db }: Rig) =>
  db.query({ text: `select type, id, version from test_version where id <> 'none' order by 1, 2, 3` });

test('whatever is judged again, after a crash at any point, leaves the same alerts', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const change = [ext('change', 'Quantity', quantity(1.5, 'mmol/L'))];
  await inForce(
    rig,
    simple('t'),
    eventRule('d', 'delta', [minutes('window', 60)], [{ title: 'Jump', extension: change, trigger: [onCode('k')] }]),
  );
  const below = random(7);
  for (let i = 0; i < 60; i++) {
    const p = below(3);
    const id = `o${below(40)}`;
    await rig.store.put(reading(id, 4 + below(400) / 100, i, { subject: { reference: `Patient/p${p}` } }));
  }
  await settled(rig);
  const [alerts, before] = [[await alertsOf(rig.db, 't'), await alertsOf(rig.db, 'd')], await versions(rig)];
  assert.ok(alerts[0]!.length > 2 && alerts[1]!.length > 2);
  for (const from of [0, 17, 44]) {
    // As after a crash between the commit of the effects and the end of the deliveries.
    await rig.db.query({
      text: `update subscriber set done_number = ${from}, due_at = now() where id in ('alert:t', 'alert:d')`,
    });
    await settled(rig);
  }
  assert.deepEqual([await alertsOf(rig.db, 't'), await alertsOf(rig.db, 'd')], alerts);
  assert.deepEqual(await versions(rig), before);
});

test('a dry run tells what really was raised, seeded', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const change = [ext('change', 'Quantity', quantity(2, 'mmol/L')), ext('direction', 'Code', 'up')];
  const rearm = ext('rearm-high', 'Quantity', quantity(5, 'mmol/L'));
  const when = (name: string, expression: string) =>
    onCode('k', { name, condition: { language: 'text/fhirpath', expression } });
  const storm = {
    url: 'urn:cerebra:alert:storm',
    extension: [
      { url: 'count', valueInteger: 5 },
      { url: 'window', valueDuration: quantity(1, 'h') },
    ],
  };
  await inForce(
    rig,
    eventRule('t', 'threshold', [storm], [{ title: 'High', extension: [high(6), rearm], trigger: [onCode('k')] }]),
    eventRule('d', 'delta', [minutes('window', 30)], [{ title: 'Jump', extension: change, trigger: [onCode('k')] }]),
    eventRule(
      'c',
      'combination',
      [minutes('window', 20)],
      [
        {
          title: 'Both',
          trigger: [
            when('low', 'value.value < 5'),
            when('even', 'value.value.round() / 2 = (value.value.round() / 2).truncate()'),
          ],
        },
      ],
    ),
  );
  const below = random(11);
  for (let i = 0; i < 150; i++) {
    const subject = { reference: `Patient/p${below(6)}` };
    const id = `o${below(120)}`;
    if (below(20) === 0) await rig.store.remove('Observation', id);
    else await rig.store.put(reading(id, 3 + below(50) / 10, i - below(5), { subject }));
    // What is found in place of a withdrawn value is what the store has when that is judged.
    await settled(rig);
  }
  for (const id of ['t', 'd', 'c']) {
    const run = await admin(server, 'POST', '/admin/alerts/rules/:id/dry-run', { id, query: 'wait=20' });
    assert.deepEqual([run.state, run.errors, run.percent], ['done', 0, 100], id);
    const raised = await rig.db.query<JsonObject & { raised_at: number }>(
      {
        text: `select raised_at, subject, key, group_id is not null as grouped from alert where rule = $1
        order by raised_at, subject, key`,
      },
      [id],
    );
    assert.ok(raised.length > 5, id);
    const order = (one: JsonObject) => `${one.at} ${one.subject} ${one.key}`;
    assert.deepEqual(
      run.fired
        .map(({ at, subject, key, silent }) => ({ at, subject, key, grouped: silent === 'storm' }))
        .sort((a, b) => (order(a) < order(b) ? -1 : 1)),
      raised
        .map(({ raised_at, subject, key, grouped }) => ({
          at: new Date(raised_at).toISOString(),
          subject,
          key,
          grouped,
        }))
        .sort((a, b) => (order(a) < order(b) ? -1 : 1)),
      id,
    );
  }
});
