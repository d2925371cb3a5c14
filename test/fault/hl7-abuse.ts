// Contents of frames that no honest sender makes, and honest ones gone wrong. None has the bytes that end a frame.

const mib = 1024 * 1024;

const msh = (rest: string): string => `MSH|^~\\&|ABUSE|FAC|CEREBRA|FAC|20260105||${rest}`;
const pid = 'PID|1||ABUSE-3^^^FAC^MR||TEST^FORGED';

/** MSH that lies, delimiters that make no sense, and much too much of everything. */
export function forgedMessages(): Buffer[] {
  const oru = (id: string, ...segments: string[]): string =>
    [msh(`ORU^R01^ORU_R01|${id}|P|2.5.1`), pid, 'OBR|1||F1^L|K^K^L', ...segments, ''].join('\r');
  return [
    'MSH|^',
    'MSH|^|ABUSE|FAC|||||ORU^R01|F1|P|2.5\rPID|1\r',
    'MSH||||||||||||',
    'MSH^^^^^ABUSE^FAC^^^^^ORU^R01^F2^P^2.5\r',
    'MSH|||||ABUSE|FAC|||ORU^R01|F3|P|2.5\r',
    'MSHA^~\\&AABUSEAFACAAAAAORU^R01AF4APA2.5\r',
    'MSH"^~\\&"ABUSE"FAC"""""ORU^R01"F5"P"2.5\r',
    'MSH|^~\\&|ABUSE|FAC|||||ORU^R01|F6|P|2.5||||||UNICODE UTF-16\rPID|1||\xff\xfe\r',
    'MSH|^~\\&|ABUSE|FAC|||||ORU^R01|F7|P|2.5||||||ISO IR87\rPID|1||\x1b$B\x21\r',
    'MSH|^~\\&|ABUSE|FAC|||||ORU^R01|F8|P|2.5||||||GB 18030-2000\rPID|1||\x81\xfe\x81\r',
    msh('ORU^R01|F9\x00\x01\x02\x7f|P|2.5\r'),
    msh(`${'X'.repeat(mib)}^R01|F10|P|2.5\r`),
    msh(`ORU^R01|${'9'.repeat(mib)}|P|2.5\r`),
    msh('ORU^R01|F11|P|2.5.1.1.1.1\r'),
    msh('ORU^R01|F12|P|2.999999999999999999999999\r'),
    msh('ORU|F13|P|2.5\r'),
    msh('^R01|F14|P|2.5\r'),
    msh('ORU^R01^ADT_A01|F15|P|2.5\r'),
    msh('ADT^A01^ADT_A01|F16|P|2.5\r'),
    msh('ADT^A40|F17|P|2.5\rPID|1||A\rMRG|A'),
    oru('F18', `OBX|1|TX|A||${'~x'.repeat(10_000)}||||||F`),
    oru('F19', ...Array.from({ length: 100_000 }, () => 'NTE|1||x')),
    oru('F20', `OBX|1|TX|A||${'&x'.repeat(mib / 2)}||||||F`),
    oru('F21', `OBX|1|TX|A||${'\\'.repeat(100_000)}||||||F`),
    oru('F22', `OBX|1|FT|A||${'\\.in+9999\\\\.br\\'.repeat(1_000)}||||||F`),
    oru('F23', `OBX|1|FT|A||${'\\X00\\\\XFFFE\\\\C2842\\\\M2442FF\\'.repeat(1_000)}||||||F`),
    oru('F24', 'OBX|1|NM|A||1e999999999||||||F', 'OBX|2|NM|A||--1||||||F', 'OBX|3|SN|A||>^1^-^NaN||||||F'),
    oru('F25', 'OBX|1|TS|A||99999999999999999999+9999||||||F', 'OBX|2|DT|A||20260230||||||F'),
    oru('F26', `OBX|1|ED|A||^A^B^Base64^${'!'.repeat(1_000)}||||||F`),
    oru('F27', 'OBX|1|ZZ^\x00|\x00^\x00^\x00||\x00\x00||||||\x00'),
    oru('F28', 'OBX|1|CE|A||__proto__^constructor^toString||||||F').replace('ABUSE-3', '__proto__'),
    `\ufeff${oru('F29')}`,
    `${oru('F30')}\0\0\0`,
    oru('F31').replaceAll('\r', '\n\r'),
    oru('F32').replaceAll('|', '\x01'),
  ].map((text) => Buffer.from(text, 'latin1'));
}

const wild = [
  ...'|^~\\&\r\n"',
  '\0',
  '""',
  '\\X',
  '\\F\\',
  '\xff',
  '\xc3\x28',
  'MSH|',
  'OBX|',
  '99999999999',
  '-1',
  '2026',
];

/** A message with some bytes changed, taken out, put in, or moved. `next(n)`: 0 … n-1. */
export function mutated(raw: Buffer, next: (limit: number) => number): Buffer {
  let text = raw.toString('latin1');
  for (let changes = 1 + next(8); changes > 0; changes--) {
    const at = next(text.length + 1);
    const to = Math.min(text.length, at + next(40));
    const cut = text.slice(at, to);
    const pieces = [
      () => text.slice(0, at) + text.slice(to),
      () => text.slice(0, at) + wild[next(wild.length)]! + text.slice(at),
      () => text.slice(0, at) + String.fromCharCode(next(256)) + text.slice(at + 1),
      () => text.slice(0, at) + cut.repeat(2 + next(3)) + text.slice(to),
      () => text.slice(0, at) + text.slice(to) + cut,
      () => (next(10) === 0 ? text.slice(0, at) : text),
    ];
    text = pieces[next(pieces.length)]!();
  }
  return Buffer.from(text.replaceAll(/[\x0b\x1c]/g, ' ') || ' ', 'latin1');
}
