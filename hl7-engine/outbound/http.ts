// Destinations over HTTP: POST with the media type of HL7 over HTTP, https://hapifhir.github.io/hapi-hl7v2/hapi-hl7overhttp/specification.html
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AgentOptions, Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { type Clock, type Egress, endpointFault, isCerebraError } from '#platform';
import { isAnswerTo, readAnswer, refusalText } from './answer.ts';
import { type Attempt, answerBytesMax, type Channel, type Parcel } from './channel.ts';
import { connectionsOf, type HttpDestination, readPem } from './destination.ts';
import { brokenOff } from './line.ts';

export interface HttpChannelOptions {
  destination: HttpDestination;
  egress: Egress;
  clock: Clock;
}

export function createHttpChannel({ destination, egress, clock }: HttpChannelOptions): Channel {
  const url = new URL(destination.url);
  const secure = url.protocol === 'https:';
  const kept = { keepAlive: true, maxSockets: connectionsOf(destination) };
  let agent: HttpAgent | undefined;
  const openAgent = (): HttpAgent => {
    agent ??= secure ? new RenewingAgent(destination, kept) : new HttpAgent(kept);
    return agent;
  };

  const post = (parcel: Parcel, signal: AbortSignal): Promise<Attempt | 'stale'> =>
    new Promise((resolve) => {
      const settings = {
        method: 'POST',
        headers: { ...destination.headers, 'Content-Type': 'application/hl7-v2', 'Content-Length': parcel.body.length },
        agent: openAgent(),
        lookup: egress.lookup,
        signal,
      };
      const request = (secure ? httpsRequest : httpRequest)(url, settings);
      let sent = false;
      let bytesBefore = 0;
      request.on('socket', (socket) => {
        bytesBefore = socket.bytesRead;
        if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', () => (sent = true));
        else sent = true;
      });
      request.on('response', (response) => {
        gather(response)
          .then((received) => resolve(attemptOf(response, received, parcel, clock.now())))
          .catch((error: Error) => resolve(failure(error, true, destination.timeoutMs)));
      });
      request.on('error', (error) => {
        // Who has begun to answer had the message.
        const isStale = request.reusedSocket && !signal.aborted && request.socket?.bytesRead === bytesBefore;
        resolve(isStale ? 'stale' : failure(error, sent, destination.timeoutMs));
      });
      request.end(parcel.body);
    });

  /** A kept connection may turn out to be closed when it is used again: then the next, and at last a new one. */
  const postOnOpen = async (parcel: Parcel, signal: AbortSignal): Promise<Attempt> => {
    for (let kept = connectionsOf(destination); kept >= 0; kept--) {
      const attempt = await post(parcel, signal);
      if (attempt !== 'stale') return attempt;
    }
    return { kind: 'unanswered', error: brokenOff };
  };

  return {
    ...{ parcelsMax: 1, waitMs: 0, host: url.host },
    async send([parcel], signal) {
      const refusal = egress.refuseUrl(url);
      if (refusal !== undefined) return { kind: 'unreachable', error: refusal };
      try {
        return await postOnOpen(parcel!, AbortSignal.any([signal, AbortSignal.timeout(destination.timeoutMs)]));
      } catch (error) {
        return { kind: 'unreachable', error: isCerebraError(error) ? error.message : 'The request could not be made' };
      }
    },
    connections: () => Object.values(agent?.sockets ?? {}).reduce((sum, sockets) => sum + (sockets?.length ?? 0), 0),
    close: () => agent?.destroy(),
  };
}

/** Certificates are read for each connection: renewed ones count from the next on. No TLS session outlives them. */
class RenewingAgent extends HttpsAgent {
  readonly #destination: HttpDestination;

  constructor(destination: HttpDestination, options: AgentOptions) {
    super({ ...options, maxCachedSessions: 0 });
    this.#destination = destination;
  }

  override createConnection(...[options, onCreated]: Parameters<HttpsAgent['createConnection']>) {
    try {
      return super.createConnection({ ...options, ...credentials(this.#destination) }, onCreated);
    } catch (error) {
      // Not thrown: the agent also connects by itself for a request that waits, when another's connection has closed.
      process.nextTick(() => onCreated?.(error as Error, undefined as never));
      return undefined;
    }
  }
}

/** Throws CerebraError `config` when a file can't be read. */
function credentials({ tls }: HttpDestination): Record<string, string> {
  const given = Object.entries(tls ?? {}).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(given.map(([name, text]) => [name, readPem(text)]));
}

interface Received {
  body: Buffer;
  /** The rest never came: the connection broke, or the time was up. */
  isBroken: boolean;
}

/** Of an answer that is longer than is kept the beginning. */
function gather(response: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve) => {
    response.on('data', (chunk: Buffer) => {
      if (bytes < answerBytesMax) chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > answerBytesMax) response.destroy();
    });
    response.on('error', () => {});
    response.on('close', () => {
      const body = Buffer.concat(chunks).subarray(0, answerBytesMax);
      resolve({ body, isBroken: !response.complete && bytes <= answerBytesMax });
    });
  });
}

function failure(error: Error & { code?: string }, sent: boolean, timeoutMs: number): Attempt {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') {
    return { kind: sent ? 'unanswered' : 'unreachable', error: `No answer within ${timeoutMs} ms` };
  }
  const told = isCerebraError(error) ? error.message : endpointFault(error);
  return { kind: sent ? 'unanswered' : 'unreachable', error: told };
}

/** Statuses that say "not now": https://www.rfc-editor.org/rfc/rfc9110#section-15.5.9, RFC 6585 and 8470. */
const passing = new Set([408, 425, 429]);

/** An acknowledgment in the answer decides; without one the status does. */
function attemptOf(response: IncomingMessage, { body, isBroken }: Received, parcel: Parcel, nowMs: number): Attempt {
  const status = response.statusCode ?? 0;
  const isSuccess = status >= 200 && status < 300;
  // Most receivers answer 200 whatever the acknowledgment is: what is missing may have been a refusal.
  if (isSuccess && isBroken) return { kind: 'unanswered', error: 'The answer broke off', answer: body };
  const answer = readAnswer(body);
  if (answer !== undefined && !isAnswerTo(parcel.controlId, answer)) {
    return { kind: 'unanswered', error: 'The answer is for another message (MSA-2)', answer: body };
  }
  if (answer?.accepted === false) {
    return { kind: 'refused', error: refusalText(answer), answer: body };
  }
  if (isSuccess) return { kind: 'delivered', answer: body.length === 0 ? null : body };
  const error = `The endpoint answered with HTTP ${status}`;
  if (status < 500 && !passing.has(status)) return { kind: 'refused', error, answer: body };
  const retryAfterMs = pauseOf(response.headers['retry-after'], nowMs);
  // Whoever names a time speaks for all messages.
  if (retryAfterMs !== undefined) return { kind: 'unreachable', error, retryAfterMs };
  return { kind: 'unanswered', error, answer: body };
}

/** Retry-After, seconds or a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
function pauseOf(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,7}$/.test(text)) return Number(text) * 1000;
  const dateMs = Date.parse(text);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}
