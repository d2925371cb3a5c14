// One connection to an MLLP receiver and what is said on it: HL7 v2.9 chapter 2.9, the initiating system's side in
// original and in enhanced mode. One message waits for its answer at a time.
import { type Clock, type Egress, endpointFault } from '#platform';
import { ackPlan, buildCommitAck, isAckDue } from '../message/ack.ts';
import { type MllpConnection, openMllpConnection } from '../mllp/sender.ts';
import { type Answer, expectedAnswer, isAnswerTo, readAnswer, refusalText } from './answer.ts';
import { type Attempt, answerBytesMax, type Parcel } from './channel.ts';
import { type MllpDestination, readPem } from './destination.ts';

export interface LineOptions {
  destination: MllpDestination;
  egress: Egress;
  clock: Clock;
  /**
   * The application acknowledgment of a message that was delivered with a CA; `refusal`: why it is a negative one. Yields
   * whether it is recorded.
   */
  onApplicationAnswer(id: bigint, refusal: string | null, raw: Buffer): Promise<boolean>;
  /** A frame that is no answer to anything. */
  onUnexpected(): void;
}

/** `stale`: a kept connection turned out to be closed when it was used again. */
export type Exchanged = Attempt | 'stale';

interface Exchange {
  parcel: Parcel;
  sent: boolean;
  /** The system has all of it: a receiver that does not read lets it wait in our memory. */
  taken: boolean;
  /** Of the connection attempt, then of the answer. */
  timer: NodeJS.Timeout | undefined;
  end(attempt: Exchanged): void;
}

export interface Line {
  readonly options: LineOptions;
  connection: MllpConnection;
  state: 'opening' | 'open' | 'closed';
  /** Messages that have ended on it. */
  served: number;
  exchange: Exchange | undefined;
  /** Control id -> id of messages that were taken with CA and whose application acknowledgment is to come. */
  awaited: Map<string, bigint>;
  idleTimer: NodeJS.Timeout | undefined;
}

/** Messages whose application acknowledgment a connection remembers to wait for. */
const awaitedMax = 10_000;

export const brokenOff = 'The receiver closed the connection before it answered';

/** Throws CerebraError `config` when a certificate can't be read. */
export function openLine(options: LineOptions, onClosed: (line: Line) => void): Line {
  const line = { options, state: 'opening', served: 0, awaited: new Map() } as unknown as Line;
  line.connection = openMllpConnection(connectionOptions(options), {
    open() {
      line.state = 'open';
      if (line.exchange !== undefined) startSending(line, line.exchange);
    },
    frame: (content) => onFrame(line, content),
    closed(error) {
      onClosed(line);
      ended(line, error);
    },
  });
  return line;
}

/** Certificates are read for each connection: renewed ones count from the next on. */
function connectionOptions({ destination, egress }: LineOptions) {
  const { host, port, tls, keepAliveMs } = destination;
  const read = (text: string | undefined) => (text === undefined ? undefined : readPem(text));
  const secure = tls && { ca: read(tls.ca), cert: read(tls.cert), key: read(tls.key), servername: tls.servername };
  return { host, port, keepAliveMs, tls: secure, lookup: egress.lookup };
}

/** Sends one message and waits for what the receiver says. On a line that is idle, open or not. */
export function exchangeOn(line: Line, parcel: Parcel, signal: AbortSignal): Promise<Exchanged> {
  return new Promise((resolve) => {
    const onAbort = (): void => finish(line, { kind: 'unanswered', error: 'The server stopped' }, false);
    const exchange: Exchange = {
      parcel,
      ...{ sent: false, taken: false },
      timer: undefined,
      end(attempt) {
        signal.removeEventListener('abort', onAbort);
        resolve(attempt);
      },
    };
    clearTimeout(line.idleTimer);
    line.exchange = exchange;
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    else if (line.state === 'open') startSending(line, exchange);
    else awaitConnection(line, exchange);
  });
}

function awaitConnection(line: Line, exchange: Exchange): void {
  const { connectTimeoutMs } = line.options.destination;
  const error = `No connection within ${connectTimeoutMs} ms`;
  exchange.timer = setTimeout(() => finish(line, { kind: 'unreachable', error }, false), connectTimeoutMs);
}

