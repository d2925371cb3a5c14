// Destinations as data: where messages go, how, and what happens when that fails.
import { readFileSync } from 'node:fs';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { z } from 'zod';
import { CerebraError, type Egress } from '#platform';

const ms = (min: number, max: number, preset: number) => z.number().int().min(min).max(max).default(preset);
const hourMs = 3_600_000;

/** A PEM text, or the file that holds one. */
const pem = z.string().min(1);

const retry = z
  .strictObject({
    minMs: ms(10, hourMs, 1000),
    maxMs: ms(10, 24 * hourMs, 60_000),
    /** Negative answers to one message before it is given up. */
    attemptsMax: z.number().int().min(1).max(1000).default(3),
    /** Attempts at one message without a usable answer before it is given up; 0: for ever. */
    unansweredMax: z.number().int().min(0).max(1000).default(0),
  })
  .prefault({});

const common = {
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  retry,
  /** What may wait; more is refused where it comes from. */
  queueMax: z.number().int().min(1).max(100_000_000).default(1_000_000),
  /** `patient`: messages of one patient keep their order; `destination`: all do, one at a time. */
  order: z.enum(['patient', 'destination']).default('patient'),
  /** A message that is given up: set aside so that the next follows, or kept at the head with the destination paused. */
  onFailure: z.enum(['dead-letter', 'pause']).default('dead-letter'),
};

const mllp = z.strictObject({
  ...common,
  kind: z.literal('mllp'),
  host: z.string().min(1),
  port: z.number().int().min(1).max(65_535),
  tls: z
    .strictObject({
      ca: pem.optional(),
      cert: pem.optional(),
      key: pem.optional(),
      servername: z.string().min(1).optional(),
    })
    .optional(),
  connections: z.number().int().min(1).max(256).default(1),
  connectTimeoutMs: ms(10, 600_000, 10_000),
  ackTimeoutMs: ms(10, 600_000, 30_000),
  /** Silence after which TCP asks whether the receiver is still there. */
  keepAliveMs: ms(1000, hourMs, 60_000),
  /** A connection without a message for so long is closed; the next message opens one. 0: never. */
  idleMs: ms(0, 24 * hourMs, 300_000),
  /** `strict`: MSA-2 must be the message's control id; `code`: MSA-1 decides alone; `none`: no answer is waited for. */
  answer: z.enum(['strict', 'code', 'none']).default('strict'),
});

/** What the request itself says. */
const ownHeaders = new Set(['content-type', 'content-length', 'transfer-encoding', 'connection', 'expect']);

/** Told without the value, which may be a secret. A request with such a one could never be made. */
function headerFault([name, value]: [string, string]): string | undefined {
  if (ownHeaders.has(name.toLowerCase())) return `${name} is the server's to set`;
  try {
    validateHeaderName(name);
  } catch {
    return `${JSON.stringify(name)} is no name of a header`;
  }
  try {
    validateHeaderValue(name, value);
  } catch {
    return `${name} has a character that no header may have`;
  }
  return undefined;
}

const headers = z.record(z.string(), z.string()).superRefine((given, context) => {
  for (const entry of Object.entries(given)) {
    const message = headerFault(entry);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  }
});

const http = z.strictObject({
  ...common,
  kind: z.literal('http'),
  url: z.url({ protocol: /^https?$/ }).refine((text) => {
    const url = URL.parse(text);
    return url === null || (url.username === '' && url.password === '');
  }, 'must not hold a user name or password: headers can have Authorization'),
  headers: headers.default({}),
  tls: z.strictObject({ ca: pem.optional(), cert: pem.optional(), key: pem.optional() }).optional(),
  connections: z.number().int().min(1).max(256).default(1),
  timeoutMs: ms(10, 600_000, 30_000),
});

const filePlaceholders = ['id', 'controlId', 'destination', 'date', 'time', 'type'] as const;

export type FilePlaceholder = (typeof filePlaceholders)[number];

function unknownPlaceholder(name: string): string | undefined {
  const rest = filePlaceholders.reduce((text, one) => text.replaceAll(`{${one}}`, ''), name);
  return /\{\w*\}?|\}/.exec(rest)?.[0];
}

