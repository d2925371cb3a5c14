// The files of a load: which, in which order, and their content piece by piece.
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { createGunzip } from 'node:zlib';
import { CerebraError } from '#platform';
import type { FileIdentity } from './checkpoints.ts';

export interface InputFile extends FileIdentity {
  /** As it was given, for messages. */
  name: string;
  kind: 'lines' | 'json';
  gzip: boolean;
}

const formats = /\.(ndjson|jsonl|json)(\.gz)?$/i;

/**
 * What others refer to comes first, so that conditional references find it: bulk exports name files for their types
 * (https://hl7.org/fhir/uv/bulkdata/).
 */
const first = ['Organization', 'Location', 'Practitioner', 'PractitionerRole', 'Medication', 'Device', 'Patient'];

function rank(name: string): number {
  const type = /^[A-Za-z]+/.exec(path.basename(name))?.[0] ?? '';
  const place = first.indexOf(type);
  return place === -1 ? first.length : place;
}

async function* filesBelow(name: string): AsyncGenerator<string> {
  const found = await readdir(name, { withFileTypes: true });
  for (const entry of found) {
    const full = path.join(name, entry.name);
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) yield* filesBelow(full);
    else if (formats.test(entry.name)) yield full;
  }
}

async function identify(name: string): Promise<InputFile> {
  const [, format = '', gz] = formats.exec(name) ?? [];
  if (format === '')
    throw new CerebraError('config', `${name}: load reads .ndjson, .jsonl and .json, each also as .gz`);
  const full = await realpath(name);
  const { size, mtimeNs } = await stat(full, { bigint: true });
  const kind = format.toLowerCase() === 'json' ? 'json' : 'lines';
  return { name, path: full, bytes: Number(size), modified: mtimeNs, kind, gzip: gz !== undefined };
}

/** All files of these files and folders, each once. Throws `config` for what is not there or is of another kind. */
export async function findFiles(names: readonly string[]): Promise<InputFile[]> {
  const found = new Map<string, InputFile>();
  for (const name of names) {
    const kind = await stat(name).catch(() => undefined);
    if (!kind) throw new CerebraError('config', `${name}: there is no such file or folder`);
    const below = kind.isDirectory() ? await Array.fromAsync(filesBelow(name)) : [name];
    for (const each of below) {
      const file = await identify(each);
      found.set(file.path, file);
    }
  }
  return [...found.values()].sort((a, b) => rank(a.name) - rank(b.name) || (a.path < b.path ? -1 : 1));
}

/** A file can't be read, or can't be unpacked. */
export class FileFault extends Error {}

/** The content, unpacked; throws FileFault. `onRead` is told how many of the file's own bytes are read so far. */
export async function* contentOf(file: InputFile, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  const raw = createReadStream(file.path, { highWaterMark: 1024 * 1024 });
  const unpacked = createGunzip({ chunkSize: 256 * 1024 });
  if (file.gzip) {
    raw.on('error', (error) => unpacked.destroy(error));
    raw.pipe(unpacked);
  }
  try {
    for await (const bytes of file.gzip ? unpacked : raw) {
      onRead(raw.bytesRead);
      yield bytes as Buffer;
    }
  } catch (error) {
    throw new FileFault((error as Error).message, { cause: error });
  } finally {
    raw.destroy();
    unpacked.destroy();
  }
}

/** All of it; undefined when it is more than `bytesMax`, be it that only the unpacked content is. */
export async function readWhole(file: InputFile, bytesMax: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (!file.gzip && file.bytes > bytesMax) return undefined;
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of contentOf(file, () => undefined)) {
    bytes += part.length;
    if (bytes > bytesMax) return undefined;
    parts.push(part);
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
