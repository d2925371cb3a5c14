// The life of a message: decoded, its device found, its readings stored in batches, its faults put aside, acknowledged.
import type { Clock, Log } from '#platform';
import { type Availability, codeOf, StoppedError } from './availability.ts';
import type { Batcher, Outcome } from './batch.ts';
import type { DeadLetters } from './dead-letters.ts';
import { decodeMessage, type MessageLimits } from './decode.ts';
import type { Devices, KnownDevice } from './devices.ts';
import type { Fault, PlacedFault } from './fault.ts';
import type { Gate } from './gate.ts';
import type { Holders } from './holders.ts';
import type { MqttMetrics } from './metrics.ts';
import { observationOf } from './observation.ts';
import { checkReading, isFault, type Reading } from './reading.ts';
import { deviceKeyOf } from './topic.ts';

/** What became of a message; all of it is committed by the time this is known. */
export interface MessageResult {
  stored: number;
  /** Readings that were stored before. */
  duplicates: number;
  /** Faults now standing in the dead-letter table. */
  faults: PlacedFault[];
}

/** Whose a reading is that was measured while another patient had the device: of who had it then, or of who has it now. */
export type Whose = 'then' | 'now';

export interface Ingest {
  /**
   * Resolves when the message may be acknowledged: every reading is committed or stands in the dead-letter table.
   * Acknowledgements come in the order of arrival (MQTT-4.6.0-2). Throws StoppedError when it never will. Without `whose` a reading
   * from before the device came to its patient is put aside: it may be the former patient's, or the device's clock is behind.
   */
  accept(topic: string, payload: Buffer, whose?: Whose): Promise<MessageResult>;
  /** Resolves when nothing is under way. */
  idle(): Promise<unknown>;
}

interface IngestOptions {
  devices: Devices;
  holders: Holders;
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

  const pass = async (topic: string, payload: Buffer, whose?: Whose): Promise<MessageResult> => {
    await gate.enter(payload.length);
    try {
      return await processMessage(topic, payload, whose);
    } catch (error) {
      if (!(error instanceof StoppedError)) log.error({ err: error }, 'a device message stays unacknowledged');
      throw error;
    } finally {
      gate.leave(payload.length);
    }
  };

  return {
    accept(topic, payload, whose) {
      const work = pass(topic, payload, whose);
      const ordered = Promise.allSettled([tail, work]).then(() => work);
      tail = ordered.catch(() => undefined);
      return ordered;
    },
    idle: () => tail,
  };
}

function createProcess(options: IngestOptions) {
  const { devices, batcher, deadLetters, availability, clock, log, metrics, limits } = options;
  const putAside = async (topic: string, payload: Buffer, faults: PlacedFault[]): Promise<void> => {
    await availability.until(() => deadLetters.put(topic, payload, faults, clock.now()), 'retryAll');
    for (const { reason } of faults) metrics.deadLetters.inc({ reason });
    metrics.readings.inc({ outcome: 'dead-letter' }, faults.length);
    log.debug({ reason: faults[0]!.reason, faults: faults.length }, 'device message put aside');
  };

  const store = async (readings: unknown[], device: KnownDevice, whose?: Whose): Promise<Outcome[]> => {
    const nowMs = clock.now();
    // Checked before any is added: should a check throw, no reading is under way that nobody waits for.
    const checked = await Promise.all(readings.map((raw) => placed(options, checkReading(raw, nowMs), device, whose)));
    return Promise.all(
      checked.map((one) => (isFault(one) ? one : batcher.add(observationOf(one.reading, one.device, nowMs)))),
    );
  };

  const outcomesOf = async (topic: string, payload: Buffer, whose?: Whose): Promise<Outcome[] | Fault> => {
    const key = deviceKeyOf(topic);
    if (key === undefined) {
      return { reason: 'invalid-topic', diagnostics: 'The topic does not name a device: devices/{deviceId}/readings' };
    }
    const readings = decodeMessage(payload, limits);
    if (!Array.isArray(readings)) return readings;
    const device = await availability.until(() => devices.find(key));
    return isFault(device) ? device : store(readings, device, whose);
  };

  return async (topic: string, payload: Buffer, whose?: Whose): Promise<MessageResult> => {
    const outcomes = await outcomesOf(topic, payload, whose).catch(faultOfFailure);
    const result = Array.isArray(outcomes) ? resultOf(outcomes) : { stored: 0, duplicates: 0, faults: [outcomes] };
    if (result.stored > 0) metrics.readings.inc({ outcome: 'stored' }, result.stored);
    if (result.duplicates > 0) metrics.readings.inc({ outcome: 'duplicate' }, result.duplicates);
    if (result.faults.length > 0) await putAside(topic, payload, result.faults);
    return result;
  };
}

interface Placed {
  reading: Reading;
  device: Pick<KnownDevice, 'id' | 'patient'>;
}

/** With the patient whose it is. */
async function placed(
  { holders, availability }: IngestOptions,
  reading: Reading | Fault,
  device: KnownDevice,
  whose: Whose | undefined,
): Promise<Placed | Fault> {
  if (isFault(reading)) return reading;
  const ms = Date.parse(reading.time);
  if (whose === 'now' || ms >= device.updatedMs) return { reading, device };
  const then = await availability.until(() => holders.formerAt(device, ms));
  if (then === undefined) return { reading, device };
  if (whose === 'then') return { reading, device: { id: device.id, patient: then } };
  const diagnostics = `Device/${device.id} was another patient's at ${reading.time}, or last before: retry with patient=then or patient=now`;
  return { reason: 'device-moved', diagnostics };
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
