// The files of a release, be it a folder, a ZIP archive or one file, perhaps gzipped.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { createGunzip } from 'node:zlib';
import { CerebraError, openZip } from '#platform';

export interface ReleaseFile {
  /** For messages, and to tell what it is: the path below the release, with `/`. */
  readonly name: string;
  /** Of the file as it stands, packed or not: what progress is measured by. */
  readonly bytes: number;
  /** The content, unpacked. Throws `invalid` for damaged archives. */
  read(): AsyncGenerator<Buffer>;
  /** Another text for another content; of a file that is in no archive its bytes are read for it. */
  mark(): Promise<string>;
}

export interface Release {
  /** As it was given. */
  readonly name: string;
  readonly files: readonly ReleaseFile[];
  close(): Promise<void>;
}

/** A release has some hundred files; a folder with more is not one. */
const FILES_MAX = 100_000;
const DEPTH_MAX = 20;

/** Told of each file how many of its bytes are read so far. */
export type OnRead = (file: string, bytes: number) => void;

const unreadable = (name: string, error: unknown): CerebraError =>
  new CerebraError('invalid', `${name}: it can't be read: ${(error as Error).message}`, { cause: error });

async function* readFile(full: string, name: string, gzip: boolean, onRead: OnRead): AsyncGenerator<Buffer> {
  const raw = createReadStream(full, { highWaterMark: 1024 * 1024 });
  const unpacked = createGunzip({ chunkSize: 256 * 1024 });
  if (gzip) {
    raw.on('error', (error) => unpacked.destroy(error));
    raw.pipe(unpacked);
  }
  try {
    for await (const bytes of gzip ? unpacked : raw) {
      onRead(name, raw.bytesRead);
      yield bytes as Buffer;
    }
  } catch (error) {
    throw unreadable(name, error);
  } finally {
    raw.destroy();
    unpacked.destroy();
  }
}

async function hashOf(full: string, name: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const bytes of createReadStream(full, { highWaterMark: 1024 * 1024 })) hash.update(bytes as Buffer);
  } catch (error) {
    throw unreadable(name, error);
  }
  return hash.digest('hex');
}

async function plainFile(full: string, name: string, onRead: OnRead): Promise<ReleaseFile> {
  const { size } = await stat(full);
  const gzip = /\.gz$/i.test(full);
  const shown = gzip ? name.slice(0, -3) : name;
  return {
    ...{ name: shown, bytes: size },
    read: () => readFile(full, shown, gzip, onRead),
    mark: () => hashOf(full, shown),
  };
}

async function* below(folder: string, depth = 0): AsyncGenerator<string> {
  if (depth > DEPTH_MAX) return;
  const found = await readdir(folder, { withFileTypes: true });
  for (const entry of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const full = path.join(folder, entry.name);
    if (entry.name.startsWith('.') || entry.name === '__MACOSX') continue;
    if (entry.isDirectory()) yield* below(full, depth + 1);
    else if (entry.isFile()) yield full;
  }
}

async function openFolder(folder: string, name: string, onRead: OnRead): Promise<Release> {
  const files: ReleaseFile[] = [];
  for await (const full of below(folder)) {
    if (files.length === FILES_MAX) throw new CerebraError('too-large', `${name}: more than ${FILES_MAX} files`);
    files.push(await plainFile(full, path.relative(folder, full).split(path.sep).join('/'), onRead));
  }
  return { name, files, close: async () => undefined };
}

async function openArchive(full: string, name: string, onRead: OnRead): Promise<Release> {
  const zip = await openZip(full, name);
  const files = zip.entries
    .filter((entry) => !entry.name.endsWith('/') && !/(^|\/)(__MACOSX\/|\.)/.test(entry.name))
    .map((entry) => ({
      name: entry.name,
      bytes: entry.packedBytes,
      read: () => zip.read(entry, (bytes) => onRead(entry.name, bytes)),
      mark: async () => `${entry.bytes} ${entry.crc}`,
    }));
  return { name, files, close: () => zip.close() };
}

/** Throws `config` when there is no such file or folder, `invalid` for a damaged archive. */
export async function openRelease(name: string, onRead: OnRead = () => undefined): Promise<Release> {
  const kind = await stat(name).catch(() => undefined);
  if (!kind) throw new CerebraError('config', `${name}: there is no such file or folder`);
  const full = await realpath(name);
  if (kind.isDirectory()) return openFolder(full, name, onRead);
  if (/\.zip$/i.test(full)) return openArchive(full, name, onRead);
  const file = await plainFile(full, path.basename(full), onRead);
  return { name, files: [file], close: async () => undefined };
}

/** The file's name without its folders. */
export const baseName = (file: ReleaseFile): string => file.name.slice(file.name.lastIndexOf('/') + 1);

/** The one file whose name fits; of several the shortest path, so that copies in sub-folders do not count. */
export function findFile(release: Release, pattern: RegExp): ReleaseFile | undefined {
  const found = release.files.filter((file) => pattern.test(baseName(file)));
  return found.sort((a, b) => a.name.length - b.name.length)[0];
}

export function filesLike(release: Release, pattern: RegExp): ReleaseFile[] {
  return release.files.filter((file) => pattern.test(baseName(file)));
}

/** As findFile(); throws `invalid` that names what is missing. */
export function needFile(release: Release, pattern: RegExp, called: string): ReleaseFile {
  const file = findFile(release, pattern);
  if (file) return file;
  throw new CerebraError('invalid', `${release.name}: the release has no ${called}`);
}
