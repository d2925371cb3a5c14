// An element as others derive from it: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.base
import type { Json, JsonObject } from '../types.ts';
import type { StructureElement } from './types.ts';

/** Extensions that say something of the element where it was defined, not of what is derived from it. */
const NOT_INHERITED = new Set(
  ['standards-status', 'normative-version', 'standards-status-reason', 'fmm', 'fmm-no-warnings', 'summary', 'wg'].map(
    (name) => `http://hl7.org/fhir/StructureDefinition/structuredefinition-${name}`,
  ),
);

const isInherited = (extension: Json): boolean => !NOT_INHERITED.has(String((extension as JsonObject | null)?.url));

/** With `base`, with the source of its constraints, without what isn't inherited. */
export function baseElement(element: StructureElement, url: string): StructureElement {
  const result: StructureElement = { ...element };
  result.base ??= { path: element.path, min: element.min ?? 0, max: element.max ?? '*' };
  if (element.constraint?.some(({ source }) => source === undefined)) {
    result.constraint = element.constraint.map((one) => (one.source === undefined ? { ...one, source: url } : one));
  }
  if (Array.isArray(element.extension)) {
    const kept = element.extension.filter(isInherited);
    if (kept.length > 0) result.extension = kept;
    else delete result.extension;
  }
  return result;
}
