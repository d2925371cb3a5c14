// A ResourceWriter that keeps resources in memory, for tests: enough of https://hl7.org/fhir/R4/http.html#transaction for
// the entries that mappings make. `within` gets a real transaction of `db`, and memory changes only when it commits.
import type {
  EntryResult,
  Json,
  JsonObject,
  MovedReference,
  ReferenceMover,
  Resource,
  ResourceWriter,
  TransactionEntry,
  WriteContext,
} from '#fhir-model';
import { CerebraError, type Db } from '#platform';

export interface MemoryWriter extends ResourceWriter, ReferenceMover {
  /** Current resources by `Type/id`. */
  readonly resources: ReadonlyMap<string, Resource>;
  /** The current resources of a type. */
  all(type: string): Resource[];
  /** The next transactions throw this, one each. */
  readonly failures: Error[];
  /** Awaited inside each transaction, before it commits. */
  pause: () => Promise<void>;
}

export function createMemoryWriter(db: Db): MemoryWriter {
  let resources = new Map<string, Resource>();
  let nextId = 1;
  /** What the transaction under way has made of them. */
  let current = resources;
  // One transaction at a time: what advisory locks on the criteria do in the store, only coarser.
  let last: Promise<unknown> = Promise.resolve();

  const run = async (entries: TransactionEntry[], within: Within | undefined): Promise<EntryResult[]> => {
    const failure = writer.failures.shift();
    if (failure !== undefined) throw failure;
    const draft = new Map(resources);
    current = draft;
    // Of conditional creates that are alike the first makes the resource: several messages share a transaction.
    const made = new Map<string, Target>();
    const ids = entries.map((entry) => {
      const key = entry.method === 'POST' ? `${entry.url}?${entry.ifNoneExist}` : '';
      const before = entry.ifNoneExist === undefined ? undefined : made.get(key);
      if (before !== undefined) return { ...before, idle: true };
      const target = targetOf(draft, entry, () => `m${nextId++}`);
      made.set(key, target);
      return target;
    });
    const urls = new Map(entries.map((entry, index) => [entry.fullUrl, ids[index]!.name]));
    const results = entries.map((entry, index) => apply(draft, entry, ids[index]!, urls));
    assertDistinct(results);
    await writer.pause();
    await db.tx(async (tx) => within?.(tx, results));
    resources = draft;
    return results;
  };

  const writer: MemoryWriter = {
    get resources() {
      return resources;
    },
    all: (type) => [...resources.values()].filter((resource) => resource.resourceType === type),
    failures: [],
    pause: async () => {},
    transaction(entries, { within }) {
      const result = last.then(() => run(entries, within));
      last = result.catch(() => {});
      return result;
    },
    moveReferences: async (_tx, { from, to, about, resourcesMax }) => {
      const before = `"Patient/${from}"`;
      const referring = [...current].filter(([name, resource]) => {
        const text = JSON.stringify(resource);
        return (
          !name.startsWith('Patient/') && text.includes(before) && (about === undefined || text.includes(`"${about}"`))
        );
      });
      const moved = referring.slice(0, resourcesMax).map(([name]) => repoint(current, name, from, to));
      const left = referring.length - moved.length;
      return { moved, more: left > 0, left };
    },
    restoreReferences: async (_tx, { from, to, resources: recorded }) =>
      recorded
        .filter(({ type, id, version }) => current.get(`${type}/${id}`)?.meta?.versionId === String(version))
        .map(({ type, id }) => repoint(current, `${type}/${id}`, from, to)),
    createIfAbsent: () => Promise.reject(new CerebraError('internal', 'Not used by this room')),
  };
  return writer;
}

/** All its references, as the resource's next version. */
function repoint(resources: Map<string, Resource>, name: string, from: string, to: string): MovedReference {
  const resource = resources.get(name)!;
  const text = JSON.stringify(resource).replaceAll(`"Patient/${from}"`, `"Patient/${to}"`);
  const version = Number(resource.meta?.versionId ?? 0) + 1;
  const moved = JSON.parse(text) as Resource;
  resources.set(name, { ...moved, meta: { ...moved.meta, versionId: String(version) } });
  return { type: resource.resourceType, id: resource.id!, version, paths: ['*'] };
}

type Within = NonNullable<WriteContext['within']>;

