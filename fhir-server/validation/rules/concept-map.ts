// A ConceptMap in itself: https://hl7.org/fhir/R4/conceptmap.html
import type { JsonObject } from '#fhir-model';
import { isObject, objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import type { Fault } from './fault.ts';
import { eachRepeated, type Faults, faultList } from './place.ts';

const choiceAt = (map: JsonObject, stem: string): boolean =>
  map[`${stem}Uri`] !== undefined || map[`${stem}Canonical`] !== undefined;

function checkGroup(faults: Faults, map: JsonObject, group: JsonObject, at: string): void {
  for (const end of ['source', 'target'] as const) {
    if (group[end] !== undefined || choiceAt(map, end)) continue;
    faults.warn(
      'business-rule',
      'concept-map-group',
      at,
      `neither the group nor the map says which code system the ${end}s are of`,
    );
  }
  const elements = objectsOf(group.element);
  eachRepeated(
    elements.map(({ code }) => textOf(code)),
    (code, index) => {
      faults.warn(
        'business-rule',
        'concept-map-duplicate',
        `${at}.element[${index}].code`,
        `'${shown(code ?? '')}' is mapped twice in one group`,
      );
    },
  );
  elements.forEach((element, index) => {
    objectsOf(element.target).forEach((target, place) => {
      const here = `${at}.element[${index}].target[${place}]`;
      const open = target.equivalence === 'unmatched';
      if (target.code === undefined && !open) {
        faults.warn('business-rule', 'concept-map-target', here, "a target without a code is 'unmatched'");
      }
      if (target.code !== undefined && open) {
        faults.warn('business-rule', 'concept-map-target', here, "what is 'unmatched' has no target code");
      }
    });
  });
  checkUnmapped(faults, group, at);
}

function checkUnmapped(faults: Faults, { unmapped, source, target }: JsonObject, at: string): void {
  if (!isObject(unmapped) || unmapped.mode !== 'provided') return;
  if (source === undefined || target === undefined || source === target) return;
  faults.warn(
    'business-rule',
    'concept-map-unmapped',
    `${at}.unmapped.mode`,
    'provided keeps the source code, which is not of the target code system',
  );
}

/** `at` is the resource's path. */
export function conceptMapFaults(map: JsonObject, at: string): Fault[] {
  const faults = faultList();
  objectsOf(map.group).forEach((group, index) => {
    checkGroup(faults, map, group, `${at}.group[${index}]`);
  });
  return faults.list;
}
