// What the maps and conditions of a row see.
import type { Json } from '#fhir-model';
import type { Part, Segment } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import type { Group } from '../structure/group.ts';

export interface RowContext {
  readonly mapping: Mapping;
  readonly segment: Segment;
  /** The group that the segment stands in. */
  readonly group: Group;
}

/** What a row's maps see beside. */
export interface PlacedContext extends RowContext {
  /** The row's field for warnings: `PID-7`. */
  readonly place: string;
}

/** A value made of a field, repetition or component; undefined where it gives none. */
export type PartMap = (part: Part, context: PlacedContext) => Json | undefined;
