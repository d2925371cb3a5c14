// What a change leaves behind: an alert must not go on resting on what a resource no longer says, or says of somebody else.
import { type JsonObject, objectsOf, type Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import { type Happening, isWithdrawn, subjectOf } from './happening.ts';
import type { ReadyRule } from './ready.ts';
import { type Rule, remembers } from './rule.ts';

/**
 * What a resource was before: one that is about somebody else now, or something else by its code or by the rule's key, as if that
 * had been entered in error; one that no trigger listens for any more as if it were gone. Undefined where it is what it was.
 */
export function leftBehind({ rule, matcher }: ReadyRule, happening: Happening): Happening | undefined {
  const { resource, previous, ...change } = happening;
  // What a version before that one was is not known here.
  if (!resource || !previous || rule.usesPrevious) return undefined;
  const keyIn = (one: Resource) => (remembers(rule) ? '' : keyOf(rule, one, change));
  const isListenedFor = (one: Resource, version: number) =>
    matcher.match(one, version, change.updatedMs, () => {}).length > 0;
  try {
    const stays = subjectOf(rule, resource) === subjectOf(rule, previous) && keyIn(resource) === keyIn(previous);
    if (!stays) return { ...change, previous, left: true };
    const { version } = change;
    const lapses = !isWithdrawn(resource) && !isListenedFor(resource, version) && isListenedFor(previous, version - 1);
    if (!lapses) return undefined;
    return { ...change, previous, ...(isRecoded(previous, resource) ? { left: true } : {}) };
  } catch (error) {
    // Nobody could judge what it was then: there is nothing of it.
    if (!isCerebraError(error) || error.status >= 500) throw error;
    return undefined;
  }
}

/** An Observation does not become one of something else: it was always that. */
export function isRecoded(previous: Resource, resource: Resource): boolean {
  const [was, is] = [codingsOf(previous), codingsOf(resource)];
  const isCoded = resource.resourceType === 'Observation' && was.length > 0 && is.length > 0;
  return isCoded && !was.some((coding) => is.includes(coding));
}

const codingsOf = ({ code }: Resource): string[] =>
  objectsOf((code as JsonObject | undefined)?.coding).map((one) => `${String(one.system)}|${String(one.code)}`);

const keyCharactersMax = 200;

/** Without a key of its own: one alert a subject, but one a result where that is critical or of nobody who is known, and one a claim. */
export function keyOf(rule: Rule, resource: Resource, { id, previous }: Pick<Happening, 'id' | 'previous'>): string {
  if (rule.key) {
    const [key] = rule.key.values(resource as JsonObject, { resource, previous });
    return key === undefined || typeof key === 'object' ? '' : String(key).slice(0, keyCharactersMax);
  }
  if (rule.kind === 'critical-value' || rule.kind === 'claim') return id;
  // What says that somebody's value is over says nothing of somebody else's.
  return !remembers(rule) && subjectOf(rule, resource, previous) === '' ? id : '';
}
