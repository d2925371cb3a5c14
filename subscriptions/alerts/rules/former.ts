// What a change leaves behind: an alert must not go on resting on what a resource no longer says, or says of somebody else.
import type { JsonObject, Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { ReadyRule } from './evaluate.ts';
import { type Happening, isWithdrawn, subjectOf } from './happening.ts';
import { type Rule, remembers } from './rule.ts';

/**
 * What a resource was before: one that is about somebody else now, or by the rule's key something else, as if that had been
 * entered in error; one that no trigger listens for any more as if it were gone. Undefined where it is what it was.
 */
export function leftBehind({ rule, matcher }: ReadyRule, happening: Happening): Happening | undefined {
  const { resource, previous, ...change } = happening;
  // What a version before that one was is not known here.
  if (!resource || !previous || (rule.usesPrevious && (rule.subject || rule.key))) return undefined;
  const keyIn = (one: Resource) => (remembers(rule) ? '' : keyOf(rule, one, change));
  const isListenedFor = (one: Resource, version: number) =>
    matcher.match(one, version, change.updatedMs, () => {}).length > 0;
  try {
    const stays = subjectOf(rule, resource) === subjectOf(rule, previous) && keyIn(resource) === keyIn(previous);
    if (!stays) return { ...change, op: 'delete', previous, left: true };
    const { version } = change;
    const lapses = !isWithdrawn(resource) && !isListenedFor(resource, version) && isListenedFor(previous, version - 1);
    return lapses ? { ...change, op: 'delete', previous } : undefined;
  } catch (error) {
    // Nobody could judge what it was then: there is nothing of it.
    if (!isCerebraError(error) || error.status >= 500) throw error;
    return undefined;
  }
}

const keyCharactersMax = 200;

/** Without a key of its own: one alert a subject, but one a result where that is critical, and one a claim. */
export function keyOf(rule: Rule, resource: Resource, { id, previous }: Pick<Happening, 'id' | 'previous'>): string {
  if (rule.key) {
    const [key] = rule.key.values(resource as JsonObject, { resource, previous });
    return key === undefined || typeof key === 'object' ? '' : String(key).slice(0, keyCharactersMax);
  }
  return rule.kind === 'critical-value' || rule.kind === 'claim' ? id : '';
}
