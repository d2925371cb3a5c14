// Why elements that other converters write are not in ours: for the comparison in docs/hl7-mapping.md.

export interface Reason {
  /** Paths of elements: `Patient.name.family`. */
  of: RegExp;
  why: string;
}

/** The first that fits. */
export const reasons: readonly Reason[] = [];
