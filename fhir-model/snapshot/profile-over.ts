// An element whose type is narrowed to one profile says what that profile's root says
// https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.type.profile
import { mergeConstraints } from './merge.ts';
import { maxNumber, type StructureElement } from './types.ts';

const OF_ROOT = ['short', 'definition', 'comment', 'requirements', 'alias', 'isModifier', 'isModifierReason'] as const;

const isExtension = ({ type }: StructureElement): boolean => type?.[0]?.code === 'Extension';

/** An extension's own cardinality is how often it may stand in one place. */
function cardinality(base: StructureElement, root: StructureElement): Pick<StructureElement, 'min' | 'max'> {
  const max = maxNumber(root.max) < maxNumber(base.max) ? root.max : base.max;
  return { min: Math.max(base.min ?? 0, root.min ?? 0), ...(max === undefined ? {} : { max }) };
}

export function profileOver(base: StructureElement, root: StructureElement): StructureElement {
  const over: StructureElement = { ...base };
  for (const key of OF_ROOT) if (root[key] !== undefined) Object.assign(over, { [key]: root[key] });
  if (base.isModifier === true) over.isModifier = true;
  if (isExtension(base)) Object.assign(over, cardinality(base, root));
  if (root.constraint) over.constraint = mergeConstraints(base.constraint, root.constraint, '');
  return over;
}
