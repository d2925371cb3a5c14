// Puts a message's segments into the groups of its structure, leniently: HL7 v2.9 chapter 2.12. What stands out of order,
// twice or without the segment that begins its group still finds its place; what has none is told.
import type { Segment } from '../../message/message.ts';
import type { Element, GroupElement } from './grammar.ts';
import { OpenGroup } from './group.ts';

export interface Grouped {
  root: OpenGroup;
  /** Segments that the structure does not have, Z segments among them; they stand in the group that was open. */
  unexpected: Segment[];
  /** What did not stand where the structure has it, without values. */
  warnings: string[];
}

interface Open {
  group: OpenGroup;
  element: GroupElement;
}

/** The segments from `from` on; empty lines are passed over. */
export function groupSegments(structure: GroupElement, segments: readonly Segment[]): Grouped {
  const root: Open = { group: new OpenGroup(structure.name, undefined), element: structure };
  const grouped: Grouped = { root: root.group, unexpected: [], warnings: [] };
  const stack: Open[] = [root];
  let last: Segment | undefined;
  for (const segment of segments) {
    if (segment.name === '' && segment.raw.trim() === '') continue;
    const before = last;
    last = segment;
    if (segment.name === 'NTE') {
      placeNote(stack.findLast(({ group }) => group.segments.at(-1) === before) ?? stack.at(-1)!, segment);
      continue;
    }
    if (segment.name === 'ORC') ofPriorResult(stack, segment);
    if (latePatient(stack, segment) || inOrder(stack, segment) || outOfOrder(stack, segment, grouped)) continue;
    stack.at(-1)!.group.segments.push(segment);
    grouped.unexpected.push(segment);
  }
  return grouped;
}

/** Where the structure has it next: in the innermost open group, else in the one around it, or in a new one of these. */
function inOrder(stack: Open[], segment: Segment): boolean {
  for (let depth = stack.length - 1; depth >= 0; depth--) {
    if (advance(stack, depth, segment)) return true;
  }
  return false;
}

function advance(stack: Open[], depth: number, segment: Segment): boolean {
  const { group, element } = stack[depth]!;
  const { elements } = element;
  // The element that took the last segment may take another if it repeats.
  const from = group.position >= 0 && elements[group.position]!.repeats ? group.position : group.position + 1;
  for (let index = from; index < elements.length; index++) {
    const next = elements[index]!;
    if (next.kind === 'segment' ? next.name !== segment.name : !next.first.has(segment.name)) continue;
    if (isSecondBeginning(stack[depth]!, index)) continue;
    stack.length = depth + 1;
    group.position = index;
    if (next.kind === 'segment') group.segments.push(segment);
    else advance(stack, open(stack, next), segment);
    return true;
  }
  return false;
}

/** The ORC of OUL stands before its OBR or behind it: where one stands before it, the next one is that of the next order. */
function isSecondBeginning({ group, element: { elements } }: Open, index: number): boolean {
  const [first, again] = [elements[0]!, elements[index]!];
  const isAgain = index > 0 && first.kind === 'segment' && again.kind === 'segment' && first.name === again.name;
  return isAgain && group.get(first.name) !== undefined;
}

/**
 * A note is about what stands before it (HL7 v2.9 chapter 2.14), so that it stands in the same group, also where the structure has
 * none there, and opens and closes none. Where the structure has notes next it has come that far: of two RXA with a note between
 * them the second begins a group.
 */
function placeNote({ group, element }: Open, note: Segment): void {
  const next = element.elements[group.position + 1];
  if (next?.kind === 'segment' && next.name === 'NTE') group.position++;
  group.segments.push(note);
}

/** Opens a group within the innermost and yields its depth. */
function open(stack: Open[], element: GroupElement): number {
  const { group: parent } = stack.at(-1)!;
  const group = new OpenGroup(element.name, parent);
  parent.children.push(group);
  return stack.push({ group, element }) - 1;
}

/**
 * An ORC in PRIOR_RESULT looks like that of the next order; ORC-1 (table 0119) tells them apart. PR, previous results, is never
 * an order's own, also where no PID begins the group. Any other, but RE and none at all, ends the earlier results.
 */
function ofPriorResult(stack: Open[], orc: Segment): void {
  const control = orc.field(1).text?.toUpperCase() ?? '';
  const prior = stack.findIndex(({ element }) => element.name === 'PRIOR_RESULT');
  if (prior >= 0) {
    if (control !== 'PR' && control !== 'RE' && control !== '') stack.length = prior;
    return;
  }
  if (control !== 'PR') return;
  const isPrior = (own: Element): own is GroupElement => own.kind === 'group' && own.name === 'PRIOR_RESULT';
  const holder = stack.findLastIndex(({ element, group }) => element.elements.some(isPrior) && group.position >= 0);
  if (holder < 0) return;
  const { group, element } = stack[holder]!;
  stack.length = holder + 1;
  group.position = element.elements.findIndex(isPrior);
  open(stack, element.elements[group.position] as GroupElement);
}

