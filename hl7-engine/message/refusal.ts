// Why a message is refused: MSA-1 of HL7 table 0008, ERR-3 of table 0357
import { isCerebraError } from '#platform';
import type { Review } from '../seams.ts';

/** HL7 table 0357, message error condition codes. */
export const errorConditions = {
  '100': 'Segment sequence error',
  '101': 'Required field missing',
  '102': 'Data type error',
  '103': 'Table value not found',
  '104': 'Value too long',
  '198': 'Non-Conformant Cardinality',
  '199': 'Other HL7 Error',
  '200': 'Unsupported message type',
  '201': 'Unsupported event code',
  '202': 'Unsupported processing id',
  '203': 'Unsupported version id',
  '204': 'Unknown key identifier',
  '205': 'Duplicate key identifier',
  '206': 'Application record locked',
  '207': 'Application internal error',
} as const;

export type ErrorCondition = keyof typeof errorConditions;

/** ERR-2: `PID-3` as { segment: 'PID', sequence: 1, field: 3 }. */
export interface ErrorLocation {
  segment: string;
  /** Which segment of that name, from 1. */
  sequence?: number;
  field?: number;
  repetition?: number;
  component?: number;
  subcomponent?: number;
}

/**
 * A message that gets no effect. AR: not a message this engine takes (type, version, not HL7), or it cannot take any
 * now; AE: its content has a fault. `transient`: sending it again later can succeed. `more`: its further faults, each an
 * ERR segment of the acknowledgment; theirs are not looked at. `review`: what a person has to decide before it can be taken.
 */
export class Refusal extends Error {
  readonly acknowledgment: 'AE' | 'AR';
  readonly condition: ErrorCondition;
  readonly location: ErrorLocation | undefined;
  readonly transient: boolean;
  readonly more: readonly Refusal[];
  readonly review: Review | undefined;

  constructor(
    acknowledgment: 'AE' | 'AR',
    condition: ErrorCondition,
    text: string,
    options: {
      location?: ErrorLocation;
      transient?: boolean;
      cause?: unknown;
      more?: readonly Refusal[];
      review?: Review;
    } = {},
  ) {
    super(text, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Refusal';
    this.acknowledgment = acknowledgment;
    this.condition = condition;
    this.location = options.location;
    this.transient = options.transient ?? false;
    this.more = options.more ?? [];
    this.review = options.review;
  }
}

/** What the store has against a message's resources; a Refusal is yielded as it is, undefined is trouble of the store's own. */
export function storeRefusal(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  if (!isCerebraError(error) || error.status >= 500) return undefined;
  return new Refusal('AE', '207', `Refused by the store: ${error.message}`, { cause: error });
}
