// The store as other rooms use it: fhir-model/ports.ts.
import type { ReferenceMover, Resource, ResourceReader, ResourceWriter, WriteContext } from '#fhir-model';
import { assertWrites } from './access/scope.ts';
import type { Core } from './interactions/core.ts';
import { assertType, parseQuery, search, searchPairs } from './interactions/search.ts';
import { transaction } from './interactions/transaction.ts';
import { movePatientReferences, restorePatientReferences } from './operations/move-references.ts';
import { assertId, assertValid, prepare, withCurrentParameters } from './store/store.ts';
import { allocate, insertAbsent, type Numbered } from './store/write-many.ts';

/** Of other rooms, which ask for what they need at once: what clients may have a page (SEARCH_COUNT_MAX) would cut it off silently. */
const READER_COUNT_MAX = 1000;

export function createReader(core: Core): ResourceReader {
  const searchCountMax = Math.max(core.limits.searchCountMax, READER_COUNT_MAX);
  const unlimited: Core = { ...core, limits: { ...core.limits, searchCountMax } };
  return {
    read(type, id, scope) {
      assertType(core, type);
      return core.store.read({ type, id, scope });
    },
    search(type, query, scope) {
      assertType(core, type);
      return search(core, parseQuery(unlimited, type, searchPairs(query), true), { scope, db: core.store.db });
    },
  };
}

type WithId = Resource & { id: string };

/** Throws `structure` or `invalid-resource` for the first that must not get in; yields what to store of each. */
async function checked(core: Core, resources: readonly WithId[]): Promise<WithId[]> {
  resources.forEach((resource, i) => {
    assertId(resource.id);
    assertValid(core.store, resource, `[${i}]`);
  });
  if (!resources.some((resource) => core.onWrite.concerns(resource))) return [...resources];
  const found: WithId[] = [];
  for (const [i, resource] of resources.entries()) {
    found.push(((await core.onWrite.check(resource, `[${i}]`)) as WithId | undefined) ?? resource);
  }
  return found;
}

async function createIfAbsent(core: Core, resources: WithId[], context: WriteContext): Promise<boolean[]> {
  assertWrites(context.scope);
  return withCurrentParameters(core.store, async () => insertNow(core, await checked(core, resources), context));
}

/** As ResourceWriter.createIfAbsent, of resources that are checked already. */
export async function createChecked(core: Core, resources: WithId[], context: WriteContext): Promise<boolean[]> {
  assertWrites(context.scope);
  return withCurrentParameters(core.store, () => insertNow(core, resources, context));
}

async function insertNow(core: Core, resources: readonly WithId[], context: WriteContext): Promise<boolean[]> {
  const updatedMs = core.store.clock.now();
  const created = await core.store.db.tx(async (tx) => {
    const numbers = await allocate(tx, resources.length);
    const many: Numbered[] = resources.map((resource, i) => ({
      ...prepare(core.store, resource, resource.id, updatedMs, context.scope),
      rid: numbers[i]!,
      seq: numbers[i]!,
      version: 1,
    }));
    const rids = await insertAbsent(tx, many, updatedMs);
    const results = many.map((one) => ({
      status: rids.has(one.rid) ? 201 : 200,
      type: one.type,
      id: one.id,
      version: 1,
      updatedMs,
      body: rids.has(one.rid) ? `${one.text.prefix}1${one.text.suffix}` : '',
      op: rids.has(one.rid) ? ('create' as const) : ('none' as const),
    }));
    await context.within?.(tx, results);
    return results;
  });
  core.store.stream.committed(created);
  return created.map((one) => one.op === 'create');
}

export function createWriter(core: Core): ResourceWriter & ReferenceMover {
  return {
    transaction: (entries, context) => transaction(core, entries, context),
    createIfAbsent: (resources, context) => createIfAbsent(core, resources, context),
    moveReferences: (tx, move, scope) => movePatientReferences(core, tx, move, scope),
    restoreReferences: (tx, restore, scope) => restorePatientReferences(core, tx, restore, scope),
  };
}
