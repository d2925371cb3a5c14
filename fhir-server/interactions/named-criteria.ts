// Criteria that name other entries of their transaction by fullUrl: `Observation?identifier=1&subject=urn:uuid:…` means the
// patient that the other entry makes or finds. Left as they are they would never match, and each repetition of the same
// transaction would create the Observation once more.
import type { Criterion, SearchQuery, SearchValue } from '#fhir-model';
import { CerebraError } from '#platform';
import { at, inKey, isRead, type Plan } from './entries.ts';
import type { Resolved } from './resolve.ts';

/** Entry index → the ids of what the entry is about; several of a conditional delete. */
export type EntryIds = ReadonlyMap<number, readonly string[]>;

/** Plans with such criteria, with ids in place of fullUrls. */
export interface Bound {
  plans: Plan[];
  /** The ids that were put in; the transaction has to come to the same. */
  ids: EntryIds;
}

/** Entries that depend on entries that depend on …: each step is a round of look-ups of its own. */
export const STEPS_MAX = 8;
/** Ids that are put into the criteria of one entry: a conditional delete that they name may have many. */
const IDS_MAX = 1000;

type Replace = (value: SearchValue) => SearchValue[];

function inCriterion(criterion: Criterion, replace: Replace): Criterion {
  const { chain, has, logic } = criterion;
  const inner = (one: Criterion): Criterion => inCriterion(one, replace);
  const copy = { ...criterion, values: criterion.values.flatMap(replace) };
  if (chain) copy.chain = chain.map((link) => ({ ...link, criterion: inner(link.criterion) }));
  if (has) copy.has = { ...has, criterion: inner(has.criterion) };
  if (logic) copy.logic = { ...logic, criteria: logic.criteria.map(inner) };
  return copy;
}

const inQuery = (query: SearchQuery, replace: Replace): SearchQuery => ({
  ...query,
  criteria: query.criteria.map((criterion) => inCriterion(criterion, replace)),
});

const urlOf = (value: SearchValue): string | undefined => (value.kind === 'reference' ? value.url : undefined);

/** `Patient/23` is what has the fullUrl `[base]/Patient/23`, as in a reference: it may be an entry that gets another id. */
export function urlHere(value: SearchValue, baseUrl: string): string | undefined {
  const isLocal = value.kind === 'reference' && value.url === undefined && value.type !== undefined;
  return isLocal ? `${baseUrl}/${value.type}/${value.id}` : urlOf(value);
}

function addUrls(urls: string[], { values, chain, has, logic }: Criterion, read: typeof urlOf): void {
  for (const value of values) {
    const url = read(value);
    if (url !== undefined) urls.push(url);
  }
  for (const link of chain ?? []) addUrls(urls, link.criterion, read);
  if (has) addUrls(urls, has.criterion, read);
  for (const one of logic?.criteria ?? []) addUrls(urls, one, read);
}

/** What is named by URL: a resource elsewhere, or another entry. */
export function urlsIn({ criteria }: SearchQuery, read: typeof urlOf = urlOf): string[] {
  const urls: string[] = [];
  for (const criterion of criteria) addUrls(urls, criterion, read);
  return urls;
}

/** fullUrl → its entry, of those that write. */
function entriesByUrl(plans: readonly Plan[]): Map<string, Plan> {
  const named = new Map<string, Plan>();
  for (const plan of plans) {
    const { fullUrl } = plan.entry;
    if (fullUrl !== undefined && !plan.alone && !isRead(plan)) named.set(fullUrl, plan);
  }
  return named;
}

/** Plan → the entries that its criteria name. */
function namesOf(plans: readonly Plan[], baseUrl: string): Map<Plan, Plan[]> {
  const names = new Map<Plan, Plan[]>();
  if (!plans.some(({ criteria }) => criteria)) return names;
  const byUrl = entriesByUrl(plans);
  if (byUrl.size === 0) return names;
  for (const plan of plans) {
    if (!plan.criteria) continue;
    const named = urlsIn(plan.criteria, (value) => urlHere(value, baseUrl)).flatMap((url) => byUrl.get(url) ?? []);
    if (named.length > 0) names.set(plan, named);
  }
  return names;
}

