// Alerts and their escalation over kill -9 of the server, of PostgreSQL, and of Redis with all it held: as many alerts as a plain
// reading of the store finds, each with one Flag, and each step of each chain once.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Db } from '#platform';
import { startPagerDuty, waitFor } from '#platform/testing';
import { createClient } from '../client.ts';
import { eventSystem } from './listeners.ts';
import { startRedis } from './redis-server.ts';
import { dataFolder, embeddedDb, postmasterPid, type ServerProcess, startProcess } from './server-process.ts';

const limit = 6;
const patients = 20;
/** Of each patient, one after the other. The limit itself is no finding. */
const values = [6.5, 7.1, 5.0, 6.0, 6.8, 4.2, 9.3];
const steps = 2;
const waitMs = 90_000;

const extension = (name: string, value: object) => ({ url: `urn:cerebra:${name}`, ...value });
const planType = (code: string) => ({
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/plan-definition-type', code }],
});

const rule = {
  ...{ resourceType: 'PlanDefinition', id: 'fault-rule', status: 'active', type: planType('eca-rule') },
  extension: [
    extension('alert:kind', { valueCode: 'threshold' }),
    extension('alert:escalation', { valueString: 'fault-chain' }),
  ],
  action: [
    {
      ...{ title: 'High', priority: 'stat' },
      extension: [
        extension('alert:high', {
          valueQuantity: { value: limit, system: 'http://unitsofmeasure.org', code: 'mmol/L' },
        }),
      ],
      trigger: [
        {
          type: 'data-changed',
          data: [
            {
              type: 'Observation',
              codeFilter: [{ path: 'code', code: [{ system: eventSystem, code: 'alert' }] }],
            },
          ],
        },
      ],
    },
  ],
};

const chain = {
  ...{ resourceType: 'PlanDefinition', id: 'fault-chain', status: 'active', type: planType('workflow-definition') },
  action: Array.from({ length: steps }, (_, at) => ({
    title: `Step ${at + 1}`,
    timingDuration: { value: 2, code: 's', system: 'http://unitsofmeasure.org', unit: 's' },
    extension: [extension('escalation-channel', { valueCode: 'pager' })],
  })),
};

async function put(server: () => ServerProcess, resource: { resourceType: string; id: string }): Promise<void> {
  const path = `${resource.resourceType}/${resource.id}`;
  await waitFor(
    async () => (await createClient(server().fhirBaseUrl)('PUT', path, resource)).status < 300,
    `${path} to be acknowledged`,
    waitMs,
  );
}

