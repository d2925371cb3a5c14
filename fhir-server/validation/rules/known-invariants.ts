// R4's own invariants that say something else than they mean, and those that are quicker by hand. What is meant is told by
// their texts, and by how R5 (https://hl7.org/fhir/R5/) corrects the same keys.
import { isObject } from '../json.ts';
import type { Invariant } from './invariants.ts';

interface Correction {
  key: string;
  /** As R4 has it, white space apart. */
  published: string;
  corrected: string;
  reason: string;
}

const part = String.raw`[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}`;
const anyPath = String.raw`${part}(\\.${part}(\\[x\\])?(\\:[^\\s\\.]+)?)*`;
const ownPath = String.raw`[A-Za-z][A-Za-z0-9]*(\\.[a-z][A-Za-z0-9]*(\\[x])?)*`;
const enteredInError =
  "verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code = 'entered-in-error').exists()";
const onProblemList =
  "category.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-category' and code='problem-list-item')";

/** Found by the expression, since keys repeat (inv-1). */
export const corrections: readonly Correction[] = [
  {
    key: 'adf-0, csd-0, sdf-0, vsd-0 and their like',
    published: "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')",
    corrected: "name.exists() implies name.matches('^[A-Z]([A-Za-z0-9_]){0,254}$')",
    reason: 'matches() finds a part where the whole name is meant; an absent name is not its concern',
  },
  {
    key: 'eld-19',
    published: `path.matches('${anyPath}')`,
    corrected: `path.matches('^${anyPath}$')`,
    reason: 'matches() finds a part where the whole path is meant',
  },
  {
    key: 'eld-20',
    published: `path.matches('${ownPath}')`,
    corrected: `path.matches('^${ownPath.replace('(\\\\[x])', '(\\\\[x\\\\])')}$')`,
    reason: 'matches() finds a part where the whole path is meant',
  },
  {
    key: 'ref-1',
    published:
      "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))",
    corrected:
      "reference.hasValue().not() or reference.startsWith('#').not() or reference = '#' or (reference.substring(1) in %rootResource.contained.id)",
    reason: 'a Reference by identifier or display alone breaks it as written, and # alone means the container',
  },
  {
    key: 'que-12',
    published: 'enableWhen.count() > 2 implies enableBehavior.exists()',
    corrected: 'enableWhen.count() > 1 implies enableBehavior.exists()',
    reason: 'its text says: more than one',
  },
  {
    key: 'ras-2',
    published: 'probability is decimal implies (probability as decimal) <= 100',
    corrected: 'probability.empty() or ((probability is decimal) implies ((probability as decimal) <= 100))',
    reason: 'a prediction without a probability breaks it as written',
  },
  {
    key: 'con-3',
    published: `clinicalStatus.exists() or ${enteredInError} or category.select($this='problem-list-item').empty()`,
    corrected: `clinicalStatus.exists() or ${enteredInError} or ${onProblemList}.empty()`,
    reason: 'compares a CodeableConcept with a text, which is false for each category, so that any category breaks it',
  },
  {
    key: 'tim-9',
    published: "offset.empty() or (when.exists() and ((when in ('C' | 'CM' | 'CD' | 'CV')).not()))",
    corrected: "offset.empty() or (when.exists() and when.select($this in ('C' | 'CM' | 'CD' | 'CV')).allFalse())",
    reason: '`in` takes one item, and `when` repeats',
  },
];

const withoutSpace = (expression: string): string => expression.replace(/\s+/g, '');
const byPublished = new Map(corrections.map(({ published, corrected }) => [withoutSpace(published), corrected]));

/** What is meant by the expression; mostly itself. */
export function correctedExpression(expression: string): string {
  return byPublished.get(withoutSpace(expression)) ?? expression;
}

/** Adds the texts that begin with `#`, wherever in the value they stand. */
function collectFragments(value: unknown, found: Set<string>): void {
  if (typeof value === 'string') {
    if (value.charCodeAt(0) === 0x23) found.add(value);
  } else if (Array.isArray(value)) {
    for (const item of value) collectFragments(item, found);
  } else if (isObject(value)) {
    for (const name in value) collectFragments(value[name], found);
  }
}

function fragmentsIn(value: unknown): Set<string> {
  const found = new Set<string>();
  collectFragments(value, found);
  return found;
}

/**
 * dom-3: what is contained is referred to from elsewhere in the resource, or refers to the resource that contains it. As
 * published it walks the whole resource four times for each contained one.
 */
const dom3: Invariant = (node) => {
  const contained = isObject(node) ? node.contained : undefined;
  if (!Array.isArray(contained) || contained.length === 0) return true;
  const all = fragmentsIn(node);
  // One without an id breaks another rule.
  const isKept = (resource: unknown): boolean =>
    !isObject(resource) ||
    typeof resource.id !== 'string' ||
    all.has(`#${resource.id}`) ||
    fragmentsIn(resource).has('#');
  return contained.every(isKept);
};

/** ele-1; the walk of structure.ts has found empty objects already. */
const ele1: Invariant = (node, _resource, _rootResource, companion) => {
  if (isObject(node)) {
    for (const name in node) if (name !== 'id' && node[name] !== undefined) return true;
    return false;
  }
  return (node !== null && node !== undefined) || companion?.extension !== undefined;
};

/** ext-1: extensions or a value, not both. */
const ext1: Invariant = (node) => {
  if (!isObject(node)) return 'cannot';
  let value = false;
  for (const name in node) value ||= name.startsWith('value') || name.startsWith('_value');
  return value !== (node.extension !== undefined);
};

const written: readonly [(expression: string) => boolean, Invariant][] = [
  [(text) => text === 'hasValue()or(children().count()>id.count())', ele1],
  [(text) => text === 'extension.exists()!=value.exists()', ext1],
  [(text) => text.startsWith("contained.where((('#'+idin(%resource.descendants().reference|"), dom3],
];

/** The invariant of that expression, where it is one of those written by hand. */
export function handWritten(expression: string): Invariant | undefined {
  const text = withoutSpace(expression);
  return written.find(([is]) => is(text))?.[1];
}