function bind(plan: Plan, named: readonly Plan[], ids: EntryIds, baseUrl: string): Plan {
  const texts = new Map<string, string[]>();
  for (const { type, entry, index } of named) {
    const known = ids.get(index)!.map((id) => `${type}/${id}`);
    if (known.length > 0) texts.set(entry.fullUrl!, known);
  }
  let count = 0;
  let key = plan.criteriaKey!;
  const criteria = inQuery(plan.criteria!, (value) => {
    const known = texts.get(urlHere(value, baseUrl) ?? '');
    if (!known) return [value];
    key = key.replaceAll(inKey(value.text), known.join(','));
    count += known.length;
    if (count > IDS_MAX) throw refusal('too-costly', plan, `The criteria name more than ${IDS_MAX} resources`);
    return known.map((text) => {
      const [type = '', id = ''] = text.split('/');
      return { kind: 'reference', text, type, id };
    });
  });
  // Locks of identifiers stay: these name no entry.
  const lockKeys = plan.lockKeys?.includes(plan.criteriaKey!) ? [key] : (plan.lockKeys ?? [key]);
  return { ...plan, criteria, criteriaKey: key, lockKeys };
}

const refusal = (code: 'invalid' | 'too-costly', plan: Plan, text: string): CerebraError =>
  new CerebraError(code, text, { expression: [at(plan.index, '.request')] });

const namesItself = (plan: Plan): CerebraError =>
  refusal('invalid', plan, 'The criteria name an entry whose own criteria depend on this one: name one in another way');

const tooDeep = (plan: Plan): CerebraError =>
  refusal('too-costly', plan, `The criteria depend on those of other entries over more than ${STEPS_MAX} steps`);

const isKnown = ({ criteria, entry, id }: Plan): boolean => !criteria && !entry.alias && id !== undefined;

/**
 * Puts ids in place of the fullUrls of other entries; undefined when no criteria name one. `resolve` tells the ids that
 * entries with criteria of their own come to; it is asked once for each step of what depends on what.
 */
export async function bindCriteria(
  plans: Plan[],
  baseUrl: string,
  resolve: (plans: Plan[]) => Promise<Resolved[]>,
): Promise<Bound | undefined> {
  const names = namesOf(plans, baseUrl);
  if (names.size === 0) return undefined;
  const put = new Map<number, readonly string[]>();
  let waiting = [...names.keys()];
  let ready = plans.filter((plan) => !names.has(plan));
  for (let step = 1; waiting.length > 0; step++) {
    const indexes = new Set(ready.map(({ index }) => index));
    const isNext = (plan: Plan): boolean => names.get(plan)!.every(({ index }) => indexes.has(index));
    const next = waiting.filter(isNext);
    if (next.length === 0) throw namesItself(waiting[0]!);
    if (step > STEPS_MAX) throw tooDeep(next[0]!);
    const named = next.flatMap((plan) => names.get(plan)!);
    const resolved = named.every(isKnown) ? undefined : await resolve(ready);
    const ids = resolved && idsByIndex(resolved);
    for (const { index, id } of named) put.set(index, ids ? (ids.get(index) ?? []) : [id!]);
    ready = [...ready, ...next.map((plan) => bind(plan, names.get(plan)!, put, baseUrl))];
    const bound = new Set(next);
    waiting = waiting.filter((plan) => !bound.has(plan));
  }
  return { plans: ready.toSorted((a, b) => a.index - b.index), ids: put };
}

function idsByIndex(resolved: readonly Resolved[]): Map<number, string[]> {
  const ids = new Map<number, string[]>();
  for (const { index, id } of resolved) {
    const known = ids.get(index) ?? [];
    if (id !== '') known.push(id);
    ids.set(index, known);
  }
  return ids;
}

/** Whether the entries are about what was put in for them. */
export function isAsBound(resolved: readonly Resolved[], ids: EntryIds): boolean {
  const found = idsByIndex(resolved);
  return [...ids].every(([index, expected]) => {
    const those = found.get(index) ?? [];
    return those.length === expected.length && those.every((id) => expected.includes(id));
  });
}
