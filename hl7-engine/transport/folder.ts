// A folder that files are dropped into: which are whole, in which order, and where they go.
import type { Dirent } from 'node:fs';
import { access, constants, lstat, mkdir, readdir, rename } from 'node:fs/promises';
import path from 'node:path';

export interface Folder {
  /** Makes the folders that are not there. Throws the system's error where one cannot be written to. */
  prepare(): Promise<void>;
  /** The first file by name, if it is whole; `waiting` files are there in all. */
  first(): Promise<{ name: string | undefined; waiting: number }>;
  /** Moves a file with its acknowledgments; an earlier one of that name stays beside it. Yields where it is now. */
  finish(name: string, target: 'done' | 'error', ackFile: string): Promise<string>;
}

export interface FolderOptions {
  folder: string;
  pattern: string;
  stableMs: number;
  done: string;
  error: string;
  /** Monotonic, milliseconds. */
  nowMs(): number;
}

/** A look at a file: it is whole when a later one finds the same. */
interface Look {
  state: string;
  sinceMs: number;
}

export function createFolder(options: FolderOptions): Folder {
  const { folder, stableMs, nowMs } = options;
  const matches = patternOf(options.pattern);
  let looks = new Map<string, Look>();

  const look = async (name: string): Promise<Look | undefined> => {
    const stat = await lstat(path.join(folder, name)).catch(() => undefined);
    if (stat === undefined) return undefined;
    const state = `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
    const former = looks.get(name);
    return former?.state === state ? former : { state, sinceMs: nowMs() };
  };

  return {
    async prepare() {
      for (const one of [folder, options.done, options.error]) {
        await mkdir(one, { recursive: true });
        await access(one, constants.R_OK | constants.W_OK);
      }
    },
    async first() {
      const names = (await readdir(folder, { withFileTypes: true }))
        .filter((entry) => isCandidate(entry) && matches(entry.name))
        .map(({ name }) => name)
        .sort(byCode);
      const seen = new Map<string, Look>();
      // All are looked at, so that each has been still for long enough when its turn comes.
      for (const name of names) {
        const found = await look(name);
        if (found !== undefined) seen.set(name, found);
      }
      looks = seen;
      const [first] = seen;
      const isWhole = first !== undefined && nowMs() - first[1].sinceMs >= stableMs;
      return { name: isWhole ? first[0] : undefined, waiting: seen.size };
    },
    async finish(name, target, ackFile) {
      const place = await freePlace(options[target], name);
      await rename(ackFile, `${place}.ack`);
      await rename(path.join(folder, name), place);
      return place;
    },
  };
}

/** Files alone: a link might lead anywhere, and names with a dot in front are of whoever is still writing. */
const isCandidate = (entry: Dirent): boolean =>
  entry.isFile() && !entry.name.startsWith('.') && entry.name !== 'cerebra.lock';

const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function patternOf(glob: string): (name: string) => boolean {
  const source = glob
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const pattern = new RegExp(`^${source}$`, 's');
  return (name) => pattern.test(name);
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
