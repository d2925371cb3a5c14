// Everything a test of subscriptions needs, on a database of the file's own.
import type { TestContext } from 'node:test';
import { createXmlCodec, loadDefinitions, type Resource } from '#fhir-model';
import { createMetrics, type Db, type Metrics, systemClock } from '#platform';
import { testLog, waitFor } from '#platform/testing';
import { createSubscriptions, type Subscriptions, type SubscriptionsOptions } from '../index.ts';
import { emptyDatabase } from './database.ts';
import { testRules } from './rules.ts';
import { createTestStore, type TestStore } from './store.ts';

export { testRules };

export interface Rig {
  db: Db;
  store: TestStore;
  /** One server's subscriptions, started; stopped after the test. */
  start(options?: Partial<SubscriptionsOptions>): Promise<Server>;
}

export interface Server extends Subscriptions {
  metrics: Metrics;
}

/**
 * Fast enough for tests: retries within milliseconds, a short lease of the dispatcher. Receivers are waited for as long as a test
 * may hold them on a machine that stands still now and then: what is told again because of that is none of what it counts.
 */
export const testLimits = {
  pollMs: 20,
  dispatchLeaseMs: 1_000,
  timeoutMs: 60_000,
  backoffMsMin: 5,
  backoffMsMax: 20,
  stopGraceMs: 2_000,
} as const;

const emptying = `truncate subscriber, delivery, subscription_topic, alert, alert_fact, alert_watch;
  update dispatcher set xid = 0, seq = 0, holder = null, lease_until = null`;

export async function createRig(t: TestContext): Promise<Rig> {
  const db = await emptyDatabase(emptying);
  const store = await createTestStore(db);
  const { parameters, resourceTypes } = await testRules();
  return {
    db,
    store,
    async start(options = {}) {
      const metrics = createMetrics();
      const subscriptions = createSubscriptions({
        ...{ db, feed: store.feed, reader: store.reader, writer: store.writer, scope: { kind: 'everything' } as const },
        ...{ parameters, resourceTypes, log: testLog(), metrics, clock: systemClock, random: () => 0.5 },
        egressAllow: ['loopback'],
        xml: createXmlCodec(await loadDefinitions()),
        ...options,
        limits: { ...testLimits, ...options.limits },
      });
      t.after(() => subscriptions.stop());
      await subscriptions.start();
      return { ...subscriptions, metrics };
    },
  };
}

/** Other databases of the cluster hold the stream back: what was just committed may come to it later. */
export const inStream = ({ db, store }: Rig) =>
  waitFor(async () => {
    const [row] = await db.query<{ count: number }>({ text: 'select count(*)::int as count from change' });
    return (await store.feed.read(db, { xid: 0n, seq: 0n }, 1_000)).changes.length === row!.count;
  }, 'all changes to be in the stream');

export const subscription = (id: string, endpoint: string, rest: Record<string, unknown> = {}) =>
  ({
    ...{
      resourceType: 'Subscription',
      id,
      status: 'requested',
      reason: 'test',
      criteria: 'Observation?code=http://x|a',
    },
    channel: { type: 'rest-hook', endpoint },
    ...rest,
  }) as Resource & { id: string };

export const observation = (id: string, code = 'a', rest: Record<string, unknown> = {}) =>
  ({
    ...{ resourceType: 'Observation', id, status: 'final' },
    code: { coding: [{ system: 'http://x', code }] },
    ...rest,
  }) as Resource & { id: string };

/** Waits until the Subscription has that status and returns it. */
export function waitForStatus(store: TestStore, id: string, status: string): Promise<Resource> {
  return waitFor(
    async () => (await store.list('Subscription')).find((one) => one.id === id && one.status === status),
    `Subscription/${id} to be ${status}`,
  );
}

/** What the stream has made of the Subscription. */
export async function waitForState(db: Db, id: string, state: string): Promise<void> {
  const text = 'select 1 from subscriber where id = $1 and state = $2';
  await waitFor(async () => (await db.query({ text }, [id, state])).length > 0, `subscriber ${id} to be ${state}`);
}
