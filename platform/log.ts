// Logs: pino, asynchronous; no resource content at info or above.
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';
import { CerebraError } from './errors.ts';
import { createLogOutput } from './log-output.ts';

export type Log = Logger;

export interface LogOptions {
  /** trace, debug, info, warn, error, fatal or silent. */
  level: string;
  /** One readable line a record instead of JSON. */
  pretty?: boolean;
  /** Where records go instead of standard output: a stream with write(line). */
  destination?: DestinationStream;
}

/**
 * What may carry a person's data never reaches a log, at any level: a caller who logs such a field sees `[PHI]`.
 * Paths are pino's (https://getpino.io/#/docs/redaction): fields at the top and one level down.
 */
const phiFields = [
  'resource',
  'resources',
  'body',
  'bundle',
  'entry',
  'message',
  'payload',
  'content',
  'raw',
  'text',
  'patient',
  'subject',
  'name',
  'identifier',
  'address',
  'telecom',
  'birthDate',
  'query',
  'values',
  'parameters',
  'authorization',
  'cookie',
  'password',
  'token',
];
const redactPaths = [...phiFields, ...phiFields.map((field) => `*.${field}`)].filter(
  // An error's message and a job's or subsystem's name are ours; see errorRecord for what of an error is kept.
  (path) => path !== 'name' && path !== '*.message' && path !== '*.name',
);

/** Creates the root log. Asynchronous: records are written in the background and flushed when the process exits. */
export function createLog(options: LogOptions): Log {
  const destination = options.destination ?? standardOutput(options.pretty === true);
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      redact: { paths: redactPaths, censor: '[PHI]' },
      serializers: { err: errorRecord, error: errorRecord },
      formatters: { level: (label) => ({ level: label }) },
    },
    options.pretty ? prettyStream(destination) : destination,
  );
}

function standardOutput(pretty: boolean): DestinationStream {
  // Asked for, it makes a pipe refuse what it has no room for. Else the write would wait, in a thread whose end the process waits
  // for: with a reader that stands still it never ended.
  void process.stdout;
  const output = createLogOutput({
    lostLine: (lost) => {
      const line = JSON.stringify({
        level: 'warn',
        time: new Date().toISOString(),
        lost,
        msg: 'log records were lost',
      });
      return pretty ? prettyLine(line) : `${line}\n`;
    },
  });
  process.on('exit', () => output.flushSync());
  return output;
}

/**
 * What of an error is logged. PostgreSQL's `detail` and `where` quote row values ("Key (id)=(…)"), so they are left
 * out; so are fields that callers hang on errors.
 */
function errorRecord(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code, routine, table, constraint, syscall } = error as Error & Record<string, unknown>;
  return {
    type: error.name,
    message: mayQuoteInput(error) ? undefined : error.message,
    code,
    routine,
    table,
    constraint,
    syscall,
    // The stack's first lines repeat the message.
    stack: error.stack?.match(/^ {4}at .*$/gm)?.join('\n'),
    cause: error.cause === undefined ? undefined : errorRecord(error.cause),
  };
}

/**
 * Messages that quote what came in, which may be a patient's data: JSON.parse's, PostgreSQL's of class 22 ("invalid
 * input syntax for type date: …") and what we tell a client about its own request.
 */
function mayQuoteInput(error: Error): boolean {
  const { code } = error as Error & { code?: unknown };
  return (
    error instanceof SyntaxError ||
    error instanceof URIError ||
    (typeof code === 'string' && /^22\w{3}$/.test(code)) ||
    (error instanceof CerebraError && error.status < 500)
  );
}

/** Turns JSON records into `12:34:56.789 info  message key=value`. */
function prettyStream(destination: DestinationStream): DestinationStream {
  return { ...destination, write: (line: string) => destination.write(prettyLine(line)) };
}

/** A line break or an escape of the terminal within a value could pass for a record of ours. */
const plain = (text: string): string =>
  text.replace(/[\p{Cc}\u2028\u2029]/gu, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Lines of its own, which a record's head, at their beginning, tells from those of a record. */
function prettyError({ type, message, code, stack }: Record<string, string>): string {
  const lines = `${type}: ${message ?? code ?? ''}`.split('\n').map((line) => `\n    ${plain(line)}`);
  return lines.join('') + (stack ? `\n${stack}` : '');
}

function prettyLine(line: string): string {
  const { time, level, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown> & {
    err?: Record<string, string>;
  };
  const fields = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const head = `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${msg ?? ''}`;
  return `${plain([head, ...fields].join(' '))}${err ? prettyError(err) : ''}\n`;
}
