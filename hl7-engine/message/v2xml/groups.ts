// The order and the groups in which an XML message has its segments: HL7 v2.9 chapter 2.12
import { type GroupElement, parseStructure } from '../../mapping/structure/grammar.ts';
import type { Group } from '../../mapping/structure/group.ts';
import { groupSegments } from '../../mapping/structure/grouper.ts';
import { structures } from '../../mapping/structure/structures.ts';
import type { Dictionary, StructureNode } from '../dictionary.ts';
import type { Hl7Message, Segment } from '../message.ts';

export interface SegmentTree {
  /** `PATIENT_RESULT` */
  name: string;
  items: readonly (Segment | SegmentTree)[];
}

/** Segments in the groups of the structure, in the order of the message; undefined for a structure that nobody knows. */
export function segmentTree(
  message: Hl7Message,
  structure: string,
  version: string,
  dictionary: Dictionary,
): SegmentTree | undefined {
  const element = structures.get(structure) ?? fromDictionary(structure, version, dictionary);
  if (element === undefined) return undefined;
  const places = new Map(message.segments.map((segment, place) => [segment, place]));
  return treeOf(groupSegments(element, message.segments).root, places).tree;
}

function treeOf(group: Group, places: ReadonlyMap<Segment, number>): { tree: SegmentTree; place: number } {
  const items = [
    ...group.segments.map((segment) => ({ item: segment as Segment | SegmentTree, place: places.get(segment)! })),
    ...group.children.map((child) => {
      const { tree, place } = treeOf(child, places);
      return { item: tree as Segment | SegmentTree, place };
    }),
  ].toSorted((one, other) => one.place - other.place);
  return {
    tree: { name: group.name, items: items.map(({ item }) => item) },
    place: items[0]?.place ?? Number.POSITIVE_INFINITY,
  };
}

const compiled = new Map<string, GroupElement | undefined>();

function fromDictionary(structure: string, version: string, dictionary: Dictionary): GroupElement | undefined {
  const nodes = dictionary.structureOf(version, structure);
  if (nodes === undefined) return undefined;
  const key = `${version} ${structure}`;
  if (!compiled.has(key)) compiled.set(key, parseStructure(structure, nodes.map(syntaxOf).join(' ')));
  return compiled.get(key);
}

/** A choice is written as its segments, any of them. */
function syntaxOf({ name, min, max, children }: StructureNode): string {
  const count = max > 1 ? (min > 0 ? '+' : '*') : min > 0 ? '' : '?';
  if (children !== undefined) return `${groupName(name)}{${children.map(syntaxOf).join(' ')}}${count}`;
  const names = name.split(',').filter((one) => /^[A-Z][A-Z0-9]{2}$/.test(one));
  return names.map((one) => one + (names.length > 1 && min > 0 ? (max > 1 ? '*' : '?') : count)).join(' ');
}

const groupName = (name: string): string => name.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_');