/** Writes all values, of eight patients at a time. */
async function writeAll(server: () => ServerProcess, onWrite: (done: number) => void): Promise<void> {
  let next = 0;
  let done = 0;
  const one = async () => {
    while (next < patients) {
      const patient = next++;
      for (const [at, value] of values.entries()) {
        await put(server, {
          ...{ resourceType: 'Observation', id: `alert-${patient}-${at}`, status: 'final' },
          code: { coding: [{ system: eventSystem, code: 'alert' }] },
          subject: { reference: `Patient/fault-${patient}` },
          effectiveDateTime: new Date(Date.UTC(2026, 0, 5, 8, at)).toISOString(),
          valueQuantity: { value, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
        } as { resourceType: string; id: string });
        onWrite(++done);
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, one));
}

/** Recomputed from the stored versions in the order of the stream: how many alerts each patient had, and whether one stands. */
async function expected(db: Db): Promise<Map<string, { raised: number; stands: boolean }>> {
  const rows = await db.query<{ subject: string; value: number }>({
    text: `select v.body::jsonb #>> '{subject,reference}' as subject,
        (v.body::jsonb #>> '{valueQuantity,value}')::float8 as value
      from (select type, id, version, seq, body from resource union all
        select type, id, version, seq, body from resource_history) v
      join change c on (c.type, c.id, c.version, c.seq) = (v.type, v.id, v.version, v.seq)
      where v.body like '{"resourceType":"Observation"%' and v.id like 'alert-%' order by c.xid, c.seq`,
  });
  const found = new Map<string, { raised: number; stands: boolean }>();
  for (const { subject, value } of rows) {
    const { raised, stands } = found.get(subject) ?? { raised: 0, stands: false };
    found.set(subject, { raised: raised + (value > limit && !stands ? 1 : 0), stands: value > limit });
  }
  return found;
}

interface AlertRow {
  id: string;
  subject: string;
  episode: number;
  status: string;
}

async function checkAlerts(db: Db): Promise<AlertRow[]> {
  const wanted = await expected(db);
  assert.equal(wanted.size, patients);
  const read = () =>
    db.query<AlertRow>({
      text: `select id, subject, episode, status from alert where rule = 'fault-rule' order by subject, episode`,
    });
  const standing = async (rows: AlertRow[]) => rows.filter(({ status }) => status === 'active').length;
  const total = [...wanted.values()].reduce((sum, { raised }) => sum + raised, 0);
  await waitFor(
    async () => {
      const rows = await read();
      return rows.length >= total && (await standing(rows)) === patients;
    },
    `${total} alerts`,
    waitMs,
  );
  const rows = await read();
  for (const [subject, { raised, stands }] of wanted) {
    assert.ok(stands, 'the last value is beyond the limit');
    assert.deepEqual(
      rows.filter((row) => row.subject === subject).map(({ episode, status }) => [episode, status]),
      Array.from({ length: raised }, (_, at) => [at + 1, at + 1 === raised ? 'active' : 'resolved']),
      subject,
    );
  }
  return rows;
}

/** One Flag an alert, of its id, and one Communication of the rule for each time it was told. */
async function checkResources(db: Db, alerts: AlertRow[]): Promise<void> {
  const flags = await db.query<{ id: string; status: string }>({
    text: `select id, body::jsonb ->> 'status' as status from r_flag`,
  });
  assert.deepEqual(
    new Map(flags.map(({ id, status }) => [id, status])),
    new Map(alerts.map(({ id, status }) => [id, status === 'active' ? 'active' : 'inactive'])),
  );
  assert.equal(flags.length, alerts.length);
}

async function checkEscalation(db: Db, alerts: AlertRow[], incidents: Map<string, string>): Promise<void> {
  const active = alerts.filter(({ status }) => status === 'active');
  const ended = async () =>
    (await db.query<{ state: string; count: number }>({
      text: 'select state, count(*)::int as count from escalation group by state order by state',
    })) as unknown;
  const resolved = alerts.length - active.length;
  await waitFor(
    async () => {
      assert.deepEqual(await ended(), [
        ...(resolved > 0 ? [{ state: 'cleared', count: resolved }] : []),
        { state: 'exhausted', count: active.length },
      ]);
      return true;
    },
    'all escalations to have ended',
    waitMs,
  );
  const rows = await db.query<{ alert: string; run: number; numbers: number[] }>({
    text: 'select alert, run, array_agg(number order by number) as numbers from escalation_step group by alert, run',
  });
  const open = async () =>
    (await db.query({ text: `select 1 from escalation_message where state not in ('sent', 'cancelled') limit 1` }))
      .length;
  await waitFor(async () => (await open()) === 0, 'all messages to be sent', waitMs);
  const byAlert = new Map(rows.map((row) => [row.alert, row]));
  assert.equal(byAlert.size, rows.length, 'an alert has one run');
  for (const { id } of active) {
    assert.deepEqual(byAlert.get(id), { alert: id, run: 1, numbers: [1, 2] });
    assert.equal(incidents.get(`cerebra/${id}/1`), 'triggered');
  }
  const known = new Set(alerts.map(({ id }) => `cerebra/${id}/1`));
  assert.deepEqual(
    [...incidents].filter(([key, state]) => !known.has(key) || (state !== 'resolved' && state !== 'triggered')),
    [],
  );
  const still = new Set(active.map(({ id }) => `cerebra/${id}/1`));
  assert.deepEqual(
    [...incidents].filter(([key, state]) => state === 'triggered' && !still.has(key)),
    [],
    'incidents of alerts that are over are resolved',
  );
  const messages = await db.query({
    text: `select alert, run, number, kind, count(*)::int as count from escalation_message
      group by alert, run, number, kind having count(*) > 1`,
  });
  assert.deepEqual(messages, [], 'each step is told once');
}

test('alerts over kill -9', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const redis = await startRedis(t);
  const pager = await startPagerDuty(t);
  const environment = {
    ...{ DATA_DIR: dataDir, LOG_LEVEL: 'error', SCORES: 'none', PAGER_KEY: 'k'.repeat(32) },
    ALERT_ENDPOINTS: JSON.stringify([
      { name: 'pager', template: 'pagerduty', url: pager.url, routingKey: { env: 'PAGER_KEY' } },
    ]),
    ...(redis ? { REDIS_URL: redis.url } : {}),
  };
  let server = await startProcess(t, environment);
  await put(() => server, chain);
  await put(() => server, rule);
  const client = createClient(server.fhirBaseUrl);
  const inForce = async () => {
    const { json } = await client('GET', `${server.rootUrl}/admin/alerts/rules`);
    return (json.rules as unknown as { id: string }[]).some(({ id }) => id === 'fault-rule');
  };
  await waitFor(inForce, 'the rule to be in force');

  const faults: Promise<unknown>[] = [];
  const restart = async () => {
    server.child.kill('SIGKILL');
    await server.ended;
    server = await startProcess(t, environment);
  };
  await writeAll(
    () => server,
    (done) => {
      if (done === 25 || done === 110) faults.push(restart());
      if (done === 50 && redis) faults.push(redis.replace());
      if (done === 80) faults.push(postmasterPid(dataDir).then((pid) => process.kill(pid!, 'SIGKILL')));
    },
  );
  await Promise.all(faults);
  await redis?.replace();

  const db = await waitFor(() => embeddedDb(dataDir), 'PostgreSQL');
  t.after(() => db.close());
  const alerts = await checkAlerts(db);
  await checkResources(db, alerts);
  await checkEscalation(db, alerts, pager.incidents);
});
