// Metrics for Prometheus: https://prometheus.io/docs/practices/naming/
import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type { Counter, Gauge, Histogram, Registry };

/** A value for each set of labels. */
export type Readings = [labels: Record<string, string>, value: number][];

export interface Metrics {
  registry: Registry;
  counter(name: string, help: string, labelNames?: string[]): Counter;
  /** `buckets` are upper bounds in the metric's unit; without them 1 ms to 10 s, for seconds. */
  histogram(name: string, help: string, labelNames?: string[], buckets?: number[]): Histogram;
  gauge(name: string, help: string, labelNames?: string[]): Gauge;
  /** A gauge read when it is scraped, left out when that fails or takes over 1 s. `read` yields one value a label set. */
  observe(name: string, help: string, labelNames: string[], read: () => Readings | Promise<Readings>): void;
  /** Process metrics (CPU, memory, event loop lag). Once, by the server; tests do without. */
  collectProcess(): void;
}

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A registry of its own. Asking twice for a name yields the same metric, so that callers need not share it. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const known = <T>(name: string, create: () => T): T => (registry.getSingleMetric(name) as T | undefined) ?? create();
  return {
    registry,
    counter: (name, help, labelNames = []) =>
      known(name, () => new Counter({ name, help, labelNames, registers: [registry] })),
    histogram: (name, help, labelNames = [], buckets = secondsBuckets) =>
      known(name, () => new Histogram({ name, help, labelNames, buckets, registers: [registry] })),
    gauge: (name, help, labelNames = []) =>
      known(name, () => new Gauge({ name, help, labelNames, registers: [registry] })),
    observe(name, help, labelNames, read) {
      registry.removeSingleMetric(name);
      new Gauge({
        name,
        help,
        labelNames,
        registers: [registry],
        async collect() {
          const readings = await readInTime(read);
          this.reset();
          // reset() gives a gauge without labels the value 0.
          if (labelNames.length === 0) this.remove();
          for (const [labels, value] of readings) this.set(labels, value);
        },
      });
    },
    collectProcess: () => collectDefaultMetrics({ register: registry }),
  };
}

/** The rest of the scrape must not wait for a part that is away: with Redis gone its queue never answers. */
const readTimeoutMs = 1_000;

/** Nothing where the read fails or takes too long: the gauge is absent from that scrape. */
async function readInTime(read: () => Readings | Promise<Readings>): Promise<Readings> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Readings>((resolve) => {
    timer = setTimeout(() => resolve([]), readTimeoutMs);
  });
  try {
    return await Promise.race([Promise.resolve().then(read), late]);
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}

/** What one process measures, in a form that passes between processes. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** Several processes as one, in Prometheus' text format: counts and gauges are summed up. */
export const aggregateMetrics = (snapshots: MetricsSnapshot[]): Promise<string> =>
  AggregatorRegistry.aggregate(snapshots).metrics();

const isCount = ({ type }: MetricsSnapshot[number]): boolean => ['counter', 'histogram'].includes(String(type));

/**
 * What processes had counted that have ended, as one. Their gauges go with them. Without it the sum of a counter falls when one ends, which
 * Prometheus takes for one that began anew, and counts all of it once more: https://prometheus.io/docs/concepts/metric_types/#counter
 */
export const countsOf = (snapshots: MetricsSnapshot[]): Promise<MetricsSnapshot> =>
  AggregatorRegistry.aggregate(snapshots.map((one) => one.filter(isCount))).getMetricsAsJSON();

/** The pool as `cerebra_db_pool_connections{state}`. */
export function observePool(metrics: Metrics, stats: () => { total: number; idle: number; waiting: number }): void {
  metrics.observe(
    'cerebra_db_pool_connections',
    'Database connections: in use, idle, and callers waiting for one',
    ['state'],
    () => {
      const { total, idle, waiting } = stats();
      return [
        [{ state: 'used' }, total - idle],
        [{ state: 'idle' }, idle],
        [{ state: 'waiting' }, waiting],
      ];
    },
  );
}
