// Jobs on their way: prepared by threads, several at a time, and committed in the order in which they were submitted.
import { createSlots } from '#platform';
import type { Core } from '../interactions/core.ts';
import { withCurrentParameters } from '../store/store.ts';
import { storedTermNames } from '../store/terms.ts';
import type { Account } from './account.ts';
import { commitPart } from './commit.ts';
import { createMatches, type Matches } from './matches.ts';
import { createNumbers } from './numbers.ts';
import type { LoadOptions } from './options.ts';
import { indexedAnew } from './renew.ts';
import { startThreads, type Threads } from './threads.ts';
import type { Part, Settings, Source } from './types.ts';
import { CriteriaMatch } from './write.ts';

/** Transactions at a time. While one is committed the other one's rows are on their way. */
const LANES = 2;

export interface Committing {
  /** Resolves when there is room for more; throws what went wrong with a job before. `onDone`: it is committed. */
  submit(sources: Source[], onDone: () => void): Promise<void>;
  /** When all that was submitted is committed. */
  settled(): Promise<void>;
  /** Nothing more is to be submitted: it failed, or was asked to stop. */
  isStopped(): boolean;
  /** Files that have to come again, since the last call. */
  takePostponed(): Set<number>;
  close(): Promise<void>;
}

interface Writing {
  core: Core;
  options: LoadOptions;
  account: Account;
  postponed: Set<number>;
  threads: Threads;
}

interface Turn {
  matches: Matches;
  onLocked(): void;
}

const takeParameters = ({ core, threads }: Writing): void => threads.take(core.store.registry.snapshot);

/** What search parameters have been put in force meanwhile is indexed as well. */
async function commitCurrent<T>(writing: Writing, part: Part, commit: (part: Part) => Promise<T>): Promise<T> {
  const { store } = writing.core;
  let current = part;
  return withCurrentParameters(store, () => {
    if (current.epoch !== store.registry.epoch) {
      takeParameters(writing);
      current = indexedAnew(store, current);
    }
    return commit(current);
  });
}

/** SearchParameters that were loaded hold for what is loaded after them. */
async function passOn(writing: Writing, { resources }: Part): Promise<void> {
  if (!resources.some(({ type }) => type === 'SearchParameter')) return;
  const { registry } = writing.core.store;
  registry.touch();
  await registry.settled;
  takeParameters(writing);
}

/**
 * One part, unless the resource that it would create has come from elsewhere: then its files come again. True when all
 * that it has was written, the terms of each of its resources too: those of one that was there already are not.
 */
async function write(writing: Writing, part: Part, turn: Turn): Promise<boolean> {
  const { core, options, account, postponed } = writing;
  try {
    const { scope, db } = options;
    const committed = await commitCurrent(writing, part, (one) =>
      commitPart(db, one, { ...turn, store: core.store, scope }),
    );
    account.committed(part, committed);
    await passOn(writing, part);
    const { faults, outcomes } = committed;
    return faults.length === part.faults.length && outcomes.every((outcome) => outcome === 'created');
  } catch (error) {
    if (!(error instanceof CriteriaMatch)) throw error;
    for (const { file } of part.marks) postponed.add(file);
    return false;
  }
}

async function settingsOf(core: Core, { existing, validate, db }: LoadOptions): Promise<Settings> {
  return {
    baseUrl: core.baseUrl,
    typeCodes: core.definitions.resourceTypes.map((type): [string, number] => [type, core.store.layout.codeOf(type)]),
    validate,
    policy: core.onWrite.policy.options,
    keepTexts: existing === 'update',
    bundleEntriesMax: core.limits.bundleEntriesMax,
    terms: await storedTermNames(db),
    parameters: core.store.registry.snapshot,
  };
}

export async function createCommitting(core: Core, options: LoadOptions, account: Account): Promise<Committing> {
  const { db, scope, signal, existing } = options;
  const matches = createMatches(core, scope);
  const settings = await settingsOf(core, options);
  const threads = startThreads(options.threads, settings, {
    numbers: createNumbers(db),
    matches: matches.of,
    definition: ({ type, canonical }) => core.canonicals.find(type, canonical),
    codes: (codes) => core.terminology.validateCodes(codes, { db, scope }),
  });
  // Updates of one resource by two lines are made in their order.
  const lanes = createSlots(existing === 'update' ? 1 : LANES);
  const room = createSlots(options.threads * 2 + LANES);
  const writing: Writing = { core, options, account, postponed: new Set(), threads };
  const jobs = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  let before: Promise<void> = Promise.resolve();

  const run = async (sources: Source[], turn: Promise<void>, next: () => void): Promise<void> => {
    const { parts, postponed, committed } = await threads.prepare(sources);
    for (const file of postponed) writing.postponed.add(file);
    await turn;
    let isWhole = true;
    for (const [i, part] of parts.entries()) {
      const giveBack = await lanes.take();
      try {
        if (failure) return;
        const onLocked = i === parts.length - 1 ? next : () => undefined;
        if (!(await write(writing, part, { matches, onLocked }))) isWhole = false;
      } finally {
        giveBack();
      }
    }
    if (isWhole) committed();
  };
  const throwFailure = (): void => {
    if (failure) throw failure.error;
  };
  return {
    async submit(sources, onDone) {
      const leave = await room.take();
      throwFailure();
      const turn = before;
      const { promise, resolve: next } = Promise.withResolvers<void>();
      before = promise;
      const job = run(sources, turn, next)
        .then(onDone)
        .catch((error: unknown) => {
          failure ??= { error };
        })
        .finally(() => {
          next();
          leave();
          jobs.delete(job);
        });
      jobs.add(job);
    },
    async settled() {
      while (jobs.size > 0) await Promise.all(jobs);
      throwFailure();
    },
    isStopped: () => signal.aborted || failure !== undefined,
    takePostponed() {
      const taken = writing.postponed;
      writing.postponed = new Set();
      return taken;
    },
    async close() {
      await Promise.all(jobs);
      await threads.close();
    },
  };
}
