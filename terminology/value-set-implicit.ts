// Value sets that no resource defines, told by their URL: https://hl7.org/fhir/R4/snomedct.html#implicit,
// https://hl7.org/fhir/R4/loinc.html#implicit, https://hl7.org/fhir/R4/ucum.html#implicit
import type { JsonObject, Resource } from '#fhir-model';
import { SNOMED } from './value-set-formula.ts';

const LOINC = 'http://loinc.org';
const UCUM = 'http://unitsofmeasure.org';
/** The concept above all that name reference sets: |Reference set|. */
const REFERENCE_SET = '900000000000455006';

const filter = (property: string, op: string, value: string): JsonObject => ({ property, op, value });

const valueSet = (url: string, include: JsonObject): Resource => ({
  resourceType: 'ValueSet',
  url,
  status: 'active',
  compose: { include: [include] },
});

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/** `isa/X`, `refset`, `refset/X` and `ecl/X`; `''` is all of the system. */
function filterOf(query: string): JsonObject[] | undefined {
  const [kind = '', ...rest] = query.split('/');
  const value = rest.join('/');
  if (query === '') return [];
  if (query === 'refset') return [filter('concept', 'is-a', REFERENCE_SET)];
  if (value === '') return undefined;
  if (kind === 'isa') return [filter('concept', 'is-a', value)];
  if (kind === 'refset') return [filter('concept', 'in', value)];
  if (kind !== 'ecl') return undefined;
  // An expression may stand in the URL as it is: `ecl/<<73211009 OR <64572001`.
  return [filter('constraint', '=', decoded(value) ?? value)];
}

function systemQuery(url: string, base: string, query: string): Resource | undefined {
  const filters = filterOf(query);
  if (filters === undefined) return undefined;
  const edition = base.startsWith(`${SNOMED}/`);
  const include = { system: edition ? SNOMED : base, ...(edition && { version: base }) };
  return valueSet(url, { ...include, ...(filters.length > 0 && { filter: filters }) });
}

function loinc(url: string, part: string): Resource | undefined {
  if (part === '') return valueSet(url, { system: LOINC });
  if (/^LL\d+-\d$/.test(part)) return valueSet(url, { system: LOINC, filter: [filter('LIST', '=', part)] });
  if (/^L[PG]\d+-\d$/.test(part)) return valueSet(url, { system: LOINC, filter: [filter('concept', 'is-a', part)] });
  return undefined;
}

/** So that what is worked out of one is kept with it. Beyond these the oldest are made again. */
const KEPT_MAX = 1_000;
const kept = new Map<string, Resource>();

/** Undefined where the URL is none of an implicit value set. The same URL yields the same object, which must not be changed. */
export function implicitValueSet(url: string): Resource | undefined {
  const known = kept.get(url);
  if (known) return known;
  const made = make(url);
  if (made === undefined) return undefined;
  const [oldest] = kept.keys();
  if (kept.size >= KEPT_MAX && oldest !== undefined) kept.delete(oldest);
  kept.set(url, made);
  return made;
}

function make(url: string): Resource | undefined {
  const query = /^([^?]+)\?fhir_vs(?:=(.*))?$/s.exec(url);
  if (query) return systemQuery(url, query[1]!, query[2] ?? '');
  const ofLoinc = /^http:\/\/loinc\.org\/vs(?:\/(.+))?$/.exec(url);
  if (ofLoinc) return loinc(url, ofLoinc[1] ?? '');
  return url === `${UCUM}/vs` ? valueSet(url, { system: UCUM }) : undefined;
}
