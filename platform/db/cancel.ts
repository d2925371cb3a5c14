// Queries that can be called off: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { ask, type Query } from './ask.ts';

export interface Runner {
  query(query: Query): Promise<pg.QueryResult>;
}

/** Of pg's client what a cancel request needs. */
interface Backend {
  host: string;
  port: number;
  processID: number | null;
  secretKey: number | null;
}

const CANCEL_REQUEST = 80_877_102;
const CANCEL_TIMEOUT_MS = 5000;
const CANCEL_EVERY_MS = 200;
const CANCELS_MAX = 25;

/** Asks PostgreSQL to cancel what the connection is doing. Nothing is answered, and nothing can be done if it fails. */
function requestCancel({ host, port, processID, secretKey }: Backend): void {
  if (processID === null || secretKey === null) return;
  const message = Buffer.alloc(16);
  for (const [i, word] of [16, CANCEL_REQUEST, processID, secretKey].entries()) message.writeInt32BE(word | 0, i * 4);
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  socket.setTimeout(CANCEL_TIMEOUT_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.end(message);
}

/**
 * Cancels until the query has ended: a request that overtakes the query on its way to PostgreSQL has no effect, and the
 * query would run on though nobody waits for it.
 */
async function callOff(backend: Backend, running: Promise<unknown>): Promise<void> {
  let ended = false;
  const end = running.then(
    () => (ended = true),
    () => (ended = true),
  );
  for (let i = 0; i < CANCELS_MAX && !ended; i++) {
    requestCancel(backend);
    await Promise.race([end, delay(CANCEL_EVERY_MS, undefined, { ref: false })]);
  }
}

/** As pool.query(), until the signal aborts. */
export function cancellable(pool: pg.Pool, signal: AbortSignal): Runner {
  return {
    async query(query) {
      signal.throwIfAborted();
      const client = await pool.connect();
      let broken: Error | undefined;
      // A connection lost between two queries emits an error that nobody else listens to.
      const onError = (error: Error) => {
        broken = error;
      };
      const release = (failure: Error | boolean | undefined) => {
        client.off('error', onError);
        client.release(failure);
      };
      client.on('error', onError);
      if (signal.aborted) {
        release(false);
        throw signal.reason;
      }
      const aborted = Promise.withResolvers<never>();
      const onAbort = () => aborted.reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      const running = ask(client, query);
      try {
        return await Promise.race([running, aborted.promise]);
      } catch (error) {
        broken ??= error as Error;
        throw error;
      } finally {
        signal.removeEventListener('abort', onAbort);
        // A cancel request may arrive late: the next query on this connection would be the one that it ends.
        if (signal.aborted) void callOff(client as unknown as Backend, running).then(() => release(true));
        else release(broken);
      }
    },
  };
}
