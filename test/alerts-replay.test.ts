// Monitors over MQTT, charts over FHIR, and rules of each kind: exactly the alerts, and the resources that tell of them, that a
// plain recomputation of the stored versions finds. Readings come late, twice, corrected, moved, withdrawn and deleted.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import mqtt from 'mqtt';
import type { JsonObject, Resource } from '#fhir-model';
import { random, waitFor } from '#platform/testing';
import { type Client, createClient, entries, linkOf } from './client.ts';
import { type AlertSource, compareAlerts } from './compare-alerts.ts';
import { dataFolder, embeddedDb, startProcess } from './fault/server-process.ts';
import type { PlainAlert } from './plain-alerts.ts';
import { replayPlans, replayRules, windowSeconds } from './replay-rules.ts';

const patients = 20;
const stepsEach = 45;
const waitMs = 120_000;

type Below = (below: number) => number;

const metrics: ((below: Below) => JsonObject)[] = [
  (below) => ({ metric: 'heart-rate', value: 40 + below(95), unit: 'bpm' }),
  (below) => ({ metric: 'blood-pressure', value: { systolic: 85 + below(60), diastolic: 60 }, unit: 'mmHg' }),
  (below) => ({ metric: 'body-temperature', value: 35 + below(50) / 10, unit: 'Cel' }),
  (below) => ({ metric: 'respiratory-rate', value: 8 + below(20), unit: '/min' }),
  (below) => ({ metric: 'oxygen-saturation', value: 88 + below(13), unit: '%' }),
];

const own = (code: string): JsonObject => ({ coding: [{ system: 'urn:cerebra:vital', code }] });

async function put(client: Client, resource: Resource): Promise<void> {
  const reply = await client('PUT', `${resource.resourceType}/${resource.id}`, resource);
  assert.ok(reply.status === 200 || reply.status === 201, reply.text);
}

async function setScene(client: Client, root: string): Promise<void> {
  const charted = { effectiveDateTime: new Date(Date.now() - 3_600_000).toISOString(), status: 'final' };
  for (let number = 0; number < patients; number++) {
    const subject = { reference: `Patient/bed-${number}` };
    await put(client, { resourceType: 'Patient', id: `bed-${number}`, birthDate: '1950-05-05' });
    await put(client, { resourceType: 'Device', id: `monitor-${number}`, patient: subject });
    for (const [code, value] of Object.entries({ consciousness: 'alert', oxygen: 'air' })) {
      const valueCodeableConcept = own(value);
      const one = { resourceType: 'Observation', id: `bed-${number}-${code}`, code: own(code), subject, ...charted };
      await put(client, { ...one, valueCodeableConcept });
    }
  }
  for (const plan of replayPlans()) await put(client, plan);
  const inForce = async () => {
    const { json } = await client('GET', `${root}/admin/alerts/rules`);
    const rules = (json.rules as unknown as { id: string }[]).map(({ id }) => id);
    return Object.keys(replayRules).every((id) => rules.includes(id));
  };
  await waitFor(inForce, 'the rules to be in force');
}

const isPulse = ({ code }: Resource): boolean => JSON.stringify(code).includes('"8867-4"');

/**
 * Someone corrects one of the patient's latest readings: its value, its time, or that it ever was. True: a pulse is gone or dated
 * back, so that the one before it counts, in whose place none can be found should it be deleted before that is judged.
 */
async function correct(client: Client, below: Below, patient: string, keepsPulses: boolean): Promise<boolean> {
  const search = `Observation?subject=Patient/${patient}&category=vital-signs&_sort=-_lastUpdated&_count=6`;
  const latest = entries(await client('GET', search));
  if (latest.length === 0) return false;
  const stored = latest[below(latest.length)]!.resource!;
  const how = below(6);
  if (how === 0 && !(keepsPulses && isPulse(stored))) {
    const reply = await client('DELETE', `Observation/${stored.id}`);
    assert.ok(reply.status < 300, reply.text);
    return isPulse(stored);
  }
  await change(client, below, stored, how);
  return how <= 2 && isPulse(stored);
}

async function change(client: Client, below: Below, stored: Resource, how: number): Promise<void> {
  if (how <= 1) return put(client, { ...stored, status: 'entered-in-error' });
  const next: Resource = { ...stored, status: 'corrected' };
  const measuredMs = Date.parse(String(stored.effectiveDateTime));
  if (how === 2) {
    return put(client, { ...next, effectiveDateTime: new Date(measuredMs - below(20_000)).toISOString() } as Resource);
  }
  const value = stored.valueQuantity as JsonObject | undefined;
  return put(
    client,
    value
      ? { ...next, valueQuantity: { ...value, value: Number((Number(value.value) + below(11) - 5).toFixed(1)) } }
      : next,
  );
}

const loinc = (code: string): JsonObject => ({ coding: [{ system: 'http://loinc.org', code }] });
/** What a reading was in truth: another vital sign in the same unit, or none. */
const truths: Record<string, JsonObject> = { '8867-4': { code: loinc('9279-1') }, '9279-1': { code: loinc('8867-4') } };
const weight: JsonObject = { code: loinc('29463-7'), category: [loinc('29463-7')] };

