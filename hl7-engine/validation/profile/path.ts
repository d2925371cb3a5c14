// Paths of conformance statements: `3[1].2[*].1[1]`, position and occurrence within the context that a statement belongs to.
import type { ErrorLocation } from '../../message/refusal.ts';
import type { GroupPlace, PlaceModel } from '../model.ts';
import {
  type GroupNode,
  instanceOf,
  isBlank,
  type Node,
  partLocation,
  partOf,
  repetitionsOf,
  tokensOf,
} from '../node.ts';
import { ProfileFault } from './profile-fault.ts';

export interface Step {
  /** From 1. */
  position: number;
  /** From 1; undefined: each. */
  instance: number | undefined;
}

/** No steps: the context itself. */
export type Path = readonly Step[];

const form = /^[1-9]\d{0,3}\[(?:[1-9]\d{0,4}|\*)\](?:\.[1-9]\d{0,3}\[(?:[1-9]\d{0,4}|\*)\])*$/;

/** Throws ProfileFault for text of another form. */
export function readSteps(text: string): Path {
  if (text === '.') return [];
  if (!form.test(text)) throw new ProfileFault(`the path "${text.slice(0, 60)}"`, 'is not like 3[1].2[*] or .');
  return text.split('.').map((step) => {
    const [position = '', instance = ''] = step.slice(0, -1).split('[');
    return { position: Number(position), instance: instance === '*' ? undefined : Number(instance) };
  });
}

/** What stands there and is not empty. */
export function resolve(node: Node, path: Path): Node[] {
  let nodes: Node[] = [node];
  for (const step of path) nodes = nodes.flatMap((one) => childrenAt(one, step));
  return nodes;
}

function childrenAt(node: Node, { position, instance }: Step): Node[] {
  if (node.kind === 'data') {
    const token = tokensOf(node)[position - 1] ?? '';
    return isBlank(token, node.reading) || (instance ?? 1) > 1 ? [] : [partOf(node, position, token)];
  }
  const all: Node[] =
    node.kind === 'group'
      ? (node.children[position - 1] ?? [])
      : repetitionsOf(node, position).filter(({ raw, level, reading }) => level === 3 || !isBlank(raw, reading));
  // Of `A~~B` the third is B.
  return instance === undefined ? all : all.filter((one) => instanceOf(one) === instance);
}

/** Where the path leads to, whether something stands there or not; as far as there is something to stand in. */
export function placeAt(node: Node, path: Path): ErrorLocation {
  let current = node;
  for (const step of path) {
    const [next] = childrenAt(current, step);
    if (next === undefined) return absent(current, step);
    current = next;
  }
  return current.location;
}

function absent(node: Node, { position, instance = 1 }: Step): ErrorLocation {
  if (node.kind === 'data') return partLocation(node, position);
  if (node.kind === 'segment')
    return { ...node.location, field: position, ...(instance > 1 && { repetition: instance }) };
  const child = node.place.children[position - 1];
  return child === undefined ? node.location : { segment: firstSegment(child) };
}

const firstSegment = (place: PlaceModel): string =>
  place.kind === 'segment' ? place.name : (firstOf(place) ?? place.name);

const firstOf = ({ first }: GroupPlace): string | undefined => [...first][0];

/** What the element at the end of a path is called, for texts. */
export function nameAt(node: Node, path: Path): string {
  const place = placeAt(node, path);
  if (node.kind === 'group' && path.length === 1) {
    return (node as GroupNode).place.children[path[0]!.position - 1]?.name ?? place.segment;
  }
  return fieldName(place);
}

function fieldName({ segment, field, component, subcomponent }: ErrorLocation): string {
  const below = component === undefined ? '' : `.${component}${subcomponent === undefined ? '' : `.${subcomponent}`}`;
  return field === undefined ? segment : `${segment}-${field}${below}`;
}
