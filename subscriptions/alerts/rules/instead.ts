// What a rule finds of a subject's other resources once one of them does not stand any more: the newest of those that are left
// says what is so now. Rules over time know it from what they remember (over-time.ts); these read it from the store.
import type { Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import { type EarlierPorts, earlierOf } from './earlier.ts';
import { keyOf } from './former.ts';
import { type Found, type Happening, isWithdrawn, referenceOf, subjectOf, timeOf } from './happening.ts';
import { atItsLevel } from './held-level.ts';
import type { Lookups } from './query.ts';
import type { ReadyRule } from './ready.ts';
import type { Rule } from './rule.ts';

export interface InsteadPorts {
  lookups: Pick<Lookups, 'isGone'>;
  earlier: EarlierPorts;
  /** What a dry run has gone through. */
  passed?: Passed;
}

/** Resources as a dry run has left them: the store may have deleted them since, or have them as another subject's. */
export interface Passed {
  take(happening: Happening): void;
  /** By reference those of the subject; undefined for what is deleted. */
  of(subject: string): ReadonlyMap<string, Happening | undefined>;
}

/** About 2 kB each. */
const passedMax = 50_000;

export function createPassed(rule: Rule): Passed {
  const all = new Map<string, Map<string, Happening | undefined>>();
  let count = 0;
  const set = (resource: Resource, happening: Happening, stands: boolean) => {
    const subject = unlessRefused(() => subjectOf(rule, resource, happening.previous), '');
    const those = all.get(subject) ?? new Map<string, Happening | undefined>();
    const reference = referenceOf(happening);
    if (!those.has(reference)) count++;
    all.set(subject, those.set(reference, stands ? happening : undefined));
  };
  return {
    take(happening) {
      if (!goesByNewest(rule)) return;
      const { resource, previous } = happening;
      if (previous) set(previous, happening, false);
      if (resource) set(resource, happening, true);
      for (const [subject, those] of all) {
        if (count <= passedMax) break;
        all.delete(subject);
        count -= those.size;
      }
    },
    of: (subject) => all.get(subject) ?? new Map(),
  };
}

interface Gone {
  ready: ReadyRule;
  /** By which a resource is withdrawn, or another's, or is dated earlier than it was. */
  happening: Happening;
  subject: string;
}

/** How far back a value is looked for, and among how many: the newest one that says raised or over ends the search. */
const lookBackMsMax = 30 * 86_400_000;
const resourcesMax = 200;
/** Versions of the resource, any of which may have ended an alert. */
const versionsMax = 20;

/** What is raised of a subject by the newest of many resources; of the others each resource has an alert of its own. */
const goesByNewest = ({ kind, actions }: Rule): boolean =>
  (kind === 'threshold' || kind === 'score') &&
  !actions.some(({ triggers }) => triggers.some(({ type }) => type === 'data-removed'));

/**
 * What the rule finds without the resource, where that is beyond a limit, and when the resource was written: an alert that it ended
 * is there again. `judge`: what the rule makes of one version; undefined where that says nothing. Throws CerebraError as the reader does.
 */
export async function insteadOf(
  { ready, happening, subject }: Gone,
  { lookups, earlier, passed }: InsteadPorts,
  judge: (one: Happening) => Promise<Found | undefined>,
): Promise<Pick<Found, 'instead' | 'written'>> {
  const { rule, matcher } = ready;
  const was = happening.previous;
  if (!was || isWithdrawn(was) || subject === '' || !goesByNewest(rule)) return {};
  const { version, updatedMs } = happening;
  if (matcher.match(was, version - 1, updatedMs, () => {}).length === 0 || (await lookups.isGone(subject))) return {};
  const sinceMs = timeOf(was, updatedMs) - lookBackMsMax;
  // Also what was changed along with it.
  const stood = await earlierOf(rule, was, { sinceMs, beforeMs: updatedMs + 1, most: resourcesMax }, earlier);
  const all = new Map<string, Happening | undefined>(stood.map((one) => [referenceOf(one), one]));
  for (const [reference, one] of passed?.of(subject) ?? []) all.set(reference, one);
  all.delete(referenceOf(happening));
  const others = [...all.values()].filter((one) => one !== undefined);
  const newestFirst = others.filter((one) => isOfTheSame(rule, one, was, subject)).sort((a, b) => byTime(b, a));
  const found = await standing(newestFirst, judge);
  if (!found) return {};
  const { position: _then, ...rest } = found;
  return { instead: { ...rest, instantMs: updatedMs }, written: await writtenOf(happening, earlier) };
}

/** One that is newer than it may be beyond a limit. */
export const isDatedBack = ({ resource, previous, updatedMs }: Happening): boolean =>
  previous !== undefined && timeOf(resource, updatedMs) < timeOf(previous, updatedMs);

/** What is found of a resource that is dated back, and of the others. */
export const unlessNewer = (found: Found, others: Pick<Found, 'instead' | 'written'>): Found =>
  others.instead && others.instead.atMs > found.atMs ? { ...found, ...others } : found;

const timeIn = ({ resource, updatedMs }: Happening): number => timeOf(resource, updatedMs);

const byTime = (a: Happening, b: Happening): number =>
  timeIn(a) - timeIn(b) || (referenceOf(a) < referenceOf(b) ? -1 : 1);

function isOfTheSame(rule: Rule, one: Happening, was: Resource, subject: string): boolean {
  const resource = one.resource!;
  const id = was.id ?? '';
  return unlessRefused(
    () =>
      !isWithdrawn(resource) &&
      subjectOf(rule, resource) === subject &&
      keyOf(rule, resource, one) === keyOf(rule, was, { id }),
    false,
  );
}

/** Back to a value that leaves no doubt; from there on as if they had just come, one after the other. */
async function standing(
  newestFirst: readonly Happening[],
  judge: (one: Happening) => Promise<Found | undefined>,
): Promise<Found | undefined> {
  const raised: Found[] = [];
  for (const one of newestFirst) {
    const found = await judgeOrSkip(one, judge);
    if (found?.state === 'cleared') break;
    if (found) raised.push(found);
    if (found && found.holds === undefined) break;
  }
  return raised.reduceRight<Found | undefined>((last, next) => (last ? atItsLevel(last, next) : next), undefined);
}

/** Nobody could judge it then either. */
async function judgeOrSkip(one: Happening, judge: (one: Happening) => Promise<Found | undefined>) {
  try {
    return await judge(one);
  } catch (error) {
    if (!isCerebraError(error) || error.status >= 500) throw error;
    return undefined;
  }
}

function unlessRefused<T>(ask: () => T, otherwise: T): T {
  try {
    return ask();
  } catch (error) {
    if (!isCerebraError(error) || error.status >= 500) throw error;
    return otherwise;
  }
}

/** Instants at which the versions before this one were written. */
async function writtenOf({ type, id, version }: Happening, { db, feed }: EarlierPorts): Promise<number[]> {
  const count = Math.min(versionsMax, version - 1);
  const keys = Array.from({ length: count }, (_, i) => ({ type, id, version: version - 1 - i }));
  const texts = keys.length === 0 ? [] : await feed.bodies(db, keys);
  return texts.flatMap((text) => {
    const written = text ? (JSON.parse(text) as Resource).meta?.lastUpdated : undefined;
    const ms = Date.parse(String(written));
    return Number.isFinite(ms) ? [ms] : [];
  });
}
