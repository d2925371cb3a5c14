// What happens to a message, from its bytes to its acknowledgment: journal → read → map → write and mark → acknowledge.
import type { AccessScope, EntryResult, ResourceWriter } from '#fhir-model';
import { type Clock, isCerebraError, type Log, sqlState } from '#platform';
import type { Journal, Journaled, StoredOutcome } from './journal/journal.ts';
import type { MappingConfig } from './mapping/context.ts';
import { mapMessage } from './mapping/map.ts';
import { buildAck } from './message/ack.ts';
import { checkHeader, type Read, read } from './message/header.ts';
import type { Hl7Message } from './message/message.ts';
import { Refusal } from './message/refusal.ts';
import type { HandleMessage } from './seams.ts';
import { createWriteGroup, type Effect } from './write-group.ts';

export type Outcome = 'stored' | 'repeated' | 'refused' | 'failed';

export interface ProcessorOptions {
  journal: Journal;
  writer: ResourceWriter;
  scope: AccessScope;
  mapping: MappingConfig;
  messageBytesMax: number;
  log: Log;
  clock: Clock;
  /** `type`: MSH-9, as the sender wrote it. */
  onOutcome(type: string, outcome: Outcome, durationMs: number): void;
}

export interface Processor {
  /** Whatever the bytes are, there is an acknowledgment. The effect of what is acknowledged is committed before. */
  handle: HandleMessage;
  /** Journals and refuses a message that was cut at the size limit; `head` is its beginning. */
  refuseOversize(head: Buffer): Promise<Buffer>;
  /** Once more, whatever became of it; undefined if the journal has no such message. */
  reprocess(id: bigint): Promise<Buffer | undefined>;
  /** Takes up every message that has no outcome: the server died between journal and store. Yields how many. */
  recover(): Promise<number>;
}

// Two messages that meet in one resource: the later one succeeds at once when tried again.
const attemptsMax = 5;
const conflictStates = new Set(['40001', '40P01', '23505']);
const recoverBatch = 100;
/** Of an oversize message so much is kept. */
const oversizeHeadBytes = 64 * 1024;

interface Answer {
  ack: Buffer;
  outcome: Outcome;
}

/** What an attempt needs. */
interface Work extends ProcessorOptions {
  write(effect: Effect<Pending>): Promise<EntryResult[]>;
}

type Pending = Omit<StoredOutcome, 'results'>;

export function createProcessor(options: ProcessorOptions): Processor {
  const { journal, clock, log, scope, writer } = options;
  const write = createWriteGroup<Pending>({
    ...{ writer, scope },
    within: (tx, done) =>
      journal.markStored(
        tx,
        done.map(({ mark, results }) => ({ ...mark, results })),
      ),
  });
  const work: Work = { ...options, write };
  // The same message on two connections at once: the second waits for the first. (Of two servers, markStored lets one win.)
  const inWork = new Map<bigint, Promise<Answer>>();

  /** The stored answer if the message has had its effect, else one attempt at it. */
  async function settle(message: Journaled, known: Read, again = false): Promise<Answer> {
    if (!again && message.ack !== null && (message.state === 'stored' || message.state === 'acknowledged')) {
      return { ack: message.ack, outcome: 'repeated' };
    }
    const running = inWork.get(message.id);
    if (running !== undefined) return { ack: (await running).ack, outcome: 'repeated' };
    const attempted = attempt(work, message, known);
    inWork.set(message.id, attempted);
    try {
      return await attempted;
    } finally {
      inWork.delete(message.id);
    }
  }

  /** Nothing was committed, not even the bytes: only a negative answer is true. */
  function unjournaled(known: Read, error: unknown): Answer {
    log.error({ err: error }, 'HL7 message not journalled');
    const refusal = new Refusal('AE', '207', 'The message could not be journalled', { transient: true });
    const message = known.message instanceof Refusal ? undefined : known.message;
    const nowMs = clock.now();
    return { ack: buildAck(message, { controlId: `CB0-${nowMs}`, nowMs, refusal }), outcome: 'failed' };
  }

  async function measured(known: Read, work: () => Promise<Answer>): Promise<Buffer> {
    const startMs = clock.now();
    const { ack, outcome } = await work();
    options.onOutcome(known.header.type, outcome, clock.now() - startMs);
    return ack;
  }

  return {
    async handle(raw, _source, send) {
      const known = read(raw);
      const ack = await measured(known, async () => {
        let message: Journaled;
        try {
          message = await journal.receive(raw, known.header, clock.now());
        } catch (error) {
          return unjournaled(known, error);
        }
        const answer = await settle(message, known);
        if (answer.outcome === 'stored') journal.markAcknowledged(message.id);
        return answer;
      });
      await send(ack);
    },
    refuseOversize(head) {
      const kept = head.subarray(0, oversizeHeadBytes);
      const known = read(kept);
      const text = `The message is larger than ${options.messageBytesMax} bytes`;
      return measured(known, async () => {
        try {
          const message = await journal.receive(kept, known.header, clock.now());
          const hl7 = known.message instanceof Refusal ? undefined : known.message;
          return await refuse(options, message, hl7, new Refusal('AR', '207', text));
        } catch (error) {
          return unjournaled(known, error);
        }
      });
    },
    async reprocess(id) {
      const message = await journal.find(id);
      if (message === undefined) return undefined;
      const known = read(message.raw);
      return measured(known, () => settle(message, known, true));
    },
    async recover() {
      let count = 0;
      let afterId = 0n;
      for (;;) {
        const messages = await journal.unfinished(afterId, recoverBatch);
        for (const message of messages) {
          const known = read(message.raw);
          await measured(known, () => settle(message, known));
          afterId = message.id;
          count++;
        }
        if (messages.length < recoverBatch) return count;
      }
    },
  };
}

