// The search parameters of this process: R4's, and the custom ones in force in the database, kept up with what this and
// other processes change. https://hl7.org/fhir/R4/searchparameter.html
// Nothing of it has to be up to the moment for writes to be right: one that knows less than the database is refused there
// (migrations/0011_custom_parameters.sql) and made again after refresh(). Searches ask when they use custom parameters.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createExtractor,
  type Definitions,
  type IndexValue,
  type KnownCustom,
  type Resource,
  type SearchParam,
  type SearchParameters,
  withCustomParameters,
} from '#fhir-model';
import { type Db, isCerebraError, isWriteRace, type Log, type Queryable } from '#platform';
import type { Beside } from './definition.ts';
import { type Published, publish, readSnapshot, readStanding, type Snapshot } from './published.ts';
import { besideOf, wantedOf } from './wanted.ts';

export interface ParameterRegistry {
  /** As it is now, whoever asks whenever. */
  readonly parameters: SearchParameters;
  /** Of what extract() yields: goes with each write. */
  readonly epoch: number;
  /** Rises with every change, of what is indexed too. */
  readonly revision: bigint;
  readonly snapshot: Snapshot;
  /** The index values of a resource. */
  extract(resource: Resource): IndexValue[];
  /** What a SearchParameter that is written now stands beside. */
  beside(): Beside;
  /** Whether all resources are indexed by the parameter; R4's always are. */
  isIndexed(param: SearchParam): boolean;
  /** Whether this very definition is in force. */
  isCurrent(param: SearchParam): boolean;
  /** Runs `work`, and tells whether it has asked for a custom parameter. */
  consult<T>(work: () => T): { value: T; custom: boolean };
  /** Takes over what is in force in the database, through a transaction's own connection if one is given. */
  refresh(db?: Queryable): Promise<void>;
  /** To be called now and then: refreshes in the background once a second. */
  tick(): void;
  /** A SearchParameter has been committed: it is put in force. */
  touch(): void;
  /** Set while that is under way; never rejects. */
  readonly settled: Promise<void> | undefined;
  /** What one process hands to its threads. */
  take(snapshot: Snapshot): void;
}

export interface RegistryParts {
  definitions: Definitions;
  /** R4's. */
  base: SearchParameters;
  baseUrl: string;
}

interface State {
  snapshot: Snapshot;
  parameters: SearchParameters;
  /** By `Type.code`. */
  published: ReadonlyMap<string, Published>;
}

const TICK_MS = 1_000;
/** Against writers that hold out longer than published.ts waits, or are in its way otherwise. */
const ATTEMPTS_MAX = 10;
const PAUSE_MS = 100;

const nothing: Snapshot = { epoch: 0, revision: 0n, parameters: [] };

const nameOf = ({ resourceType, code }: { resourceType: string; code: string }): string => `${resourceType}.${code}`;

/** What there is without a database, in a thread: `take` gives it what is in force. */
export type LocalParameters = Omit<ParameterRegistry, 'refresh' | 'tick' | 'touch' | 'settled'>;

export function createParameters(parts: RegistryParts, refresh?: () => Promise<void>): LocalParameters {
  const { definitions, base, baseUrl } = parts;
  const known: KnownCustom = new Map();
  let state: State = { snapshot: nothing, parameters: base, published: new Map() };
  let asked = false;
  const parameters: SearchParameters = {
    get(type, code) {
      const param = state.parameters.get(type, code);
      if (param?.custom) asked = true;
      return param;
    },
    list: (type) => state.parameters.list(type),
    outsideSubset: () => state.parameters.outsideSubset(),
    get revision() {
      return state.snapshot.revision;
    },
    ...(refresh && { refresh }),
  };
  return {
    parameters,
    extract: createExtractor(parameters, { baseUrl }),
    get epoch() {
      return state.snapshot.epoch;
    },
    get revision() {
      return state.snapshot.revision;
    },
    get snapshot() {
      return state.snapshot;
    },
    beside: () => besideOf(parts, state.snapshot.parameters, state.parameters),
    isIndexed: (param) => !param.custom || (state.published.get(nameOf(param))?.indexed ?? false),
    isCurrent: (param) => !param.custom || state.parameters.get(param.resourceType, param.code) === param,
    consult(work) {
      const before = asked;
      asked = false;
      try {
        return { value: work(), custom: asked };
      } finally {
        asked ||= before;
      }
    },
    take(snapshot) {
      if (snapshot.revision <= state.snapshot.revision) return;
      const inForce = withCustomParameters(base, snapshot.parameters, definitions, known);
      const published = new Map(snapshot.parameters.map((one) => [nameOf(one), one]));
      state = { snapshot, parameters: inForce, published };
    },
  };
}

async function publishPatiently(db: Db, parts: RegistryParts): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await publish(db, (stored) => wantedOf(parts, stored));
    } catch (error) {
      const isInTheWay = isCerebraError(error, 'timeout') || isWriteRace(error);
      if (!isInTheWay || attempt === ATTEMPTS_MAX) throw error;
      await sleep(PAUSE_MS * attempt);
    }
  }
}

const FAILED = 'search parameters could not be put in force; tried again within a second of the next request';

/** The registry of a process, with what is in force now. */
export async function createParameterRegistry(db: Db, log: Log, parts: RegistryParts): Promise<ParameterRegistry> {
  const local = createParameters(parts, () => refresh());
  let touched = false;
  let settled: Promise<void> | undefined;
  let checkedMs = Number.NEGATIVE_INFINITY;

  async function refresh(through: Queryable = db): Promise<void> {
    const { revision, current } = await readStanding(through);
    checkedMs = performance.now();
    if (revision !== local.revision) local.take(await readSnapshot(through));
    if (!current) touch();
  }
  async function settle(): Promise<void> {
    while (touched) {
      touched = false;
      try {
        await publishPatiently(db, parts);
        local.take(await readSnapshot(db));
      } catch (err) {
        log.error({ err }, FAILED);
      }
    }
    settled = undefined;
  }
  function touch(): void {
    touched = true;
    settled ??= settle();
  }
  await refresh();
  await settled;
  return {
    ...pick(local),
    get epoch() {
      return local.epoch;
    },
    get revision() {
      return local.revision;
    },
    get snapshot() {
      return local.snapshot;
    },
    get settled() {
      return settled;
    },
    refresh,
    touch,
    tick() {
      const nowMs = performance.now();
      if (nowMs - checkedMs < TICK_MS) return;
      checkedMs = nowMs;
      // Without a database requests fail soon enough.
      refresh().catch(() => undefined);
    },
  };
}

/** What of it is no getter. */
const pick = ({ parameters, extract, beside, isIndexed, isCurrent, consult, take }: LocalParameters) => ({
  ...{ parameters, extract, beside, isIndexed, isCurrent, consult, take },
});
