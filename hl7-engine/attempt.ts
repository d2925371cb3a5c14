// One attempt at a message: route → validate → map → write and mark. What it throws becomes a Refusal.
import type { EntryResult } from '#fhir-model';
import { type CerebraError, type Clock, type Db, isCerebraError, isPassing, isWriteRace, type Log } from '#platform';
import { answerTo } from './answer.ts';
import { joinPieces, type UsedPiece } from './continuations.ts';
import type { AttemptInfo, Journal, Journaled, StoredOutcome, Timings } from './journal/journal.ts';
import type { Inquiry, Responder } from './mapping/context.ts';
import { mapMessage } from './mapping/map.ts';
import { buildAck } from './message/ack.ts';
import { joinAdd } from './message/continuation.ts';
import { checkHeader, type Read } from './message/header.ts';
import type { Hl7Message } from './message/message.ts';
import { Refusal, storeRefusal } from './message/refusal.ts';
import type { ResponseOptions } from './message/response.ts';
import { endless, type Rounds, roundsMax } from './rounds.ts';
import type { OutboundMessage, RoutePlan, Source } from './seams.ts';
import type { Piece } from './waiting-pieces.ts';
import type { Effect } from './write-group.ts';

export type Outcome = 'stored' | 'filtered' | 'repeated' | 'refused' | 'failed';

export interface Answer {
  /** The application acknowledgment. */
  ack: Buffer;
  outcome: Outcome;
}

/** What the transaction of an effect is told of its message. */
export interface Pending extends Omit<StoredOutcome, 'results' | 'finishedMs'> {
  outbound: OutboundMessage[];
  /** It waits for the message that continues it. */
  piece?: Piece | undefined;
  /** It is the last of these. */
  used?: readonly UsedPiece[] | undefined;
  /** When it began to wait for its transaction, of performance.now(). */
  writeStartMs: number;
}

/** What a message's way through the engine is measured by. `journal`: its bytes committed; `store`: its effect committed. */
export type Stage = 'parse' | 'journal' | 'map' | 'store' | 'ack';

/** `routeId` is empty where no route takes the message. */
export type OnStage = (stage: Stage, routeId: string, us: number) => void;

export interface AttemptContext {
  db: Db;
  /** Throws Refusal AR where no route takes the message. */
  planOf(message: Hl7Message, source: Source): RoutePlan;
  journal: Journal;
  write(effect: Effect<Pending>): Promise<EntryResult[]>;
  /** What queries ask; without it they are refused. */
  inquiry?: Inquiry | undefined;
  onStage: OnStage;
  rounds: Rounds;
  log: Log;
  clock: Clock;
}

/** A message as it came to its attempt. */
export interface Attempted {
  message: Journaled;
  known: Read;
  source: Source;
  /** Why no route takes it, or the route's plan. */
  plan: RoutePlan | Refusal;
  /** It asked for enhanced mode: HL7 v2.9 chapter 2.9.3. */
  enhanced: boolean;
  parseUs?: number;
  who?: string | undefined;
  /** Nobody will send it again: what passes by itself does not end it, it stays `received` and is tried once more. */
  isKept?: boolean;
  /** Why it is refused before anything is made of it: its commit acknowledgment says so. */
  unfit?: Refusal | undefined;
}

// Two messages that meet in one resource: the later one succeeds at once when tried again.
const attemptsMax = 5;

/** Never throws: what goes wrong is in the answer, and in the journal if that can be reached. */
export async function attempt(context: AttemptContext, attempted: Attempted): Promise<Answer> {
  try {
    return await store(context, attempted);
  } catch (error) {
    const answered = await answeredElsewhere(context, attempted.message, error);
    if (answered !== undefined) return answered;
    return refuseWith(context, attempted, asRefusal(error, context.log, attempted.message.id));
  }
}

