// Critical laboratory values from the change to the Flag, the Communication and the Task.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { waitFor } from '#platform/testing';
import { createRig, type Rig } from '../../testing/rig.ts';
import { alertId } from '../state/row.ts';

const rule = 'critical-laboratory-values';
const alert = `alert:${rule}`;

const potassium = (id: string, value: number, rest: Record<string, unknown> = {}) =>
  ({
    ...{ resourceType: 'Observation', id, status: 'final' },
    code: { coding: [{ system: 'http://loinc.org', code: '2823-3' }] },
    subject: { reference: 'Patient/p1', display: 'Name that stays here' },
    encounter: { reference: 'Encounter/e1' },
    valueQuantity: { value, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
    ...rest,
  }) as Resource & { id: string };

/** Waits until the alert has handled everything up to the Observation's current version. */
async function settled({ db, store }: Rig, id: string): Promise<void> {
  const version = (await store.reader.read('Observation', id, { kind: 'everything' }))!.version;
  const text = `select 1 from delivery where subscriber = $1 and id = $2 and version = $3 and outcome is not null`;
  await waitFor(async () => (await db.query({ text }, [alert, id, version])).length > 0, `the alert for ${id}`);
}

const flags = async ({ store }: Rig) => (await store.list('Flag')) as JsonObject[];
const communications = async ({ store }: Rig) => (await store.list('Communication')) as JsonObject[];

test('a critical result raises a Flag and a Communication, with no more about the patient than needed', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await rig.store.put(potassium('normal', 4.1));
  await rig.store.put(potassium('high', 6.9));
  await settled(rig, 'high');
  const [flag, ...moreFlags] = await flags(rig);
  const [communication, ...moreCommunications] = await communications(rig);
  assert.deepEqual([moreFlags, moreCommunications], [[], []]);
  assert.equal(flag!.id, alertId(rule, 'Patient/p1', 'high', 1));
  assert.equal(flag!.status, 'active');
  assert.deepEqual(flag!.subject, { reference: 'Patient/p1' });
  assert.deepEqual(flag!.encounter, { reference: 'Encounter/e1' });
  assert.equal(((flag!.code as JsonObject).coding as JsonObject[])[0]!.code, '14140009');
  assert.deepEqual((flag!.extension as JsonObject[])[0]!.valueReference, { reference: 'Observation/high' });
  assert.equal(communication!.status, 'in-progress');
  assert.equal(communication!.priority, 'stat');
  assert.deepEqual(communication!.subject, { reference: 'Patient/p1' });
  assert.deepEqual(communication!.about, [{ reference: 'Observation/high' }, { reference: `Flag/${flag!.id}` }]);
  const [task, ...moreTasks] = (await rig.store.list('Task')) as JsonObject[];
  assert.deepEqual(moreTasks, []);
  assert.deepEqual([task!.status, task!.intent, task!.priority], ['requested', 'order', 'stat']);
  assert.deepEqual([task!.for, task!.focus], [{ reference: 'Patient/p1' }, { reference: `Flag/${flag!.id}` }]);
  const due = (task!.restriction as { period: { end: string } }).period.end;
  assert.equal(Date.parse(due) - Date.parse(task!.authoredOn as string), 600_000);
  assert.deepEqual(communication!.payload, [
    { contentString: 'Critically high potassium: 6.9 mmol/L (limit 6.2 mmol/L)' },
  ]);
  assert.doesNotMatch(JSON.stringify([flag, communication]), /Name that stays here/);
  const numbered = await rig.db.query({ text: 'select number, id from delivery where subscriber = $1' }, [alert]);
  assert.deepEqual(numbered, [{ number: 1n, id: 'high' }]);
});

test('the limits are those of the patient’s age when the result was taken', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const born = { newborn: '2024-01-01', child: '2016-01-01', adult: '1980-01-01' };
  for (const [id, birthDate] of Object.entries(born)) await rig.store.put({ resourceType: 'Patient', id, birthDate });
  const results: [string, number, string][] = [
    ['newborn', 7, '2024-01-20'],
    ['newborn', 7.9, '2024-01-21'],
    ['newborn', 7, '2024-02-20'],
    ['child', 6.3, '2024-01-20'],
    ['child', 6.5, '2024-01-20'],
    ['adult', 6.3, '2024-01-20'],
    ['nobody-here', 6.3, '2024-01-20'],
  ];
  for (const [i, [patient, value, day]] of results.entries()) {
    const about = { subject: { reference: `Patient/${patient}` }, effectiveDateTime: `${day}T08:00:00Z` };
    await rig.store.put(potassium(`k${i}`, value, about));
  }
  await settled(rig, `k${results.length - 1}`);
  const told = (await communications(rig)).map(({ payload }) => (payload as JsonObject[])[0]!.contentString);
  assert.deepEqual(told.sort(), [
    'Critically high potassium: 6.3 mmol/L (limit 6.2 mmol/L)',
    'Critically high potassium: 6.3 mmol/L (limit 6.2 mmol/L)',
    'Critically high potassium: 6.5 mmol/L (limit 6.4 mmol/L)',
    'Critically high potassium: 7 mmol/L (limit 6.4 mmol/L)',
    'Critically high potassium: 7.9 mmol/L (limit 7.8 mmol/L)',
  ]);
});

