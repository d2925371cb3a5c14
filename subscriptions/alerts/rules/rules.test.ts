// Each kind of rule from the change to the alert, with late, corrected and withdrawn values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { waitFor } from '#platform/testing';
import {
  alertsOf,
  eventRule,
  ext,
  holds,
  inForce,
  instant,
  judged,
  minutes,
  onCode,
  quantity,
  reading,
  settled,
  shortly,
  startMs,
  tasksOf,
} from '../../testing/alert-rules.ts';
import { createRig } from '../../testing/rig.ts';

const high = (limit: number) => ext('high', 'Quantity', quantity(limit, 'mmol/L'));

test('a threshold with hysteresis: one alert a subject, over at the re-arm level, then another episode', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const rearm = ext('rearm-high', 'Quantity', quantity(5.5, 'mmol/L'));
  await inForce(
    rig,
    eventRule(
      't',
      'threshold',
      [],
      [{ title: 'High', priority: 'asap', extension: [high(6), rearm], trigger: [onCode('k')] }],
    ),
  );
  await judged(rig, reading('o1', 5.9, 1), reading('o2', 6.1, 2), reading('o3', 6.3, 3));
  assert.deepEqual(await shortly(rig.db, 't'), ['active: 6.3 mmol/L (limit 6 mmol/L)']);
  await judged(rig, reading('o4', 5.8, 4));
  assert.deepEqual(await shortly(rig.db, 't'), ['active: 6.3 mmol/L (limit 6 mmol/L)']);
  await judged(rig, reading('o5', 5.5, 5));
  assert.deepEqual(await shortly(rig.db, 't'), ['resolved: 6.3 mmol/L (limit 6 mmol/L)']);
  await judged(rig, reading('o6', 7000, 6, { valueQuantity: quantity(7000, 'umol/L') }));
  assert.deepEqual(await shortly(rig.db, 't'), [
    'resolved: 6.3 mmol/L (limit 6 mmol/L)',
    'active: 7000 umol/L (limit 6 mmol/L)',
  ]);
  const flags = (await rig.store.list('Flag')) as JsonObject[];
  assert.deepEqual(flags.map(({ status }) => status).sort(), ['active', 'inactive']);
  const tasks = await tasksOf(rig);
  assert.deepEqual(tasks.map(({ status }) => status).sort(), ['cancelled', 'requested']);
  assert.equal((await rig.store.list('Communication')).length, 2);
});

test('a patient named below our own base is the same as without it', async (t) => {
  const rig = await createRig(t);
  await rig.start({ baseUrl: 'https://fhir.example.org/R4' });
  await inForce(
    rig,
    eventRule('t', 'threshold', [], [{ title: 'High', extension: [high(6)], trigger: [onCode('k')] }]),
  );
  const subject = { reference: 'https://fhir.example.org/R4/Patient/p1' };
  await judged(rig, reading('o1', 6.1, 1, { subject }), reading('o2', 5, 2));
  assert.deepEqual(
    (await alertsOf(rig.db, 't')).map(({ subject, status }) => [subject, status]),
    [['Patient/p1', 'resolved']],
  );
});

test('a late value clears nothing; the correction of the value that raised it does; so does its deletion', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await inForce(
    rig,
    eventRule('t', 'threshold', [], [{ title: 'High', extension: [high(6)], trigger: [onCode('k')] }]),
  );
  await judged(rig, reading('o1', 6.5, 10), reading('late', 4, 5));
  assert.deepEqual(await shortly(rig.db, 't'), ['active: 6.5 mmol/L (limit 6 mmol/L)']);
  await judged(rig, reading('o1', 5.5, 10, { status: 'corrected' }));
  assert.deepEqual(await shortly(rig.db, 't'), ['resolved: 6.5 mmol/L (limit 6 mmol/L)']);
  await judged(rig, reading('o2', 6.6, 11));
  await rig.store.remove('Observation', 'o2');
  await settled(rig);
  await judged(rig, reading('o3', 6.7, 12), reading('o3', 6.7, 12, { status: 'entered-in-error' }));
  assert.deepEqual(
    (await alertsOf(rig.db, 't')).map(({ episode, status }) => [episode, status]),
    [
      [1, 'resolved'],
      [2, 'resolved'],
      [3, 'resolved'],
    ],
  );
  const statuses = ((await rig.store.list('Flag')) as JsonObject[]).map(({ status }) => status);
  assert.deepEqual(statuses.sort(), ['entered-in-error', 'inactive', 'inactive']);
});

