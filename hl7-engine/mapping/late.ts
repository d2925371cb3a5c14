// What a message still says that is older than what is stored: elements of which nothing newer has said anything. A field that
// is left out says nothing of its element (HL7 v2.9 chapter 2.5.3.6), so that an element may be older than its resource: then
// the resource remembers as of when it is, and of when it was deleted (`""`), so that an older message does not bring it back.
import type { Json, JsonObject, Resource } from '#fhir-model';
import { list } from './compact.ts';
import { clear } from './merge.ts';
import { msOf, stampText } from './ordering.ts';

/** `address 2026-03-01T08:00:00Z, telecom[home] 2026-03-01T09:00:00Z`: elements that the last message said nothing of. */
const asOfUrl = 'urn:cerebra:hl7v2-as-of';
/** The same of elements that a message has deleted. */
const deletedUrl = 'urn:cerebra:hl7v2-deleted';

export interface Fillable {
  /** Elements that an older message may change. */
  elements: ReadonlySet<string>;
  /** Of lists whose items are told apart: each by itself. */
  byKey: Readonly<Record<string, (item: JsonObject) => string>>;
  /** Elements of parts: each part by itself. */
  parts?: ReadonlySet<string>;
}

type Times = Map<string, string>;

const extensionsOf = ({ meta }: Resource): JsonObject[] => list((meta as JsonObject | undefined)?.extension);

function timesOf(resource: Resource | undefined, url: string): Times {
  const found = resource && extensionsOf(resource).find((one) => one.url === url);
  if (found === undefined) return new Map();
  return new Map(
    String(found.valueString)
      .split(', ')
      .map((entry) => entry.split(' ') as [string, string]),
  );
}

/** The resource with these times instead of those that it has. */
function withTimes(resource: Resource, asOf: Times, deleted: Times): Resource {
  const others = extensionsOf(resource).filter(({ url }) => url !== asOfUrl && url !== deletedUrl);
  const own = [[asOfUrl, asOf] as const, [deletedUrl, deleted] as const].flatMap(([url, times]) =>
    times.size === 0 ? [] : [{ url, valueString: [...times].map((entry) => entry.join(' ')).join(', ') }],
  );
  if (own.length === 0 && others.length === extensionsOf(resource).length) return resource;
  const { extension: _former, ...meta } = (resource.meta ?? {}) as JsonObject;
  const extension = [...others, ...own];
  return { ...resource, meta: extension.length > 0 ? { ...meta, extension } : meta } as Resource;
}

const elementOf = (path: string): string => path.split(/[.[]/)[0]!;

/** A role or a URL may have spaces and commas, which stand between the entries of a list of times. */
export const keyed = (element: string, key: string): string => `${element}[${encodeURIComponent(key.toWellFormed())}]`;

/** `telecom[use=home]` as it is called here: `telecom[home]`; `deceasedDateTime`: `deceased`. */
function nameOf(path: string): string {
  const [, element, key] = /^(\w+)\[\w+=([^\]]+)\]/.exec(path) ?? [];
  return element === undefined ? stemOf(path) : keyed(element, key!);
}

// One element of several forms: deceasedBoolean or deceasedDateTime.
const choice = /^(deceased|multipleBirth)[A-Z]/;

const stemOf = (name: string): string => choice.exec(name)?.[1] ?? name;

/** What a resource says, by names of which each has a time. */
function saidBy(resource: Resource, { elements, byKey, parts }: Fillable): Map<string, Json> {
  const said = new Map<string, Json>();
  for (const [name, value] of Object.entries(resource)) {
    if (!elements.has(stemOf(name)) || value === undefined) continue;
    const keyOf = byKey[name];
    if (keyOf !== undefined) {
      for (const item of list(value)) {
        const key = keyed(name, keyOf(item));
        said.set(key, [...((said.get(key) as JsonObject[] | undefined) ?? []), item]);
      }
    } else if (parts?.has(name)) {
      for (const [part, inner] of Object.entries(value as JsonObject)) said.set(`${name}.${part}`, inner as Json);
    } else said.set(stemOf(name), { [name]: value as Json });
  }
  return said;
}

/** A resource that is newer than the one before, with the times of what it only keeps and of what its message deletes. */
export function withOlder(
  existing: Resource | undefined,
  result: Resource,
  incoming: Resource,
  { cleared, rules }: { cleared: readonly string[]; rules: Fillable },
): Resource {
  const [told, time] = [saidBy(incoming, rules), stampText(incoming)];
  const [asOf, deleted]: [Times, Times] = [new Map(), new Map()];
  if (existing !== undefined) {
    const [before, former] = [timesOf(existing, asOfUrl), stampText(existing)];
    const kept = saidBy(result, rules);
    for (const name of saidBy(existing, rules).keys()) {
      const since = before.get(name) ?? former;
      if (kept.has(name) && !told.has(name) && since !== undefined) asOf.set(name, since);
    }
    for (const [name, at] of timesOf(existing, deletedUrl)) if (!told.has(name)) deleted.set(name, at);
  }
  // What is there all the same, in another form, has not been deleted.
  const stays = saidBy(result, rules);
  const names = cleared.map(nameOf).filter((name) => rules.elements.has(elementOf(name)) && !stays.has(name));
  for (const name of names) if (time !== undefined) deleted.set(name, time);
  return withTimes(result, asOf, deleted);
}

