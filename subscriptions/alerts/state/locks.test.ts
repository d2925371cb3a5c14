// Whoever changes several alerts locks them in the order of their ids: two that do so at once wait for each other in turn.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Db, systemClock } from '#platform';
import { waitFor } from '#platform/testing';
import { createRig } from '../../testing/rig.ts';
import type { Found } from '../rules/happening.ts';
import { createAlerts } from './alerts.ts';
import { alertId, stormKey } from './row.ts';

const policy = { detectedIssue: false, storm: { count: 1, windowMs: 3_600_000 } };

const found = (subject: string, atMs: number): Found => ({
  ...{ rule: 'r', subject, key: '', state: 'raised', severity: 'low', title: 'High', detail: '7 mmol/L' },
  ...{ evidence: [`Observation/${atMs}`], source: `Observation/${atMs}`, atMs, instantMs: atMs },
});

/** Runs `work` while somebody holds the alert, and tells which of the others it has locked by then. */
async function lockedWhile(db: Db, held: string, others: readonly string[], work: () => Promise<unknown>) {
  const lock = { text: 'select from alert where id = $1 for update' };
  let running: Promise<unknown> | undefined;
  const locked = await db.tx(async (tx) => {
    await tx.query(lock, [held]);
    running = work();
    const text = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    await waitFor(async () => (await db.query({ text })).length > 0, 'it to wait');
    const free = { text: 'select id from alert where id = any ($1) for update skip locked' };
    const ids = await tx.query<{ id: string }>(free, [others]);
    return others.filter((id) => !ids.some((one) => one.id === id));
  });
  await running;
  return locked;
}

test('several alerts are saved, and those of a storm acknowledged, in the order of their ids', async (t) => {
  const { db, store } = await createRig(t);
  const { reader, writer } = store;
  const alerts = createAlerts({
    ...{ db, reader, writer, scope: { kind: 'everything' }, clock: systemClock, policyOf: async () => policy },
  });
  const subjects = Array.from({ length: 6 }, (_, at) => `Patient/p${at}`);
  const idOf = (subject: string) => alertId('r', subject, '', 1);
  const descending = subjects.toSorted((one, other) => (idOf(one) < idOf(other) ? 1 : -1));
  await alerts.apply(
    'r',
    policy,
    descending.map((subject) => found(subject, 1)),
  );
  const ids = descending.map(idOf);
  const least = ids.at(-1)!;
  const others = ids.slice(0, -1);
  const again = () =>
    alerts.apply(
      'r',
      policy,
      descending.map((subject) => found(subject, 2)),
    );
  assert.deepEqual(await lockedWhile(db, least, others, again), []);
  const storm = alertId('r', '', stormKey, 1);
  const [grouped] = await db.query<{ count: bigint }>({ text: 'select count(*) from alert where group_id = $1' }, [
    storm,
  ]);
  assert.equal(grouped?.count, 5n);
  const all = [...ids, storm].sort();
  const first = all.find((id) => id !== ids[0])!;
  const after = all.slice(all.indexOf(first) + 1);
  assert.deepEqual(await lockedWhile(db, first, after, () => alerts.acknowledge(storm, 'Practitioner/a')), []);
  const rows = await db.query<{ status: string }>({ text: 'select distinct status from alert where id <> $1' }, [
    ids[0],
  ]);
  assert.deepEqual(rows, [{ status: 'acknowledged' }]);
});
