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
export function sequence(
  structure: GroupPlace,
  segments: readonly Segment[],
  reading: Reading,
  sink: Sink,
): Sequenced {
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
    const node: SegmentNode = { kind: 'segment', segment, place: undefined, location, reading };
    all.push(node);
    if (!inOrder(stack, node) && !outOfOrder(stack, node, sink)) unknown(node, structure, sink);
  }
  return { root, segments: all };
}

function groupNode(place: GroupPlace): GroupNode {
  return { kind: 'group', place, children: place.children.map(() => []), location: { segment: place.name } };
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
    if (child.kind === 'segment') put(open, index, node);
    else advance(stack, openGroup(stack, index), node);
    return true;
  }
  return false;
}

const mayRepeat = ({ max }: PlaceModel): boolean => max > 1;

function put({ node: group }: Open, index: number, node: SegmentNode): void {
  const place = group.place.children[index]!;
  if (place.kind === 'segment') node.place = place;
  group.children[index]!.push(node);
  if (group.location.sequence === undefined) group.location = node.location;
}

/** Opens the group at `index` of the innermost and yields its depth. */
function openGroup(stack: Open[], index: number): number {
  const parent = stack.at(-1)!;
  const node = groupNode(parent.node.place.children[index] as GroupPlace);
  parent.node.children[index]!.push(node);
  return stack.push({ node, position: -1 }) - 1;
}

function outOfOrder(stack: Open[], node: SegmentNode, sink: Sink): boolean {
  const told = late(stack, node) ?? withoutBeginning(stack, node) ?? onceMore(stack, node);
  if (told === undefined) return false;
  found(sink, node.location, { rule: 'structure', condition: '100', text: told });
  return true;
}

const ownIndex = ({ node }: Open, name: string): number =>
  node.place.children.findIndex((child) => child.kind === 'segment' && child.name === name);

/** A place of an open group that has been passed already and has room. */
function late(stack: Open[], node: SegmentNode): string | undefined {
  for (const open of stack.toReversed()) {
    const { children, place } = open.node;
    const index = ownIndex(open, node.segment.name);
    if (index < 0 || children[index]!.length >= place.children[index]!.max) continue;
    put(open, index, node);
    return misplaced(place.name);
  }
  return undefined;
}

const misplaced = (group: string): string => `not where ${group} has it`;

/** Beside the first, so that its content is looked at too. */
function onceMore(stack: Open[], node: SegmentNode): string | undefined {
  const open = stack.findLast((one) => ownIndex(one, node.segment.name) >= 0);
  if (open === undefined) return undefined;
  put(open, ownIndex(open, node.segment.name), node);
  return `more often than ${open.node.place.name} has it`;
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
    return descend(stack, index, node);
  }
  return undefined;
}

function descend(stack: Open[], at: number, node: SegmentNode): string {
  const { name } = node.segment;
  const outer = stack.at(-1)!;
  outer.position = Math.max(at, outer.position);
  const open = stack[openGroup(stack, at)]!;
  const { place } = open.node;
  const index = place.children.findIndex((child) =>
    child.kind === 'segment' ? child.name === name : child.within.has(name),
  );
  open.position = index;
  if (place.children[index]!.kind === 'group') return descend(stack, index, node);
  put(open, index, node);
  open.node.location = node.location;
  return place.first.has(name)
    ? misplaced(outer.node.place.name)
    : `without ${[...place.first].join(' or ')}, which begins ${place.name}`;
}

function unknown({ segment, location }: SegmentNode, structure: GroupPlace, sink: Sink): void {
  const { unknownSegment, zSegment } = sink.severities;
  const isZ = segment.name.startsWith('Z');
  const severity = isZ ? zSegment : unknownSegment;
  if (severity === undefined) return;
  const text = /^[A-Z][A-Z0-9]{2}$/.test(segment.name)
    ? `${structure.name} has no such segment`
    : 'a line that is no segment';
  const shown = text.startsWith(structure.name) ? location : { segment: segment.name.slice(0, 3), sequence: 1 };
  found(sink, shown, { severity, rule: 'structure', condition: '100', text });
}

/** What is missing or too often in a group and those within. */
export function checkCounts({ place, children, location }: GroupNode, sink: Sink): void {
  for (const [index, child] of place.children.entries()) {
    const nodes = children[index]!;
    checkCount(child, nodes, place.name, location, sink);
    for (const node of nodes) if (node.kind === 'group') checkCounts(node, sink);
  }
  for (const rule of place.rules) rule({ kind: 'group', place, children, location }, sink);
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
    if (usage === 'R') missing(child, group, around, sink);
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
