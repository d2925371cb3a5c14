// What rules over time remember of a subject: in memory while a batch of changes is looked at, and what has to be written
// then. A dry run keeps all of it here.
export interface Fact {
  series: string;
  /** `Observation/1` */
  resource: string;
  atMs: number;
  value: number;
}

/** Whose next reading is awaited. */
export interface Watch {
  seenMs: number;
  /** Null once it was missed. */
  dueMs: number | null;
  resource: string;
  version: number;
}

export interface SubjectMemory {
  facts(): Iterable<Fact>;
  put(fact: Fact): void;
  /** Forgets what this resource was in the series. */
  remove(series: string, resource: string): void;
  /** Forgets those of them that are older, and thins out what is too much. */
  prune(sinceMs: number, of: (fact: Fact) => boolean): void;
  watch(): Watch | undefined;
  setWatch(watch: Watch | undefined): void;
}

/** By subject, what was changed: null is forgotten. */
export interface MemoryChanges {
  /** Of these the store was read, for that version of the rule. */
  read: { subject: string; version: number }[];
  facts: { subject: string; series: string; resource: string; fact: Fact | null }[];
  watches: { subject: string; watch: Watch | null }[];
}

export interface Memory {
  of(subject: string): SubjectMemory;
  subjects(): Iterable<string>;
  /** Whether what is remembered of the subject begins with what the store had, by that version of the rule. */
  hasRead(subject: string, version: number): boolean;
  /** Forgets what another version remembered: what the store had is about to be put. */
  beginWith(subject: string, version: number): void;
  /** Since the last call. */
  takeChanges(): MemoryChanges;
}

export interface Remembered {
  read: { subject: string; version: number }[];
  facts: (Fact & { subject: string })[];
  watches: (Watch & { subject: string })[];
}

/** Beyond these the older half is thinned out: one reading a second for a day would be 86,400. */
const factsMax = 1_000;

interface Kept {
  /** Version of the rule for which the store was read. */
  read: number | undefined;
  readChanged: boolean;
  facts: Map<string, Fact>;
  watch: Watch | undefined;
  changed: Map<string, [string, string]>;
  watchChanged: boolean;
}

const keyOf = (series: string, resource: string): string => `${series} ${resource}`;

export function createMemory(known: Remembered = { read: [], facts: [], watches: [] }): Memory {
  const all = new Map<string, Kept>();
  const keptOf = (subject: string): Kept => {
    let kept = all.get(subject);
    if (!kept) {
      kept = {
        ...{ read: undefined, readChanged: false, facts: new Map(), changed: new Map() },
        ...{ watch: undefined, watchChanged: false },
      };
      all.set(subject, kept);
    }
    return kept;
  };
  for (const { subject, version } of known.read) keptOf(subject).read = version;
  for (const { subject, ...fact } of known.facts) keptOf(subject).facts.set(keyOf(fact.series, fact.resource), fact);
  for (const { subject, ...watch } of known.watches) keptOf(subject).watch = watch;
  return {
    of: (subject) => memoryOf(keptOf(subject)),
    subjects: () => all.keys(),
    hasRead: (subject, version) => all.get(subject)?.read === version,
    beginWith(subject, version) {
      const kept = keptOf(subject);
      const memory = memoryOf(kept);
      for (const { series, resource } of [...memory.facts()]) memory.remove(series, resource);
      kept.read = version;
      kept.readChanged = true;
    },
    takeChanges() {
      const changes: MemoryChanges = { read: [], facts: [], watches: [] };
      for (const [subject, kept] of all) {
        for (const [key, [series, resource]] of kept.changed) {
          changes.facts.push({ subject, series, resource, fact: kept.facts.get(key) ?? null });
        }
        if (kept.readChanged) changes.read.push({ subject, version: kept.read! });
        if (kept.watchChanged) changes.watches.push({ subject, watch: kept.watch ?? null });
        kept.changed.clear();
        kept.watchChanged = false;
        kept.readChanged = false;
      }
      return changes;
    },
  };
}

function memoryOf(kept: Kept): SubjectMemory {
  const remove = (series: string, resource: string) => {
    const key = keyOf(series, resource);
    if (kept.facts.delete(key)) kept.changed.set(key, [series, resource]);
  };
  return {
    facts: () => kept.facts.values(),
    put(fact) {
      const key = keyOf(fact.series, fact.resource);
      kept.facts.set(key, fact);
      kept.changed.set(key, [fact.series, fact.resource]);
    },
    remove,
    prune(sinceMs, of) {
      for (const fact of kept.facts.values()) if (fact.atMs < sinceMs && of(fact)) remove(fact.series, fact.resource);
      if (kept.facts.size <= factsMax) return;
      const oldest = [...kept.facts.values()].sort(byTime).slice(0, factsMax / 2);
      for (const [i, { series, resource }] of oldest.entries()) if (i % 2 === 1) remove(series, resource);
    },
    watch: () => kept.watch,
    setWatch(watch) {
      if (watch === kept.watch) return;
      kept.watch = watch;
      kept.watchChanged = true;
    },
  };
}

/** Of the same instant in the order of their ids, so that it is the same each time. */
export const byTime = (a: Fact, b: Fact): number =>
  a.atMs - b.atMs || (a.resource < b.resource ? -1 : Number(a.resource > b.resource));
