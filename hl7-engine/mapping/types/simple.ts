// Types of one part: ST, TX, FT, ID, IS, SI, NM, DT, TM, DTM, TS: https://hl7.org/fhir/uv/v2mappings/datatype_maps.html
import type { Part } from '../../message/message.ts';
import { date, dateTime, instant, time } from '../datetime.ts';
import { decimal, decimalText } from '../decimal.ts';
import type { PartMap, PlacedContext } from '../table/context.ts';
import { type DataType, plain } from './type.ts';

/** Told once a message and field; the row's value is left out. */
function unread(context: PlacedContext, what: string): undefined {
  context.mapping.warnings.add(`${context.place}: not ${what}`);
  return undefined;
}

function timeMap(what: string, read: (text: string, context: PlacedContext) => string | undefined): PartMap {
  return (part, context) => {
    const { text } = part;
    return text === undefined ? undefined : (read(text, context) ?? unread(context, what));
  };
}

function numberMap(what: string, read: (text: string) => number | undefined): PartMap {
  return ({ text }, context) => (text === undefined ? undefined : (read(text) ?? unread(context, what)));
}

function whole(min: number): (text: string) => number | undefined {
  return (text) => {
    const value = Number(decimalText(text));
    // https://hl7.org/fhir/R4/datatypes.html#integer: 32 bits.
    return Number.isInteger(value) && value >= min && value <= 2_147_483_647 ? value : undefined;
  };
}

const yes = new Set(['Y', 'YES', 'TRUE', 'T', '1']);
const no = new Set(['N', 'NO', 'FALSE', 'F', '0']);

function boolean(part: Part, context: PlacedContext): boolean | undefined {
  const text = part.text?.toUpperCase();
  if (text === undefined) return undefined;
  if (yes.has(text)) return true;
  return no.has(text) ? false : unread(context, 'Y or N');
}

/** Lines as they were sent; repetitions are lines, too. */
function lines(part: Part): string | undefined {
  const text = part
    .repetitions()
    .map((line) => line.whole?.replaceAll('\r\n', '\n').trimEnd() ?? '')
    .join('\n')
    .trim();
  return text === '' ? undefined : text;
}

// A code has no space at its ends and none but single ones within: https://hl7.org/fhir/R4/datatypes.html#code
const token: PartMap = ({ text }) => text?.replaceAll(/\s+/g, ' ');

const asDateTime = timeMap('a time', (text, { mapping }) => dateTime(text, mapping.zone));
const uriForm = /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/;

export const simpleTypes = {
  ST: plain('string', ['ID[string]', 'IS[string]', 'CX[string]', 'CWE[string]'], (part) => part.text),
  TX: { ...plain('string', ['FT[Annotation-Comment]'], lines), wholeField: true },
  ID: plain('code', ['ID[code]', 'IS[code]'], token),
  'ST.uri': plain('uri', [], ({ text }, context) =>
    text === undefined ? undefined : uriForm.test(text) ? text : unread(context, 'a URI'),
  ),
  'ST.concept': plain('CodeableConcept', ['ST[CodeableConcept]'], ({ text }) =>
    text === undefined ? undefined : { text },
  ),
  'ST.note': plain('Annotation', ['CWE[Annotation]'], ({ text }) => (text === undefined ? undefined : { text })),
  date: plain('date', [], timeMap('a date', date)),
  dateTime: plain('dateTime', ['DTM[dateTime]', 'TS[dateTime]', 'DTM[Annotation-Time]'], asDateTime),
  /** A time without the hour has no instant: no value, and no warning; what is no time at all has one. */
  instant: plain('instant', [], (part, context) =>
    asDateTime(part, context) === undefined ? undefined : instant(part.text, context.mapping.zone),
  ),
  time: plain('time', [], timeMap('a time of day', time)),
  boolean: plain('boolean', ['ID[boolean]'], boolean),
  decimal: plain('decimal', [], numberMap('a number', decimal)),
  integer: plain('integer', [], numberMap('a whole number', whole(-2_147_483_648))),
  positiveInt: plain('positiveInt', ['NM[positiveInt]'], numberMap('a whole number above 0', whole(1))),
  unsignedInt: plain('unsignedInt', [], numberMap('a whole number', whole(0))),
} satisfies Record<string, DataType>;