/** What a message is refused for before anything is made of it. */
export function faultBefore(known: Read, plan: RoutePlan | Refusal): Refusal | undefined {
  if (known.message instanceof Refusal) return known.message;
  try {
    checkHeader(known.message);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return plan instanceof Refusal ? plan : undefined;
}

export const microsecondsSince = (startMs: number): number => Math.round((performance.now() - startMs) * 1000);

interface Made extends Pick<Effect<Pending>, 'entries' | 'moves'> {
  warnings: string[];
  outbound: OutboundMessage[];
  respond?: Responder | undefined;
}

/** All that the route makes of the message. Throws Refusal. */
function make(plan: RoutePlan, message: Hl7Message, { id, receivedMs }: Journaled): Made {
  if (plan.filtered !== undefined) return { entries: [], warnings: [], outbound: [] };
  const changed = plan.transform(joinAdd(message));
  const found = plan.validate(changed);
  const { entries, lookUps, moves, warnings, respond } = plan.stores
    ? mapMessage(changed, { messageKey: String(id), receivedMs }, plan.mapping)
    : { entries: [], lookUps: [], moves: [], warnings: [], respond: undefined };
  // The list itself: it grows while the entries are written.
  warnings.unshift(...found);
  const all = lookUps === undefined || lookUps.length === 0 ? entries : [...lookUps, ...entries];
  return { entries: all, moves: moves ?? [], warnings, respond, outbound: plan.outbound(changed, entries) };
}

async function store(context: AttemptContext, attempted: Attempted): Promise<Answer> {
  const { clock, journal, write } = context;
  const { message, known } = attempted;
  const fault = attempted.unfit ?? faultBefore(known, attempted.plan);
  if (fault !== undefined || attempted.plan instanceof Refusal || known.message instanceof Refusal) throw fault;
  const startMs = performance.now();
  const joined = await joinPieces(context.db, known, message.id);
  const whole = joined?.whole;
  // What goes wrong from here on does so on the route of the whole message, and by its policy.
  if (whole !== undefined) attempted.plan = context.planOf(whole, attempted.source);
  const { plan } = attempted;
  const { entries, moves, warnings, outbound, respond } = make(plan, whole ?? known.message, message);
  if (outbound.length > 0) noteRound(context, attempted, outbound);
  const mapUs = microsecondsSince(startMs);
  context.onStage('map', plan.routeId, mapUs);
  const info = infoOf({ ...attempted, plan }, { mapUs });
  const answered =
    respond && (await answerTo(known.message, respond, context.inquiry, answerOptions(context, attempted)));
  if (answered?.refusal !== undefined) return refuseWith(context, attempted, answered.refusal, answered.ack);
  const ack = answered?.ack ?? ackOf(attempted, clock.now());
  const filtered = plan.filtered === undefined ? {} : { filtered: plan.filtered };
  const writeStartMs = performance.now();
  for (let tried = 1; ; tried++) {
    try {
      const mark: Pending = {
        ...info,
        ...filtered,
        ...{ piece: joined?.piece, used: joined?.used },
        message,
        ack,
        warnings,
        outbound,
        writeStartMs,
      };
      await write({ entries, moves: moves ?? [], mark, byteCount: known.message.raw.length });
      context.onStage('store', plan.routeId, microsecondsSince(writeStartMs));
      const outcome = plan.filtered === undefined ? 'stored' : 'filtered';
      return { ack: message.ack !== null && message.state !== 'failed' ? message.ack : ack, outcome };
    } catch (error) {
      if (tried === attemptsMax || !isConflict(error)) throw error;
      if (await wasAttempted(journal, message)) throw error;
    }
  }
}

/** Throws Refusal for what has gone round and round, unless a person wants it once more: the route may have been mended. */
function noteRound(
  { rounds, log }: AttemptContext,
  { message: { id }, known, who }: Attempted,
  outbound: readonly OutboundMessage[],
): void {
  if (known.message instanceof Refusal) return;
  const { raw } = known.message;
  const count = rounds.of(raw);
  if (count >= roundsMax && who === undefined) {
    const refusal = endless(outbound.map(({ destination }) => destination));
    log.warn({ journalId: String(id), problem: refusal.message }, 'HL7 message goes round and round');
    throw refusal;
  }
  rounds.sent(
    outbound.map(({ body }) => body),
    raw,
    count,
  );
}

function infoOf({ plan, parseUs, who }: Attempted, timings: Timings): AttemptInfo {
  return {
    ...(plan instanceof Refusal ? {} : { route: { id: plan.routeId, version: plan.routeVersion } }),
    timings: { ...(parseUs === undefined ? {} : { parseUs }), ...timings },
    ...(who === undefined ? {} : { who }),
  };
}

/** MSH-10 of acknowledgments; the commit acknowledgment has another than the application's. */
export const controlIdOf = ({ id }: Journaled, kind: 'commit' | 'application'): string =>
  `${kind === 'commit' ? 'CC' : 'CB'}${id}`;

function answerOptions({ clock }: AttemptContext, { message, enhanced }: Attempted): ResponseOptions {
  return { controlId: controlIdOf(message, 'application'), nowMs: clock.now(), enhanced };
}

function ackOf({ known, message, enhanced }: Attempted, nowMs: number, refusal?: Refusal): Buffer {
  const hl7 = known.message instanceof Refusal ? undefined : known.message;
  return buildAck(hl7, { controlId: controlIdOf(message, 'application'), nowMs, refusal, enhanced });
}

const isConflict = (error: unknown): boolean => isCerebraError(error, 'version-conflict') || isWriteRace(error);

/** Whether another attempt at the same message has ended since this one began. */
async function wasAttempted(journal: Journal, message: Journaled): Promise<boolean> {
  return (await journal.find(message.id))?.attempts !== message.attempts;
}

/** The answer of another server that was faster with the same message; its effect is the one effect. */
async function answeredElsewhere(
  { journal }: AttemptContext,
  message: Journaled,
  error: unknown,
): Promise<Answer | undefined> {
  if (!isConflict(error)) return undefined;
  const current = await journal.find(message.id).catch(() => undefined);
  if (current === undefined || current.attempts === message.attempts || current.ack === null) return undefined;
  return { ack: current.ack, outcome: current.state === 'failed' ? 'refused' : 'repeated' };
}

/**
 * Journals the refusal; where even that fails the sender still gets its answer, and the message stays `received`. With the
 * policy `accept` the sender hears AA: the message is a dead letter, and a person's to look at. `answered`: what a query is
 * answered with.
 */
export async function refuseWith(
  context: AttemptContext,
  attempted: Attempted,
  refusal: Refusal,
  answered?: Buffer,
): Promise<Answer> {
  const { journal, clock, log } = context;
  const { message, plan } = attempted;
  const nowMs = clock.now();
  const isAccepted = !(plan instanceof Refusal) && plan.onError === 'accept' && !refusal.transient;
  const ack = answered ?? ackOf(attempted, nowMs, isAccepted ? undefined : refusal);
  const outcome: Outcome = refusal.transient ? 'failed' : 'refused';
  if (refusal.transient && attempted.isKept) return { ack, outcome };
  try {
    const journaled = await journal.markFailed(message, refusal, ack, nowMs, infoOf(attempted, {}));
    if (journaled !== undefined) return { ack: journaled, outcome };
    // Another attempt at the same message has ended first; where that failed too, both are told the same.
    const current = await journal.find(message.id);
    return { ack: (current?.state === 'failed' && current.ack) || ack, outcome };
  } catch (error) {
    log.error({ err: error, journalId: String(message.id) }, 'HL7 refusal not journalled');
    return { ack, outcome };
  }
}

/** Faults of the message are AE; what passes by itself is AE with a hint to send again; the rest is our fault: AE, logged. */
function asRefusal(error: unknown, log: Log, id: bigint): Refusal {
  if (error instanceof Refusal) return error;
  const journalId = String(id);
  const refused = isConflict(error) ? undefined : storeRefusal(error);
  if (refused !== undefined) {
    log.warn({ journalId, code: (error as CerebraError).code }, 'HL7 message refused by the store');
    return refused;
  }
  log.error({ err: error, journalId }, 'HL7 message not stored');
  // What the operator has to mend, such as a destination that is not configured: it is told by its name.
  if (isCerebraError(error, 'config')) return new Refusal('AE', '207', error.message, { cause: error });
  const transient = isPassing(error) || isConflict(error);
  const text = transient ? 'The store is not available' : 'The message could not be processed';
  return new Refusal('AE', '207', text, { transient, cause: error });
}
