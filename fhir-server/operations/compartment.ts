// Who belongs to a patient or an encounter: https://hl7.org/fhir/R4/compartmentdefinition.html
import type { SearchParam } from '#fhir-model';
import type { Core } from '../interactions/core.ts';
import { indexedAs } from '../store/index-rows.ts';

/** The index parameters that make resources members, by resource type. */
export type MemberParams = ReadonlyMap<string, readonly number[]>;

export const keysOf = (params: readonly (SearchParam | undefined)[]): number[] => [
  ...new Set(params.flatMap((param) => (param ? indexedAs(param).map(({ key }) => key) : []))),
];

/** `only`: the types that are asked for; undefined: all. */
export function memberParams(core: Core, code: 'Patient' | 'Encounter', only?: readonly string[]): MemberParams {
  const definition = core.definitions.compartment(code)?.resource ?? {};
  const found = new Map<string, number[]>();
  for (const [type, codes] of Object.entries(definition)) {
    if (only && !only.includes(type)) continue;
    const keys = keysOf(codes.map((name) => core.parameters.get(type, name)));
    if (keys.length > 0) found.set(type, keys);
  }
  return found;
}

/** Whether resources of the type are somebody's: such a one is never given to another patient by way of a reference. */
export const isPersonal = (core: Core, type: string): boolean =>
  type === 'Patient' || core.definitions.compartment('Patient')?.resource[type] !== undefined;
