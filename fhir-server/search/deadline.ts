// A search ends: with its answer, when its time is up, or when its client has gone.
import type { EventEmitter } from 'node:events';
import { CerebraError, type Db, isCerebraError, type Queryable } from '#platform';
import { adviceFor } from './costs.ts';

function stopped(timeoutMs: number, query: Parameters<typeof adviceFor>[0]): CerebraError {
  const { text, expression } = adviceFor(query);
  const told = `The search was stopped after ${timeoutMs} ms: ${text}`;
  return new CerebraError('too-costly', told, expression ? { expression } : {});
}

const gone = (): CerebraError => new CerebraError('client-closed', 'The client has closed the connection');

/** Whether it is no transaction. */
export const isDb = (db: Queryable): db is Db => 'until' in db;

/**
 * Runs `work` with a Queryable whose statements are cancelled in PostgreSQL after `timeoutMs` or when the client's socket
 * closes. Inside a transaction the statement timeout of the connection counts. Throws `too-costly` when time is up; `query` tells
 * what can be done.
 */
export async function bounded<T>(
  { db, socket }: { db: Queryable; socket?: EventEmitter | undefined },
  timeoutMs: number,
  work: (db: Queryable) => Promise<T>,
  query?: Parameters<typeof adviceFor>[0],
): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(stopped(timeoutMs, query)), timeoutMs);
  const onClose = () => controller.abort(gone());
  socket?.once('close', onClose);
  try {
    return await work(isDb(db) ? db.until(controller.signal) : db);
  } catch (error) {
    // The connection's own timeout, where that is shorter.
    throw isCerebraError(error, 'timeout') ? stopped(timeoutMs, query) : error;
  } finally {
    clearTimeout(timer);
    socket?.off('close', onClose);
  }
}
