// What happens to a message, from its bytes to its acknowledgments: journal → commit acknowledgment → attempt → application
// acknowledgment. HL7 v2.9 chapter 2.9.
import type { AccessScope, ResourceReader } from '#fhir-model';
import type { Clock, Db, Log } from '#platform';
import {
  type Answer,
  type Attempted,
  attempt,
  controlIdOf,
  faultBefore,
  microsecondsSince,
  type OnStage,
  type Outcome,
  type Pending,
  refuseWith,
} from './attempt.ts';
import { handleBatches } from './batches.ts';
import { isPiece, piecePlan, usePieces } from './continuations.ts';
import { createInsistence } from './insistence.ts';
import type { Found, Journal, Journaled } from './journal/journal.ts';
import { typeFault } from './mapping/map.ts';
import { type AckPlan, ackPlan, buildAck, buildCommitAck, isAckDue, isAcknowledgment } from './message/ack.ts';
import { type Read, read } from './message/header.ts';
import type { Hl7Message } from './message/message.ts';
import { Refusal } from './message/refusal.ts';
import { readAnswer } from './outbound/answer.ts';
import type { MovingWriter } from './references/move.ts';
import { createRounds } from './rounds.ts';
import {
  type HandleMessage,
  headBytesMax,
  type Outbound,
  type RefuseHead,
  type RoutePlan,
  type Routes,
  type Source,
} from './seams.ts';
import { keepPiece } from './waiting-pieces.ts';
import { createWriteGroup, type Done } from './write-group.ts';

export interface ProcessorOptions {
  db: Db;
  journal: Journal;
  writer: MovingWriter;
  /** Of what queries ask; without it they are refused. */
  reader?: ResourceReader | undefined;
  scope: AccessScope;
  routes: Routes;
  outbound: Outbound;
  log: Log;
  clock: Clock;
  onStage: OnStage;
  /** `type`: MSH-9, as the sender wrote it; `routeId` is empty where no route takes the message. */
  onOutcome(type: string, routeId: string, outcome: Outcome, durationMs: number): void;
  /** References to merged patients are left to be moved. */
  onReferencesLeft?(): void;
}

export interface Processor {
  /** The effect of what is acknowledged AA is committed before; CA tells that the bytes are. */
  handle: HandleMessage;
  refuse: RefuseHead;
  /**
   * Once more, whatever became of it, because `who` asks for it; undefined if the journal has no such message. `isKept`: it will be
   * tried again, what passes by itself is no outcome.
   */
  reprocess(id: bigint, who?: string, isKept?: boolean): Promise<Buffer | undefined>;
  /**
   * Takes up every message that has no outcome and came before `receivedBeforeMs` (1970 UTC; left out: any): the server died
   * between journal and store, or the database was away. Yields how many.
   */
  recover(receivedBeforeMs?: number): Promise<number>;
  /** What is tried again and again stays in the journal, for the next start. */
  stop(): void;
}

/** In memory at a time: one message alone may have 16 MiB. */
const recovered = { messagesMax: 100, bytesMax: 16 * 1024 * 1024 };

type Send = (ack: Buffer) => Promise<void>;