/** What one alert of each patient rests on turns out to be something else; ids of the Observations. */
async function recode(client: Client, alerts: readonly PlainAlert[]): Promise<string[]> {
  const open = alerts.filter(({ rule, endedMs }) => endedMs === undefined && !/score|silence/.test(rule));
  const wrong = [...new Map(open.map(({ patient, evidence }) => [patient, evidence[0]!])).values()];
  const recodeOne = async (id: string, at: number) => {
    const stored = (await client('GET', `Observation/${id}`)).json as unknown as Resource;
    const [{ code } = {}] = (stored.code as { coding: JsonObject[] }).coding;
    const truth = (at % 2 === 0 ? undefined : truths[String(code)]) ?? weight;
    await put(client, { ...stored, status: 'corrected', ...truth } as Resource);
  };
  await Promise.all(wrong.map(recodeOne));
  return wrong;
}

type Publish = (topic: string, payload: string) => Promise<unknown>;

/** A patient's readings, one after the other. Every fourth patient is watched now, the others are caught up with. */
async function live(number: number, steps: number, { client, publish }: { client: Client; publish: Publish }) {
  const below = random(1_000 * steps + number);
  const isNow = number % 4 === 0;
  let atMs = Date.now() - 15 * 60_000;
  const sent: string[] = [];
  let keepsPulses = false;
  for (let step = 0; step < steps; step++) {
    atMs += 500 + below(5_000);
    const late = below(6) === 0 ? below(40_000) : 0;
    const time = new Date((isNow ? Date.now() : atMs) - late).toISOString();
    const payload = JSON.stringify({ time, ...metrics[below(metrics.length)]!(below) });
    const again = below(8) === 0 && sent.length > 0 ? sent[below(sent.length)]! : payload;
    sent.push(again);
    await publish(`devices/monitor-${number}/readings`, again);
    if (below(4) === 0) keepsPulses = (await correct(client, below, `bed-${number}`, keepsPulses)) || keepsPulses;
  }
}

function sourceOf(client: Client, root: string, db: AlertSource['db']): AlertSource {
  return {
    db,
    async search(query) {
      const all: Resource[] = [];
      for (let next: string | undefined = query; next !== undefined; ) {
        const reply = await client('GET', next);
        all.push(...entries(reply).map(({ resource }) => resource!));
        next = linkOf(reply, 'next');
      }
      return all;
    },
    admin: async (path) => (await client('GET', `${root}${path}`)).json,
  };
}

test('alerts of monitored patients are those that the store leads to, seeded', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const server = await startProcess(t, { DATA_DIR: dataDir, LOG_LEVEL: 'error', SCORES: 'news2' });
  const client = createClient(server.fhirBaseUrl);
  await setScene(client, server.rootUrl);
  const monitors = await mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqttPort}`);
  t.after(() => monitors.endAsync(true));
  const publish: Publish = (topic, payload) => monitors.publishAsync(topic, payload, { qos: 1 });
  const db = await embeddedDb(dataDir);
  t.after(() => db.close());
  const source = sourceOf(client, server.rootUrl, db);
  const settled = () => {
    // By then nobody's next reading is awaited any more.
    const silentMs = Date.now() + windowSeconds.silence * 1_000;
    return waitFor(
      async () => {
        if (Date.now() <= silentMs) return undefined;
        const { alerts, differences } = await compareAlerts(source);
        const other = differences.filter(({ missing, more }) => missing.length + more.length > 0);
        assert.deepEqual(other, []);
        return alerts;
      },
      'the alerts that the store leads to',
      waitMs,
    );
  };

  const all = Array.from({ length: patients }, (_none, number) => number);
  await Promise.all(all.map((number) => live(number, stepsEach, { client, publish })));
  const first = await settled();
  // Those who are watched are silent by now; some go on.
  const silent = first.filter(({ rule, endedMs }) => rule === 'replay-silence' && endedMs === undefined);
  assert.ok(silent.length > 0);
  // One of each patient and all of them judged before: what is read of the past has the codes of now.
  const wrong = await recode(client, first);
  const corrected = await settled();
  const ended = corrected.filter(({ mistaken, evidence }) => mistaken && evidence.some((id) => wrong.includes(id)));
  assert.ok(wrong.length >= patients / 4 && ended.length >= wrong.length / 2, `${ended.length} of ${wrong.length}`);
  await Promise.all([0, 1, 4].map((number) => live(number, stepsEach - 1, { client, publish })));
  const alerts = await settled();
  for (const rule of Object.keys(replayRules)) {
    const mine = alerts.filter((one) => one.rule === rule);
    assert.ok(mine.length >= patients / 4, `${rule} was raised ${mine.length} times`);
    assert.ok(
      mine.some(({ endedMs }) => endedMs !== undefined),
      `${rule} has ended`,
    );
  }
  assert.ok(alerts.some(({ tellings }) => tellings.length > 1));
  assert.ok(alerts.some(({ mistaken }) => mistaken));
});