test('conditions in FHIRPath, over what the change replaced; the most severe action counts', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const above = (limit: number) => `value.value > ${limit}`;
  await inForce(
    rig,
    eventRule(
      'levels',
      'threshold',
      [ext('key', 'String', 'code.coding.code')],
      [
        { title: 'Raised', priority: 'urgent', trigger: [onCode('k')], condition: [holds(above(5))] },
        { title: 'Very high', priority: 'stat', trigger: [onCode('k')], condition: [holds(above(7))] },
      ],
    ),
    eventRule(
      'jump',
      'threshold',
      [],
      [
        {
          title: 'Corrected upwards',
          extension: [ext('detail', 'String', "%previous.value.value.toString() + ' was wrong'")],
          trigger: [onCode('k')],
          condition: [holds('%previous.exists() and %resource.value.value > %previous.value.value')],
        },
      ],
    ),
  );
  await judged(rig, reading('o1', 5.5, 1));
  assert.deepEqual(
    (await alertsOf(rig.db, 'levels')).map(({ key, severity, title, tells }) => [key, severity, title, tells]),
    [['k', 'moderate', 'Raised', 1]],
  );
  await judged(rig, reading('o2', 7.5, 2));
  assert.deepEqual(
    (await alertsOf(rig.db, 'levels')).map(({ severity, title, tells }) => [severity, title, tells]),
    [['critical', 'Very high', 2]],
  );
  assert.deepEqual(await alertsOf(rig.db, 'jump'), []);
  await judged(rig, reading('o2', 7.6, 2, { status: 'corrected' }));
  assert.deepEqual(await shortly(rig.db, 'jump'), ['active: 7.5 was wrong']);
});

test('delta: against any value of the window, wherever late and corrected values belong', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const change = [ext('change', 'Quantity', quantity(1.5, 'mmol/L')), ext('direction', 'Code', 'up')];
  await inForce(
    rig,
    eventRule('d', 'delta', [minutes('window', 60)], [{ title: 'Rose', extension: change, trigger: [onCode('k')] }]),
    eventRule(
      'p',
      'delta',
      [minutes('window', 60)],
      [
        {
          title: 'Fell',
          extension: [ext('change-percent', 'Decimal', 50), ext('direction', 'Code', 'down')],
          trigger: [onCode('k')],
        },
      ],
    ),
  );
  await judged(rig, reading('o1', 4, 0), reading('o2', 5, 30), reading('o3', 5.6, 61));
  assert.deepEqual(await alertsOf(rig.db, 'd'), []);
  await judged(rig, reading('late', 4.1, 2));
  assert.deepEqual(await shortly(rig.db, 'd'), ['active: from 4.1 mmol/L to 5.6 mmol/L within 59 min']);
  await judged(rig, reading('late', 4.2, 2, { status: 'corrected' }));
  assert.deepEqual(await shortly(rig.db, 'd'), ['resolved: from 4.1 mmol/L to 5.6 mmol/L within 59 min']);
  await judged(rig, reading('o4', 5900, 62, { valueQuantity: quantity(5900, 'umol/L') }));
  assert.equal((await shortly(rig.db, 'd')).at(-1), 'active: from 4.2 mmol/L to 5.9 mmol/L within 60 min');
  assert.deepEqual(await alertsOf(rig.db, 'p'), []);
  await judged(rig, reading('o5', 2.7, 63), reading('other', 1, 63, { subject: { reference: 'Patient/p2' } }));
  assert.deepEqual(await shortly(rig.db, 'p'), ['active: from 5.9 to 2.7 within 1 min']);
});

