// MSH, message header: HL7 v2.9 chapter 2.13.9
import { delimitersFault, type Hl7Message, parseMessage, segmentsMax } from './message.ts';
import { Refusal } from './refusal.ts';

/** What the journal and the ACK need to know of a message; empty texts where it does not say. */
export interface Header {
  /** MSH-3 and MSH-4 as `application|facility`, with their components. */
  sender: string;
  /** MSH-10. */
  controlId: string;
  /** MSH-9 as `ORU^R01`. */
  type: string;
  /** MSH-7. */
  time?: string;
}

// PostgreSQL's text has no NUL, and a control character in a log or label helps nobody.
const controls = /[\x00-\x1f\x7f]/g;

/** Characters; cut to what an index entry of 2,704 bytes holds, so that a megabyte in MSH-10 is still journalled. */
const headerTextMax = 200;

const plain = (text: string | undefined): string => (text ?? '').replaceAll(controls, '').slice(0, headerTextMax);

export function headerOf(message: Hl7Message): Header {
  const msh = message.segments[0]!;
  const type = msh.field(9);
  return {
    sender: plain(`${msh.field(3).whole ?? ''}|${msh.field(4).whole ?? ''}`),
    controlId: plain(msh.field(10).text),
    type: plain([type.component(1).text, type.component(2).text].filter((name) => name !== undefined).join('^')),
    time: plain(msh.field(7).text),
  };
}

export interface Read {
  header: Header;
  /** The message, or why it is none. */
  message: Hl7Message | Refusal;
}

/** Never throws: bytes that are no HL7 get an empty header and a Refusal. */
export function read(raw: Buffer): Read {
  try {
    const message = parseMessage(raw);
    return { header: headerOf(message), message };
  } catch (error) {
    const refusal =
      error instanceof Refusal ? error : new Refusal('AE', '207', 'The message could not be read', { cause: error });
    return { header: { sender: '', controlId: '', type: '' }, message: refusal };
  }
}

/** What any message must have before its type is looked at. Throws Refusal AR. */
export function checkHeader(message: Hl7Message): void {
  const fault = delimitersFault(message.delimiters);
  if (fault !== undefined) throw new Refusal('AR', '102', fault, { location: { segment: 'MSH', field: 2 } });
  if (message.segments.filter((segment) => segment.name === 'MSH').length > 1) {
    throw new Refusal('AR', '100', 'More than one MSH in a message: put BHS before and BTS behind several messages');
  }
  if (message.segments.length > segmentsMax) {
    throw new Refusal('AR', '207', `The message has more than ${segmentsMax} segments`);
  }
  if (message.get('MSH-9') === undefined) throw missing('MSH-9, the message type, is missing', 9);
  if (message.get('MSH-10') === undefined) throw missing('MSH-10, the message control id, is missing', 10);
  const version = message.get('MSH-12');
  if (version !== undefined && !/^2(\.\d+)*$/.test(version)) {
    throw new Refusal('AR', '203', 'MSH-12 names no version 2 of HL7', { location: { segment: 'MSH', field: 12 } });
  }
}

function missing(text: string, field: number): Refusal {
  return new Refusal('AR', '101', text, { location: { segment: 'MSH', field } });
}
