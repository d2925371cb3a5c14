// Searches within a compartment: https://hl7.org/fhir/R4/http.html#vsearch, https://hl7.org/fhir/R4/compartmentdefinition.html
import { compartmentCriterion, compartmentParams, compartmentTypes, isId } from '#fhir-model';
import { CerebraError } from '#platform';
import { indexedAs } from '../store/index-rows.ts';
import { resourceKey } from '../store/layout.ts';
import { named } from '../store/sql.ts';
import type { Caller, Core } from './core.ts';
import { assertType, searchType, type Within } from './search.ts';
import { searchSystem } from './search-system.ts';

/** Whose compartment. */
export interface Compartment {
  type: string;
  id: string;
}

function withinOf(core: Core, { type, id }: Compartment): Within & { types: readonly string[] } {
  assertType(core, type);
  if (!isId(id)) throw new CerebraError('not-found', `${type}/${id.slice(0, 64)} is not known`);
  const types = compartmentTypes(core, type);
  return { path: `${type}/${id}`, types, criteria: (of) => [compartmentCriterion(core, of, type, id)] };
}

/** `Patient/1/Observation?…` as searchset text. Nothing is in the compartment of a resource that is not there. */
export async function searchCompartment(
  core: Core,
  compartment: Compartment,
  type: string,
  pairs: [string, string][],
  caller: Caller,
  strict: boolean,
): Promise<string> {
  assertType(core, type);
  const within = withinOf(core, compartment);
  within.criteria(type);
  return searchType(core, { type, pairs, strict, within }, caller);
}

const referring = named(
  'compartment_params',
  () => 'select distinct param from index_reference where param = any($1::int[]) and target = $2::bigint',
);

/** Of the compartment's types those of which resources refer to it, and its own: 65 types are asked at once. */
async function typesInUse(core: Core, { type, id }: Compartment, types: readonly string[], { db }: Caller) {
  const typeOf = new Map<number, string[]>();
  for (const of of types) {
    for (const { key } of compartmentParams(core, of, type).flatMap(indexedAs)) {
      typeOf.set(key, [...(typeOf.get(key) ?? []), of]);
    }
  }
  const rows = await db.query<{ param: number }>(referring, [[...typeOf.keys()], resourceKey(type, id)]);
  const used = new Set(rows.flatMap(({ param }) => typeOf.get(param) ?? []).concat(type));
  return types.filter((of) => used.has(of));
}

/** `Patient/1/*`: over all types of the compartment, or those of `_type`. */
export async function searchWholeCompartment(
  core: Core,
  compartment: Compartment,
  pairs: [string, string][],
  caller: Caller,
  strict: boolean,
): Promise<string> {
  const within = withinOf(core, compartment);
  const isAsked = pairs.some(([name]) => name === '_type');
  const types = isAsked ? within.types : await typesInUse(core, compartment, within.types, caller);
  return searchSystem(core, pairs, caller, strict, { ...within, types });
}