interface Target {
  name: string;
  existing: Resource | undefined;
  idle?: boolean;
}

function assertDistinct(results: EntryResult[]): void {
  const written = results.filter(({ op }) => op !== 'none').map(({ type, id }) => `${type}/${id}`);
  if (new Set(written).size < written.length) throw new CerebraError('invalid', 'Two entries change one resource');
}

function targetOf(draft: Map<string, Resource>, entry: TransactionEntry, newId: () => string): Target {
  const [path = '', query] = entry.url.split('?');
  const criteria = entry.method === 'POST' ? entry.ifNoneExist : query;
  if (criteria === undefined) {
    const name = entry.method === 'POST' ? `${path}/${newId()}` : (standIn(draft, entry) ?? path);
    return { name, existing: draft.get(name) };
  }
  const found = [...draft.values()].filter((resource) => resource.resourceType === path && matches(resource, criteria));
  if (entry.choose !== undefined) return chosen(draft, entry.choose, found, () => `${path}/${newId()}`);
  if (found.length > 1) throw new CerebraError('multiple-matches', `Criteria of ${entry.url}`);
  const [existing] = found;
  return { name: `${path}/${existing?.id ?? newId()}`, existing };
}

function standIn(draft: ReadonlyMap<string, Resource>, { url, alias }: TransactionEntry): string | undefined {
  if (alias === undefined) return undefined;
  const own = draft.get(url);
  if (own !== undefined) return alias.fits(own) ? undefined : `${url.split('/')[0]}/${alias.instead()}`;
  const names = alias.ids().map((id) => `${url.split('/')[0]}/${id}`);
  return names.find((name) => draft.has(name) && alias.fits(draft.get(name)!));
}

function chosen(
  draft: Map<string, Resource>,
  choose: NonNullable<TransactionEntry['choose']>,
  found: Resource[],
  newName: () => string,
): Target {
  const { match, follow, idle = false } = choose(found);
  if (follow !== undefined) return chosen(draft, choose, draft.has(follow) ? [draft.get(follow)!] : [], newName);
  const name = match === undefined ? newName() : `${match.resourceType}/${match.id}`;
  return { name, existing: match, idle };
}

function matches(resource: Resource, criteria: string): boolean {
  return [...new URLSearchParams(criteria)].every(([name, tokens]) =>
    tokens.split(/(?<!\\),/).some((token) => {
      const [system, value] = token.split(/(?<!\\)\|/).map((part) => part.replaceAll(/\\(.)/g, '$1'));
      const element = name === 'code' ? (resource.code as JsonObject | undefined)?.coding : resource.identifier;
      const key = name === 'code' ? 'code' : 'value';
      return ((element ?? []) as JsonObject[]).some((item) => (item.system ?? '') === system && item[key] === value);
    }),
  );
}

function apply(
  draft: Map<string, Resource>,
  entry: TransactionEntry,
  { name, existing, idle }: Target,
  urls: ReadonlyMap<string | undefined, string>,
): EntryResult {
  const [type = '', id = ''] = name.split('/');
  const before = Number(existing?.meta?.versionId ?? 0);
  const base = { type, id, updatedMs: 0 };
  if (idle || (entry.method === 'POST' && existing !== undefined)) {
    return { ...base, status: 200, version: before, body: '', op: 'none' };
  }
  const incoming = resolved(entry.resource!, urls) as Resource;
  const merged = entry.merge === undefined ? incoming : entry.merge(existing, incoming);
  const version = before + 1;
  const stored = { ...merged, id, meta: { versionId: String(version) } };
  draft.set(name, stored);
  return { ...base, status: 200, version, body: JSON.stringify(stored), op: existing ? 'update' : 'create' };
}

/** A copy whose references to fullUrls are references to resources; throws for one to nothing. */
function resolved(value: Json, urls: ReadonlyMap<string | undefined, string>): Json {
  if (Array.isArray(value)) return value.map((item) => resolved(item, urls));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) === null) return value;
  const copy: JsonObject = {};
  for (const [name, element] of Object.entries(value)) {
    const text = name === 'reference' && typeof element === 'string' && element.startsWith('urn:uuid:');
    if (text && !urls.has(element)) throw new CerebraError('invalid', `${element} is no fullUrl`);
    copy[name] = text ? urls.get(element)! : resolved(element!, urls);
  }
  return copy;
}
