// Questions to a terminology server elsewhere: https://hl7.org/fhir/R4/terminology-service.html
// It is told systems, codes and value sets, never of whom. It is called at the one address that the configuration names;
// answers that send elsewhere are none.
import { type JsonObject, parseJson } from '#fhir-model';
import { CerebraError, isCerebraError, type Log } from '#platform';

export interface RemoteOptions {
  /** `https://tx.example.org/r4` */
  url: string;
  timeoutMs: number;
  log: Log;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

export interface RemoteClient {
  /**
   * The JSON of a 200; undefined where the server says that it does not know (400, 404, 410, 422). Throws `unavailable` when
   * there is no answer in time, or none that is FHIR, and `too-costly` for one that is too large: `isRemoteAway` of all of
   * them.
   */
  get(path: string, parameters: RemoteParameters): Promise<JsonObject | undefined>;
}

export type RemoteParameters = Readonly<Record<string, string | readonly string[] | undefined>>;

const ANSWER_BYTES_MAX = 1024 * 1024;
/** Answers that are kept, those that say no among them; and their bytes as text. */
const ANSWERS_MAX = 10_000;
const KEPT_BYTES_MAX = 32 * 1024 * 1024;
const KEEP_MS = 10 * 60_000;
/** A server that is away is asked again after this long, and so is an address that yields nothing of use. */
const REST_MS = 10_000;
/** It does not know what is asked. Others of 4xx (no right to ask, another method) say nothing of that. */
const UNKNOWN_STATUSES = new Set([400, 404, 410, 422]);
/** The server as a whole is busy or away. */
const AWAY_STATUSES = new Set([429, 502, 503, 504]);
const CALLS_MAX = 16;
/** Wait for one of those to end; beyond these the server is slower than what is asked of it. */
const WAITING_MAX = 1_000;
/** Of calls that take just less than their 3 s the last of so many would begin after three minutes: nobody is there any more. */
const WAIT_MS_MAX = 30_000;

const away = new WeakSet<object>();

/** Of the answer to one address: others may be answered. */
class Unusable extends Error {}

class TooLarge extends Unusable {}

/** Whether it is the other server that is not there, not the database. */
export const isRemoteAway = (error: unknown): error is CerebraError => isCerebraError(error) && away.has(error);

const isUnusable = (error: unknown): boolean => isRemoteAway(error) && error.cause instanceof Unusable;

function whyOf(cause: unknown): string {
  if (cause instanceof TooLarge) {
    return `The answer of the terminology server (TERMINOLOGY_URL) has more than ${ANSWER_BYTES_MAX} bytes: ask for it in parts with count and offset`;
  }
  return cause instanceof Unusable
    ? `The terminology server (TERMINOLOGY_URL) gives no answer of use: ${cause.message}`
    : 'The terminology server (TERMINOLOGY_URL) does not answer';
}

interface Answer {
  resource: JsonObject | undefined;
  bytes: number;
}

interface Kept {
  answer: Promise<Answer>;
  untilMs: number;
  /** 0 until it is there. */
  bytes: number;
}

const NO: Answer = { resource: undefined, bytes: 0 };

async function readAnswer(response: Response): Promise<Answer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new TooLarge(`the answer has more than ${ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return { resource: readResource(Buffer.concat(parts).toString('utf8')), bytes };
}

function readResource(text: string): JsonObject {
  let value: unknown;
  try {
    value = parseJson(text).value;
  } catch (cause) {
    throw new Unusable('the answer is no JSON', { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new Unusable('the answer is no resource');
}

async function call(address: URL, timeoutMs: number): Promise<Answer> {
  const response = await fetch(address, {
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
    headers: { Accept: 'application/fhir+json' },
  });
  if (response.status === 200) return readAnswer(response);
  await response.body?.cancel();
  if (AWAY_STATUSES.has(response.status)) throw new Error(`status ${response.status}`);
  if (UNKNOWN_STATUSES.has(response.status)) return NO;
  throw new Unusable(`status ${response.status}`);
}

function addressOf(base: string, path: string, parameters: RemoteParameters): URL {
  const address = new URL(`${base.replace(/\/+$/, '')}/${path}`);
  for (const [name, value = []] of Object.entries(parameters)) {
    for (const each of typeof value === 'string' ? [value] : value) address.searchParams.append(name, each);
  }
  return address;
}

/** Answers by address; the oldest go when there are too many, or too large ones. */
function createAnswers(now: () => number) {
  const kept = new Map<string, Kept>();
  let bytes = 0;
  const drop = (address: string): void => {
    bytes -= kept.get(address)?.bytes ?? 0;
    kept.delete(address);
  };
  const makeRoom = (): void => {
    while (kept.size > ANSWERS_MAX || bytes > KEPT_BYTES_MAX) drop(kept.keys().next().value!);
  };
  return {
    get(address: string): Promise<Answer> | undefined {
      const known = kept.get(address);
      return known && now() < known.untilMs ? known.answer : undefined;
    },
    keep(address: string, answer: Promise<Answer>): void {
      drop(address);
      const entry: Kept = { answer, untilMs: now() + KEEP_MS, bytes: 0 };
      kept.set(address, entry);
      makeRoom();
      answer.then(
        (found) => {
          if (kept.get(address) !== entry) return;
          entry.bytes = found.bytes;
          bytes += found.bytes;
          makeRoom();
        },
        (error) => {
          if (kept.get(address) !== entry) return;
          if (isUnusable(error)) entry.untilMs = now() + REST_MS;
          else drop(address);
        },
      );
    },
  };
}

export function createRemoteClient({
  url,
  timeoutMs,
  log,
  now = () => performance.now(),
}: RemoteOptions): RemoteClient {
  const answers = createAnswers(now);
  let restUntilMs = Number.NEGATIVE_INFINITY;
  let calls = 0;
  const waiting: (() => void)[] = [];

  const unavailable = (cause?: unknown): CerebraError => {
    const error = new CerebraError(cause instanceof TooLarge ? 'too-costly' : 'unavailable', whyOf(cause), { cause });
    away.add(error);
    return error;
  };

  const isResting = (): boolean => now() < restUntilMs;

  /** Whoever ends hands its place on. */
  async function begin(): Promise<void> {
    if (calls < CALLS_MAX) calls++;
    else if (waiting.length >= WAITING_MAX) throw unavailable();
    else await new Promise<void>((resolve) => waiting.push(resolve));
  }
  function end(): void {
    const next = waiting.shift();
    if (next) next();
    else calls--;
  }

  async function called(address: URL): Promise<Answer> {
    try {
      return await call(address, timeoutMs);
    } catch (err) {
      if (!(err instanceof Unusable)) restUntilMs = now() + REST_MS;
      // The address has codes in it: they are for the one who asked.
      log.warn({ reason: (err as Error).message }, 'the terminology server (TERMINOLOGY_URL) gives no answer of use');
      throw unavailable(err);
    }
  }

  async function ask(address: URL): Promise<Answer> {
    if (isResting()) throw unavailable();
    const untilMs = now() + WAIT_MS_MAX;
    await begin();
    try {
      // It may have gone away while this waited. Those who waited longer are told the same, one after the other at once.
      if (isResting() || now() > untilMs) throw unavailable();
      return await called(address);
    } finally {
      end();
    }
  }

  return {
    async get(path, parameters) {
      const address = addressOf(url, path, parameters);
      const known = answers.get(address.href);
      const answer = known ?? ask(address);
      if (!known) answers.keep(address.href, answer);
      return (await answer).resource;
    },
  };
}
