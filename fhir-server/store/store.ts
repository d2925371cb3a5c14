// The store's parts, put together once: what interactions write and read through.
import {
  type AccessScope,
  type EntryResult,
  extractUpTo,
  type IndexValue,
  isId,
  type Resource,
  type SearchParameters,
  type StoredVersion,
  type Validator,
} from '#fhir-model';
import { CerebraError, type Clock, createGather, type Db, sqlState } from '#platform';
import { assertAdmits, assertWrites, scopeKey } from '../access/scope.ts';
import { isStale } from '../parameters/published.ts';
import type { ParameterRegistry } from '../parameters/registry.ts';
import { bodyText } from './body.ts';
import { type ChangeStream, createChangeStream } from './changes.ts';
import { type DeleteRequest, deleteEach, deleteKey } from './delete-each.ts';
import { assertNoneHidden } from './hidden.ts';
import { indexRows } from './index-rows.ts';
import { insertEach } from './insert-many.ts';
import { type Layout, readLayout } from './layout.ts';
import { ANY_VERSION, exactVersion, holds, NO_VERSION } from './preconditions.ts';
import { type ReadRequest, readEach } from './read.ts';
import { createTerms } from './terms.ts';
import type { KnownTerms } from './tokens.ts';
import { insertAtEach, type UpdateRequest, updateEach, updateKey } from './update-each.ts';
import { deleteOne, type InsertOutcome, insertAt, type Prepared, updateOne, type WriteOutcome } from './write-one.ts';

export interface StoreParts {
  db: Db;
  registry: ParameterRegistry;
  validator: Validator;
  clock: Clock;
  /** A new server-assigned id. */
  newId(): string;
  /** Whether the change feed is read in this process; default: it is. */
  readsFeed?: boolean | undefined;
  /** Told of each commit, besides the change stream. */
  canonicals?: { committed(results: readonly EntryResult[]): void };
}

export interface Store extends StoreParts {
  /** Of the registry. */
  parameters: SearchParameters;
  /** Yields a resource's index values; compiled by type. */
  extract(resource: Resource): IndexValue[];
  layout: Layout;
  stream: ChangeStream;
  terms: KnownTerms;
  /** insertOne and readCurrent, in one statement with those of other callers. */
  insert(one: Prepared): Promise<void>;
  read(one: ReadRequest): Promise<StoredVersion | undefined>;
  /** updateOne and insertAt, the same way. undefined: this one is to be written by itself. */
  update(one: UpdateRequest): Promise<WriteOutcome | undefined>;
  insertAt(one: Prepared): Promise<InsertOutcome | undefined>;
  /** deleteOne, the same way. */
  delete(one: DeleteRequest): Promise<WriteOutcome | undefined>;
}

/** At a time, each statement with what came while the others ran. */
const LANES_MAX = 2;
const ITEMS_MAX = 32;

/**
 * Of writes eight go together, and another statement begins beside the one under way only once sixteen wait, or one has waited 3 ms:
 * where the disk is slow or many write. Sixteen callers then come in two groups, node works on one while PostgreSQL writes the
 * other. Three as the least for another were a quarter slower (docs/performance.md): small groups, and all sixteen idle at once. Three
 * are enough where a statement is under way that could not have taken them: updates of another type.
 */
const WRITE_LANES = {
  lanesMax: 4,
  beside: { itemsMin: 16, waitMs: 3, othersMin: 3 },
  ...{ itemsUsual: 8, itemsMax: ITEMS_MAX },
};

/**
 * Creates with ids of the server's own wait for no lock of others, so a statement of them may be sent behind another one; eight of sixteen
 * callers are on their way back to it then, and six are enough: 52 to 63 % of the floor (docs/performance.md).
 */
const BEHIND = { itemsMin: 6, withinMs: 20 };

const writeLanes = <Item>(preparedOf: (item: Item) => Prepared) => ({
  ...WRITE_LANES,
  weigh: (item: Item) => preparedOf(item).text.suffix.length,
  /** UTF-16 units of all bodies of a statement. */
  weightMax: 512 * 1024,
});

