// What the definition of its elements says of a parameter; the implied system of `code` elements: https://hl7.org/fhir/R4/search.html#token ("the system is defined in the value set")
import type { Definitions, ElementDefinition } from '../definitions.ts';
import { type Path, parseExpression, type Step } from './expression.ts';

/** The element that a path of child steps leads to, perhaps a choice; undefined where the path says more than names. */
function elementAt(definitions: Definitions, type: string, path: Path): ElementDefinition | undefined {
  let element: ElementDefinition | undefined;
  let at = type;
  for (const step of path) {
    if (step.kind !== 'child' || element?.choice) return undefined;
    element = definitions.type(at)?.elements.find((each) => each.name === step.name);
    if (element === undefined) return undefined;
    at = element.types[0] ?? '';
  }
  return element;
}

/** The elements at the ends of all paths; undefined where one of them says more than names. */
function endsOf(definitions: Definitions, resourceType: string, expression: string): ElementDefinition[] | undefined {
  const parsed = parseExpression(expression);
  if (parsed?.kind !== 'paths') return undefined;
  const ends = parsed.paths.map((path) => elementAt(definitions, resourceType, path));
  return ends.every((end) => end !== undefined) ? ends : undefined;
}

/** Whether all values are of these types; `as` and `ofType` at the end of a path say it themselves. */
export function isOfTypes(
  definitions: Definitions,
  resourceType: string,
  expression: string,
  types: readonly string[],
): boolean {
  const parsed = parseExpression(expression);
  if (parsed?.kind !== 'paths') return false;
  return parsed.paths.every((path) => {
    const last = path.at(-1);
    if (last?.kind === 'type') return types.includes(last.type);
    const found = elementAt(definitions, resourceType, path)?.types ?? [];
    return found.length > 0 && found.every((type) => types.includes(type));
  });
}

const HUMAN_NAME = 'HumanName';

/** `where(use='official')`, `[0]` and `ofType(HumanName)` leave of HumanNames nothing but HumanNames. */
const narrows = (step: Step): boolean =>
  step.kind === 'equals' || step.kind === 'index' || (step.kind === 'type' && step.type === HUMAN_NAME);

/** Whether all values are HumanNames, or what stands in their `family`. */
export function isOfFamilyNames(definitions: Definitions, resourceType: string, expression: string): boolean {
  const parsed = parseExpression(expression);
  if (parsed?.kind !== 'paths') return false;
  return parsed.paths.every((path) => {
    const names = path.filter((step) => !narrows(step));
    const last = names.at(-1);
    const isFamily = last?.kind === 'child' && last.name === 'family';
    const types = elementAt(definitions, resourceType, isFamily ? names.slice(0, -1) : names)?.types;
    return types?.every((type) => type === HUMAN_NAME) ?? false;
  });
}

/** Whether a value may be a Range. */
export const mayBeRange = (definitions: Definitions, resourceType: string, expression: string): boolean =>
  endsOf(definitions, resourceType, expression)?.some(({ types }) => types.includes('Range')) ?? false;

const MIME_TYPES = 'http://hl7.org/fhir/ValueSet/mimetypes';

/** Whether all values are MIME types: https://hl7.org/fhir/R4/search.html#mimetype */
export const isMimeType = (definitions: Definitions, resourceType: string, expression: string): boolean =>
  endsOf(definitions, resourceType, expression)?.every(({ valueSet }) => valueSet?.split('|', 1)[0] === MIME_TYPES) ??
  false;

function systemOf(definitions: Definitions, element: ElementDefinition | undefined): string | undefined {
  if (element === undefined || element.choice) return undefined;
  if (element.types[0] !== 'code' || element.valueSet === undefined) return undefined;
  const systems = definitions.valueSet(element.valueSet);
  return systems?.length === 1 ? systems[0]?.system : undefined;
}

/**
 * The one code system that the codes of a token parameter come from: `http://hl7.org/fhir/administrative-gender` for
 * Patient.gender. Undefined unless each path ends at a `code` bound to a value set of that one system.
 */
export function codeSystemOf(definitions: Definitions, resourceType: string, expression: string): string | undefined {
  const systems = endsOf(definitions, resourceType, expression)?.map((end) => systemOf(definitions, end)) ?? [];
  return systems.every((system) => system === systems[0]) ? systems[0] : undefined;
}
