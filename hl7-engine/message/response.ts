// Answers to queries: MSH, MSA and ERR of the answer, and its segments. HL7 v2.9 chapters 5.4 and 2.13
import { isCerebraError } from '#platform';
import { buildMessage, type FieldValue, type RepetitionValue, type SegmentValue } from './build.ts';
import { type Delimiters, standardDelimiters } from './escape.ts';
import type { Hl7Message, Part } from './message.ts';
import { type ErrorLocation, errorConditions, type Refusal } from './refusal.ts';

export interface Response {
  /** MSH-9: code, event, structure. */
  type: readonly [string, string, string];
  /** MSH-21: the profile that the answer conforms to, as EI. */
  profile?: RepetitionValue;
  /** Why the query is not answered: MSA-1 is AE or AR, and ERR says it. */
  refusal?: Refusal;
  /** After MSA and ERR. */
  segments: readonly SegmentValue[];
}

export interface ResponseOptions {
  /** MSH-10 of the answer. */
  controlId: string;
  /** When it was made, milliseconds since 1970 UTC. */
  nowMs: number;
  enhanced: boolean;
}

const utf8 = 'UNICODE UTF-8';

/**
 * The answer to `message`, with its delimiters and in its character set; in UTF-8, which MSH-18 then says, where that has not
 * the letters of what was found.
 */
export function buildResponse(message: Hl7Message, response: Response, options: ResponseOptions): Buffer {
  const segments = [mshOf(message, response, options), ...head(message, response), ...response.segments];
  const declared = message.get('MSH-18');
  const { delimiters } = message;
  const attempts: [Delimiters, string | undefined][] = [
    [delimiters, declared],
    [delimiters, utf8],
  ];
  for (const [own, charset] of attempts) {
    try {
      return buildMessage({ delimiters: own, charset, segments }).toBuffer();
    } catch (error) {
      if (!isCerebraError(error, 'invalid')) throw error;
    }
  }
  // The query has no delimiter for parts that the answer has.
  return buildMessage({ delimiters: standardDelimiters, charset: utf8, segments }).toBuffer();
}

function mshOf(message: Hl7Message, { type, profile }: Response, options: ResponseOptions): SegmentValue {
  const msh = message.segments[0]!;
  const echo = (field: number): FieldValue => fieldOf(msh.field(field), message.delimiters);
  const wanted = options.enhanced ? 'NE' : undefined;
  return {
    name: 'MSH',
    fields: {
      3: echo(5),
      4: echo(6),
      5: echo(3),
      6: echo(4),
      7: `${new Date(options.nowMs).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}+0000`,
      9: [...type],
      10: options.controlId,
      11: echo(11) ?? 'P',
      12: echo(12) ?? '2.5.1',
      15: wanted,
      16: wanted,
      21: profile,
    },
  };
}

function head(message: Hl7Message, { refusal }: Response): SegmentValue[] {
  const msa: SegmentValue = { name: 'MSA', fields: { 1: refusal?.acknowledgment ?? 'AA', 2: message.get('MSH-10') } };
  if (refusal === undefined) return [msa];
  const { condition, location } = refusal;
  const fields = {
    2: location && places(location),
    3: [condition, errorConditions[condition], 'HL70357'],
    4: 'E',
    7: refusal.message,
  };
  return [msa, { name: 'ERR', fields }];
}

function places({ segment, sequence, field, repetition, component }: ErrorLocation): string[] {
  const numbers = [sequence ?? 1, field, repetition ?? (component === undefined ? undefined : 1), component];
  return [segment, ...numbers.map((number) => (number === undefined ? '' : String(number)))];
}

/** A field as it was sent, to be sent back; undefined for an empty one. */
export function fieldOf(field: Part, { component, subcomponent }: Delimiters): FieldValue {
  if (field.raw === '') return undefined;
  const split = (raw: string, separator: string): string[] => (separator === '' ? [raw] : raw.split(separator));
  const repetitions = field.repetitions().map((repetition) =>
    split(repetition.raw, component).map((tokens) =>
      split(tokens, subcomponent).map((token) => {
        const leaf = repetition.leaf(token);
        return leaf.isNull ? '""' : leaf.whole;
      }),
    ),
  );
  return { repetitions };
}