export async function createStore(parts: StoreParts): Promise<Store> {
  const { db } = parts;
  const layout = await readLayout(db);
  const insert = createGather<Prepared, void>({
    ...writeLanes((one) => one),
    behind: BEHIND,
    key: () => '',
    run: async (many, place) => {
      await insertEach(place === 'in line' ? db.inLine : db, many);
      return [];
    },
  });
  const read = createGather<ReadRequest, StoredVersion | undefined>({
    lanesMax: LANES_MAX,
    itemsMax: ITEMS_MAX,
    weigh: () => 1,
    weightMax: ITEMS_MAX,
    key: ({ type, scope }) => type + scopeKey(scope),
    run: (many) => readEach(db, many),
  });
  const update = createGather<UpdateRequest, WriteOutcome | undefined>({
    ...writeLanes(({ one }) => one),
    key: updateKey,
    run: (many) => updateEach(db, many),
  });
  const insertsAt = createGather<Prepared, InsertOutcome | undefined>({
    ...writeLanes((one) => one),
    key: ({ type }) => type,
    run: (many) => insertAtEach(db, many),
  });
  const deletes = createGather<DeleteRequest, WriteOutcome | undefined>({
    ...{ ...WRITE_LANES, weigh: () => 1, weightMax: ITEMS_MAX, key: deleteKey },
    run: (many) => deleteEach(db, many),
  });
  const terms = await createTerms(db);
  const { registry } = parts;
  const stream = withTouch(createChangeStream(layout, parts.readsFeed ?? true), parts);
  const written = { insert, read, update, insertAt: insertsAt, delete: deletes };
  return { ...parts, parameters: registry.parameters, extract: registry.extract, layout, stream, terms, ...written };
}

/** A SearchParameter is put in force as soon as it is committed, other definitions are looked up anew. */
const withTouch = (stream: ChangeStream, { registry, canonicals }: StoreParts): ChangeStream => ({
  feed: stream.feed,
  committed(results) {
    canonicals?.committed(results);
    stream.committed(results);
    if (results.some(({ type }) => type === 'SearchParameter')) registry.touch();
  },
});

/** More often than this search parameters don't change while one resource is written. */
const STALE_MAX = 5;

/** Does it once more, with the search parameters in force, for as long as it is refused for not knowing them. */
export async function withCurrentParameters<T>(
  { registry }: Pick<Store, 'registry'>,
  write: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write();
    } catch (error) {
      if (!isStale(error) || attempt === STALE_MAX) throw error;
      await registry.refresh();
    }
  }
}

/** Throws `structure` with all issues when the resource is not valid. `at` is prepended to the expressions. */
export function assertValid(store: Store, resource: Resource, at = ''): void {
  const issues = store.validator.validate(resource).filter((issue) => issue.severity !== 'warning');
  if (issues.length === 0) return;
  const placed = at
    ? issues.map((issue) => ({
        ...issue,
        expression: (issue.expression ?? [resource.resourceType]).map((path) => at + path.replace(/^[A-Za-z]+/, '')),
      }))
    : issues;
  throw new CerebraError('structure', placed[0]!.diagnostics, { issues: placed });
}

export function assertId(id: string): void {
  if (!isId(id)) {
    throw new CerebraError('invalid', `The id '${id.slice(0, 80)}' must match [A-Za-z0-9\\-\\.]{1,64}`, {
      expression: ['Resource.id'],
    });
  }
}

/** 500,000 of an Observation with 100,000 components took 3 s of the processor and as long in the database. */
const indexValuesMax = 300_000;

/** Throws `too-large` for a resource whose index would keep everybody waiting. */
function indexValuesOf(store: Store, resource: Resource): IndexValue[] {
  const values = extractUpTo(indexValuesMax, store.extract, resource);
  if (values.length <= indexValuesMax) return values;
  const { resourceType } = resource;
  const text = `The ${resourceType} has more than ${indexValuesMax} values that searches look for: split it into several`;
  throw new CerebraError('too-large', text, { expression: [resourceType] });
}

/** Ready for the statements; the resource is valid and `id` is one. Throws `too-large`, and `forbidden` for what `scope` is not of. */
export function prepare(store: Store, resource: Resource, id: string, updatedMs: number, scope: AccessScope): Prepared {
  assertAdmits(scope, resource, id);
  store.registry.tick();
  return {
    type: resource.resourceType,
    typeCode: store.layout.codeOf(resource.resourceType),
    id,
    updatedMs,
    text: bodyText(resource, id, updatedMs),
    rows: indexRows(indexValuesOf(store, resource), store.terms),
    epoch: store.registry.epoch,
  };
}

const result = (one: Prepared, version: number, op: 'create' | 'update'): EntryResult => ({
  status: op === 'create' ? 201 : 200,
  type: one.type,
  id: one.id,
  version,
  updatedMs: one.updatedMs,
  body: one.text.prefix + version + one.text.suffix,
  op,
});

const UNIQUE_VIOLATION = '23505';
/** Attempts against writers of the same resource; each loss means that another of them has committed. */
const ATTEMPTS_MAX = 50;

/** https://hl7.org/fhir/R4/http.html#create: always a new id. */
export async function storeCreate(store: Store, resource: Resource, scope: AccessScope): Promise<EntryResult> {
  assertWrites(scope);
  return withCurrentParameters(store, async () => {
    const one = prepare(store, resource, store.newId(), store.clock.now(), scope);
    await store.insert(one);
    const created = result(one, 1, 'create');
    store.stream.committed([created]);
    return created;
  });
}

