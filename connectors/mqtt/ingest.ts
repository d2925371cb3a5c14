// The life of a message: decoded, its device found, its readings stored in batches, its faults put aside, acknowledged.
import type { Clock, Log } from '#platform';
import { type Availability, codeOf, StoppedError } from './availability.ts';
import type { Batcher, Outcome } from './batch.ts';
import type { DeadLetters } from './dead-letters.ts';
import { decodeMessage, type MessageLimits } from './decode.ts';
import type { Devices, KnownDevice } from './devices.ts';
import type { Fault, PlacedFault } from './fault.ts';
import type { Gate } from './gate.ts';
import type { MqttMetrics } from './metrics.ts';
import { observationOf } from './observation.ts';
import { checkReading, isFault } from './reading.ts';
import { deviceKeyOf } from './topic.ts';

/** What became of a message; all of it is committed by the time this is known. */
export interface MessageResult {
  stored: number;
  /** Readings that were stored before. */
  duplicates: number;
  /** Faults now standing in the dead-letter table. */
  faults: PlacedFault[];
}

export interface Ingest {
  /**
   * Resolves when the message may be acknowledged: every reading is committed or stands in the dead-letter table.
   * Acknowledgements come in the order of arrival (MQTT-4.6.0-2). Throws StoppedError when it never will.
   */
  accept(topic: string, payload: Buffer): Promise<MessageResult>;
  /** Resolves when nothing is under way. */
  idle(): Promise<unknown>;
}

interface IngestOptions {
  devices: Devices;
  batcher: Batcher;
  deadLetters: DeadLetters;
  availability: Availability;
  gate: Gate;
  clock: Clock;
  log: Log;
  metrics: MqttMetrics;
  limits: MessageLimits;
}

export function createIngest(options: IngestOptions): Ingest {
  const { gate, log } = options;
  const processMessage = createProcess(options);
  let tail: Promise<unknown> = Promise.resolve();

  const pass = async (topic: string, payload: Buffer): Promise<MessageResult> => {
    await gate.enter(payload.length);
    try {
      return await processMessage(topic, payload);
    } catch (error) {
      if (!(error instanceof StoppedError)) log.error({ err: error }, 'a device message stays unacknowledged');
      throw error;
    } finally {
      gate.leave(payload.length);
    }
  };

  return {
    accept(topic, payload) {
      const work = pass(topic, payload);
      const ordered = Promise.allSettled([tail, work]).then(() => work);
      tail = ordered.catch(() => undefined);
      return ordered;
    },
    idle: () => tail,
  };
}

function createProcess({ devices, batcher, deadLetters, availability, clock, log, metrics, limits }: IngestOptions) {
  const putAside = async (topic: string, payload: Buffer, faults: PlacedFault[]): Promise<void> => {
    await availability.until(() => deadLetters.put(topic, payload, faults, clock.now()), 'retryAll');
    for (const { reason } of faults) metrics.deadLetters.inc({ reason });
    metrics.readings.inc({ outcome: 'dead-letter' }, faults.length);
    log.debug({ reason: faults[0]!.reason, faults: faults.length }, 'device message put aside');
  };

  const store = (readings: unknown[], device: KnownDevice): Promise<Outcome[]> => {
    const nowMs = clock.now();
    // Checked before any is added: should a check throw, no reading is under way that nobody waits for.
    const checked = readings.map((raw) => checkReading(raw, nowMs));
    return Promise.all(
      checked.map((reading) => (isFault(reading) ? reading : batcher.add(observationOf(reading, device, nowMs)))),
    );
  };

  const outcomesOf = async (topic: string, payload: Buffer): Promise<Outcome[] | Fault> => {
    const key = deviceKeyOf(topic);
    if (key === undefined) {
      return { reason: 'invalid-topic', diagnostics: 'The topic does not name a device: devices/{deviceId}/readings' };
    }
    const readings = decodeMessage(payload, limits);
    if (!Array.isArray(readings)) return readings;
    const device = await availability.until(() => devices.find(key));
    return isFault(device) ? device : store(readings, device);
  };

  return async (topic: string, payload: Buffer): Promise<MessageResult> => {
    const outcomes = await outcomesOf(topic, payload).catch(faultOfFailure);
    const result = Array.isArray(outcomes) ? resultOf(outcomes) : { stored: 0, duplicates: 0, faults: [outcomes] };
    if (result.stored > 0) metrics.readings.inc({ outcome: 'stored' }, result.stored);
    if (result.duplicates > 0) metrics.readings.inc({ outcome: 'duplicate' }, result.duplicates);
    if (result.faults.length > 0) await putAside(topic, payload, result.faults);
    return result;
  };
}

/** A failure of one message only: were it tried for ever, it would hold back all others. */
function faultOfFailure(error: unknown): Fault {
  if (error instanceof StoppedError) throw error;
  return { reason: 'rejected', diagnostics: `The server failed on this message: ${codeOf(error)}` };
}

function resultOf(outcomes: Outcome[]): MessageResult {
  const result: MessageResult = { stored: 0, duplicates: 0, faults: [] };
  for (const [reading, outcome] of outcomes.entries()) {
    if (outcome === 'stored') result.stored++;
    else if (outcome === 'duplicate') result.duplicates++;
    else result.faults.push({ reading, ...outcome });
  }
  return result;
}
