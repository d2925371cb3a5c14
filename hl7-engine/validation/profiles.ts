// The conformance profiles that are in force: from the folder and from PostgreSQL, compiled when they change.
import { CerebraError, type Db, type Log } from '#platform';
import { following } from '../following.ts';
import { compileProfile, type Profile } from './profile/profile.ts';
import { ProfileFault } from './profile/profile-fault.ts';
import { profileFiles } from './profile-folder.ts';
import { createProfileStore, type ProfileStore, type StoredProfile } from './profile-store.ts';

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

/** What a server knows of profiles. */
interface Shelf {
  log: Log;
  folder: string | undefined;
  store: ProfileStore;
  problems: Map<string, string>;
  files: Map<string, KnownProfile>;
  stored: Map<string, KnownProfile>;
  /** Of files, those that can't be used too. */
  signatures: Map<string, string>;
  /** Of the database, as it was last read. */
  seen: bigint | undefined;
}

export function createProfiles({ db, log, folder, pollIntervalMs = 1_000 }: ProfilesOptions): Profiles {
  const store = createProfileStore(db);
  const shelf: Shelf = {
    ...{ log, folder, store, seen: undefined },
    ...{ problems: new Map(), files: new Map(), stored: new Map(), signatures: new Map() },
  };
  const { files, stored, signatures, problems } = shelf;
  const find = (name: string): KnownProfile | undefined => files.get(name) ?? stored.get(name);
  const { refresh, start, stop } = following(
    () => follow(shelf),
    pollIntervalMs,
    (err) => log.warn({ err }, 'HL7 profiles could not be read; those in force stay'),
  );
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
    start,
    stop,
  };
}

async function follow(shelf: Shelf): Promise<void> {
  await scan(shelf);
  const { store, stored, problems, signatures } = shelf;
  const revision = await store.revision();
  if (revision === shelf.seen) return;
  const rows = await store.all();
  for (const row of rows) {
    const { name, documents } = row;
    if (stored.get(name)?.stored?.at === row.at) continue;
    const profile = compile(shelf, name, documents);
    if (profile !== undefined) stored.set(name, { name, origin: 'api', documents, profile, stored: row });
  }
  const names = new Set(rows.map(({ name }) => name));
  for (const name of [...stored.keys()].filter((one) => !names.has(one))) stored.delete(name);
  for (const name of problems.keys()) if (!names.has(name) && !signatures.has(name)) problems.delete(name);
  shelf.seen = revision;
}

async function scan(shelf: Shelf): Promise<void> {
  const { folder, files, signatures, problems } = shelf;
  const found = folder === undefined ? [] : await profileFiles(folder);
  if (found === undefined) return;
  for (const { name, signature, read } of found) {
    if (signatures.get(name) === signature) continue;
    signatures.set(name, signature);
    const documents = await read().catch((error: unknown) => {
      // What cannot be read now may be later, without another signature: rights that are given, a drive that is back.
      signatures.set(name, '');
      return fail(shelf, name, (error as Error).message);
    });
    const profile = documents && compile(shelf, name, documents);
    if (profile) files.set(name, { name, origin: 'folder', documents, profile });
  }
  const names = new Set(found.map(({ name }) => name));
  for (const name of [...signatures.keys()].filter((one) => !names.has(one))) {
    for (const map of [signatures, files, problems]) map.delete(name);
  }
}

function compile(shelf: Shelf, name: string, documents: readonly string[]): Profile | undefined {
  try {
    const profile = compileProfile(documents);
    shelf.problems.delete(name);
    shelf.log.info({ profile: name, title: profile.title, rules: profile.rules }, 'HL7 profile in force');
    return profile;
  } catch (error) {
    if (!(error instanceof ProfileFault)) throw error;
    fail(shelf, name, error.message);
    return undefined;
  }
}

function fail({ problems, log }: Shelf, name: string, problem: string): undefined {
  if (problems.get(name) === problem) return;
  problems.set(name, problem);
  log.error({ profile: name, problem }, 'HL7 profile not in force; its former version stays');
  return undefined;
}

function checkDocuments(documents: readonly string[]): void {
  try {
    compileProfile(documents);
  } catch (error) {
    if (!(error instanceof ProfileFault)) throw error;
    throw new CerebraError('invalid', `Not a profile: ${error.message}`, { cause: error });
  }
}
