// All concept maps by name: those of the guide (https://hl7.org/fhir/uv/v2mappings/concept_maps.html) and ours.
import { type ConceptMap, conceptMap } from './concept-map.ts';
import { administrationMaps } from './maps/administration.ts';
import { bodyPartsMaps } from './maps/body-parts.ts';
import { clinicalMaps } from './maps/clinical.ts';
import { confidentialityMaps } from './maps/confidentiality.ts';
import { emptyMaps } from './maps/empty.ts';
import { hospitalServiceMaps } from './maps/hospital-service.ts';
import { managementMaps } from './maps/management.ts';
import { messageMaps } from './maps/message.ts';

const sources = {
  ...administrationMaps,
  ...bodyPartsMaps,
  ...clinicalMaps,
  ...confidentialityMaps,
  ...emptyMaps,
  ...hospitalServiceMaps,
  ...managementMaps,
  ...messageMaps,
};

/** In the order of their names. */
export const conceptMaps: ReadonlyMap<string, ConceptMap> = new Map(
  Object.entries(sources)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, source]) => [name, conceptMap(name, source)]),
);

/** Throws SyntaxError for a name that no map has. */
export function conceptMapOf(name: string | undefined): ConceptMap {
  const found = conceptMaps.get(name ?? '');
  if (found === undefined) throw new SyntaxError(`no concept map "${name ?? ''}"`);
  return found;
}
