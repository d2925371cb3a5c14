// The parameter `date` of operations: definitions as they were then. https://hl7.org/fhir/R4/valueset-operation-expand.html
import { parseDateRange, type Resource } from '#fhir-model';
import type { CerebraError } from '#platform';
import { asText } from './code-system.ts';
import { shown } from './refusals.ts';
import { refuse } from './tx-issues.ts';

/** A release of SNOMED CT tells its date in its version: https://hl7.org/fhir/R4/snomedct.html#4.3.1.0.4 */
function dateOf({ date, version }: Resource): string | undefined {
  const [, year, month, day] = /\/version\/(\d{4})(\d{2})(\d{2})$/.exec(asText(version) ?? '') ?? [];
  return asText(date) ?? (year === undefined ? undefined : `${year}-${month}-${day}`);
}

/** Whether the definition is of a later date, the whole of the given year, month or day counted; without a date it isn't. */
export function isLaterThan(definition: Resource, date: string): boolean {
  const own = parseDateRange(dateOf(definition) ?? '');
  const asked = parseDateRange(date);
  return own !== undefined && asked !== undefined && own.lo > asked.hi;
}

const notYet = (what: string, url: string, date: string, known: readonly string[], at: string): CerebraError =>
  refuse('not-found', {
    ...{ code: 'not-found', type: 'not-found', messageId: 'NOT_KNOWN_AT_DATE', expression: at },
    text: `No version of the ${what} '${shown(url)}' is known that is not later than ${shown(date)}. Known are ${known.join(', ')}`,
  });

export interface Versions<T> {
  /** For the message: `CodeSystem`, `value set`. */
  what: string;
  url: string;
  /** Latest first; '' for one without version. */
  versions: readonly string[];
  find(version: string | undefined): Promise<T | undefined>;
  definitionOf(found: T): Resource;
}

/**
 * The latest version that is not later than the date, which was said at `at`. Throws `not-found` when all are later; undefined
 * when there are none.
 */
export async function chooseAsOf<T>(
  { what, url, versions, find, definitionOf }: Versions<T>,
  date: string,
  at = 'date',
): Promise<T | undefined> {
  const later: string[] = [];
  for (const version of versions) {
    const found = await find(version === '' ? undefined : version);
    if (found === undefined) continue;
    const definition = definitionOf(found);
    if (!isLaterThan(definition, date)) return found;
    later.push(`${version === '' ? 'one without version' : version} (${dateOf(definition)})`);
  }
  if (later.length > 0) throw notYet(what, url, date, later, at);
  return undefined;
}
