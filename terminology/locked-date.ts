// ValueSet.compose.lockedDate: what names no version is taken as it was then.
// https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.compose.lockedDate
import { parseDateRange } from '#fhir-model';
import { isLaterThan } from './as-of.ts';
import { shown } from './refusals.ts';
import type { Asker, CodeSystems } from './systems.ts';
import { refuse } from './tx-issues.ts';
import type { ConceptSet, ValueSetDefinition } from './value-set-definition.ts';

const AT = 'ValueSet.compose.lockedDate';

const notLocked = (name: string, text: string) =>
  refuse('not-found', {
    ...{ code: 'not-found', type: 'not-found', messageId: 'VALUESET_LOCKED_DATE', expression: AT },
    text: `The value set '${shown(name)}' ${text}`,
  });

/** The definition's own, else that of the value set which imports it. Throws `invalid` for one that is no date. */
export function lockedDateOf({ name, lockedDate }: ValueSetDefinition, outer: string | undefined): string | undefined {
  if (lockedDate === undefined || parseDateRange(lockedDate) !== undefined) return lockedDate ?? outer;
  throw refuse('invalid', {
    ...{ code: 'invalid', type: 'vs-invalid', messageId: 'VALUESET_LOCKED_DATE', expression: AT },
    text: `The value set '${shown(name)}' has a lockedDate that is no date: '${shown(lockedDate)}'`,
  });
}

/** Definitions as they were then, for whatever names no version. */
export const askerAt = (asker: Asker, lockedDate: string | undefined): Asker =>
  lockedDate === undefined ? asker : { ...asker, date: lockedDate, dateAt: AT };

/**
 * The set with the version of its system of that date. Throws `not-found` where all versions are later. A system that is not
 * known stays as it is.
 */
export async function lockedSet(
  systems: CodeSystems,
  set: ConceptSet,
  name: string,
  asker: Asker,
): Promise<ConceptSet> {
  const { system, version } = set;
  const { date } = asker;
  if (date === undefined || system === undefined || version !== undefined) return set;
  const found = await systems.find(system, undefined, asker);
  if (found === undefined) return set;
  const { about } = found;
  // Another server, of which only the latest version is known.
  if (isLaterThan(about.resource, date)) {
    throw notLocked(name, `is locked at ${date}, of which no version of '${shown(system)}' is known`);
  }
  // One without a version is the only one: find() yields the latest.
  return about.version === undefined ? set : { ...set, version: about.version };
}
