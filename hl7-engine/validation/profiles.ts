// The conformance profiles that are in force: from the folder and from PostgreSQL, compiled when they change.
import { CerebraError, type Db, type Log } from '#platform';
import { compileProfile, type Profile } from './profile/profile.ts';
import { ProfileFault } from './profile/profile-fault.ts';
import { profileFiles } from './profile-folder.ts';
import { createProfileStore, type StoredProfile } from './profile-store.ts';

export interface KnownProfile {
  name: string;
  origin: 'api' | 'folder';
  documents: readonly string[];
  profile: Profile;
  /** Of those of the admin API. */
  stored?: StoredProfile;
}

export interface Profiles {
  find(name: string): KnownProfile | undefined;
  /** In the order of their names. */
  all(): KnownProfile[];
  /** Why the latest documents of a name are not in force; its former ones stay. */
  readonly problems: ReadonlyMap<string, string>;
  /** Throws CerebraError `invalid` for what is no profile, `business-rule` for the name of a file. */
  put(profile: Omit<StoredProfile, 'at'>): Promise<KnownProfile>;
  /** Throws CerebraError `not-found`, `business-rule`. */
  remove(name: string): Promise<void>;
  /** Reads folder and database, and follows them. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ProfilesOptions {
  db: Db;
  log: Log;
  folder?: string | undefined;
  /** How soon a change of a file or by another server is in force; default 1 s. */
  pollIntervalMs?: number;
}

export function createProfiles({ db, log, folder, pollIntervalMs = 1_000 }: ProfilesOptions): Profiles {
  const store = createProfileStore(db);
  const problems = new Map<string, string>();
  const files = new Map<string, KnownProfile>();
  const stored = new Map<string, KnownProfile>();
  const signatures = new Map<string, string>();
  let seen: bigint | undefined;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const find = (name: string): KnownProfile | undefined => files.get(name) ?? stored.get(name);

  const compile = (name: string, documents: readonly string[]): Profile | undefined => {
    try {
      const profile = compileProfile(documents);
      problems.delete(name);
      log.info({ profile: name, title: profile.title, rules: profile.rules }, 'HL7 profile in force');
      return profile;
    } catch (error) {
      if (!(error instanceof ProfileFault)) throw error;
      fail(name, error.message);
      return undefined;
    }
  };
  const fail = (name: string, problem: string): void => {
    problems.set(name, problem);
    log.error({ profile: name, problem }, 'HL7 profile not in force; its former version stays');
  };

  async function scan(): Promise<void> {
    const found = folder === undefined ? [] : await profileFiles(folder);
    if (found === undefined) return;
    for (const { name, signature, read } of found) {
      if (signatures.get(name) === signature) continue;
      signatures.set(name, signature);
      const documents = await read().catch((error: unknown) => fail(name, (error as Error).message));
      const profile = documents && compile(name, documents);
      if (profile) files.set(name, { name, origin: 'folder', documents, profile });
    }
    const names = new Set(found.map(({ name }) => name));
    for (const name of [...signatures.keys()].filter((one) => !names.has(one))) {
      for (const map of [signatures, files, problems]) map.delete(name);
    }
  }

  async function follow(): Promise<void> {
    await scan();
    const revision = await store.revision();
    if (revision === seen) return;
    const rows = await store.all();
    for (const row of rows) {
      if (stored.get(row.name)?.stored?.at === row.at) continue;
      const profile = compile(row.name, row.documents);
      const { name, documents } = row;
      if (profile !== undefined) stored.set(name, { name, origin: 'api', documents, profile, stored: row });
    }
    const names = new Set(rows.map(({ name }) => name));
    for (const name of [...stored.keys()].filter((one) => !names.has(one))) stored.delete(name);
    seen = revision;
  }

  const refresh = (): Promise<void> => {
    const now = running.then(follow);
    running = now.catch(() => undefined);
    return now;
  };
  const poll = (): void => {
    timer = setTimeout(() => {
      refresh()
        .catch((error: unknown) => log.warn({ err: error }, 'HL7 profiles could not be read; those in force stay'))
        .finally(() => timer !== undefined && poll());
    }, pollIntervalMs);
  };
  const changeable = (name: string): void => {
    if (!signatures.has(name)) return;
    throw new CerebraError('business-rule', `Profile ${name} is a file of HL7_PROFILES_DIR: change it there`);
  };
  return {
    find,
    problems,
    all: () => [...new Set([...files.keys(), ...stored.keys()])].toSorted().map((name) => find(name)!),
    async put(profile) {
      changeable(profile.name);
      checkDocuments(profile.documents);
      await store.put(profile);
      await refresh();
      return stored.get(profile.name)!;
    },
    async remove(name) {
      changeable(name);
      if (!(await store.remove(name))) throw new CerebraError('not-found', `There is no profile ${name}`);
      await refresh();
    },
    async start() {
      await refresh();
      poll();
    },
    async stop() {
      clearTimeout(timer);
      timer = undefined;
      await running;
    },
  };
}

function checkDocuments(documents: readonly string[]): void {
  try {
    compileProfile(documents);
  } catch (error) {
    if (!(error instanceof ProfileFault)) throw error;
    throw new CerebraError('invalid', `Not a profile: ${error.message}`, { cause: error });
  }
}
