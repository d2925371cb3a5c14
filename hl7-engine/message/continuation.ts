// Continuation of segments and of messages: HL7 v2.9 chapter 2.10.2; ADD, DSC: chapter 2.14.1 and 2.14.4
import { type Hl7Message, parseMessage, type Segment } from './message.ts';
import { Refusal } from './refusal.ts';

/** How a message belongs to others of the same sender. */
export interface Continuation {
  /** MSH-14: it goes on where the message with this in DSC-1 ended. */
  continues: string | undefined;
  /** DSC-1: the message with this in MSH-14 goes on with it. */
  continuedBy: string | undefined;
}

/** Of queries and their answers: there DSC tells where the next page begins (chapter 5.6.3), and is no fragment. */
const queryCodes = /^(?:Q|DSR|ORF|TBR|EDR|ERP|RSP|RTB|RDY|RQQ|SPQ|SPR|VQQ|EQQ|VTB)/;

/** Both undefined for a message that stands alone, as nearly all do. */
export function continuationOf(message: Hl7Message): Continuation {
  const dsc = message.segments.findLast(isNamed('DSC'));
  const isPaging = dsc?.field(2).text === 'I' || queryCodes.test(message.get('MSH-9.1') ?? '');
  if (isPaging) return { continues: undefined, continuedBy: undefined };
  return { continues: message.get('MSH-14'), continuedBy: dsc?.field(1).text };
}

const isNamed =
  (name: string) =>
  (segment: Segment): boolean =>
    segment.name === name;

/**
 * What ADD carries stands behind the last character of the segment before it, where the sender cut. ADD without content
 * goes; one at the end says that the segment goes on in the next message. The message itself where there is no ADD.
 * Throws Refusal AE for an ADD right after MSH in a message that continues none.
 */
export function joinAdd(message: Hl7Message): Hl7Message {
  if (message.segment('ADD') === undefined) return message;
  return parsed(message, joinedLines(message, linesOf(message.segments)));
}

interface Line {
  name: string;
  raw: string;
  end: string;
}

const linesOf = (segments: readonly Segment[]): Line[] => segments.map(({ name, raw, end }) => ({ name, raw, end }));

function joinedLines({ delimiters }: Hl7Message, lines: readonly Line[]): Line[] {
  const result: { pieces: string[]; name: string; end: string }[] = [];
  for (const { name, raw, end } of lines) {
    const before = result.at(-1);
    if (name !== 'ADD') result.push({ pieces: [raw], name, end });
    else if (before === undefined || before.name === 'MSH') {
      throw new Refusal('AE', '100', 'ADD continues no segment: it stands right after MSH', {
        location: { segment: 'ADD' },
      });
    } else {
      before.pieces.push(raw.slice('ADD'.length + delimiters.field.length));
      before.end = end;
    }
  }
  return result.map(({ pieces, name, end }) => ({ raw: pieces.join(''), name, end }));
}

/**
 * Two pieces as one message: the first without its DSC, then what follows MSH in the second, whose own DSC stays if it is
 * continued in turn; then ADD joined. MSH is that of the first. Throws Refusal AE where they do not belong together: another sender,
 * pointer, delimiters or character set.
 */
export function joinContinuation(first: Hl7Message, next: Hl7Message): Hl7Message {
  const pointer = continuationOf(first).continuedBy;
  if (pointer === undefined || continuationOf(next).continues !== pointer) {
    throw misfit('MSH-14 is not DSC-1 of the message that it continues', 14);
  }
  for (const field of [3, 4]) {
    if (next.segments[0]!.field(field).raw !== first.segments[0]!.field(field).raw) {
      throw misfit('A continuation comes from the sender of what it continues', field);
    }
  }
  if (JSON.stringify(next.delimiters) !== JSON.stringify(first.delimiters)) {
    throw misfit('A continuation has the delimiters of what it continues', 2);
  }
  if (first.charset !== next.charset && !isPlain(first) && !isPlain(next)) {
    throw misfit('A continuation has the character set of what it continues', 18);
  }
  const end = first.segments[0]!.end || '\r';
  const dscAt = first.segments.findLastIndex(isNamed('DSC'));
  const before = linesOf(first.segments.toSpliced(dscAt, 1)).filter(({ raw }) => raw.trim() !== '');
  const after = linesOf(next.segments.slice(1)).filter(({ raw }) => raw.trim() !== '');
  const lines = [...before, ...after].map((line) => ({ ...line, end: line.end || end }));
  // Where one of the two is all ASCII, it is the other that has the characters of the set.
  return parsed(isPlain(first) ? next : first, joinedLines(first, lines), first.prefix);
}

const isPlain = (message: Hl7Message): boolean => /^[\x00-\x7f]*$/.test(message.coding.text);

function parsed(message: Hl7Message, lines: readonly Line[], prefix = message.prefix): Hl7Message {
  return parseMessage(message.coding.toBytes(prefix + lines.map(({ raw, end }) => raw + end).join('')));
}

function misfit(text: string, field: number): Refusal {
  return new Refusal('AE', '207', text, { location: { segment: 'MSH', field } });
}
