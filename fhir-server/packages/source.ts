// Where the files of a package are: an archive, on disk or as bytes, or a folder that one was unpacked to.
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { CerebraError, readTgz, type TgzFile, type TgzLimits } from '#platform';
import { type Manifest, parseManifest } from './manifest.ts';

export interface PackageSource {
  /** For messages: the file, the folder or the address. */
  readonly name: string;
  /** Of the archive, or of all files: for progress. */
  readonly bytes: number;
  /** The files that `wants` names, `package/…`; may be read again. `onRead` is told how many of `bytes` are read so far. */
  files(wants: (name: string) => boolean, onRead?: (bytes: number) => void): AsyncGenerator<TgzFile>;
}

/** The largest package there is, of value sets of the VSAC, unpacks to some 2 GB; a resource of 64 MB is a code system. */
const packageLimits: TgzLimits = {
  entriesMax: 200_000,
  fileBytesMax: 64 * 1024 * 1024,
  totalBytesMax: 4 * 1024 * 1024 * 1024,
};

async function* counted(
  source: AsyncIterable<Uint8Array>,
  onRead?: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.length;
    onRead?.(bytes);
    yield piece;
  }
}

/** Of one that is sent along: with a body of 50 MB, 37 packed, real ones unpack to half of this. */
const sentLimits: TgzLimits = { ...packageLimits, totalBytesMax: 1024 * 1024 * 1024 };

export function archiveOf(bytes: Uint8Array, name: string): PackageSource {
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  return {
    ...{ name, bytes: bytes.length },
    files: (wants, onRead) => readTgz(counted(whole(), onRead), name, sentLimits, wants),
  };
}

async function archiveAt(file: string, name: string): Promise<PackageSource> {
  const { size } = await stat(file);
  return {
    ...{ name, bytes: size },
    files: (wants, onRead) => readTgz(counted(createReadStream(file), onRead), name, packageLimits, wants),
  };
}

/** The folder with package.json in it: of an unpacked archive that is `package/`. */
async function packageFolder(folder: string): Promise<string | undefined> {
  for (const one of [path.join(folder, 'package'), folder]) {
    const found = await stat(path.join(one, 'package.json')).catch(() => undefined);
    if (found?.isFile()) return one;
  }
  return undefined;
}

async function* filesBelow(folder: string, below: string): AsyncGenerator<string> {
  const entries = await readdir(path.join(folder, below), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = path.posix.join(below, entry.name);
    if (entry.isDirectory()) yield* filesBelow(folder, name);
    // What a symbolic link leads to is no part of the package.
    else if (entry.isFile()) yield name;
  }
}

async function* filesOf(
  folder: string,
  wants: (name: string) => boolean,
  onRead?: (bytes: number) => void,
): AsyncGenerator<TgzFile> {
  let total = 0;
  for await (const below of filesBelow(folder, '')) {
    const name = `package/${below}`;
    if (!wants(name)) continue;
    const file = path.join(folder, below);
    const { size } = await stat(file);
    if (size > packageLimits.fileBytesMax) {
      throw new CerebraError('too-large', `${file} has more than ${packageLimits.fileBytesMax} bytes`);
    }
    total += size;
    onRead?.(total);
    yield { name, content: await readFile(file) };
  }
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for await (const below of filesBelow(folder, '')) bytes += (await stat(path.join(folder, below))).size;
  return bytes;
}

/** The archive, or the unpacked package; undefined for a folder that is none. Throws `config` for what is not there. */
export async function sourceAt(file: string, name = file): Promise<PackageSource | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (!found) throw new CerebraError('config', `${file}: there is no such file or folder`);
  if (!found.isDirectory()) return archiveAt(file, name);
  const folder = await packageFolder(file);
  if (folder === undefined) return undefined;
  return {
    ...{ name, bytes: await folderBytes(folder) },
    files: (wants, onRead) => filesOf(folder, wants, onRead),
  };
}

const MANIFEST = 'package/package.json';

/** Throws `invalid` for an archive without one. It is the first file of most archives, and nothing is read after it. */
export async function readManifest(source: PackageSource): Promise<Manifest> {
  for await (const { content } of source.files((name) => name === MANIFEST)) return parseManifest(content, source.name);
  throw new CerebraError('invalid', `${source.name}: no FHIR package, there is no ${MANIFEST} in it`);
}
