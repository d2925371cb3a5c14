// Routes as files of a folder (HL7_ROUTES_DIR), one JSON object each: what the files say is made so, as versions like any other.
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { isCerebraError, type Log } from '#platform';
import { elementProblems } from './element-fault.ts';
import { problemsText, readRoute } from './read-route.ts';
import type { RouteStore, StoredVersion } from './store.ts';

export interface RouteFolder {
  /** Looks at the folder; what has changed is stored. A file that is no route is logged once, and its former version stays. */
  scan(): Promise<void>;
}

interface FoundFile {
  file: string;
  /** Another one where its content may have changed. */
  signature: string;
  /** Undefined while it is no route. */
  found: { id: string; body: string } | undefined;
  /** Why it is none. */
  problem?: string;
  /** It could not be read, which passes without another signature: rights that are given, a drive that is back. */
  isUnread?: boolean;
}

const fileBytesMax = 1024 * 1024;

/**
 * By looking each time and not by events of the file system: those are missing on network drives, and a mounted
 * Kubernetes ConfigMap changes by moving a link to another folder.
 */
export function createRouteFolder(folder: string, store: RouteStore, log: Log): RouteFolder {
  let files = new Map<string, FoundFile>();
  let isStored = false;
  let isThere: boolean | undefined;
  return {
    async scan() {
      const names = await namesIn(folder);
      const wasThere = isThere;
      isThere = names !== undefined;
      if (isThere !== wasThere)
        log.info({ folder, isThere }, 'HL7 route folder; without it routes come from the database alone');
      if (names === undefined) return;
      const now = new Map<string, FoundFile>();
      for (const file of names) now.set(file, await look(folder, file, files.get(file), log));
      const isSame = now.size === files.size && [...now].every(([file, one]) => files.get(file) === one);
      files = now;
      if (isSame && isStored) return;
      isStored = false;
      isStored = await storeAll([...now.values()], store, log);
    },
  };
}

/** Undefined where there is no folder, or it can't be read: that is no reason to delete what came from it. */
async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.json') && !name.startsWith('.')).toSorted();
  } catch {
    return undefined;
  }
}

async function look(folder: string, file: string, known: FoundFile | undefined, log: Log): Promise<FoundFile> {
  let signature = '';
  try {
    const { mtimeMs, size, ino } = await stat(path.join(folder, file));
    signature = `${mtimeMs}/${size}/${ino}`;
    if (known?.signature === signature && !known.isUnread) return known;
    if (size > fileBytesMax) throw new RangeError(`larger than ${fileBytesMax} bytes`);
    const input: unknown = JSON.parse(await readFile(path.join(folder, file), 'utf8'));
    const read = readRoute(input);
    if ('problems' in read) throw new RangeError(problemsText(read.problems));
    const problems = await elementProblems(read.route);
    if (problems.length > 0) throw new RangeError(problemsText(problems));
    return { file, signature, found: { id: read.route.id, body: JSON.stringify(input) } };
  } catch (error) {
    const { message: problem, syscall } = error as NodeJS.ErrnoException;
    if (known?.signature === signature && known.problem === problem) return known;
    log.error({ file, problem }, 'HL7 route file is not taken; the former version stays');
    return { file, signature, found: undefined, problem, isUnread: syscall !== undefined };
  }
}

/** Whether all that the files say is stored now. */
async function storeAll(files: readonly FoundFile[], store: RouteStore, log: Log): Promise<boolean> {
  const heads = new Map((await store.heads()).map((head) => [head.id, head]));
  const holders = new Map<string, string>();
  for (const { file, found } of files) {
    if (found === undefined) continue;
    const other = holders.get(found.id);
    if (other !== undefined) {
      log.error({ file, other, route: found.id }, 'HL7 route file is not taken: another file has that route');
      continue;
    }
    holders.set(found.id, file);
    if (!(await storeOne(found, file, heads.get(found.id), store, log))) return false;
  }
  // A file that can't be read now may be the one of a route that seems to have gone.
  if (files.some(({ found }) => found === undefined)) return true;
  for (const head of heads.values()) {
    if (head.origin !== 'folder' || head.body === null || holders.has(head.id)) continue;
    const change = { id: head.id, body: null, expected: head.version, action: 'delete' as const };
    if (!(await attempt(store, change, head.comment, log))) return false;
  }
  return true;
}

async function storeOne(
  { id, body }: { id: string; body: string },
  file: string,
  head: StoredVersion | undefined,
  store: RouteStore,
  log: Log,
): Promise<boolean> {
  if (head?.body === body && head.origin === 'folder') return true;
  const expected = head === undefined || head.body === null ? 0 : head.version;
  return attempt(store, { id, body, expected, action: 'put' }, file, log);
}

interface FolderChange {
  id: string;
  body: string | null;
  expected: number;
  action: 'put' | 'delete';
}

/** False when somebody changed the route at the same moment: looked at again the next time. */
async function attempt(store: RouteStore, change: FolderChange, file: string, log: Log): Promise<boolean> {
  try {
    const version = await store.change({ ...change, author: 'folder', comment: file, origin: 'folder' });
    log.info({ route: change.id, version, file, action: change.action }, 'HL7 route changed by its file');
    return true;
  } catch (error) {
    if (isCerebraError(error, 'precondition-failed')) return false;
    throw error;
  }
}
