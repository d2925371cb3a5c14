// A batch that comes as one: each of its messages has its own effect and acknowledgment, the whole is acknowledged as a batch.
// HL7 v2.9 chapter 2.10.3.
import type { Clock } from '#platform';
import { type Batch, type BatchMessage, buildBatchAck, readBatch } from './message/batch.ts';
import { parseMessage } from './message/message.ts';
import { Refusal } from './message/refusal.ts';
import type { HandleMessage, RefuseHead } from './seams.ts';

/** Messages of a batch that are in work at a time, of different patients. */
const inWorkMax = 16;

/** Handles messages by `one`, and batches message by message; what is too much for one batch is refused as a whole by `refuse`. */
export function handleBatches(one: HandleMessage, refuse: RefuseHead, clock: Clock): HandleMessage {
  return async (raw, source, send) => {
    if (!mayBeBatch(raw)) return one(raw, source, send);
    let batch: Batch;
    try {
      batch = readBatch(raw);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return send(await refuse(raw, source, error));
    }
    const messages = batch.groups.flatMap((group) => group.messages);
    if (messages.length === 1 && !batch.enveloped) return one(raw, source, send);
    const acks: (Buffer | undefined)[] = messages.map(() => undefined);
    await inPatientsOrder(messages, async (message, index) => {
      // Of two, the application's acknowledgment is the later one, and the one that a batch tells of.
      await one(message.raw, source, async (ack) => {
        acks[index] = ack;
      });
    });
    if (messages.length > 0 && acks.every((ack) => ack === undefined)) return;
    const comment = batch.faults.length > 0 ? batch.faults.join('; ') : undefined;
    const nowMs = clock.now();
    await send(buildBatchAck(batch, acks, { controlId: `CB0-${nowMs}`, nowMs, comment }));
  };
}

const segmentEnds = new Set([0x0a, 0x0d]);
const header = Buffer.from('MSH');

/** Nearly every message is none: told by its first bytes, and by a second MSH at the beginning of a line. */
function mayBeBatch(raw: Buffer): boolean {
  const head = raw.toString('latin1', 0, 64);
  if (/^(?:\u00ef\u00bb\u00bf)?\s*(?:FHS|BHS|BTS|FTS)/.test(head)) return true;
  // Two bytes a character: readBatch looks for itself.
  if (/^(?:\u00fe\u00ff|\u00ff\u00fe|\0?[A-Z]\0)/.test(head)) return true;
  for (let at = raw.indexOf(header, 4); at > 0; at = raw.indexOf(header, at + 3)) {
    if (segmentEnds.has(raw[at - 1]!)) return true;
  }
  return false;
}

/**
 * Messages of one patient one after the other, those of different patients side by side. One that tells of several
 * patients (MRG) or of none comes after all before it, and before all that follow.
 */
async function inPatientsOrder(
  messages: readonly BatchMessage[],
  work: (message: BatchMessage, index: number) => Promise<void>,
): Promise<void> {
  const running = new Map<string, Promise<void>>();
  for (const [index, message] of messages.entries()) {
    const key = patientKey(message.raw);
    if (key === undefined) {
      await Promise.all(running.values());
      await work(message, index);
      continue;
    }
    while (running.size >= inWorkMax && !running.has(key)) await Promise.race(running.values());
    const before = running.get(key) ?? Promise.resolve();
    const mine: Promise<void> = before
      .then(() => work(message, index))
      .finally(() => {
        if (running.get(key) === mine) running.delete(key);
      });
    running.set(key, mine);
    // Whoever waits for it hears of it; that nobody waits yet must not end the process.
    mine.catch(() => undefined);
  }
  await Promise.all(running.values());
}

function patientKey(raw: Buffer): string | undefined {
  try {
    const message = parseMessage(raw);
    const patients = message.segments.filter(({ name }) => name === 'PID' || name === 'MRG');
    return patients.length === 1 ? message.get('PID-3') : undefined;
  } catch {
    return undefined;
  }
}