/**
 * `existing` with what an older message says of elements that are older still or unknown, and without those of them that it
 * deletes; the same object where that is nothing.
 */
export function filled(
  existing: Resource,
  incoming: Resource,
  { cleared, rules }: { cleared: readonly string[]; rules: Fillable },
): Resource {
  const [asOf, deleted, time] = [timesOf(existing, asOfUrl), timesOf(existing, deletedUrl), stampText(incoming)];
  const now = msOf(time);
  if (now === undefined) return existing;
  const known = saidBy(existing, rules);
  const result: Resource = { ...existing };
  const isNewer = (times: Times, name: string): boolean => now > (msOf(times.get(name)) ?? Number.POSITIVE_INFINITY);
  const wasDeleted = (name: string): boolean => deleted.has(name) && !isNewer(deleted, name);
  const news = [...saidBy(incoming, rules)].filter(
    ([name]) => (known.has(name) ? isNewer(asOf, name) : true) && !wasDeleted(name) && !wasDeleted(elementOf(name)),
  );
  for (const [name, value] of news) {
    put(result, name, value, rules);
    asOf.set(name, time!);
    deleted.delete(name);
  }
  const isThere = (path: string): boolean => known.has(nameOf(path)) && !(choice.test(path) && !(path in existing));
  const gone = cleared.filter((path) => isThere(path) && isNewer(asOf, nameOf(path)));
  for (const path of gone) {
    drop(result, path, rules);
    asOf.delete(nameOf(path));
    deleted.set(nameOf(path), time!);
  }
  // Of what nothing has told yet a message may come that is older still.
  const stays = saidBy(result, rules);
  const untold = cleared
    .map(nameOf)
    .filter((name) => rules.elements.has(elementOf(name)) && !stays.has(name) && !wasDeleted(name));
  for (const name of untold) deleted.set(name, time!);
  return news.length + gone.length + untold.length === 0 ? existing : withTimes(result, asOf, deleted);
}

/** Removes what saidBy() has under the name of the path. */
function drop(result: Resource, path: string, { byKey }: Fillable): void {
  const name = nameOf(path);
  const element = elementOf(name);
  const keyOf = name === element ? undefined : byKey[element];
  if (keyOf === undefined) {
    clear(result, path);
    return;
  }
  const others = list(result[element]).filter((item) => keyed(element, keyOf(item)) !== name);
  if (others.length > 0) result[element] = others;
  else delete result[element];
}

/** As of when the element is, or is none any more; undefined where nothing tells. */
export const toldMs = (resource: Resource, name: string): number | undefined =>
  resource[name] === undefined ? deletedMs(resource, name) : asOfMs(resource, name);

/** As of when is what the resource has under the name. */
export const asOfText = (resource: Resource, name: string): string | undefined =>
  timesOf(resource, asOfUrl).get(name) ?? stampText(resource);

export const asOfMs = (resource: Resource, name: string): number | undefined => msOf(asOfText(resource, name));

/** When it was last deleted. */
export const deletedMs = (resource: Resource, name: string): number | undefined =>
  msOf(timesOf(resource, deletedUrl).get(name));

/** The resource with these names deleted as of `time`; the same object where that is known, or they were deleted later. */
export function withDeleted(resource: Resource, names: readonly string[], time: string | undefined): Resource {
  const now = msOf(time);
  if (names.length === 0 || now === undefined) return resource;
  const deleted = timesOf(resource, deletedUrl);
  const news = names.filter((name) => now > (msOf(deleted.get(name)) ?? Number.NEGATIVE_INFINITY));
  if (news.length === 0) return resource;
  for (const name of news) deleted.set(name, time!);
  return withTimes(resource, timesOf(resource, asOfUrl), deleted);
}

/** Sets what saidBy() has under the name. */
function put(result: Resource, name: string, value: Json, { byKey }: Fillable): void {
  const element = elementOf(name);
  const keyOf = byKey[element];
  if (keyOf !== undefined) {
    const others = list(result[element]).filter((item) => keyed(element, keyOf(item)) !== name);
    result[element] = [...others, ...(value as JsonObject[])];
  } else if (name.includes('.')) {
    result[element] = { ...(result[element] as JsonObject | undefined), [name.slice(element.length + 1)]: value };
  } else {
    for (const form of Object.keys(result)) if (stemOf(form) === name && form !== name) delete result[form];
    Object.assign(result, value);
  }
}
