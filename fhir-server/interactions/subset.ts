// _summary and _elements: https://hl7.org/fhir/R4/search.html#summary, #elements
import { elementsMax, isElement, type SearchQuery, type Subset, subsetText } from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from './core.ts';
import { badParameter } from './parameter-fault.ts';

/** What part of the resources a search asks for; undefined: the whole. */
export function subsetOf({ summary, elements }: Pick<SearchQuery, 'summary' | 'elements'>): Subset | undefined {
  const part = summary === 'true' || summary === 'text' || summary === 'data' ? summary : undefined;
  if (part && elements)
    throw badParameter('_elements', `_elements and _summary=${part} ask for two different parts: give one`);
  if (part) return { summary: part };
  return elements ? { elements } : undefined;
}

/** Throws `invalid-parameter` where none of the types has an element of that name: only for strict callers. */
export function assertElements(core: Core, types: readonly string[], elements: readonly string[]): void {
  const known = (name: string) => types.some((type) => isElement(core.definitions.type(type)!, name));
  const wrong = elements.find((name) => !known(name));
  if (wrong !== undefined) throw badParameter('_elements', `${types.slice(0, 5).join(', ')} has no element '${wrong}'`);
}

/** The text of a stored resource as the caller wants it. */
export const applySubset = (core: Core, text: string, subset: Subset | undefined): string =>
  subset ? subsetText(text, subset, core.definitions) : text;

const SUMMARIES = ['true', 'text', 'data', 'false'] as const;

/**
 * `_summary` and `_elements` of a read, vread or history; undefined: the whole. Throws `invalid-parameter` for values that
 * there are not, `_summary=count` among them, and (when strict) for elements that the type has not.
 */
export function readSubset(
  core: Core,
  types: readonly string[],
  pairs: readonly (readonly [string, string])[],
  strict: boolean,
): Subset | undefined {
  const given = (name: string): string | undefined => {
    const [value, another] = pairs.filter(([each]) => each === name);
    if (another) throw badParameter(name, `${name} may be given once`);
    return value?.[1];
  };
  const [summary, elements] = [given('_summary'), given('_elements')];
  const known = SUMMARIES.find((each) => each === summary);
  if (summary !== undefined && !known)
    throw badParameter('_summary', `_summary is one of ${SUMMARIES.join(', ')} here`);
  const names = elements?.split(',').filter((name) => name !== '');
  const wrong = names?.find((name) => !/^[a-z][A-Za-z0-9]{0,63}$/.test(name));
  if (wrong !== undefined || names?.length === 0) {
    throw badParameter('_elements', `_elements is a list of element names with commas, such as id,name`);
  }
  if (names && names.length > elementsMax) {
    throw new CerebraError('too-costly', `At most ${elementsMax} elements`, { expression: ['_elements'] });
  }
  if (names && strict) assertElements(core, types, names);
  return subsetOf({ ...(known && { summary: known }), ...(names && { elements: names }) });
}
