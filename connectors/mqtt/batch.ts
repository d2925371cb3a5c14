// Many readings, one transaction. Evidence for batches: 8,000 single inserts a second, 19,800 in batches of 100.
import type { AccessScope, Resource, ResourceReader, ResourceWriter, StoredVersion } from '#fhir-model';
import { isCerebraError, type Log } from '#platform';
import { type Availability, codeOf, StoppedError } from './availability.ts';
import type { Fault } from './fault.ts';
import type { MqttMetrics } from './metrics.ts';
import { type Observation, sameMeasurement } from './observation.ts';

export type Outcome = 'stored' | 'duplicate' | Fault;

export interface Batcher {
  /** Resolves when the Observation is committed, was there before, or cannot be; throws StoppedError on stop. */
  add(observation: Observation): Promise<Outcome>;
}

interface BatcherOptions {
  reader: ResourceReader;
  writer: ResourceWriter;
  scope: AccessScope;
  availability: Availability;
  metrics: MqttMetrics;
  log: Log;
  batchReadingsMax: number;
  lingerMs: number;
  batchesInFlightMax: number;
}

interface Item {
  observation: Observation;
  outcome: Promise<Outcome>;
  settle(outcome: Outcome): void;
  fail(error: unknown): void;
}

const conflict: Fault = {
  reason: 'conflicting-reading',
  diagnostics: 'A reading of this device, metric, time and sequence with another value is stored already',
};

/**
 * A batch goes when it is full, or when its first reading has waited `lingerMs`, or as soon as a batch before it is
 * done; at most `batchesInFlightMax` at once. Under load the batches fill by themselves.
 */
export function createBatcher(options: BatcherOptions): Batcher {
  const { batchReadingsMax, lingerMs, batchesInFlightMax, metrics } = options;
  const store = createStore(options);
  /** Queued and in flight. Two batches never hold the same id, so they cannot deadlock on it. */
  const underWay = new Map<string, Item>();
  let queue: Item[] = [];
  let inFlight = 0;
  let timer: NodeJS.Timeout | undefined;

  const flush = (due: boolean): void => {
    while (inFlight < batchesInFlightMax && (queue.length >= batchReadingsMax || (due && queue.length > 0))) {
      const batch = queue.slice(0, batchReadingsMax);
      queue = queue.slice(batchReadingsMax);
      void run(batch);
    }
    if (queue.length === 0) clearTimeout(timer);
    if (queue.length === 0) timer = undefined;
  };

  const run = async (batch: Item[]): Promise<void> => {
    inFlight++;
    try {
      await store(batch);
    } catch (error) {
      for (const item of batch) item.fail(error);
    } finally {
      inFlight--;
      for (const item of batch) underWay.delete(item.observation.id);
      metrics.pendingReadings.set(underWay.size);
      flush(true);
    }
  };

  return {
    async add(observation) {
      const before = underWay.get(observation.id);
      if (before) return follow(before, observation);
      const item = itemOf(observation);
      underWay.set(observation.id, item);
      metrics.pendingReadings.set(underWay.size);
      queue.push(item);
      if (queue.length >= batchReadingsMax) flush(false);
      else timer ??= setTimeout(onTimer, lingerMs);
      return item.outcome;
    },
  };

  function onTimer(): void {
    timer = undefined;
    flush(true);
  }
}

function itemOf(observation: Observation): Item {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  return { observation, outcome: promise, settle: resolve, fail: reject };
}

/** The same reading came while the first is being written: it fares as that one does. */
async function follow(first: Item, observation: Observation): Promise<Outcome> {
  const outcome = await first.outcome;
  if (typeof outcome === 'object') return outcome;
  return sameMeasurement(first.observation, observation) ? 'duplicate' : conflict;
}

/** Writes a batch and settles each of its items; throws StoppedError when the connector stops before. */
function createStore({ reader, writer, scope, availability, metrics, log }: BatcherOptions) {
  const store = async (batch: Item[]): Promise<void> => {
    const written = await write(batch);
    if (written === undefined) return isolate(batch);
    const existing: Item[] = [];
    for (const [index, item] of batch.entries()) {
      if (written[index]) item.settle('stored');
      else existing.push(item);
    }
    if (existing.length > 0) await compare(existing);
  };

  /** undefined when the store refuses the batch for what is in it. */
  const write = async (batch: Item[]): Promise<boolean[] | undefined> => {
    const endTimer = metrics.batchSeconds.startTimer();
    metrics.batchSize.observe(batch.length);
    const observations = batch.map(({ observation }) => observation);
    try {
      return await availability.until(() => writer.createIfAbsent(observations, { scope }));
    } catch (error) {
      if (error instanceof StoppedError) throw error;
      if (batch.length === 1) refuse(batch[0]!, error);
      return undefined;
    } finally {
      endTimer();
    }
  };

  const refuse = (item: Item, error: unknown): void => {
    const atFault = isCerebraError(error) && error.status < 500;
    if (!atFault) log.error({ code: codeOf(error) }, 'the store failed on a device reading');
    const diagnostics = atFault ? error.message : `The store failed on this reading: ${codeOf(error)}`;
    item.settle({ reason: 'rejected', diagnostics });
  };

  /** Halves the batch until the refused reading stands alone: about 2·log2(n) writes for one bad in n. */
  const isolate = async (batch: Item[]): Promise<void> => {
    if (batch.length === 1) return;
    const middle = batch.length >> 1;
    await store(batch.slice(0, middle));
    await store(batch.slice(middle));
  };

  /** Redelivered readings are harmless; a different value under the same id is not, and is not to get lost. */
  const compare = async (batch: Item[]): Promise<void> => {
    for (let from = 0; from < batch.length; from += comparedMax) {
      const part = batch.slice(from, from + comparedMax);
      const ids = part.map(({ observation }) => observation.id).join(',');
      const query = `_id=${ids}&_count=${part.length}`;
      const page = await availability.until(() => reader.search('Observation', query, scope));
      const stored = new Map(page.resources.map((resource) => [resource.id, resource]));
      for (const item of part) item.settle(outcomeOf(item.observation, stored.get(item.observation.id)));
    }
  };

  return store;
}

const comparedMax = 100;

/** Deleted or amended since: somebody has dealt with it, and the device's word is in its history. */
function outcomeOf(observation: Observation, stored: StoredVersion | undefined): Outcome {
  if (stored === undefined || stored.version > 1) return 'duplicate';
  return sameMeasurement(JSON.parse(stored.body) as Resource, observation) ? 'duplicate' : conflict;
}
