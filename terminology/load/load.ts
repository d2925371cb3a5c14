// `cerebra load-terminology`: releases of terminologies into the tables of the code systems. docs/terminology.md, "Loading".
// A system is there when all of it is. A load that broke off is gone on with: what is committed is read once more and passed
// over, as are, of a release or package with several systems, those that are complete.
import type { Resource } from '#fhir-model';
import { CerebraError, type Db } from '#platform';
import { clearUp } from '../system-tables.ts';
import { activeSystems } from '../tables.ts';
import { removeUnfinished } from '../unfinished.ts';
import type { WrittenSystem } from '../write-hierarchy.ts';
import { type NewSystem, type SystemWriter, writeSystem } from '../write-system.ts';
import { createFaults, type Faults, type LoadFault } from './faults.ts';
import type { Format, LoadContext } from './format.ts';
import { formats } from './formats.ts';
import { markOf } from './mark.ts';
import { openRelease, type Release } from './release.ts';
import { withoutBadCodes, withoutRefused } from './sift.ts';

export interface TerminologyProgress {
  /** Of the files as they stand, packed or not; those twice that are read twice. */
  bytesTotal: number;
  bytesDone: number;
  concepts: number;
  faults: number;
}

export interface LoadedSystem {
  url: string;
  version: string;
  concepts: number;
  /** Pairs of a concept and one above it. */
  closure: number;
}

export type Stored = 'created' | 'updated' | 'present';

export interface TerminologyLoadOptions {
  db: Db;
  /** File or folder. */
  name: string;
  /** Name of a format; default: told by the files. */
  format?: string | undefined;
  /** A fault refuses the system that it is in. */
  strict: boolean;
  /** Loads what is there already. */
  again: boolean;
  version?: string | undefined;
  module?: string | undefined;
  language?: string | undefined;
  signal: AbortSignal;
  /** Stores a small CodeSystem, a ValueSet or a ConceptMap. Throws for one that is refused. */
  store(resource: Resource): Promise<Stored>;
  onFormat(format: Format): void;
  onFault(fault: LoadFault): void;
  onNote(note: LoadFault): void;
  onProgress(progress: TerminologyProgress): void;
  /** All its rows are there; its hierarchy and indexes are made. */
  onIndexing(system: { url: string; version: string }): void;
  /** A load that broke off goes on: so many of its concepts are there. */
  onGoingOn(system: { url: string; version: string; concepts: number }): void;
  /** It was passed over. */
  onKnown(system: LoadedSystem): void;
  onLoaded(system: LoadedSystem): void;
}

export interface TerminologySummary {
  systems: LoadedSystem[];
  known: number;
  stored: Record<Stored, number>;
  faults: number;
  interrupted: boolean;
}

class Interrupted extends Error {}

export function formatOf(release: Release, name: string | undefined): Format {
  const names = formats.map((each) => each.name).join(', ');
  const format =
    name === undefined ? formats.find((each) => each.fits(release)) : formats.find((each) => each.name === name);
  if (format) return format;
  if (name !== undefined) throw new CerebraError('config', `--format ${name}: there is ${names}`);
  throw new CerebraError(
    'invalid',
    `${release.name}: no release that is known by its files: say what it is with --format (${names})`,
  );
}

interface Account {
  read(file: string, bytes: number): void;
  concept(): void;
  total(bytes: number): void;
}

function createAccount(faults: Faults, onProgress: TerminologyLoadOptions['onProgress']): Account {
  const progress = { bytesTotal: 0, bytesDone: 0, concepts: 0 };
  const last = new Map<string, number>();
  const tell = (): void => onProgress({ ...progress, faults: faults.count() });
  return {
    read(file, bytes) {
      const before = last.get(file) ?? 0;
      // Fewer than before: it is read once more.
      progress.bytesDone += bytes >= before ? bytes - before : bytes;
      last.set(file, bytes);
      tell();
    },
    concept: () => void progress.concepts++,
    total(bytes) {
      progress.bytesTotal = bytes;
      tell();
    },
  };
}