export function createProcessor(options: ProcessorOptions): Processor {
  const { journal, clock, log, outbound, scope, writer } = options;
  const write = createWriteGroup<Pending>({
    ...{ writer, scope },
    async within(tx, done, beganMs) {
      journal.markStored(
        tx,
        done.map(({ mark, results }) => ({
          ...mark,
          results,
          finishedMs: clock.now(),
          timings: { ...mark.timings, storeUs: (beganMs - mark.writeStartMs) * 1000 },
        })),
      );
      const sent = done.flatMap(({ mark }) => mark.outbound.map((one) => ({ ...one, journalId: mark.message.id })));
      if (sent.length > 0) await outbound.enqueue(tx, sent);
      for (const { mark } of done) {
        if (mark.piece !== undefined) await keepPiece(tx, mark.piece, mark.message.id);
        if (mark.used !== undefined) await usePieces(tx, mark.used, mark.message.id);
      }
    },
    onCommit: (done: Done<Pending>[]) => {
      if (done.some(({ mark }) => mark.outbound.length > 0)) outbound.wake();
    },
    onReferencesLeft: () => options.onReferencesLeft?.(),
  });
  const inquiry = options.reader === undefined ? undefined : { reader: options.reader, scope, clock };
  const { db, onStage } = options;
  const context = {
    db,
    planOf: options.routes.plan,
    journal,
    write,
    inquiry,
    onStage,
    log,
    clock,
    rounds: createRounds(),
  };
  // The same message on two connections at once: the second waits for the first. (Of two servers, markStored lets one win.)
  const inWork = new Map<bigint, Promise<Answer>>();
  const insistence = createInsistence();

  /** The stored answer if the message has had its effect, else one attempt at it. */
  async function settle(attempted: Attempted, again = false): Promise<Answer> {
    const { message } = attempted;
    if (!again && message.ack !== null && message.state !== 'received' && message.state !== 'failed') {
      return { ack: message.ack, outcome: 'repeated' };
    }
    const running = inWork.get(message.id);
    if (running !== undefined) {
      const { ack, outcome } = await running;
      return { ack, outcome: outcome === 'refused' || outcome === 'failed' ? outcome : 'repeated' };
    }
    const work = attempt(context, attempted);
    inWork.set(message.id, work);
    try {
      return await work;
    } finally {
      inWork.delete(message.id);
    }
  }

  /** The plan of the moment the message is taken up: a route that is changed meanwhile does not concern it. */
  function planOf(known: Read, source: Source): RoutePlan | Refusal {
    if (known.message instanceof Refusal) return known.message;
    if (isPiece(known.message)) return piecePlan;
    try {
      const plan = options.routes.plan(known.message, source);
      return isAcknowledgment(known.message) ? withoutEffect(plan) : plan;
    } catch (error) {
      if (error instanceof Refusal) return error;
      log.error({ err: error }, 'HL7 message not routed');
      return new Refusal('AE', '207', 'The message could not be routed', { cause: error });
    }
  }

  /** As it stands now: its route may have been mended, or the sweep or another server has been at it meanwhile. */
  async function settleAnew(attempted: Attempted): Promise<Answer> {
    const found = await journal.find(attempted.message.id).catch(() => undefined);
    const plan = planOf(attempted.known, attempted.source);
    return settle({ ...attempted, message: found ?? attempted.message, plan });
  }

  async function measured(known: Read, plan: RoutePlan | Refusal, work: () => Promise<Answer>): Promise<Answer> {
    const startMs = clock.now();
    const answer = await work();
    options.onOutcome(known.header.type, routeOf(plan), answer.outcome, clock.now() - startMs);
    return answer;
  }

  /** Nothing was committed, not even the bytes: only a negative answer is true. */
  function unjournaled(known: Read, acks: AckPlan, error: unknown): Buffer {
    log.error({ err: error }, 'HL7 message not journalled');
    const refusal = new Refusal('AE', '207', 'The message could not be journalled', { transient: true });
    const nowMs = clock.now();
    const build = acks.enhanced ? buildCommitAck : buildAck;
    return build(hl7Of(known), { controlId: `CB0-${nowMs}`, nowMs, refusal });
  }

  async function handle(raw: Buffer, source: Source, send: Send, onRefused?: () => void): Promise<void> {
    const startMs = performance.now();
    const known = read(raw);
    const parseUs = microsecondsSince(startMs);
    const plan = planOf(known, source);
    const routeId = routeOf(plan);
    onStage('parse', routeId, parseUs);
    const acks = ackPlan(hl7Of(known), plan instanceof Refusal ? 'auto' : plan.ack);
    const journalStartMs = performance.now();
    let message: Journaled;
    try {
      message = await journal.receive(raw, known.header, clock.now(), source, isTold(acks));
    } catch (error) {
      return send(unjournaled(known, acks, error));
    }
    onStage('journal', routeId, microsecondsSince(journalStartMs));
    const attempted: Attempted = {
      ...{ message, known, source, plan, enhanced: acks.enhanced, parseUs },
      isKept: isKept(acks),
      unfit: acks.enhanced ? unfitness(known, plan) : undefined,
    };
    const isTaken = await sendCommitAck(attempted, acks, send);
    const answer = await measured(known, plan, () =>
      attempted.isKept
        ? insistence.on((count) => (count === 1 ? settle(attempted) : settleAnew(attempted)))
        : settle(attempted),
    );
    const isRefused = answer.outcome === 'refused' || answer.outcome === 'failed';
    // A route with the policy `accept` says AA of what failed.
    const isAccepted = !isRefused || readAnswer(answer.ack)?.accepted === true;
    if (!isAccepted) onRefused?.();
    const ackStartMs = performance.now();
    if (isTaken && isAckDue(acks.application, isAccepted)) {
      await send(answer.ack);
      onStage('ack', routeId, microsecondsSince(ackStartMs));
    }
    if (answer.outcome === 'stored') journal.markAcknowledged(message.id, microsecondsSince(ackStartMs));
  }

  async function refuse(head: Buffer, source: Source, refusal: Refusal): Promise<Buffer> {
    const kept = head.subarray(0, headBytesMax);
    const known = read(kept);
    let message: Journaled;
    try {
      message = await journal.receive(kept, known.header, clock.now(), source, false);
    } catch (error) {
      return unjournaled(known, ackPlan(undefined, 'auto'), error);
    }
    const attempted: Attempted = { message, known, source, plan: refusal, enhanced: false };
    return (await measured(known, refusal, () => refuseWith(context, attempted, refusal))).ack;
  }

  return {
    handle: handleBatches(handle, refuse, clock),
    refuse,
    async reprocess(id, who, isKept) {
      const found = await journal.find(id);
      if (found === undefined) return undefined;
      return (await takeUp(found, true, who, isKept)).ack;
    },
    async recover(receivedBeforeMs) {
      let count = 0;
      let afterId = 0n;
      for (;;) {
        const messages = await journal.unfinished(afterId, recovered, receivedBeforeMs);
        if (messages.length === 0) return count;
        for (const message of messages) {
          if (insistence.isOver()) return count;
          afterId = message.id;
          if (inWork.has(message.id)) continue;
          await takeUp(message, false);
          count++;
        }
      }
    },
    stop: insistence.end,
  };

  function takeUp(found: Found, again: boolean, who?: string, isKept = !again): Promise<Answer> {
    const known = read(found.raw);
    const plan = planOf(known, found.source);
    const { enhanced } = ackPlan(hl7Of(known), plan instanceof Refusal ? 'auto' : plan.ack);
    return measured(known, plan, () =>
      settle({ message: found, known, source: found.source, plan, enhanced, who, isKept }, again),
    );
  }
}

