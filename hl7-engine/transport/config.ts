// The listeners beside MLLP_PORT and POST /hl7, as data: HL7_LISTENERS.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { encodingExists } from 'iconv-lite';
import { z } from 'zod';
import { CerebraError, isLoopback } from '#platform';
import { isRange } from './addresses.ts';

const name = z.string().regex(/^[A-Za-z0-9][\w.-]{0,63}$/, 'letters, digits, ".", "_" and "-", 64 at most');
const milliseconds = (min: number, max: number) => z.int().min(min).max(max);
const bytes = z
  .int()
  .min(1024)
  .max(256 * 1024 * 1024);
const count = z.int().min(1).max(1_000_000);
const allow = z
  .array(z.string().refine(isRange, 'an address or a range of some in CIDR notation, such as 10.1.2.0/24'))
  .min(1);

const mllp = z.strictObject({
  kind: z.literal('mllp').default('mllp'),
  name,
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(0).max(65535),
  tls: z
    .strictObject({
      /** PEM files: the certificate with its chain, its key, and the authorities of clients' certificates. */
      cert: z.string().min(1),
      key: z.string().min(1),
      ca: z.string().min(1).optional(),
      requestCert: z.boolean().default(false),
    })
    .refine((tls) => !tls.requestCert || tls.ca !== undefined, 'requestCert needs ca: whose certificates are taken')
    .optional(),
  allow: allow.optional(),
  connectionsMax: count.optional(),
  connectionsPerPeerMax: count.optional(),
  connectionsPerMinuteMax: count.optional(),
  messageBytesMax: bytes.optional(),
  idleTimeoutMs: milliseconds(1_000, 86_400_000).optional(),
  frameTimeoutMs: milliseconds(1_000, 86_400_000).optional(),
  handshakeTimeoutMs: milliseconds(100, 600_000).optional(),
});

const http = z.strictObject({
  kind: z.literal('http'),
  name,
  allow: allow.optional(),
  messageBytesMax: bytes.optional(),
  /** AE is answered with 500 and AR with 400, as some clients expect; else every acknowledgment with 200. */
  statusByAck: z.boolean().default(false),
});

const subfolder = z.string().min(1);
const file = z.strictObject({
  kind: z.literal('file'),
  name,
  folder: z.string().min(1),
  /** `*` and `?` within a file's name. */
  pattern: z
    .string()
    .regex(/^[^/\\]+$/, "a file's name with * and ?, without folders")
    .default('*.hl7'),
  pollMs: milliseconds(50, 3_600_000).default(1_000),
  /** A file is whole when its size and time have not changed for so long; 0 where writers rename finished files. */
  stableMs: milliseconds(0, 3_600_000).default(2_000),
  done: subfolder.default('done'),
  error: subfolder.default('error'),
  /** Of messages that don't name theirs in MSH-18. */
  charset: z
    .string()
    .refine(
      (label) => encodingExists(label) && !/^(utf|ucs)-?(16|32|2|4)/i.test(label),
      'a character set in which ASCII is one byte a character',
    )
    .optional(),
  messageBytesMax: bytes.optional(),
});

const listeners = z.array(
  z.preprocess(
    // A listener without kind is one for MLLP.
    (one) => (typeof one === 'object' && one !== null && !('kind' in one) ? { ...one, kind: 'mllp' } : one),
    z.discriminatedUnion('kind', [mllp, http, file]),
  ),
);

export type MllpListenerConfig = z.output<typeof mllp>;
export type HttpListenerConfig = z.output<typeof http>;
export type FileListenerConfig = z.output<typeof file>;
export type ListenerConfig = MllpListenerConfig | HttpListenerConfig | FileListenerConfig;

/** The names of MLLP_PORT and POST /hl7. */
export const defaultListener = 'default';

/**
 * Reads HL7_LISTENERS: a JSON array, or the path of a file that has one. Paths in it count from that file's folder, else
 * from the working directory. Throws CerebraError `config` that names the listener and what is wrong with it.
 */
export function readListeners(text: string | undefined): ListenerConfig[] {
  if (text === undefined || text.trim() === '') return [];
  const isInline = text.trimStart().startsWith('[');
  const json = isInline ? text : readConfigFile(text);
  const parsed = listeners.safeParse(parseJson(json));
  if (!parsed.success) throw wrong(z.prettifyError(parsed.error));
  const base = isInline ? process.cwd() : path.dirname(path.resolve(text));
  const found = parsed.data.map((one) => absolute(one, base));
  const faults = [...repeatedNames(found), ...found.flatMap(exposed), ...found.flatMap(folderFaults)];
  if (faults.length > 0) throw wrong(faults.join('\n'));
  return found;
}

const wrong = (text: string): CerebraError => new CerebraError('config', `HL7_LISTENERS: ${text}`);

function readConfigFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CerebraError('config', `HL7_LISTENERS: neither a JSON array nor a file that can be read: ${file}`, {
      cause,
    });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CerebraError('config', `HL7_LISTENERS: not JSON: ${(cause as Error).message}`, { cause });
  }
}

function absolute(one: ListenerConfig, base: string): ListenerConfig {
  if (one.kind === 'file') {
    const folder = path.resolve(base, one.folder);
    return { ...one, folder, done: path.resolve(folder, one.done), error: path.resolve(folder, one.error) };
  }
  if (one.kind === 'http' || one.tls === undefined) return one;
  const { cert, key, ca } = one.tls;
  const files = { cert: path.resolve(base, cert), key: path.resolve(base, key) };
  return { ...one, tls: { ...one.tls, ...files, ...(ca === undefined ? {} : { ca: path.resolve(base, ca) }) } };
}

function repeatedNames(found: readonly ListenerConfig[]): string[] {
  const seen = new Set<string>();
  const faults: string[] = [];
  for (const { kind, name } of found) {
    if (name === defaultListener) faults.push(`'${name}' is the name of MLLP_PORT and POST /hl7: take another`);
    else if (seen.has(`${kind} ${name}`)) faults.push(`two listeners of kind ${kind} have the name '${name}'`);
    seen.add(`${kind} ${name}`);
  }
  return faults;
}

/** Whoever reaches the port of an MLLP listener writes patients' records. */
function exposed(one: ListenerConfig): string[] {
  if (one.kind !== 'mllp' || isLoopback(one.host) || one.tls?.requestCert || one.allow !== undefined) return [];
  return [
    `listener '${one.name}' would take messages from everybody who reaches ${one.host}:${one.port}: give it tls with requestCert and ca, or the addresses that may connect in allow, or a loopback host`,
  ];
}

function folderFaults(one: ListenerConfig): string[] {
  if (one.kind !== 'file') return [];
  const { folder, done, error } = one;
  if (new Set([folder, done, error]).size === 3) return [];
  return [`listener '${one.name}': folder, done and error must be three folders`];
}