test('limits by mass and values by amount of substance, and the reverse, where the LOINC code tells the molar mass', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const loinc = (code: string): JsonObject => ({ coding: [{ system: 'http://loinc.org', code }] });
  const on = (code: string): JsonObject => ({
    type: 'data-changed',
    data: [{ type: 'Observation', codeFilter: [{ path: 'code', code: [{ system: 'http://loinc.org', code }] }] }],
  });
  const above = (value: number, unit: string) => [ext('high', 'Quantity', quantity(value, unit))];
  const by = [ext('change', 'Quantity', quantity(40, 'mg/dL'))];
  await inForce(
    rig,
    eventRule('mol', 'threshold', [], [{ title: 'High', extension: above(10, 'mmol/L'), trigger: [on('2345-7')] }]),
    eventRule('mass', 'threshold', [], [{ title: 'High', extension: above(180, 'mg/dL'), trigger: [on('2345-7')] }]),
    eventRule('eq', 'threshold', [], [{ title: 'High', extension: above(5, 'meq/L'), trigger: [on('2000-8')] }]),
    eventRule('d', 'delta', [minutes('window', 60)], [{ title: 'Jump', extension: by, trigger: [on('2345-7')] }]),
    eventRule('none', 'threshold', [], [{ title: 'High', extension: above(10, 'mmol/L'), trigger: [on('1-8')] }]),
  );
  const result = (id: string, code: string, value: number, unit: string, minute: number) =>
    reading(id, value, minute, { code: loinc(code), valueQuantity: quantity(value, unit) });
  await judged(
    rig,
    // 180.156 g/mol: 9.99 mmol/L, 179.98 mg/dL.
    result('g1', '2345-7', 180, 'mg/dL', 1),
    result('g2', '2345-7', 9.99, 'mmol/L', 2),
    result('none', '1-8', 500, 'mg/dL', 2),
  );
  for (const rule of ['mol', 'mass', 'd', 'none']) assert.deepEqual(await shortly(rig.db, rule), [], rule);
  await judged(rig, result('g3', '2345-7', 12.3, 'mmol/L', 3), result('g4', '2345-7', 181, 'mg/dL', 4));
  assert.deepEqual(await shortly(rig.db, 'mol'), ['active: 181 mg/dL (limit 10 mmol/L)']);
  assert.deepEqual(await shortly(rig.db, 'mass'), ['active: 181 mg/dL (limit 180 mg/dL)']);
  assert.deepEqual(await shortly(rig.db, 'd'), ['active: from 221.592 mg/dL to 181 mg/dL within 1 min']);
  // Divalent: 2.6 mmol/L are 5.2 meq/L, 10 mg/dL are 4.99.
  await judged(rig, result('c1', '2000-8', 10, 'mg/dL', 1));
  assert.deepEqual(await shortly(rig.db, 'eq'), []);
  await judged(rig, result('c2', '2000-8', 2.6, 'mmol/L', 2));
  assert.deepEqual(await shortly(rig.db, 'eq'), ['active: 2.6 mmol/L (limit 5 meq/L)']);
});

test('trend: the slope over the window', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const slope = [
    ext('change-per-hour', 'Quantity', quantity(1, 'mmol/L')),
    ext('points', 'Integer', 3),
    ext('direction', 'Code', 'up'),
  ];
  await inForce(
    rig,
    eventRule('s', 'trend', [minutes('window', 120)], [{ title: 'Rising', extension: slope, trigger: [onCode('k')] }]),
  );
  await judged(rig, reading('o1', 2, 0), reading('o2', 3, 60));
  assert.deepEqual(await alertsOf(rig.db, 's'), []);
  await judged(rig, reading('o3', 4, 120));
  assert.deepEqual(await shortly(rig.db, 's'), ['active: rising by 1 mmol/L an hour, 3 values, now 4']);
  await judged(rig, reading('o4', 3, 130));
  assert.equal((await shortly(rig.db, 's'))[0]!.split(':')[0], 'resolved');
});