async function attempt(options: Work, message: Journaled, known: Read): Promise<Answer> {
  const hl7 = known.message instanceof Refusal ? undefined : known.message;
  try {
    if (hl7 === undefined) throw known.message;
    checkHeader(hl7);
    return await store(options, message, hl7);
  } catch (error) {
    const answered = await answeredElsewhere(options, message, error);
    if (answered !== undefined) return answered;
    return refuse(options, message, hl7, asRefusal(error, options.log, message.id));
  }
}

async function store(work: Work, message: Journaled, hl7: Hl7Message): Promise<Answer> {
  const { clock, journal, write } = work;
  const { entries, warnings } = mapMessage(hl7, String(message.id), work.mapping);
  const ack = buildAck(hl7, { controlId: `CB${message.id}`, nowMs: clock.now() });
  for (let tried = 1; ; tried++) {
    try {
      const mark: Pending = { message, ack, warnings, finishedMs: clock.now() };
      await write({ entries, mark, byteCount: hl7.raw.length });
      return { ack: message.ack !== null && message.state !== 'failed' ? message.ack : ack, outcome: 'stored' };
    } catch (error) {
      if (tried === attemptsMax || !isConflict(error)) throw error;
      if (await wasAttempted(journal, message)) throw error;
    }
  }
}

function isConflict(error: unknown): boolean {
  const state = sqlState(error);
  return isCerebraError(error, 'version-conflict') || (state !== undefined && conflictStates.has(state));
}

/** Whether another attempt at the same message has ended since this one began. */
async function wasAttempted(journal: Journal, message: Journaled): Promise<boolean> {
  return (await journal.find(message.id))?.attempts !== message.attempts;
}

/** The answer of another server that was faster with the same message; its effect is the one effect. */
async function answeredElsewhere(
  { journal }: ProcessorOptions,
  message: Journaled,
  error: unknown,
): Promise<Answer | undefined> {
  if (!isConflict(error)) return undefined;
  const current = await journal.find(message.id).catch(() => undefined);
  if (current === undefined || current.attempts === message.attempts || current.ack === null) return undefined;
  return { ack: current.ack, outcome: 'repeated' };
}

/** Journals the refusal; where even that fails the sender still gets its answer, and the message stays `received`. */
async function refuse(
  { journal, clock, log }: ProcessorOptions,
  message: Journaled,
  hl7: Hl7Message | undefined,
  refusal: Refusal,
): Promise<Answer> {
  const nowMs = clock.now();
  const ack = buildAck(hl7, { controlId: `CB${message.id}`, nowMs, refusal });
  const outcome: Outcome = refusal.transient ? 'failed' : 'refused';
  try {
    const journaled = await journal.markFailed(message, refusal, ack, nowMs);
    return { ack: journaled ?? ack, outcome };
  } catch (error) {
    log.error({ err: error, journalId: String(message.id) }, 'HL7 refusal not journalled');
    return { ack, outcome };
  }
}

/** Faults of the message are AE; what passes by itself is AE with a hint to send again; the rest is our fault: AE, logged. */
function asRefusal(error: unknown, log: Log, id: bigint): Refusal {
  if (error instanceof Refusal) return error;
  const journalId = String(id);
  if (isCerebraError(error) && error.status < 500 && !isConflict(error)) {
    log.warn({ journalId, code: error.code }, 'HL7 message refused by the store');
    return new Refusal('AE', '207', `Refused by the store: ${error.message}`, { cause: error });
  }
  log.error({ err: error, journalId }, 'HL7 message not stored');
  const transient = isCerebraError(error, 'unavailable') || isCerebraError(error, 'timeout') || isConflict(error);
  const text = transient ? 'The store is not available' : 'The message could not be processed';
  return new Refusal('AE', '207', text, { transient, cause: error });
}
