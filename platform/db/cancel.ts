// Queries that can be called off: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
import { connect } from 'node:net';
import type pg from 'pg';

export interface Runner {
  query(config: { name?: string; text: string; values?: unknown[] }): Promise<pg.QueryResult>;
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

/** As pool.query(), until the signal aborts. */
export function cancellable(pool: pg.Pool, signal: AbortSignal): Runner {
  return {
    async query(query) {
      signal.throwIfAborted();
      const client = await pool.connect();
      const aborted = Promise.withResolvers<never>();
      const onAbort = () => {
        requestCancel(client as unknown as Backend);
        aborted.reject(signal.reason);
      };
      let broken: Error | undefined;
      // A connection lost between two queries emits an error that nobody else listens to.
      const onError = (error: Error) => {
        broken = error;
      };
      client.on('error', onError);
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        signal.throwIfAborted();
        return await Promise.race([client.query(query), aborted.promise]);
      } catch (error) {
        broken ??= error as Error;
        throw error;
      } finally {
        signal.removeEventListener('abort', onAbort);
        client.off('error', onError);
        // A cancel request may arrive late: the next query on this connection would be the one that it ends.
        client.release(signal.aborted ? true : broken);
      }
    },
  };
}