/** A group that was opened without its PID takes one that comes later: the message is about one patient. */
function latePatient(stack: Open[], segment: Segment): boolean {
  if (segment.name !== 'PID') return false;
  const open = stack.find(({ element, group }) => ownElement(element, 'PID') !== undefined && !group.get('PID'));
  open?.group.segments.push(segment);
  return open !== undefined;
}

function outOfOrder(stack: Open[], segment: Segment, grouped: Grouped): boolean {
  const note = (text: string): boolean => {
    grouped.warnings.push(`${segment.name}: ${text}`);
    return true;
  };
  if (late(stack, segment) || goesOn(stack, segment)) {
    return note('not where the structure has it; taken as if it were');
  }
  if (withoutBeginning(stack, segment)) return note('the segment that begins its group is missing');
  if (oncemore(stack, segment)) return note('more often than the structure allows; only the first has effect');
  return false;
}

/** An own segment of an open group that stood before what has come already, and did not come. */
function late(stack: Open[], segment: Segment): boolean {
  for (let depth = stack.length - 1; depth >= 0; depth--) {
    const { group, element } = stack[depth]!;
    const own = ownElement(element, segment.name);
    if (own === undefined || (!own.repeats && group.get(segment.name) !== undefined)) continue;
    group.segments.push(segment);
    return true;
  }
  return false;
}

function ownElement(element: GroupElement, name: string): Element | undefined {
  return element.elements.find((own) => own.kind === 'segment' && own.name === name);
}

/** In the group that was open before one that came late: OBX after the TQ1 that stands behind its OBR. */
function goesOn(stack: Open[], segment: Segment): boolean {
  for (let depth = stack.length - 1; depth >= 0; depth--) {
    const { group, element } = stack[depth]!;
    const last = element.elements[group.position];
    if (last?.kind !== 'group' || !last.within.has(segment.name) || stack[depth + 1]?.element === last) continue;
    const child = group.children.findLast(({ name }) => name === last.name);
    if (child === undefined) continue;
    const closed = stack.splice(depth + 1, Number.POSITIVE_INFINITY, { group: child, element: last });
    if (advance(stack, depth + 1, segment)) return true;
    stack.splice(depth + 1, Number.POSITIVE_INFINITY, ...closed);
  }
  return false;
}

/**
 * Opens, from the innermost open group outward, the groups that have the segment, though not as their first. A second OBR
 * begins no PRIOR_RESULT: what the order around it has already is another order's.
 */
function withoutBeginning(stack: Open[], segment: Segment): boolean {
  for (let depth = stack.length - 1; depth >= 0; depth--) {
    const { group, element } = stack[depth]!;
    const index = element.elements.findIndex(
      (own, at) =>
        own.kind === 'group' &&
        own.within.has(segment.name) &&
        !standsBefore(stack, depth, at, segment.name) &&
        (own.repeats || !group.children.some((child) => child.name === own.name) || at > group.position),
    );
    if (index < 0) continue;
    stack.length = depth + 1;
    group.position = Math.max(index, group.position);
    descend(stack, element.elements[index] as GroupElement, segment);
    return true;
  }
  return false;
}

/** Whether the segment has a place before the element `at`, in its group or, where that does not repeat, in those around it. */
function standsBefore(stack: Open[], depth: number, at: number, name: string): boolean {
  const { element } = stack[depth]!;
  const has = (own: Element): boolean => (own.kind === 'segment' ? own.name === name : own.within.has(name));
  if (element.elements.slice(0, at).some(has)) return true;
  const around = stack[depth - 1];
  if (element.repeats || around === undefined) return false;
  return standsBefore(stack, depth - 1, around.element.elements.indexOf(element), name);
}

function descend(stack: Open[], element: GroupElement, segment: Segment): void {
  const { group } = stack[open(stack, element)]!;
  const index = element.elements.findIndex((own) =>
    own.kind === 'segment' ? own.name === segment.name : own.within.has(segment.name),
  );
  group.position = index;
  const next = element.elements[index]!;
  if (next.kind === 'segment') group.segments.push(segment);
  else descend(stack, next, segment);
}

/** One too many: beside the first, so that it is told and not lost. */
function oncemore(stack: Open[], segment: Segment): boolean {
  const holder = stack.findLast(({ element }) => ownElement(element, segment.name) !== undefined);
  holder?.group.segments.push(segment);
  return holder !== undefined;
}
