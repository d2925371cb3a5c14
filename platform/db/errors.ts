// SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
import { CerebraError, isCerebraError } from '../errors.ts';

// 57P01 admin_shutdown, 57P02 crash_shutdown, 57P03 cannot_connect_now, 57P04 database_dropped, 57P05 idle_session_timeout,
// 53200 out_of_memory, 53300 too_many_connections
const atEnd = ['57P01', '57P02', '57P03', '57P04', '57P05', '53200', '53300', '25P03'];
// A server at work connects again and again; where its password or database was changed that fails, until somebody has seen to
// it: 28P01 invalid_password, 28000 invalid_authorization_specification, 3D000 invalid_catalog_name
const unavailableStates = new Set([...atEnd, '28P01', '28000', '3D000']);
/** Reads go on, and writes will again when somebody has seen to it: 53100 disk_full, 58030 io_error, 25006 read_only_sql_transaction. */
const unwritable: Readonly<Record<string, string>> = {
  '53100': 'The disk of the database is full: nothing can be stored until its operator makes room',
  '58030': 'The disk of the database has a fault: its operator finds it in the log of PostgreSQL',
  '25006': 'The database takes no changes: it is a standby, or set to read-only by its operator',
};
const unavailableSystemCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ENOENT',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAGAIN',
]);
// pg's own errors have no code.
const unavailableMessages =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Cannot use a pool after|timeout expired|The server closed|Connection ended)/;
// 57014 query_canceled (statement_timeout), 55P03 lock_not_available (lock_timeout)
const timeoutStates = new Set(['57014', '55P03']);
// character_not_in_repertoire: U+0000, the one character that a text of PostgreSQL can't hold.
const notInRepertoire = '22021';

/** pg's error as ours where the caller can't do anything but try again later; every other error as it is. */
export function databaseError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CerebraError) return error;
  const code = (error as Error & { code?: unknown }).code;
  if (typeof code === 'string' && timeoutStates.has(code)) {
    return new CerebraError('timeout', 'The database did not answer in time', { cause: error });
  }
  if (code === notInRepertoire) {
    const text = 'A text has a NUL character, which no FHIR string may have: leave it out';
    return new CerebraError('invalid-parameter', text, { cause: error });
  }
  const unwritten = unwritable[String(code)];
  if (unwritten !== undefined) return new CerebraError('unavailable', unwritten, { cause: error });
  if (isUnavailable(code, error.message)) {
    return new CerebraError('unavailable', 'The database is not available', { cause: error });
  }
  return error;
}

function isUnavailable(code: unknown, message: string): boolean {
  if (typeof code !== 'string') return unavailableMessages.test(message);
  return unavailableStates.has(code) || unavailableSystemCodes.has(code) || /^08\w{3}$/.test(code);
}

/** The SQLSTATE of a failed query, undefined for any other error. */
export function sqlState(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : undefined;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/**
 * The session takes no changes. ALTER DATABASE or ROLE … SET default_transaction_read_only holds for sessions that begin after it: one
 * that began while it was on stays so when it is off again.
 */
export const isReadOnly = (error: unknown): boolean =>
  sqlState(isCerebraError(error) ? error.cause : error) === '25006';

/** 40P01 deadlock_detected, 40001 serialization_failure */
const raceStates = new Set(['40P01', '40001']);
const uniqueViolation = '23505';

/** Two that write met: the later one succeeds when it is tried again. */
export function isWriteRace(error: unknown): boolean {
  const state = sqlState(error);
  return state !== undefined && (raceStates.has(state) || state === uniqueViolation);
}

/** What goes by itself: the database is away, it took too long, another writer was in the way. */
export const isPassing = (error: unknown): boolean =>
  isCerebraError(error, 'unavailable') || isCerebraError(error, 'timeout') || raceStates.has(sqlState(error) ?? '');
