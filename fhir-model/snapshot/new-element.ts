// An element that a specialization adds: https://hl7.org/fhir/R4/structuredefinition-definitions.html#StructureDefinition.derivation
import { type Run, typeUrl } from './expand.ts';
import { mergeConstraints } from './merge.ts';
import type { ElementConstraint, StructureElement } from './types.ts';

/** Plain values (`id` of an element, `value` of a primitive) are no elements, and resources within have rules of their own. */
const isElement = ({ type }: StructureElement): boolean =>
  type?.every(({ code }) => !code.includes(':') && code !== 'Resource') ?? true;

/** What holds of every element (ele-1), and of every extension (ext-1): R4's own snapshots repeat no other type's rules. */
async function always(run: Run, element: StructureElement, at: number): Promise<readonly ElementConstraint[]> {
  if (!isElement(element)) return [];
  const code = element.type?.[0]?.code === 'Extension' ? 'Extension' : 'Element';
  return (await run.tree(typeUrl(code), at))?.element.constraint ?? [];
}

export async function newElement(run: Run, said: StructureElement, at: number): Promise<StructureElement> {
  const { path, min = 0, max = '1' } = said;
  const constraint = mergeConstraints(await always(run, said, at), said.constraint, run.url);
  const element = { ...said, min, max, base: { path, min, max } };
  return constraint.length > 0 ? { ...element, constraint } : element;
}