test('combination: conditions that hold within one window, each by its newest value; a DetectedIssue tells of it', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const when = (code: string, name: string, expression: string) =>
    onCode(code, { name, condition: { language: 'text/fhirpath', expression } });
  await inForce(
    rig,
    eventRule(
      'c',
      'combination',
      [minutes('window', 30)],
      [
        {
          title: 'Shock',
          priority: 'stat',
          trigger: [when('hr', 'fast pulse', 'value.value > 100'), when('bp', 'low pressure', 'value.value < 90')],
        },
      ],
    ),
  );
  const of = (id: string, code: string, value: number, minute: number) =>
    reading(id, value, minute, { code: { coding: [{ system: 'http://x', code }] } });
  await judged(rig, of('h1', 'hr', 120, 0), of('b1', 'bp', 85, 31));
  assert.deepEqual(await alertsOf(rig.db, 'c'), []);
  await judged(rig, of('h2', 'hr', 110, 20));
  assert.deepEqual(await shortly(rig.db, 'c'), ['active: fast pulse, low pressure']);
  const [issue] = (await rig.store.list('DetectedIssue')) as JsonObject[];
  assert.deepEqual([issue!.severity, issue!.patient], ['high', { reference: 'Patient/p1' }]);
  assert.deepEqual((issue!.implicated as JsonObject[]).map(({ reference }) => reference).sort(), [
    'Observation/b1',
    'Observation/h2',
  ]);
  await judged(rig, of('h3', 'hr', 80, 35));
  assert.deepEqual(await shortly(rig.db, 'c'), ['resolved: fast pulse, low pressure']);
});

test('absence: told once when a reading does not come, over with the next one', async (t) => {
  const rig = await createRig(t);
  let nowMs = startMs + 60_000;
  await rig.start({ clock: { now: () => nowMs } });
  await inForce(
    rig,
    eventRule('a', 'absence', [minutes('window', 15)], [{ title: 'No reading', trigger: [onCode('k')] }]),
  );
  // Ids say when it was written: the store of tests dates versions by the database's clock, far after 2026-01-01.
  const now = async (id: string, minute: number) => {
    await rig.store.put(
      reading(id, 4, minute, { effectiveDateTime: new Date(Date.now() + minute * 60_000).toISOString() }),
    );
    await settled(rig);
  };
  await now('o1', 0);
  const [watch] = await rig.db.query<{ due_at: number }>({ text: 'select due_at from alert_watch' });
  nowMs = watch!.due_at - 1;
  await rig.db.query({ text: 'select 1' });
  assert.deepEqual(await alertsOf(rig.db, 'a'), []);
  nowMs = watch!.due_at + 60_000;
  await waitFor(async () => (await alertsOf(rig.db, 'a')).length === 1, 'the alert');
  assert.equal((await alertsOf(rig.db, 'a'))[0]!.status, 'active');
  await now('o2', 2);
  assert.deepEqual(
    (await alertsOf(rig.db, 'a')).map(({ status }) => status),
    ['resolved'],
  );
});