const file = z.strictObject({
  ...common,
  kind: z.literal('file'),
  folder: z.string().min(1),
  /**
   * `{id}` (must be there: it makes names different), `{controlId}`, `{destination}`, `{type}` (ORU_R01), `{date}` and `{time}` (yyyymmdd
   * and hhmmss of UTC, when it was queued).
   */
  fileName: z
    .string()
    .regex(/^[A-Za-z0-9_{}-][A-Za-z0-9._{}-]{0,99}$/)
    .refine((name) => name.includes('{id}'), 'needs {id}')
    .superRefine((name, context) => {
      const unknown = unknownPlaceholder(name);
      if (unknown === undefined) return;
      const known = filePlaceholders.map((one) => `{${one}}`).join(', ');
      context.addIssue({ code: 'custom', message: `has ${unknown}; it may have ${known}` });
    })
    .default('{id}-{controlId}.hl7'),
  /** Several messages a file, as a batch (BHS … BTS). A file is written when it is full or its first message is so old. */
  batch: z
    .strictObject({ messagesMax: z.number().int().min(1).max(1000), waitMs: ms(0, 24 * hourMs, 60_000) })
    .optional(),
});

const destination = z.discriminatedUnion('kind', [mllp, http, file], {
  error: ({ code }) => (code === 'invalid_union' ? 'must be mllp, http or file' : undefined),
});

export type Destination = z.output<typeof destination>;
export type MllpDestination = z.output<typeof mllp>;
export type HttpDestination = z.output<typeof http>;
export type FileDestination = z.output<typeof file>;

const destinations = z
  .array(destination)
  .max(1000)
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'two destinations have one name');

/**
 * Checks destinations and fills in what is not given. Throws CerebraError `config` that names each fault by its path.
 */
export function checkDestinations(value: unknown): Destination[] {
  const parsed = destinations.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the list'}: ${message}`);
  throw new CerebraError('config', `HL7_DESTINATIONS: ${faults.join('; ')}`);
}

/** HL7_DESTINATIONS: a JSON array, or the path of a file that holds one. Throws CerebraError `config`. */
export function readDestinations(text: string | undefined): Destination[] {
  if (text === undefined || text.trim() === '') return [];
  // What is JSON but no list is no name of a file either: it may hold a secret, which the message would repeat.
  const inline = /^\s*[[{"]/.test(text);
  try {
    return checkDestinations(JSON.parse(inline ? text : readFileSync(text, 'utf8')));
  } catch (cause) {
    if (cause instanceof CerebraError) throw cause;
    const what = cause instanceof SyntaxError ? 'is not JSON' : 'cannot be read';
    throw new CerebraError('config', `HL7_DESTINATIONS ${inline ? '' : `(${text}) `}${what}`, { cause });
  }
}

/** Messages under way at a time. */
export function connectionsOf(destination: Destination): number {
  return destination.kind === 'file' || destination.order === 'destination' ? 1 : destination.connections;
}

/** `host:port`, the URL without what may be secret in it, or the folder: for the operator. */
export function targetOf(destination: Destination): string {
  if (destination.kind === 'mllp') return `${destination.host}:${destination.port}`;
  if (destination.kind === 'file') return destination.folder;
  const url = new URL(destination.url);
  return `${url.origin}${url.pathname}`;
}

/** The PEM text itself. Throws CerebraError `config` when its file cannot be read. */
export function readPem(text: string): string {
  if (text.includes('-----BEGIN')) return text;
  try {
    return readFileSync(text, 'utf8');
  } catch (cause) {
    throw new CerebraError('config', `The certificate file ${text} cannot be read`, { cause });
  }
}

/** Why a host given by its address is not called; names are looked at when they are resolved (`egress.lookup`). */
export function refusedHost(egress: Egress, host: string): string | undefined {
  const url = URL.parse(`http://${host.includes(':') ? `[${host}]` : host}/`);
  return url === null ? 'The host is neither a name nor an address' : egress.refuseUrl(url);
}
