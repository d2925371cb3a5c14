// Puts a message's segments into its structure and tells what does not stand where it should: HL7 v2.9 chapter 2.12
import type { Reading } from '../message/escape.ts';
import type { Segment } from '../message/message.ts';
import type { ErrorLocation } from '../message/refusal.ts';
import { found, type GroupPlace, type PlaceModel, type Sink } from './model.ts';
import type { GroupNode, SegmentNode } from './node.ts';

interface Open {
  node: GroupNode;
  /** Index of the child that took the last segment. */
  position: number;
}

export interface Sequenced {
  root: GroupNode;
  /** Every segment, in the message's order; those that have no place too. */
  segments: SegmentNode[];
}

/** Empty lines are passed over. What is missing or too often is told by `checkCounts`. */
export function sequence(structure: GroupPlace, segments: readonly Segment[], reading: Reading, sink: Sink): Sequenced {
  const root = groupNode(structure);
  const stack: Open[] = [{ node: root, position: -1 }];
  const counts = new Map<string, number>();
  const all: SegmentNode[] = [];
  for (const segment of segments) {
    const { name } = segment;
    if (name === '' && segment.raw.trim() === '') continue;
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    const location = { segment: name, sequence: count };
    const node: SegmentNode = { kind: 'segment', segment, place: undefined, location, instance: 1, reading };
    all.push(node);
    if (!inOrder(stack, node) && !outOfOrder(stack, node, sink)) unknown(node, structure, sink);
  }
  return { root, segments: all };
}

function groupNode(place: GroupPlace, instance = 1): GroupNode {
  return { kind: 'group', place, children: place.children.map(() => []), location: { segment: place.name }, instance };
}

/** The next place that has it: in the innermost open group, else in the one around it, or in a new one of these. */
function inOrder(stack: Open[], node: SegmentNode): boolean {
  for (let depth = stack.length - 1; depth >= 0; depth--) {
    if (advance(stack, depth, node)) return true;
  }
  return false;
}

function advance(stack: Open[], depth: number, node: SegmentNode): boolean {
  const open = stack[depth]!;
  const { children } = open.node.place;
  const from = open.position >= 0 && mayRepeat(children[open.position]!) ? open.position : open.position + 1;
  for (let index = from; index < children.length; index++) {
    const child = children[index]!;
    if (child.kind === 'segment' ? child.name !== node.segment.name : !child.first.has(node.segment.name)) continue;
    stack.length = depth + 1;
    open.position = index;
    if (child.kind === 'segment') put(open.node, index, node);
    else advance(stack, openGroup(stack, index), node);
    return true;
  }
  return false;
}

const mayRepeat = ({ max }: PlaceModel): boolean => max > 1;

function put(group: GroupNode, index: number, node: SegmentNode): void {
  const place = group.place.children[index]!;
  if (place.kind === 'segment') node.place = place;
  node.instance = group.children[index]!.push(node);
  if (group.location.sequence === undefined) group.location = node.location;
}

/** Opens the group at `index` of the innermost and yields its depth. */
function openGroup(stack: Open[], index: number): number {
  const parent = stack.at(-1)!.node;
  const node = groupNode(parent.place.children[index] as GroupPlace, parent.children[index]!.length + 1);
  parent.children[index]!.push(node);
  return stack.push({ node, position: -1 }) - 1;
}

function outOfOrder(stack: Open[], node: SegmentNode, sink: Sink): boolean {
  const text = late(stack, node) ?? anew(stack, node) ?? onceMore(stack, node) ?? withoutBeginning(stack, node);
  if (text === undefined) return false;
  const isOrphan = text.startsWith(orphaned);
  found(sink, node.location, { rule: 'structure', condition: '100', text, ...(isOrphan && { isOrphan }) });
  return true;
}

const orphaned = 'without';
const misplaced = (group: string): string => `not where ${group} has it`;

/** A group that has the segment as its own: an open one, the innermost first, or the latest within it. */
function* holders(stack: readonly Open[], name: string): Generator<{ group: GroupNode; index: number }> {
  for (const { node } of stack.toReversed()) yield* holdersIn(node, name);
}

function* holdersIn(group: GroupNode, name: string): Generator<{ group: GroupNode; index: number }> {
  if (!group.place.within.has(name)) return;
  const index = group.place.children.findIndex((child) => child.kind === 'segment' && child.name === name);
  if (index >= 0) yield { group, index };
  for (const nodes of group.children) {
    const last = nodes.at(-1);
    if (last?.kind === 'group') yield* holdersIn(last, name);
  }
}

/** A place that has been passed already and has room. */
function late(stack: Open[], node: SegmentNode): string | undefined {
  for (const { group, index } of holders(stack, node.segment.name)) {
    if (group.children[index]!.length >= group.place.children[index]!.max) continue;
    put(group, index, node);
    return misplaced(group.place.name);
  }
  return undefined;
}

