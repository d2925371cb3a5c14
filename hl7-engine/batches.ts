// A batch that comes as one: each of its messages has its own effect and acknowledgment, the whole is acknowledged as a batch.
// HL7 v2.9 chapter 2.10.3.
import type { Clock } from '#platform';
import { patientNumbers } from './journal/terms.ts';
import { type Batch, buildBatchAck, readBatch } from './message/batch.ts';
import { Refusal } from './message/refusal.ts';
import { inPatientsOrder } from './patients-order.ts';
import type { HandleMessage, RefuseHead } from './seams.ts';

/** Messages of a batch that are in work at a time. */
const inWorkMax = 16;

/** Handles messages by `one`, and batches message by message; what is too much for one batch is refused as a whole by `refuse`. */
export function handleBatches(one: HandleMessage, refuse: RefuseHead, clock: Clock): HandleMessage {
  return async (raw, source, send, onRefused) => {
    if (!mayBeBatch(raw)) return one(raw, source, send, onRefused);
    let batch: Batch;
    try {
      batch = readBatch(raw);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      onRefused?.();
      return send(await refuse(raw, source, error));
    }
    const messages = batch.groups.flatMap((group) => group.messages);
    // A trailer alone is nothing that an envelope could be sent back for.
    const isAnswerable = batch.groups.length > 0 || batch.file !== undefined;
    if ((messages.length === 1 && !batch.enveloped) || !isAnswerable) return one(raw, source, send, onRefused);
    const acks: (Buffer | undefined)[] = messages.map(() => undefined);
    await inPatientsOrder(messages, {
      atATimeMax: inWorkMax,
      numbersOf: (message) => patientNumbers(message.raw),
      // Of two, the application's acknowledgment is the later one, and the one that a batch tells of.
      work: (message, index) =>
        one(
          message.raw,
          source,
          async (ack) => {
            acks[index] = ack;
          },
          onRefused,
        ),
    });
    if (messages.length > 0 && acks.every((ack) => ack === undefined)) return;
    const nowMs = clock.now();
    await send(buildBatchAck(batch, acks, { controlId: `CB0-${nowMs}`, nowMs }));
  };
}

/** And <VT>, the beginning of a frame of MLLP: readBatch tells whether it is one. */
const segmentEnds = new Set([0x0a, 0x0b, 0x0d]);
const header = Buffer.from('MSH');

/** Nearly every message is none: told by its first bytes, and by a second MSH at the beginning of a line. */
function mayBeBatch(raw: Buffer): boolean {
  const head = raw.toString('latin1', 0, 64);
  if (/^(?:\u00ef\u00bb\u00bf)?\s*(?:FHS|BHS|BTS|FTS)/.test(head)) return true;
  // Two bytes a character, or four: readBatch looks for itself.
  if (/^(?:\u00fe\u00ff|\u00ff\u00fe|[\s\0]*[A-Z]?\0)/.test(head)) return true;
  for (let at = raw.indexOf(header, 4); at > 0; at = raw.indexOf(header, at + 3)) {
    if (segmentEnds.has(raw[at - 1]!)) return true;
  }
  return false;
}
