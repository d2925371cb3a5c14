// What a message is checked against, whether the standard's dictionary or a conformance profile says it:
// HL7 v2.9 chapter 2B.
import type { ErrorLocation } from '../message/refusal.ts';
import type { Finding, Severity } from './finding.ts';
import type { DataNode, GroupNode, Node, SegmentNode } from './node.ts';

/**
 * R required, RE required but may be empty, O optional, C conditional (a predicate says which), X not supported, W withdrawn,
 * B for backward compatibility.
 */
export type Usage = 'R' | 'RE' | 'O' | 'C' | 'X' | 'W' | 'B';

/** A field of a segment or a component of a data type. */
export interface ElementModel {
  name: string;
  usage: Usage;
  min: number;
  max: number;
  minLength: number;
  /** Characters. */
  maxLength: number;
  /** The sender must not cut the value (`=` of a conformance length). */
  isWhole: boolean;
  type: TypeModel;
  /** The only value that it may have. */
  constant: string | undefined;
}

export interface TypeModel {
  /** Of the standard: `CX`, also for a flavour of it. */
  name: string;
  /** What is wrong with a value of a primitive type. */
  fault: ((text: string) => string | undefined) | undefined;
  /** None: primitive, or unknown. */
  components: readonly ElementModel[];
  /** Nothing is known of it: not looked at. */
  isOpen: boolean;
  rules: ContextRule<DataNode>[];
}

/** The data type of a field that other fields tell: OBX-5 by OBX-2. */
export interface DynamicType {
  /** Of the field. */
  position: number;
  /** Undefined: the value has no type that is known. */
  typeOf(segment: SegmentNode): TypeModel | undefined;
  /** What is wrong with what tells the type. */
  fault?(segment: SegmentNode): { field: number; text: string } | undefined;
}

export interface SegmentModel {
  name: string;
  fields: readonly ElementModel[];
  dynamic: readonly DynamicType[];
  rules: ContextRule<SegmentNode>[];
}

/** A segment or group of a message's structure. */
export type PlaceModel = SegmentPlace | GroupPlace;

interface Place {
  /** `PID`, `PATIENT`. */
  name: string;
  usage: Usage;
  min: number;
  max: number;
}

export interface SegmentPlace extends Place {
  kind: 'segment';
  /** Undefined: what stands in it is not looked at. */
  model: SegmentModel | undefined;
}

export interface GroupPlace extends Place {
  kind: 'group';
  id: string;
  children: readonly PlaceModel[];
  /** Segments that can be its first. */
  first: ReadonlySet<string>;
  /** Every segment in it, at any depth. */
  within: ReadonlySet<string>;
  rules: ContextRule<GroupNode>[];
}

/** Checks one occurrence of what it belongs to: a predicate, a conformance statement, a binding. */
export type ContextRule<N extends Node> = (node: N, sink: Sink) => void;

/** Takes what is found. */
export interface Sink {
  add(finding: Finding): void;
  /** What is wrong with values: errors in a profile; the standard lets receivers go on with some of it. */
  readonly severities: Severities;
}

/** How grave what is. */
export interface Severities {
  tooLong: Severity;
  /** More fields, components than are known. */
  surplus: Severity;
  /** Segments that the structure does not have; Z segments apart. */
  unknownSegment: Severity;
  zSegment: Severity | undefined;
  withdrawn: Severity | undefined;
}

/** Its group with what follows from its children. */
export function groupPlace(place: Omit<GroupPlace, 'kind' | 'first' | 'within'>): GroupPlace {
  const first = new Set<string>();
  for (const child of place.children) {
    for (const name of child.kind === 'segment' ? [child.name] : child.first) first.add(name);
    if (child.usage === 'R') break;
  }
  const within = new Set(place.children.flatMap((one) => (one.kind === 'segment' ? [one.name] : [...one.within])));
  return { kind: 'group', ...place, first, within };
}

export const unknownType = (name: string): TypeModel => ({
  ...{ name, fault: undefined, components: [], isOpen: true, rules: [] },
});

/** So many are kept: a message of 10,000 segments could have as many in each of their fields. */
const findingsMax = 10_000;

export function sinkTo(findings: Finding[], severities: Severities): Sink {
  return {
    severities,
    add(finding) {
      if (findings.length < findingsMax) findings.push(finding);
    },
  };
}

/** A finding about what stands at a place. */
export function found(
  sink: Sink,
  location: ErrorLocation,
  finding: Omit<Finding, 'location' | 'severity'> & { severity?: Severity },
): void {
  sink.add({ severity: 'error', ...finding, location });
}
