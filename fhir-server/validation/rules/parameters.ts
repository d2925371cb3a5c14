// Parameters in themselves: https://hl7.org/fhir/R4/parameters.html
import { type Json, type JsonObject, parseReference } from '#fhir-model';
import { isObject, objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import { referencesIn } from './bundle-references.ts';
import type { Fault } from './fault.ts';
import { faultList } from './place.ts';

interface Held {
  resource: JsonObject;
  at: string;
}

function resourcesIn(parameters: Json | undefined, at: string, found: Held[]): void {
  objectsOf(parameters).forEach((parameter, index) => {
    const place = `${at}[${index}]`;
    if (isObject(parameter.resource)) found.push({ resource: parameter.resource, at: `${place}.resource` });
    if (parameter.part !== undefined) resourcesIn(parameter.part, `${place}.part`, found);
  });
}

/**
 * Resources that are sent together refer to each other by type and id. One that refers to a Patient with an id that none of
 * the Patients beside it has was put together wrongly: $member-match with the new coverage of somebody else.
 * `at` is the resource's path.
 */
export function parametersFaults(parameters: JsonObject, at: string): Fault[] {
  const faults = faultList();
  const held: Held[] = [];
  resourcesIn(parameters.parameter, `${at}.parameter`, held);
  const names = new Set(held.map(({ resource }) => `${textOf(resource.resourceType)}/${textOf(resource.id)}`));
  const types = new Set(
    held.filter(({ resource }) => resource.id !== undefined).map(({ resource }) => resource.resourceType),
  );
  for (const { resource, at: place } of held) {
    if (resource.resourceType === 'Bundle' || resource.resourceType === 'Parameters') continue;
    for (const { text, at: where } of referencesIn(resource, place)) {
      const parsed = parseReference(text);
      if (parsed.kind !== 'local' || !types.has(parsed.type) || names.has(`${parsed.type}/${parsed.id}`)) continue;
      faults.error(
        'not-found',
        'parameters-reference',
        where,
        `'${shown(text)}' is not the ${parsed.type} that is sent with it`,
      );
    }
  }
  return faults.list;
}