/** `wanted` is a precondition that does not hold, `found` the current version, 0 if there is none. */
export function versionMismatch(type: string, id: string, wanted: number, found: number): CerebraError {
  const name = `${type}/${id}`;
  if (wanted === NO_VERSION) {
    const text = `${name} exists already, as version ${found}: to change it, send If-Match with that version`;
    return new CerebraError('precondition-failed', text, { expression: ['If-None-Match'] });
  }
  const version = wanted === ANY_VERSION ? 'a current version' : `version ${wanted}`;
  const text =
    found === 0
      ? `If-Match asks for ${version} of ${name}, which doesn't exist`
      : `If-Match asks for ${version} of ${name}, the current version is ${found}: read it and apply your change to it`;
  return new CerebraError('precondition-failed', text, { expression: ['If-Match'] });
}

const busy = (type: string, id: string): CerebraError =>
  new CerebraError('version-conflict', `${type}/${id} is being changed by others at the same time: try again`);

/** The same resource at a later time. */
function again(store: Store, one: Prepared, resource: Resource, afterMs: number): Prepared {
  const updatedMs = Math.max(store.clock.now(), afterMs);
  return { ...one, updatedMs, text: bodyText(resource, one.id, updatedMs) };
}

/** https://hl7.org/fhir/R4/http.html#update, with update-as-create (#upsert). */
export function storeUpdate(
  store: Store,
  resource: Resource,
  id: string,
  ifVersion: number | undefined,
  scope: AccessScope,
): Promise<EntryResult> {
  return withCurrentParameters(store, () => updateNow(store, resource, id, ifVersion, scope));
}

async function updateNow(
  store: Store,
  resource: Resource,
  id: string,
  ifVersion: number | undefined,
  scope: AccessScope,
): Promise<EntryResult> {
  assertWrites(scope);
  assertId(id);
  let one = prepare(store, resource, id, store.clock.now(), scope);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const exact = exactVersion(ifVersion);
    const updated =
      (await store.update({ one, ifVersion: exact, scope })) ?? (await updateOne(store.db, one, exact, scope));
    if (updated.kind === 'mismatch') throw versionMismatch(one.type, id, ifVersion!, updated.found);
    if (updated.kind === 'absent' && !holds(ifVersion, 0)) throw versionMismatch(one.type, id, ifVersion!, 0);
    const outcome = updated.kind === 'absent' ? await insertUnlessTaken(store, one) : updated;
    if (outcome.kind === 'done') {
      const stored = result(one, outcome.version, updated.kind === 'absent' ? 'create' : 'update');
      store.stream.committed([stored]);
      return stored;
    }
    if (updated.kind === 'absent') await assertNoneHidden(store.db, one.type, [id], scope);
    one = again(store, one, resource, outcome.afterMs);
  }
  throw busy(one.type, id);
}

async function insertUnlessTaken(store: Store, one: Prepared): Promise<InsertOutcome> {
  try {
    return (await store.insertAt(one)) ?? (await insertAt(store.db, one));
  } catch (error) {
    if (sqlState(error) === UNIQUE_VIOLATION) return { kind: 'raced', afterMs: one.updatedMs };
    throw error;
  }
}

/** https://hl7.org/fhir/R4/http.html#delete: deleting what is not there succeeds with version 0. */
export async function storeDelete(
  store: Store,
  type: string,
  id: string,
  ifVersion: number | undefined,
  scope: AccessScope,
): Promise<EntryResult> {
  assertWrites(scope);
  let updatedMs = store.clock.now();
  const gone = (version: number): EntryResult => ({
    status: 204,
    type,
    id,
    version,
    updatedMs,
    body: '',
    op: version === 0 ? 'none' : 'delete',
  });
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const one = { type, id, updatedMs, ifVersion: exactVersion(ifVersion), scope };
    const outcome = (await store.delete(one)) ?? (await deleteOne(store.db, type, id, updatedMs, one.ifVersion, scope));
    if (outcome.kind === 'mismatch') throw versionMismatch(type, id, ifVersion!, outcome.found);
    if (outcome.kind === 'absent' && !holds(ifVersion, 0)) throw versionMismatch(type, id, ifVersion!, 0);
    if (outcome.kind === 'absent') return gone(0);
    if (outcome.kind === 'done') {
      const deleted = gone(outcome.version);
      store.stream.committed([deleted]);
      return deleted;
    }
    updatedMs = Math.max(store.clock.now(), outcome.afterMs);
  }
  throw busy(type, id);
}

export type { StoredVersion };
