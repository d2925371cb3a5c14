// Choice types in a differential: `valueQuantity` for the Quantity of `value[x]`, and slices by type
// https://hl7.org/fhir/R4/profiling.html#slicing, https://hl7.org/fhir/R4/formats.html#choice
import { choiceName } from '../choice-names.ts';
import { type DiffNode, diffNode, sliceIn } from './differential.ts';
import type { Node } from './tree.ts';
import type { ElementType, Slicing, StructureElement } from './types.ts';

export const isChoice = (name: string): boolean => name.endsWith('[x]');

/** Which of a choice's types `valueQuantity` means for `value[x]`. */
export function typeNamed({ name, element }: Node, short: string): ElementType | undefined {
  const stem = isChoice(name) ? name.slice(0, -3) : undefined;
  if (stem === undefined || !short.startsWith(stem)) return undefined;
  return element.type?.find(({ code }) => choiceName(stem, code) === short);
}

interface Short {
  choice: Node;
  type: ElementType;
}

/** `valueQuantity` among the children `value[x]`, … */
function shortOf(name: string, children: readonly Node[]): Short | undefined {
  for (const choice of children) {
    const type = typeNamed(choice, name);
    if (type) return { choice, type };
  }
  return undefined;
}

const withType = (element: StructureElement, code: string): StructureElement =>
  element.type ? element : { ...element, type: [{ code }] };

/**
 * The differential's nodes by the names of `children`: `valueQuantity` becomes the slice `valueQuantity` of `value[x]`.
 * `direct`: within a slice, where HL7's snapshots don't slice again, it is `value[x]` itself, narrowed.
 */
export function byBaseName(diffs: Iterable<DiffNode>, children: readonly Node[], direct: boolean): DiffNode[] {
  const known = new Set(children.map(({ name }) => name));
  const result = new Map<string, DiffNode>();
  const others: DiffNode[] = [];
  for (const diff of diffs) {
    if (known.has(diff.name)) result.set(diff.name, { ...diff, slices: new Map(diff.slices) });
    else others.push(diff);
  }
  for (const diff of others) {
    const short = shortOf(diff.name, children);
    if (short) shorten(diff, short, result, direct);
    else result.set(diff.name, diff);
  }
  return [...result.values()];
}

function shorten(diff: DiffNode, short: Short, result: Map<string, DiffNode>, direct: boolean): void {
  const { choice, type } = short;
  const whole = result.get(choice.name) ?? diffNode(choice.name, diff.index);
  result.set(choice.name, whole);
  const plain = direct && !whole.element && whole.slices.size === 0 && choice.slices.length === 0;
  const target = plain ? whole : sliceIn(whole, diff.name, diff.index);
  // Path and id may say it in two ways: `valueQuantity`, `value[x]:valueQuantity`.
  const said = [target, diff, ...diff.slices.values()];
  const speaking = said.find(({ element }) => element !== undefined);
  const element = speaking?.element ?? { path: choice.element.path };
  Object.assign(target, { element: withType(element, type.code), index: speaking?.index ?? diff.index });
  for (const { children } of said) {
    for (const [name, child] of children) if (!target.children.has(name)) target.children.set(name, child);
  }
}

/** The type that must be there, when one slice is mandatory: no other is then possible. */
function mandatory(slices: readonly Node[]): Node | undefined {
  return slices.find(({ element }) => (element.min ?? 0) > 0 && element.type?.length === 1);
}

/** The choice over its slices by type: narrowed to the mandatory one, and closed when no type is left over. */
export function sliceByType(element: StructureElement, slices: readonly Node[]): StructureElement {
  const must = mandatory(slices);
  const code = must?.element.type?.[0]?.code;
  const type = code === undefined ? element.type : element.type?.filter((one) => one.code === code);
  const codes = new Set(slices.flatMap((slice) => slice.element.type?.map((one) => one.code) ?? []));
  const rules = type?.every((one) => codes.has(one.code)) ? 'closed' : 'open';
  const slicing: Slicing = { discriminator: [{ type: 'type', path: '$this' }], ordered: false, rules };
  return {
    ...element,
    slicing: element.slicing ?? slicing,
    ...(type ? { type } : {}),
    ...(must ? { min: Math.max(element.min ?? 0, must.element.min ?? 0) } : {}),
  };
}