interface Loading {
  options: TerminologyLoadOptions;
  faults: Faults;
  account: Account;
  summary: TerminologySummary;
  /** See markOf(). */
  mark(): Promise<string>;
  /** How many the release had so far. */
  systems: number;
}

/** Ten times SNOMED CT: a code takes some 100 bytes of memory until its system is complete. */
const CONCEPTS_MAX = 5_000_000;
/** Of a display or a designation: the search index takes no text of a megabyte. */
const TEXT_CHARACTERS_MAX = 64 * 1024;

/** As the writer, but it counts, keeps to the limits, and ends when the load is broken off. */
function watched(writer: SystemWriter, { account, faults, options }: Loading): SystemWriter {
  let concepts = 0;
  const short = (text: string): string => {
    if (text.length <= TEXT_CHARACTERS_MAX) return text;
    faults.tell(options.name, undefined, `a text of ${text.length} characters is cut off at ${TEXT_CHARACTERS_MAX}`);
    return text.slice(0, TEXT_CHARACTERS_MAX);
  };
  return {
    ...writer,
    add(concept) {
      const { display } = concept;
      const n = writer.add(display === undefined ? concept : { ...concept, display: short(display) });
      if (n === undefined) return undefined;
      account.concept();
      if (++concepts <= CONCEPTS_MAX) return n;
      throw new CerebraError('too-large', `${options.name}: more than ${CONCEPTS_MAX} concepts`);
    },
    designation: (n, designation) => writer.designation(n, { ...designation, value: short(designation.value) }),
    async drain() {
      if (options.signal.aborted) throw new Interrupted();
      await writer.drain();
    },
  };
}

/** What the hierarchy has that can't be: told as faults. */
function tellHierarchy({ unknownParents, cyclic }: WrittenSystem, name: string, faults: Faults): void {
  for (const { child, parent } of unknownParents.first) {
    faults.tell(name, undefined, `the parent ${parent} of ${child} is no concept of the system`);
  }
  for (const { child, parent } of cyclic.first) {
    faults.tell(name, undefined, `${child} below ${parent} closes a cycle: it is left out`);
  }
  for (const { count, first } of [unknownParents, cyclic]) {
    if (count > first.length) faults.tell(name, undefined, `… and ${count - first.length} more of these`);
  }
}

async function knownSystem({ db, again }: TerminologyLoadOptions, { url, version }: { url: string; version: string }) {
  // Without a version nothing tells whether it is the same.
  if (again || version === '') return undefined;
  const systems = await activeSystems(db);
  return systems.find((each) => each.url === url && each.version === version && each.resource === undefined);
}

/** Throws when there is a fault and none may be. */
function checkStrict({ options, faults }: Loading, before: number, url: string): void {
  const count = faults.count() - before;
  if (!options.strict || count === 0) return;
  throw new CerebraError(
    'invalid',
    `${url} is not loaded: ${count} fault${count === 1 ? '' : 's'}, and --strict wants none`,
  );
}

/** The same command would fail again: there is nothing to go on with. */
const isOfRelease = (error: unknown): boolean =>
  error instanceof CerebraError && (error.status < 500 || error.code === 'config');

async function writeOne(
  loading: Loading,
  system: Omit<NewSystem, 'resource'>,
  write: (writer: SystemWriter) => Promise<void>,
): Promise<WrittenSystem> {
  const { options, faults } = loading;
  const before = faults.count();
  // Of systems without a version several may be in one release.
  const mark = { files: await loading.mark(), ordinal: loading.systems };
  const writer = await writeSystem(options.db, system, mark);
  if (writer.present > 0) options.onGoingOn({ ...system, concepts: writer.present });
  try {
    await write(watched(writer, loading));
    checkStrict(loading, before, system.url);
    if (options.signal.aborted) throw new Interrupted();
    options.onIndexing(system);
    return await writer.finish((written) => {
      tellHierarchy(written, options.name, faults);
      checkStrict(loading, before, system.url);
    });
  } catch (error) {
    await (isOfRelease(error) ? writer.abandon() : writer.leave()).catch(() => undefined);
    throw error;
  }
}

