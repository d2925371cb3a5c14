// Conformance profiles as files (HL7_PROFILES_DIR): `name.xml`, or a folder `name` with the documents of one profile.
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';

export interface ProfileFile {
  name: string;
  /** Another one where its content may have changed. */
  signature: string;
  /** The documents. Throws where they can't be read or are larger than 32 MiB. */
  read(): Promise<string[]>;
}

const fileBytesMax = 32 * 1024 * 1024;

/** What profiles are called, in routes too. */
export const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * Undefined where there is no folder: what came from it stays. Names that no route could say are passed over, and the second of one
 * name (`phin-3.2` and `phin-3.2.xml`), for which each look would find another content than the first had.
 */
export async function profileFiles(folder: string): Promise<ProfileFile[] | undefined> {
  const names = await namesIn(folder);
  if (names === undefined) return undefined;
  const found: ProfileFile[] = [];
  for (const entry of names) {
    const file = await profileAt(folder, entry);
    if (file === undefined || !nameForm.test(file.name) || found.some(({ name }) => name === file.name)) continue;
    found.push(file);
  }
  return found;
}

const isXml = (name: string): boolean => /\.xml$/i.test(name) && !name.startsWith('.');

async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    return (await readdir(folder)).filter((name) => !name.startsWith('.')).toSorted();
  } catch {
    return undefined;
  }
}

async function profileAt(folder: string, entry: string): Promise<ProfileFile | undefined> {
  const place = path.join(folder, entry);
  const status = await stat(place).catch(() => undefined);
  if (status?.isDirectory()) {
    const files = ((await namesIn(place)) ?? []).filter(isXml).map((name) => path.join(place, name));
    return files.length === 0 ? undefined : fileOf(entry, files);
  }
  return status !== undefined && isXml(entry) ? fileOf(entry.replace(/\.xml$/i, ''), [place]) : undefined;
}

async function fileOf(name: string, files: readonly string[]): Promise<ProfileFile> {
  const statuses = await Promise.all(files.map((file) => stat(file).catch(() => undefined)));
  const marks = statuses.map((one, index) => `${files[index]}/${one?.mtimeMs}/${one?.size}/${one?.ino}`);
  return {
    name,
    signature: marks.join('|'),
    async read() {
      const bytes = statuses.reduce((sum, one) => sum + (one?.size ?? 0), 0);
      if (bytes > fileBytesMax) throw new RangeError(`larger than ${fileBytesMax} bytes`);
      return Promise.all(files.map((file) => readFile(file, 'utf8')));
    },
  };
}