const routeOf = (plan: RoutePlan | Refusal): string => (plan instanceof Refusal ? '' : plan.routeId);

const hl7Of = ({ message }: Read): Hl7Message | undefined => (message instanceof Refusal ? undefined : message);

/** Its sender will not send it again: it was told that the bytes are safe, or wants to hear nothing of a failure. */
const isKept = ({ commit, application, enhanced }: AckPlan): boolean =>
  (enhanced && isAckDue(commit, true)) || !isAckDue(application, false);

/** Somebody counts on the bytes before anything is known of their effect, whose own commit would see to it that they are on disk. */
const isTold = (acks: AckPlan): boolean => isKept(acks) || (acks.enhanced && acks.commit !== 'never');

/** What an ACK answers is known to whoever sent it. */
const withoutEffect = (plan: RoutePlan): RoutePlan => ({
  ...plan,
  filtered: plan.filtered ?? 'An acknowledgment changes nothing here',
});

/**
 * CR is for a type, version or processing id that the receiver does not take. Who wants the commit acknowledgment alone
 * (MSH-16 NE) would else be told CA of what can never have an effect.
 */
function unfitness(known: Read, plan: RoutePlan | Refusal): Refusal | undefined {
  const fault = faultBefore(known, plan);
  if (fault !== undefined || plan instanceof Refusal || known.message instanceof Refusal) return fault;
  const isMapped = plan.stores && plan.keepsType && plan.filtered === undefined && plan.onError === 'refuse';
  return isMapped ? typeFault(known.message) : undefined;
}

/**
 * CA, CE or CR where the sender asks for it: false, if that is all it hears. After a CR there is no application acknowledgment.
 * Made of nothing but the message and its time of arrival: sent again, it is answered by the same bytes.
 */
async function sendCommitAck({ known, message, unfit }: Attempted, acks: AckPlan, send: Send): Promise<boolean> {
  if (!acks.enhanced || !isAckDue(acks.commit, unfit === undefined)) return true;
  const controlId = controlIdOf(message, 'commit');
  await send(buildCommitAck(hl7Of(known), { controlId, nowMs: message.receivedMs, refusal: unfit }));
  return unfit === undefined;
}