function startSending(line: Line, exchange: Exchange): void {
  const { answer, ackTimeoutMs } = line.options.destination;
  clearTimeout(exchange.timer);
  const expected = answer === 'none' ? 'nothing' : expectedAnswer(exchange.parcel.body).first;
  exchange.sent = true;
  line.connection.write(exchange.parcel.body, () => {
    exchange.taken = true;
    if (expected === 'nothing' && line.exchange === exchange) finish(line, { kind: 'delivered', answer: null }, true);
  });
  exchange.timer = setTimeout(() => {
    // Silence is assent where only objections are sent. Else a late answer must not be taken for the next message's.
    if (expected === 'objection' && exchange.taken) return finish(line, { kind: 'delivered', answer: null }, true);
    const error = `${exchange.taken ? 'No answer' : 'The receiver did not read it'} within ${ackTimeoutMs} ms`;
    finish(line, { kind: 'unanswered', error }, false);
  }, ackTimeoutMs);
}

/** Ends the exchange at hand; without `keep` the connection too. */
function finish(line: Line, attempt: Exchanged, keep: boolean): void {
  const { exchange } = line;
  if (exchange === undefined) return;
  clearTimeout(exchange.timer);
  line.exchange = undefined;
  line.served++;
  if (keep) rest(line);
  else drop(line);
  exchange.end(attempt);
}

/** What comes of it is nobody's any more, and nothing is sent on it. */
function drop(line: Line): void {
  line.state = 'closed';
  line.connection.destroy();
}

function rest(line: Line): void {
  const { idleMs } = line.options.destination;
  if (idleMs === 0) return;
  line.idleTimer = setTimeout(() => {
    line.state = 'closed';
    line.connection.end();
  }, idleMs);
}

export function closeLine(line: Line): void {
  clearTimeout(line.idleTimer);
  drop(line);
}

function ended(line: Line, error: Error | undefined): void {
  clearTimeout(line.idleTimer);
  const wasOpen = line.exchange?.sent === true;
  line.state = 'closed';
  const text = error === undefined ? brokenOff : endpointFault(error);
  if (!wasOpen) finish(line, { kind: 'unreachable', error: text }, false);
  else finish(line, line.served > 0 ? 'stale' : { kind: 'unanswered', error: text }, false);
}

function onFrame(line: Line, content: Buffer): void {
  const { exchange, options } = line;
  const answer = readAnswer(content);
  const kept = content.subarray(0, answerBytesMax);
  const awaited = answer === undefined || answer.commit ? undefined : line.awaited.get(answer.controlId);
  if (answer !== undefined && awaited !== undefined) {
    void onApplicationAnswer(line, awaited, answer, kept);
  } else if (
    answer !== undefined &&
    exchange?.sent &&
    (options.destination.answer === 'code' || isAnswerTo(exchange.parcel.controlId, answer))
  ) {
    onAnswer(line, exchange.parcel, answer, kept);
  } else if (line.state === 'open' && options.destination.answer !== 'none') {
    options.onUnexpected();
    const error =
      answer === undefined ? 'The answer is no acknowledgment' : 'The answer is for another message (MSA-2)';
    if (exchange === undefined) drop(line);
    else finish(line, { kind: 'unanswered', error, answer: kept }, false);
  }
}

function onAnswer(line: Line, parcel: Parcel, answer: Answer, kept: Buffer): void {
  if (!answer.accepted) {
    finish(line, { kind: 'refused', error: refusalText(answer), answer: kept }, true);
    return;
  }
  if (answer.commit && expectedAnswer(parcel.body).second) {
    if (line.awaited.size >= awaitedMax) line.awaited.delete(line.awaited.keys().next().value!);
    line.awaited.set(parcel.controlId.trim(), parcel.id);
  }
  finish(line, { kind: 'delivered', answer: kept }, true);
}

/** Its own commit acknowledgment follows when it is recorded: whoever gets that will not send it again. */
async function onApplicationAnswer(line: Line, id: bigint, answer: Answer, kept: Buffer): Promise<void> {
  line.awaited.delete(answer.controlId);
  if (!(await line.options.onApplicationAnswer(id, answer.accepted ? null : refusalText(answer), kept))) return;
  if (!isAckDue(ackPlan(answer.message, 'auto').commit, true)) return;
  line.connection.write(buildCommitAck(answer.message, { controlId: `CBO${id}`, nowMs: line.options.clock.now() }));
}
