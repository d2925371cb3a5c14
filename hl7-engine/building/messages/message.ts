// What a family of messages says of how it is built.
import type { Resource } from '#fhir-model';
import type { SegmentValue } from '../../message/build.ts';
import type { Building } from '../building.ts';

/** What the receiver was told of the resource before, where that is known. */
export interface Told {
  /** What the family kept of it; undefined: nothing was sent of this resource yet. */
  state: string | undefined;
}

export interface MessageBuilder {
  /** MSH-9.1 */
  readonly code: string;
  /** MSH-9.2 -> MSH-9.3. */
  readonly structures: Readonly<Record<string, string>>;
  /** Types that a message can be made of. */
  readonly from: readonly string[];
  /** Types of the resources that are read beside: what the message says of them. */
  readonly reads: readonly string[];
  /** The event where none is asked for. `told` undefined: it is not known what was sent. */
  eventOf(focus: Resource, told: Told | undefined): string;
  /** What is to be kept of the resource for the next `eventOf` and `segments`. */
  stateOf?(focus: Resource, told?: Told): string;
  /** What is to be kept of a resource of which nothing was sent yet and that is none to send; undefined: nothing. */
  unsentOf?(focus: Resource): string | undefined;
  /** After MSH. Throws CerebraError `business-rule` for resources that no such message can be made of. */
  segments(building: Building, focus: Resource, event: string, told: Told | undefined): SegmentValue[];
}