test('the same value again is silent, another value is told, a correction withdraws, its correction raises again', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const put = async (value: number, rest = {}) => {
    await rig.store.put(potassium('k', value, rest));
    await settled(rig, 'k');
    const byId = new Map((await flags(rig)).map((flag) => [flag.id, flag]));
    const episodes = [1, 2, 3, 4].map((episode) => byId.get(alertId(rule, 'Patient/p1', 'k', episode)));
    const flag = episodes.findLast((one) => one !== undefined);
    return [
      flag!.status,
      ((flag!.code as JsonObject).coding as JsonObject[])[0]!.display,
      (await communications(rig)).length,
    ];
  };
  assert.deepEqual(await put(6.9, { status: 'preliminary' }), ['active', 'Hyperkalemia', 1]);
  assert.deepEqual(await put(6.9), ['active', 'Hyperkalemia', 1]);
  assert.deepEqual(await put(7.4, { status: 'corrected' }), ['active', 'Hyperkalemia', 2]);
  assert.deepEqual(await put(4.2, { status: 'corrected' }), ['inactive', 'Hyperkalemia', 2]);
  assert.deepEqual(await put(4.3, { status: 'corrected' }), ['inactive', 'Hyperkalemia', 2]);
  assert.deepEqual(await put(6.9, { status: 'corrected' }), ['active', 'Hyperkalemia', 3]);
  assert.deepEqual(await put(2.1, { status: 'corrected' }), ['active', 'Hypokalemia', 4]);
  assert.deepEqual(await put(2.1, { status: 'entered-in-error' }), ['entered-in-error', 'Hypokalemia', 4]);
});

test('a Flag that a person closed stays closed until another critical value', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await rig.store.put(potassium('k', 6.9));
  await settled(rig, 'k');
  const [flag] = await rig.store.list('Flag');
  await rig.store.put({ ...flag, status: 'inactive' } as Resource & { id: string });
  await rig.store.put(potassium('k', 6.9, { note: [{ text: 'seen' }] }));
  await settled(rig, 'k');
  assert.equal((await flags(rig))[0]!.status, 'inactive');
  await rig.store.put(potassium('k', 7.7));
  await settled(rig, 'k');
  assert.equal((await flags(rig))[0]!.status, 'active');
  assert.equal((await communications(rig)).length, 2);
});

test('doing it again changes nothing', async (t) => {
  const rig = await createRig(t);
  const first = await rig.start();
  await rig.store.put(potassium('k', 6.9));
  await rig.store.put(potassium('k', 4.2));
  await rig.store.put(potassium('k', 7.2));
  await settled(rig, 'k');
  const before = await rig.db.query({ text: 'select type, id, version from test_version order by 1, 2, 3' });
  await first.stop();
  await rig.db.query({ text: `update delivery set outcome = 'failed' where subscriber = $1` }, [alert]);
  // It delivers nothing: what is asked for waits until it has been answered.
  const { adminRoutes } = await rig.start({ limits: { deliverers: 0 } });
  const retry = adminRoutes.find(({ path }) => path.endsWith('/retry'))!;
  const answer = await retry.handle({ params: { id: alert }, query: new URLSearchParams(), body: Buffer.alloc(0) });
  assert.deepEqual(answer, { status: 202, body: { id: alert, requeued: 3, resumed: true } });
  await rig.start();
  await waitFor(
    async () =>
      (await rig.db.query({ text: 'select 1 from subscriber where id = $1 and done_number = 6' }, [alert])).length ===
      1,
    'the repeated deliveries',
  );
  assert.deepEqual(await rig.db.query({ text: 'select type, id, version from test_version order by 1, 2, 3' }), before);
});

test('subjects that a Flag can not have', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const subjects: [string, unknown, number][] = [
    ['none', undefined, 0],
    ['contained', { reference: '#p' }, 0],
    ['device', { reference: 'Device/d1' }, 0],
    ['logical', { type: 'Patient', identifier: { system: 'http://x', value: '1' } }, 1],
    ['absolute', { reference: 'https://example.org/fhir/Patient/9' }, 1],
  ];
  let expected = 0;
  for (const [id, subject, count] of subjects) {
    await rig.store.put(potassium(id, 6.9, { subject }));
    await settled(rig, id);
    expected += count;
    assert.equal((await flags(rig)).length, expected, id);
  }
  assert.equal((await communications(rig)).length, subjects.length);
});

test('while the store is out of reach the alert waits, what the store refuses is set aside', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  rig.store.failWrites(new CerebraError('unavailable', 'down'), 8);
  await rig.store.put(potassium('k1', 6.9));
  await settled(rig, 'k1');
  rig.store.failWrites(new CerebraError('business-rule', 'no'), 1);
  await rig.store.put(potassium('k2', 6.9));
  await settled(rig, 'k2');
  rig.store.failWrites(new TypeError('a fault of the rule'), 5);
  await rig.store.put(potassium('k3', 6.9));
  await settled(rig, 'k3');
  await rig.store.put(potassium('k4', 6.9));
  await settled(rig, 'k4');
  const rows = await rig.db.query(
    {
      text: 'select id, outcome, attempts, error from delivery where subscriber = $1 order by number',
    },
    [alert],
  );
  assert.deepEqual(rows, [
    { id: 'k1', outcome: 'delivered', attempts: 9, error: null },
    { id: 'k2', outcome: 'failed', attempts: 1, error: 'business-rule: no' },
    { id: 'k3', outcome: 'failed', attempts: 5, error: 'internal error' },
    { id: 'k4', outcome: 'delivered', attempts: 1, error: null },
  ]);
});