test('score: an incomplete one is no low one', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const seven = [ext('high', 'Quantity', { value: 6 })];
  await inForce(
    rig,
    eventRule('news', 'score', [], [{ title: 'NEWS2 of 7 or more', extension: seven, trigger: [onCode('news2')] }]),
  );
  const score = (id: string, minute: number, value: JsonObject) => {
    const { valueQuantity: _none, ...rest } = reading(id, 0, minute, {
      code: { coding: [{ system: 'http://x', code: 'news2' }] },
    });
    return { ...rest, ...value } as ReturnType<typeof reading>;
  };
  await judged(rig, score('s1', 1, { valueInteger: 7 }));
  assert.deepEqual(await shortly(rig.db, 'news'), ['active: 7 (limit 6)']);
  await judged(rig, score('s2', 2, { dataAbsentReason: { text: 'incomplete' } }));
  assert.deepEqual(await shortly(rig.db, 'news'), ['active: 7 (limit 6)']);
  await judged(rig, score('s3', 3, { valueInteger: 3 }));
  assert.deepEqual(await shortly(rig.db, 'news'), ['resolved: 7 (limit 6)']);
});

test('claims: one alert a denied one', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const trigger = [{ type: 'data-changed', data: [{ type: 'ClaimResponse' }] }];
  await inForce(rig, eventRule('claims', 'claim', [], [{ title: 'Claim denied', priority: 'routine', trigger }]));
  const money = (code: string, value: number) => ({
    category: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/adjudication', code }] },
    amount: { value, currency: 'USD' },
  });
  const claim = (id: string, outcome: string, total: JsonObject[]) =>
    ({
      ...{ resourceType: 'ClaimResponse', id, status: 'active', use: 'claim', outcome, created: instant(1) },
      ...{ patient: { reference: 'Patient/p1' }, insurer: { display: 'Payer' }, total },
    }) as unknown as ReturnType<typeof reading>;
  const failed = claim('failed', 'error', []);
  await judged(
    rig,
    claim('paid', 'complete', [money('submitted', 100), money('benefit', 80)]),
    claim('denied', 'complete', [money('submitted', 100), money('benefit', 0)]),
    failed,
  );
  const all = await alertsOf(rig.db, 'claims');
  assert.deepEqual(
    all.map(({ key, status, severity }) => [key, status, severity]),
    [
      ['denied', 'active', 'low'],
      ['failed', 'active', 'low'],
    ],
  );
  assert.deepEqual(await tasksOf(rig), []);
  await judged(rig, claim('denied', 'complete', [money('submitted', 100), money('benefit', 60)]));
  assert.deepEqual(
    (await alertsOf(rig.db, 'claims')).map(({ status }) => status),
    ['resolved', 'active'],
  );
  await judged(rig, { ...claim('failed', 'error', []), status: 'cancelled' } as typeof failed);
  assert.deepEqual(
    (await alertsOf(rig.db, 'claims')).map(({ status }) => status),
    ['resolved', 'resolved'],
  );
});

test('failure rate: by feed, over when it has gone down', async (t) => {
  const rig = await createRig(t);
  let failed = 20;
  const startedMs = Date.now();
  await rig.start({
    feedFailures: async () => [
      { feed: 'mllp/lab', failed, total: 100 },
      { feed: 'mllp/adt', failed: 1, total: 2 },
    ],
    // A thousand times as fast: how messages fare is looked at every five seconds.
    clock: { now: () => startedMs + (Date.now() - startedMs) * 1_000 },
  });
  const limits = [ext('failures', 'Integer', 5), ext('failures-percent', 'Decimal', 10)];
  await inForce(
    rig,
    eventRule(
      'f',
      'failure-rate',
      [minutes('window', 10)],
      [{ title: 'Messages fail', priority: 'asap', extension: limits }],
    ),
  );
  await waitFor(async () => (await alertsOf(rig.db, 'f')).length > 0, 'the alert');
  assert.deepEqual(
    (await alertsOf(rig.db, 'f')).map(({ subject, key, status, detail }) => [subject, key, status, detail]),
    [['', 'mllp/lab', 'active', 'mllp/lab: 20 of 100 messages failed within 10 min']],
  );
  assert.deepEqual(await rig.store.list('Flag'), []);
  assert.equal((await rig.store.list('Communication')).length, 1);
  failed = 0;
  await waitFor(async () => (await alertsOf(rig.db, 'f'))[0]!.status === 'resolved', 'the end of it');
});
