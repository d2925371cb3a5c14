// A folder that files are dropped into: which are whole, in which order, and where they go.
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { access, constants, lstat, mkdir, readdir, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { CerebraError } from '#platform';

export interface Dropped {
  name: string;
  /** As the system has it: a name is any bytes, and not always UTF-8. */
  path: Buffer;
}

/** Which file it is, whatever it is called. */
export interface FileIdentity {
  dev: number;
  ino: number;
}

export interface Folder {
  /** Makes the folders that are not there. Throws the system's error where one cannot be written to, `config` where files cannot be moved. */
  prepare(): Promise<void>;
  /** The first file by name of those that were there at the last listing, if it is whole; `waiting` files are there in all. */
  first(): Promise<{ file: Dropped | undefined; waiting: number }>;
  /**
   * Moves a file with its acknowledgments; an earlier one of that name stays beside it. Yields where it is now, undefined
   * where it is no longer the one that was read: it has gone, or another has its name.
   */
  finish(file: Dropped, read: FileIdentity, target: 'done' | 'error', ackFile: string): Promise<string | undefined>;
}

export interface FolderOptions {
  folder: string;
  pattern: string;
  stableMs: number;
  /** While whole files follow each other, the folder is listed so often, or less often where that takes long. */
  pollMs: number;
  done: string;
  error: string;
  /** Monotonic, milliseconds. */
  nowMs(): number;
}

/** A look at a file: it is whole when a later one finds the same. */
interface Look {
  file: Dropped;
  state: string;
  sinceMs: number;
}

/** Of the time that a listing takes, so many times is worked off before the next: listed for each file, 2,000 took 0.3 s a file. */
const listPauseFactor = 20;

export function createFolder(options: FolderOptions): Folder {
  const { folder, stableMs, pollMs, nowMs } = options;
  const matches = patternOf(options.pattern);
  /** In the order in which they are read. */
  let looks = new Map<string, Look>();
  let listAgainMs = Number.NEGATIVE_INFINITY;

  const look = async (file: Dropped): Promise<Look | undefined> => {
    const found = await lstat(file.path).catch(() => undefined);
    if (found === undefined) return undefined;
    const state = `${found.ino} ${found.size} ${found.mtimeMs}`;
    const former = looks.get(keyOf(file));
    return former?.state === state ? former : { file, state, sinceMs: nowMs() };
  };

  const list = async (): Promise<void> => {
    const startMs = nowMs();
    const files = (await readdir(folder, { withFileTypes: true, encoding: 'buffer' }))
      .filter((entry) => entry.isFile())
      .map((entry) => droppedIn(folder, entry))
      .filter(({ name }) => isCandidate(name) && matches(name))
      .sort((a, b) => byCode(a.name, b.name));
    const seen = new Map<string, Look>();
    // All are looked at, so that each has been still for long enough when its turn comes.
    for (const file of files) {
      const found = await look(file);
      if (found !== undefined) seen.set(keyOf(file), found);
    }
    looks = seen;
    const endMs = nowMs();
    listAgainMs = endMs + Math.max(pollMs, listPauseFactor * (endMs - startMs));
  };

  return {
    async prepare() {
      const devices = new Set<number>();
      for (const one of [folder, options.done, options.error]) {
        await mkdir(one, { recursive: true });
        await access(one, constants.R_OK | constants.W_OK);
        devices.add((await stat(one)).dev);
      }
      // Told before a file is read: it could not be moved, and would be read again and again.
      if (devices.size > 1) {
        throw new CerebraError(
          'config',
          `The folders done and error must be on the file system of the drop folder ${folder}`,
        );
      }
    },
    async first() {
      if (nowMs() >= listAgainMs) await list();
      for (const [key, { file }] of looks) {
        const found = await look(file);
        if (found === undefined) {
          looks.delete(key);
          continue;
        }
        looks.set(key, found);
        if (nowMs() - found.sinceMs >= stableMs) return { file, waiting: looks.size };
        break;
      }
      listAgainMs = Number.NEGATIVE_INFINITY;
      return { file: undefined, waiting: looks.size };
    },
    async finish(file, read, target, ackFile) {
      const place = await freePlace(options[target], placeName(file.name));
      // Under the name of what was read may stand what nobody has read: a writer renamed its next file to it.
      const now = await lstat(file.path).catch(() => undefined);
      if (now === undefined || now.ino !== read.ino || now.dev !== read.dev) return undefined;
      await rename(ackFile, `${place}.ack`);
      await rename(file.path, place);
      looks.delete(keyOf(file));
      return place;
    },
  };
}

/** What is not UTF-8 is shown as ISO 8859-1, which has a letter for every byte. */
function droppedIn(folder: string, { name }: Dirent<Buffer>): Dropped {
  return {
    name: isUtf8(name) ? name.toString() : name.toString('latin1'),
    path: Buffer.concat([Buffer.from(`${folder}${path.sep}`), name]),
  };
}

const keyOf = (file: Dropped): string => file.path.toString('latin1');

/** Names with a dot in front are of whoever is still writing. Links are no files: one might lead anywhere. */
const isCandidate = (name: string): boolean => !name.startsWith('.') && name !== 'cerebra.lock';

const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Whether a name is one of the pattern's. */
export function patternOf(glob: string): (name: string) => boolean {
  const source = glob
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const pattern = new RegExp(`^${source}$`, 's');
  return (name) => pattern.test(name);
}

/** File systems have names of 255 bytes; `.ack` and a number have to fit behind. */
const placeBytesMax = 240;

/** A name that is too long is cut, and told apart by its hash. */
function placeName(name: string): string {
  if (Buffer.byteLength(name) <= placeBytesMax) return name;
  const { ext } = path.parse(name);
  const end = `~${createHash('sha256').update(name).digest('hex').slice(0, 16)}${ext.length > 16 ? '' : ext}`;
  let kept = '';
  for (const character of name) {
    if (Buffer.byteLength(kept + character + end) > placeBytesMax) break;
    kept += character;
  }
  return `${kept}${end}`;
}

/** `x.hl7`, else `x.hl7.2` …: nobody else writes there, the folder is locked. */
async function freePlace(folder: string, name: string): Promise<string> {
  for (let number = 1; ; number++) {
    const place = path.join(folder, number === 1 ? name : `${name}.${number}`);
    if (!(await exists(place)) && !(await exists(`${place}.ack`))) return place;
  }
}

const exists = (file: string): Promise<boolean> =>
  lstat(file).then(
    () => true,
    () => false,
  );
