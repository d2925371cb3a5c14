// Character sets switched to within a text by \Cxxyy\ and \Mxxyyzz\: HL7 v2.9 chapter 2.7.2, ISO/IEC 2022 (https://itscj.ipsj.or.jp/english/vbcqpr00000004qn-att/ISO-IR.pdf)
import { codecOf } from './codec.ts';
import { jisSetOf } from './shield.ts';

/** Final byte of the 96-character sets for the right half (ESC - F) -> WHATWG label. */
const rightHalves = new Map([
  ['A', 'windows-1252'],
  ['B', 'iso-8859-2'],
  ['C', 'iso-8859-3'],
  ['D', 'iso-8859-4'],
  ['F', 'iso-8859-7'],
  ['G', 'iso-8859-6'],
  ['H', 'iso-8859-8'],
  ['L', 'iso-8859-5'],
  ['M', 'windows-1254'],
  ['T', 'windows-874'],
  ['V', 'iso-8859-10'],
  ['Y', 'iso-8859-13'],
  ['_', 'iso-8859-14'],
  ['b', 'iso-8859-15'],
  ['f', 'iso-8859-16'],
]);

const onlyAscii = /^[\x00-\x7f]*$/;

/**
 * How to decode from here on. `sequence`: what would stand behind ESC (`(B`, `-A`, `$B`). ASCII is the message's own
 * character set again. Undefined for a set that is not known.
 */
export function switchedSet(sequence: string, own: (token: string) => string): ((token: string) => string) | undefined {
  if (sequence === '(B') return own;
  const right = sequence.startsWith('-') ? rightHalves.get(sequence.slice(1)) : undefined;
  const label = right ?? (sequence === '$)C' ? 'euc-kr' : sequence === '$)A' ? 'gb18030' : undefined);
  if (label !== undefined) return (token) => (onlyAscii.test(token) ? token : codecOf(label).decode(bytesOf(token)));
  if (sequence !== ')I' && jisSetOf(sequence) === undefined) return undefined;
  const opening = sequence === ')I' ? '' : `\u001b${sequence}`;
  return (token) => codecOf('iso-2022-jp').decode(bytesOf(opening + token));
}

const bytesOf = (token: string): Buffer => Buffer.from(token, 'latin1');
