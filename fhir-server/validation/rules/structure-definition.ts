// A StructureDefinition in itself: https://hl7.org/fhir/R4/structuredefinition.html, https://hl7.org/fhir/R4/elementdefinition.html
import type { JsonObject } from '#fhir-model';
import { isObject, objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import { elementFaults } from './element-definition.ts';
import type { Fault } from './fault.ts';
import { type Faults, faultList, type RuleParts, shownValue } from './place.ts';

const coreBase = 'http://hl7.org/fhir/StructureDefinition/';

function checkType(faults: Faults, definition: JsonObject, at: string, parts: RuleParts): void {
  const { kind, derivation } = definition;
  const type = textOf(definition.type) ?? '';
  const url = textOf(definition.url) ?? '';
  if (kind === 'logical' || type === '') return;
  const known = parts.definitions.type(type) !== undefined;
  if (derivation === 'constraint' && !known) {
    faults.error(
      'not-found',
      'structure-type',
      `${at}.type`,
      `'${shown(type)}' is no type of R4 that could be constrained`,
    );
  }
  if (derivation === 'specialization' && !known && !url.startsWith(coreBase)) {
    faults.warn(
      'business-rule',
      'structure-derivation',
      `${at}.derivation`,
      'R4 has all resources and data types: others are logical models or profiles',
    );
  }
  if (derivation === undefined && definition.baseDefinition !== undefined) {
    faults.warn('required', 'structure-derivation', `${at}.derivation`, 'it does not say how it derives from its base');
  }
  const found = parts.definitions.type(type)?.kind;
  const wanted = found === 'resource' ? 'resource' : found === 'primitive' ? 'primitive-type' : 'complex-type';
  if (known && kind !== undefined && kind !== wanted) {
    faults.warn(
      'invalid',
      'structure-kind',
      `${at}.kind`,
      `a ${shown(type)} is a ${wanted}, found ${shownValue(kind)}`,
    );
  }
}

/** https://hl7.org/fhir/R4/defining-extensions.html#context */
function checkContexts(faults: Faults, definition: JsonObject, at: string, parts: RuleParts): void {
  objectsOf(definition.context).forEach(({ type, expression }, index) => {
    if (type !== 'element' || typeof expression !== 'string' || expression.includes('#')) return;
    const [first = ''] = expression.split('.');
    if (parts.definitions.type(first) !== undefined) return;
    const message = `'${shown(expression)}' does not begin with a type of R4`;
    faults.warn('business-rule', 'structure-context', `${at}.context[${index}].expression`, message);
  });
}

/** `at` is the resource's path. */
export function structureDefinitionFaults(definition: JsonObject, at: string, parts: RuleParts): Fault[] {
  const faults = faultList();
  checkType(faults, definition, at, parts);
  checkContexts(faults, definition, at, parts);
  for (const view of ['snapshot', 'differential'] as const) {
    const part = definition[view];
    if (isObject(part)) elementFaults(faults, objectsOf(part.element), `${at}.${view}`, { definition, view, parts });
  }
  return faults.list;
}
