// What a topic's notificationShape adds to its events, as it is stored when they are told:
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html#additional-resources
import {
  type AccessScope,
  type Json,
  parseJson,
  parseReference,
  type ResourceReader,
  type SearchPage,
  type StoredVersion,
} from '#fhir-model';
import { isCerebraError, type Log } from '#platform';
import { includePairs } from '../../topics/compile.ts';
import type { NotificationShape } from '../../topics/topic.ts';
import type { NotifiedResource } from './bundle.ts';

/** Of a topic, by its canonical URL, for a type of focus; undefined without one. */
export type ShapeOf = (
  topic: string,
  type: string,
) => Promise<Pick<NotificationShape, 'include' | 'revInclude'> | undefined>;

const shapeMs = 1_000;
const shapesMax = 1_000;

/** For a second: a topic that is changed is told so a moment later, and not every notification asks for it. */
export function rememberedShapes(shapeOf: ShapeOf): ShapeOf {
  const known = new Map<string, { shape: ReturnType<ShapeOf>; untilMs: number }>();
  return (topic, type) => {
    const key = `${type} ${topic}`;
    const nowMs = performance.now();
    const found = known.get(key);
    if (found && nowMs < found.untilMs) return found.shape;
    if (known.size >= shapesMax) known.clear();
    const shape = shapeOf(topic, type);
    known.set(key, { shape, untilMs: nowMs + shapeMs });
    shape.catch(() => known.delete(key));
    return shape;
  };
}

interface Focus {
  type: string;
  id: string;
  op: string;
}

export interface RelatedOptions {
  reader: ResourceReader;
  shapeOf?: ShapeOf | undefined;
  /** Our own FHIR base: what references below it name is here, what others name is somewhere else. */
  baseUrl: string;
  log: Log;
}

export interface AskedRelated {
  topic: string | undefined;
  focuses: readonly Focus[];
  scope: AccessScope;
}

/** What comes along with one focus, at most. */
const relatedMax = 100;
const searchesAtOnce = 4;
const idsPerSearchMax = 50;

/** By `Type/id` of the focus. Nothing comes along with what was deleted. */
export async function relatedOf(
  options: RelatedOptions,
  { topic, focuses, scope }: AskedRelated,
): Promise<Map<string, NotifiedResource[]>> {
  const found = new Map<string, NotifiedResource[]>();
  const { shapeOf } = options;
  if (topic === undefined || shapeOf === undefined) return found;
  const types = Map.groupBy(
    focuses.filter(({ op }) => op !== 'delete'),
    ({ type }) => type,
  );
  const questions: Question[] = [];
  for (const [type, some] of types) {
    const shape = await shapeOf(topic, type);
    const { query, direct } = shape ? includesOf(shape) : { query: '', direct: false };
    if (query === '') continue;
    const ids = [...new Set(some.map(({ id }) => id))];
    // Whose an included resource is, its references tell; not where it was found by way of another.
    const step = direct ? idsPerSearchMax : 1;
    for (let at = 0; at < ids.length; at += step) questions.push({ type, ids: ids.slice(at, at + step), query });
  }
  const work = async () => {
    for (let next = questions.pop(); next; next = questions.pop()) await answer(options, next, { topic, scope }, found);
  };
  await Promise.all(Array.from({ length: searchesAtOnce }, work));
  return found;
}

interface Question {
  type: string;
  ids: string[];
  query: string;
}

/** `query`: `_include=Encounter:patient&_include:iterate=Patient:link`; '' for nothing. `direct`: only what the focus refers to. */
function includesOf({ include, revInclude }: Pick<NotificationShape, 'include' | 'revInclude'>): {
  query: string;
  direct: boolean;
} {
  const read = (name: string) => (text: string) => includePairs(name, text);
  const pairs = [...include.flatMap(read('_include')), ...revInclude.flatMap(read('_revinclude'))];
  return { query: new URLSearchParams(pairs).toString(), direct: pairs.every(([kind]) => kind === '_include') };
}

async function answer(
  options: RelatedOptions,
  { type, ids, query }: Question,
  { topic, scope }: { topic: string; scope: AccessScope },
  found: Map<string, NotifiedResource[]>,
): Promise<void> {
  const page = await search(options, { type, ids, query, topic, scope });
  const [only] = ids;
  if (ids.length === 1) {
    found.set(`${type}/${only}`, page.included.slice(0, relatedMax).map(asRelated));
    return;
  }
  const included = page.included.map((one) => ({ one, names: namesOf(one) }));
  for (const { id, body } of page.resources) {
    const named = new Set<string>();
    addNamed(parseJson(body).value as Json, options.baseUrl, named);
    const mine = included.filter(({ names }) => names.some((name) => named.has(name))).map(({ one }) => one);
    found.set(`${type}/${id}`, mine.slice(0, relatedMax).map(asRelated));
  }
  // A page ends early where bodies are large.
  const rest = page.nextCursor === undefined ? [] : ids.filter((id) => !found.has(`${type}/${id}`));
  if (rest.length > 0) await answer(options, { type, ids: rest, query }, { topic, scope }, found);
}

/** What references to it, and canonicals, call it. */
function namesOf({ type, id, body }: StoredVersion): string[] {
  const { url } = parseJson(body).value as { url?: unknown };
  return [`${type}/${id}`, ...(typeof url === 'string' ? [url] : [])];
}

/** Adds all that a resource names: `Patient/1` of what is stored here, and what its texts may be the canonicals of. */
function addNamed(value: Json | undefined, baseUrl: string, named: Set<string>): void {
  if (typeof value === 'string') {
    if (/^[a-z][a-z0-9+.-]*:/i.test(value)) named.add(value.split('|')[0]!);
    const reference = parseReference(value, baseUrl);
    if (reference.kind === 'local') named.add(`${reference.type}/${reference.id}`);
  } else if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) addNamed(each, baseUrl, named);
  }
}

/** What a topic asks for and can't be searched is left out, as the guide allows: the event itself is told. */
async function search(
  { reader, log }: RelatedOptions,
  { type, ids, query, topic, scope }: Question & { topic: string; scope: AccessScope },
): Promise<Pick<SearchPage, 'resources' | 'included' | 'nextCursor'>> {
  try {
    return await reader.search(type, `_id=${ids.join(',')}&_count=${ids.length}&_total=none&${query}`, scope);
  } catch (err) {
    if (!isCerebraError(err) || err.status >= 500) throw err;
    log.warn({ err, topic }, "the includes of a topic's notificationShape can not be searched");
    return { resources: [], included: [] };
  }
}

const asRelated = ({ type, id, version, updatedMs, body }: StoredVersion): NotifiedResource => ({
  ...{ type, id, version, op: 'none', updatedMs, body },
});