/** A group that it begins, and that has been passed already. */
function anew(stack: Open[], node: SegmentNode): string | undefined {
  for (let depth = stack.length - 1; depth >= 0; depth--) {
    const { place, children } = stack[depth]!.node;
    const index = place.children.findIndex(
      (child, at) =>
        child.kind === 'group' &&
        child.first.has(node.segment.name) &&
        (mayRepeat(child) || children[at]!.length === 0),
    );
    if (index < 0) continue;
    const { position } = stack[depth]!;
    stack.length = depth + 1;
    advance(stack, openGroup(stack, index), node);
    stack[depth]!.position = Math.max(position, index);
    return misplaced(place.name);
  }
  return undefined;
}

/** Beside the first, so that its content is looked at too. */
function onceMore(stack: Open[], node: SegmentNode): string | undefined {
  for (const { group, index } of holders(stack, node.segment.name)) {
    put(group, index, node);
    return `more often than ${group.place.name} has it`;
  }
  return undefined;
}

/** Opens, from the innermost open group outward, groups that have the segment, though not as their first. */
function withoutBeginning(stack: Open[], node: SegmentNode): string | undefined {
  const { name } = node.segment;
  for (let depth = stack.length - 1; depth >= 0; depth--) {
    const { node: group, position } = stack[depth]!;
    const index = group.place.children.findIndex(
      (child, at) =>
        child.kind === 'group' &&
        child.within.has(name) &&
        (mayRepeat(child) || group.children[at]!.length === 0 || at > position),
    );
    if (index < 0) continue;
    stack.length = depth + 1;
    descend(stack, index, node);
    const { first, name: opened } = group.place.children[index] as GroupPlace;
    return `${orphaned} ${[...first].join(' or ')}, which begins ${opened}`;
  }
  return undefined;
}

function descend(stack: Open[], at: number, node: SegmentNode): void {
  const { name } = node.segment;
  const outer = stack.at(-1)!;
  outer.position = Math.max(at, outer.position);
  const open = stack[openGroup(stack, at)]!;
  const { place } = open.node;
  const index = place.children.findIndex((child) =>
    child.kind === 'segment' ? child.name === name : child.within.has(name),
  );
  open.position = index;
  if (place.children[index]!.kind === 'group') descend(stack, index, node);
  else put(open.node, index, node);
  open.node.location = node.location;
}

function unknown({ segment, location }: SegmentNode, structure: GroupPlace, sink: Sink): void {
  const { unknownSegment, zSegment } = sink.severities;
  const { name } = segment;
  const isKnown = structure.within.has(name);
  const severity = isKnown ? 'error' : name.startsWith('Z') ? zSegment : unknownSegment;
  if (severity === undefined) return;
  const isName = /^[A-Z][A-Z0-9]{2}$/.test(name);
  const text = isKnown
    ? `${structure.name} has no place for it here`
    : isName
      ? `${structure.name} has no such segment`
      : 'a line that is no segment';
  // Whatever the line says is not a name to tell.
  const shown = isName ? location : { segment: '' };
  found(sink, shown, { severity, rule: 'structure', condition: '100', text });
}

/** What is missing or too often in a group and those within. */
export function checkCounts(group: GroupNode, sink: Sink): void {
  const { place, children, location } = group;
  for (const [index, child] of place.children.entries()) {
    const nodes = children[index]!;
    checkCount(child, nodes, place.name, location, sink);
    for (const node of nodes) if (node.kind === 'group') checkCounts(node, sink);
  }
  for (const rule of place.rules) rule(group, sink);
}

function checkCount(
  child: PlaceModel,
  nodes: readonly (GroupNode | SegmentNode)[],
  group: string,
  around: ErrorLocation,
  sink: Sink,
): void {
  const { name, usage, min, max } = child;
  if (usage === 'X') {
    const [first] = nodes;
    if (first) found(sink, first.location, { rule: 'usage', condition: '100', text: `${name} must not be sent (X)` });
    return;
  }
  if (nodes.length === 0) {
    if (usage === 'R' && min > 0) missing(child, group, around, sink);
    return;
  }
  if (nodes.length < min) {
    const text = `${name} stands ${nodes.length} times in ${group}, ${min} at least are needed`;
    found(sink, nodes[0]!.location, { rule: 'cardinality', condition: '198', text });
  }
  if (nodes.length > max) {
    const text = `${name} stands ${nodes.length} times in ${group}, ${max} at most may`;
    found(sink, nodes[max]!.location, { rule: 'cardinality', condition: '198', text });
  }
}

/** Told at the segment that is not there, and with it the place of the group that lacks it. */
function missing(child: PlaceModel, group: string, around: ErrorLocation, sink: Sink): void {
  const segment = child.kind === 'segment' ? child.name : [...child.first][0]!;
  const what = child.kind === 'segment' ? 'segment' : 'group';
  const at = around.sequence === undefined ? '' : ` (${around.segment}[${around.sequence}])`;
  const text = `the required ${what} ${child.name} is missing in ${group}${at}`;
  found(sink, { segment }, { rule: 'structure', condition: '100', text });
}