async function loadSystem(
  loading: Loading,
  system: Omit<NewSystem, 'resource'>,
  write: (writer: SystemWriter) => Promise<void>,
) {
  const { options, summary } = loading;
  const { url, version } = system;
  loading.systems++;
  const known = await knownSystem(options, system);
  if (known || options.again) await removeUnfinished(options.db, system);
  if (known) {
    summary.known++;
    return options.onKnown({ url, version, concepts: known.concepts, closure: 0 });
  }
  const { concepts, closure } = await writeOne(loading, system, write);
  summary.systems.push({ url, version, concepts, closure });
  options.onLoaded({ url, version, concepts, closure });
}

const nameOf = ({ resourceType, url, version }: Resource & { url?: unknown; version?: unknown }): string =>
  `${resourceType} ${url ?? ''}${version === undefined ? '' : `|${version}`}`;

/** The rest of what was refused is stored where single concepts are at fault; undefined: the whole resource is. */
async function storeRest({ options, summary }: Loading, resource: Resource, tell: (text: string) => void) {
  try {
    summary.stored[await options.store(resource)]++;
    return undefined;
  } catch (error) {
    if (!(error instanceof CerebraError) || error.status >= 500) throw error;
    const rest = withoutRefused(resource, error.issues, tell);
    if (rest === undefined) tell(`${nameOf(resource)} is not stored: ${error.message}`);
    return rest;
  }
}

async function storeOne(loading: Loading, resource: Resource, file: string): Promise<void> {
  const { options, faults } = loading;
  const before = faults.count();
  const tell = (text: string): void => faults.tell(file, undefined, text);
  // Each time some concepts less.
  for (let rest: Resource | undefined = withoutBadCodes(resource, tell); rest; ) {
    if (options.signal.aborted) throw new Interrupted();
    checkStrict(loading, before, nameOf(resource));
    rest = await storeRest(loading, rest, tell);
  }
  checkStrict(loading, before, nameOf(resource));
}

const contextOf = (loading: Loading): LoadContext => {
  const { version, module, language } = loading.options;
  return {
    ...{ faults: loading.faults, version, module, language },
    system: (system, write) => loadSystem(loading, system, write),
    store: (resource, file) => storeOne(loading, resource, file),
  };
};

/** Reading ends when the load is broken off: some passes over files write nothing. */
const stoppable = (release: Release, signal: AbortSignal): Release => ({
  ...release,
  files: release.files.map((file) => ({
    ...file,
    async *read() {
      for await (const piece of file.read()) {
        if (signal.aborted) throw new Interrupted();
        yield piece;
      }
    },
  })),
});

/**
 * Throws CerebraError: `config` for what is asked wrongly, `invalid`, `invalid-json` and `too-large`, with the file, for a
 * release that can't be read, and for a system with faults when `strict`. Lines that can't be read are told by `onFault` and
 * left out.
 */
export async function loadTerminology(options: TerminologyLoadOptions): Promise<TerminologySummary> {
  const faults = createFaults(options.onFault, options.onNote);
  const account = createAccount(faults, options.onProgress);
  const summary: TerminologySummary = {
    ...{ systems: [], known: 0, stored: { created: 0, updated: 0, present: 0 }, faults: 0, interrupted: false },
  };
  await clearUp(options.db);
  const release = stoppable(await openRelease(options.name, account.read), options.signal);
  try {
    const format = formatOf(release, options.format);
    options.onFormat(format);
    account.total(format.reads(release).reduce((sum, { bytes }) => sum + bytes, 0));
    let marked: Promise<string> | undefined;
    const mark = (): Promise<string> => {
      marked ??= markOf(release, format, options);
      return marked;
    };
    await format.read(release, contextOf({ options, faults, account, summary, mark, systems: 0 }));
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    summary.interrupted = true;
  } finally {
    await release.close();
  }
  return { ...summary, faults: faults.count() };
}
