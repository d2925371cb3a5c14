// Segment groups of a message as it came: HL7 v2.9 chapter 2.12 (abstract message syntax)
import type { Segment } from '../../message/message.ts';

/** The segments of one occurrence of a group, `PATIENT_RESULT` or the message itself. */
export interface Group {
  /** `PATIENT_RESULT`; of the message the structure's name, `ORU_R01`. */
  readonly name: string;
  readonly parent: Group | undefined;
  /** Its own, in the message's order, without those of the groups within. */
  readonly segments: readonly Segment[];
  /** The groups within, in the message's order. */
  readonly children: readonly Group[];
  /** The first own segment of that name. */
  get(segment: string): Segment | undefined;
  /** All own segments of that name. */
  all(segment: string): Segment[];
  /** The groups of that name, in order; also from deeper within. */
  groups(name: string): Group[];
  /** The first own segment of that name, else that of the group around it, and so on out to the message. */
  nearest(segment: string): Segment | undefined;
}

/** A group that is being filled. */
export class OpenGroup implements Group {
  readonly name: string;
  readonly parent: OpenGroup | undefined;
  readonly segments: Segment[] = [];
  readonly children: OpenGroup[] = [];
  /** Index in its grammar of the element that took the last segment. */
  position = -1;

  constructor(name: string, parent: OpenGroup | undefined) {
    this.name = name;
    this.parent = parent;
  }

  get(segment: string): Segment | undefined {
    for (const own of this.segments) if (own.name === segment) return own;
    return undefined;
  }

  all(segment: string): Segment[] {
    return this.segments.filter((own) => own.name === segment);
  }

  groups(name: string): Group[] {
    const found: Group[] = [];
    for (const child of this.children) {
      if (child.name === name) found.push(child);
      if (child.children.length > 0) found.push(...child.groups(name));
    }
    return found;
  }

  nearest(segment: string): Segment | undefined {
    return this.get(segment) ?? this.parent?.nearest(segment);
  }
}
