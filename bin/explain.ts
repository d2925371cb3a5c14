// Why a start failed, in words for whoever sits at the terminal: what is wrong, and which variable changes it.
import path from 'node:path';
import { type Config, isCerebraError, sqlState } from '#platform';

interface SystemError extends Error {
  code?: string;
  syscall?: string;
  address?: string;
  port?: number;
  path?: string;
}

/** One sentence where the cause is known; anything else with its stack. Never a password. */
export function explain(error: unknown, config?: Config): string {
  const known = config && (portFault(error, config) ?? databaseFault(error, config) ?? embeddedFault(error, config));
  if (known !== undefined) return known;
  if (isCerebraError(error)) return error.message;
  if (!(error instanceof Error)) return String(error);
  // A file or folder that cannot be used: the message names it.
  return (error as SystemError).syscall === undefined ? (error.stack ?? error.message) : error.message;
}

/** The error itself, then its causes. */
function* causes(error: unknown): Generator<SystemError> {
  for (let one = error; one instanceof Error; one = one.cause) yield one;
}

const portVariables = ['PORT', 'MLLP_PORT', 'MQTT_PORT'] as const;

function portFault(error: unknown, config: Config): string | undefined {
  // A worker of several has its port from the primary, which binds it.
  const found = [...causes(error)].find(
    ({ syscall, port }) => (syscall === 'listen' || syscall === 'bind') && port !== undefined,
  );
  if (!found) return undefined;
  const name = portVariables.find((variable) => config[variable] === found.port) ?? 'the port';
  const where = `${found.address}:${found.port}`;
  if (found.code === 'EADDRINUSE') {
    return `${where} (${name}) is in use: stop what listens there, or set ${name} to another port (0 takes any free one)`;
  }
  if (found.code === 'EACCES') return `${where} (${name}) may not be opened by this user: set ${name} above 1023`;
  return `${where} (${name}, HOST) cannot be opened: ${found.message}`;
}

/** What to do about a refusal, by the beginning of its SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const refusals: readonly [state: string, advice: string][] = [
  ['28', 'check user and password in DATABASE_URL, and pg_hba.conf there'],
  [
    '3D000',
    "create it (CREATE DATABASE name ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0), or name another one",
  ],
  ['42501', 'make the user of DATABASE_URL the owner of the database (ALTER DATABASE name OWNER TO user)'],
  ['53300', 'raise max_connections there, or the limit of the user or database, or lower POOL_MAX'],
  ['53100', 'make room on the disk of the database'],
  ['58030', 'the log of PostgreSQL tells what is wrong with its disk'],
  ['25006', 'name the primary server, not a standby, and a database that is not set to read-only'],
  // protocol_violation: poolers refuse settings of a session, and give a session to one transaction after another.
  ['08P01', 'name PostgreSQL itself, not a pooler such as PgBouncer: prepared statements need sessions of their own'],
];

const adviceOn = (state: string | undefined): string | undefined =>
  refusals.find(([beginning]) => state?.startsWith(beginning))?.[1];

// Of certificates, by OpenSSL's names: https://nodejs.org/api/tls.html#x509-certificate-error-codes
const certificateCodes = /^(UNABLE_TO_|CERT_|SELF_SIGNED_CERT|DEPTH_ZERO_|ERR_TLS_CERT_|INVALID_CA|HOSTNAME_MISMATCH)/;
const noTls = 'The server does not support SSL connections';

const isTlsFault = ({ code, message }: SystemError): boolean => certificateCodes.test(code ?? '') || message === noTls;

const tlsAdvice = ({ message }: SystemError): string =>
  message === noTls
    ? 'speaks no TLS: turn it on there, or leave sslmode out of DATABASE_URL'
    : `shows a certificate that is not trusted: ${message.split(';')[0]}. Name its authority, as sslmode=verify-full&sslrootcert=/path/ca.crt in DATABASE_URL or as a file in NODE_EXTRA_CA_CERTS`;

function databaseFault(error: unknown, { DATABASE_URL }: Config): string | undefined {
  if (DATABASE_URL === undefined) return undefined;
  const all = [...causes(error)];
  const database = `The database at ${placeOf(DATABASE_URL)} (DATABASE_URL)`;
  const refusal = all.find((one) => adviceOn(sqlState(one)) !== undefined);
  if (refusal) return `${database} refuses: ${refusal.message}. What to do: ${adviceOn(sqlState(refusal))}`;
  const untrusted = all.find(isTlsFault);
  if (untrusted) return `${database} ${tlsAdvice(untrusted)}`;
  const file = all.map((one) => fileFault(one, DATABASE_URL)).find((text) => text !== undefined);
  if (file !== undefined) return file;
  // pg's words for a server that asks for a password where none is given.
  if (all.some(({ message }) => /client password must be a/.test(message))) {
    return `${database} wants a password: write it into DATABASE_URL, postgres://user:password@host/name, @ : / ? # and % in it as %40 %3A %2F %3F %23 and %25`;
  }
  if (!isCerebraError(error, 'unavailable') && !isCerebraError(error, 'timeout')) return undefined;
  // Where a name has several addresses Node's error has no message of its own.
  const { message, code } = all.find((one) => !isCerebraError(one)) ?? all[0]!;
  return `${database} cannot be reached: ${message || code}`;
}

// A full disk ends PostgreSQL in the middle of its first migration; what it says of that stands in its own log.
function embeddedFault(error: unknown, { DATABASE_URL, DATA_DIR }: Config): string | undefined {
  if (DATABASE_URL !== undefined || !isCerebraError(error)) return undefined;
  if (error.message.includes('postgres.log')) return undefined;
  if (![...causes(error)].some((one) => isCerebraError(one, 'unavailable'))) return undefined;
  return `${error.message}: the end of ${path.resolve(DATA_DIR, 'postgres/postgres.log')} tells why`;
}

const fileParameters = ['sslrootcert', 'sslcert', 'sslkey'];

function fileFault({ syscall, code, path }: SystemError, databaseUrl: string): string | undefined {
  const { searchParams } = new URL(databaseUrl);
  const name = fileParameters.find((parameter) => path !== undefined && searchParams.get(parameter) === path);
  if (syscall !== 'open' || name === undefined) return undefined;
  return `DATABASE_URL names a file with ${name} that cannot be read (${code}): ${path}`;
}

/** `host:5432/name`: no user, no password. */
function placeOf(databaseUrl: string): string {
  const { hostname, port, pathname, searchParams } = new URL(databaseUrl);
  return `${hostname || searchParams.get('host') || 'localhost'}:${port || searchParams.get('port') || 5432}${pathname}`;
}
