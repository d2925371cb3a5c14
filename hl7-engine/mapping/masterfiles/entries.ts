// The records of a master file and their answers: MFI, MFE, MFK with MFA. HL7 v2.9 chapter 8.4 and 8.5

import type { SegmentValue } from '../../message/build.ts';
import type { Segment } from '../../message/message.ts';
import type { Response } from '../../message/response.ts';
import { fieldOf } from '../../message/response.ts';
import type { Mapping } from '../context.ts';

/** MFE-1: what becomes of the record. What others refer to is never deleted: it is inactive. */
export type RecordAction = 'active' | 'inactive' | 'kept';

const actions: Readonly<Record<string, RecordAction>> = {
  MAD: 'active',
  MAC: 'active',
  MUP: 'kept',
  MDL: 'inactive',
  MDC: 'inactive',
};

/** Undefined for a code that table 0180 does not have. */
export const actionOf = (mfe: Segment): RecordAction | undefined => actions[mfe.field(1).text?.toUpperCase() ?? ''];

export interface RecordResult {
  mfe: Segment;
  /** Why the record has no effect; undefined where it has. */
  fault: string | undefined;
}

/** MFI-6, table 0179: which records are told of; all where it is empty. */
function isTold(level: string, { fault }: RecordResult): boolean {
  if (level === 'NE') return false;
  if (level === 'ER') return fault !== undefined;
  return level === 'SU' ? fault === undefined : true;
}

/** MFK: MFI as it came, and MFA for each record: S, or U and why. */
export function masterFileAnswer(mapping: Mapping, mfi: Segment, results: readonly RecordResult[]): Response {
  const { message, event } = mapping;
  const echo = (segment: Segment, count: number): NonNullable<SegmentValue['fields']> =>
    Object.fromEntries(
      Array.from({ length: count }, (_, at) => [at + 1, fieldOf(segment.field(at + 1), message.delimiters)]),
    );
  const level = mfi.field(6).text?.toUpperCase() ?? 'AL';
  const told = results.filter((result) => isTold(level, result));
  return {
    type: ['MFK', event, 'MFK_M01'],
    segments: [
      { name: 'MFI', fields: echo(mfi, 6) },
      ...told.map(({ mfe, fault }) => ({
        name: 'MFA',
        fields: {
          1: mfe.field(1).text,
          2: mfe.field(2).text,
          4: fault === undefined ? ['S', 'Successful', 'HL70181'] : ['U', fault, 'HL70181'],
          5: fieldOf(mfe.field(4), message.delimiters),
          6: fieldOf(mfe.field(5), message.delimiters),
        },
      })),
    ],
  };
}
