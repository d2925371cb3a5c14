// Regular expressions read into a program for pattern-nfa.ts: the syntax that XML Schema, Java and JavaScript have in common.

/** One step: a character to consume, a place to go on to, or the end. */
export type Step =
  | { kind: 'character'; test: (code: number) => boolean }
  | { kind: 'split'; a: number; b: number }
  | { kind: 'jump'; to: number }
  | { kind: 'start' }
  | { kind: 'end' }
  | { kind: 'match' };

type Node =
  | { kind: 'character'; test: (code: number) => boolean }
  | { kind: 'start' | 'end' | 'nothing' }
  | { kind: 'sequence' | 'choice'; parts: Node[] }
  | { kind: 'repeat'; of: Node; min: number; max: number };

interface Reader {
  readonly source: string;
  at: number;
}

/** Steps of a program: bounds what `(a{1,1000}){1,1000}` would make. */
const STEPS_MAX = 5000;

class NotHere extends Error {}

type Test = (code: number) => boolean;
const digit: Test = (code) => code >= 0x30 && code <= 0x39;
const word: Test = (code) =>
  digit(code) || code === 0x5f || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
const space: Test = (code) => /\s/.test(String.fromCodePoint(code));
const not =
  (test: Test): Test =>
  (code) =>
    !test(code);
const CLASSES: Record<string, Test> = { d: digit, w: word, s: space, D: not(digit), W: not(word), S: not(space) };
const CONTROLS: Record<string, number> = { n: 10, r: 13, t: 9, f: 12, v: 11 };

const same =
  (wanted: number): Test =>
  (code) =>
    code === wanted;

function hexCode(reader: Reader, length: number): number {
  const digits = reader.source.slice(reader.at, reader.at + length);
  if (!/^[0-9a-fA-F]+$/.test(digits) || digits.length !== length) throw new NotHere();
  reader.at += length;
  return Number.parseInt(digits, 16);
}

/** After a backslash: a class, or the code of one character. */
function readEscape(reader: Reader): Test | number {
  const letter = reader.source.charAt(reader.at++);
  const named = CLASSES[letter];
  if (named !== undefined) return named;
  const control = CONTROLS[letter];
  if (control !== undefined) return control;
  if (letter === 'u') return hexCode(reader, 4);
  if (letter === 'x') return hexCode(reader, 2);
  if (letter === '' || /[0-9A-Za-z]/.test(letter)) throw new NotHere();
  return letter.charCodeAt(0);
}

function codePoint(reader: Reader): number {
  const code = reader.source.codePointAt(reader.at);
  if (code === undefined) throw new NotHere();
  reader.at += code > 0xffff ? 2 : 1;
  return code;
}

function classMember(reader: Reader): Test | number {
  if (reader.source.charAt(reader.at) !== '\\') return codePoint(reader);
  reader.at++;
  return readEscape(reader);
}

function readClass(reader: Reader): Test {
  const negative = reader.source.charAt(reader.at) === '^';
  if (negative) reader.at++;
  const tests: Test[] = [];
  while (reader.source.charAt(reader.at) !== ']') {
    const low = classMember(reader);
    const ranged = reader.source.charAt(reader.at) === '-' && reader.source.charAt(reader.at + 1) !== ']';
    if (typeof low !== 'number' || !ranged) {
      tests.push(typeof low === 'number' ? same(low) : low);
      continue;
    }
    reader.at++;
    const high = classMember(reader);
    if (typeof high !== 'number') throw new NotHere();
    tests.push((code) => code >= low && code <= high);
  }
  reader.at++;
  const any: Test = (code) => tests.some((test) => test(code));
  return negative ? not(any) : any;
}

function readGroup(reader: Reader): Node {
  if (reader.source.startsWith('?:', reader.at)) reader.at += 2;
  else if (reader.source.charAt(reader.at) === '?') throw new NotHere();
  const inner = readChoice(reader);
  if (reader.source.charAt(reader.at++) !== ')') throw new NotHere();
  return inner;
}

function readAtom(reader: Reader): Node {
  const character = reader.source.charAt(reader.at);
  if (character === '{' || character === '}' || character === ']') throw new NotHere();
  const code = codePoint(reader);
  if (character === '.') return { kind: 'character', test: () => true };
  if (character === '^') return { kind: 'start' };
  if (character === '$') return { kind: 'end' };
  if (character === '[') return { kind: 'character', test: readClass(reader) };
  if (character === '(') return readGroup(reader);
  if (character !== '\\') return { kind: 'character', test: same(code) };
  const escaped = readEscape(reader);
  return { kind: 'character', test: typeof escaped === 'number' ? same(escaped) : escaped };
}

const BOUNDS: Record<string, [number, number]> = { '*': [0, Infinity], '+': [1, Infinity], '?': [0, 1] };

function readRepeat(reader: Reader): Node {
  let of = readAtom(reader);
  for (;;) {
    const character = reader.source.charAt(reader.at);
    const simple = BOUNDS[character];
    const counted =
      simple === undefined ? /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(reader.source.slice(reader.at, reader.at + 12)) : null;
    if (simple === undefined && counted === null) return of;
    reader.at += counted?.[0].length ?? 1;
    const min = simple?.[0] ?? Number(counted?.[1]);
    const last = counted?.[3] === '' ? Infinity : Number(counted?.[3] ?? counted?.[1]);
    of = { kind: 'repeat', of, min, max: simple?.[1] ?? last };
    if (reader.source.charAt(reader.at) === '?') reader.at++;
  }
}

function readSequence(reader: Reader): Node {
  const parts: Node[] = [];
  while (reader.at < reader.source.length && !/[|)]/.test(reader.source.charAt(reader.at)))
    parts.push(readRepeat(reader));
  return { kind: 'sequence', parts };
}

function readChoice(reader: Reader): Node {
  const parts = [readSequence(reader)];
  while (reader.source.charAt(reader.at) === '|') {
    reader.at++;
    parts.push(readSequence(reader));
  }
  return { kind: 'choice', parts };
}

function add(program: Step[], step: Step): number {
  if (program.length >= STEPS_MAX) throw new NotHere();
  return program.push(step) - 1;
}

function emitChoice(program: Step[], parts: Node[]): void {
  const ends: { kind: 'jump'; to: number }[] = [];
  for (const part of parts.slice(0, -1)) {
    const split = { kind: 'split' as const, a: program.length + 1, b: 0 };
    add(program, split);
    emit(program, part);
    const jump = { kind: 'jump' as const, to: 0 };
    add(program, jump);
    ends.push(jump);
    split.b = program.length;
  }
  const last = parts.at(-1);
  if (last !== undefined) emit(program, last);
  for (const jump of ends) jump.to = program.length;
}

function emitRepeat(program: Step[], of: Node, min: number, max: number): void {
  for (let count = 0; count < min; count++) emit(program, of);
  if (max === Infinity) {
    const split = { kind: 'split' as const, a: program.length + 1, b: 0 };
    const at = add(program, split);
    emit(program, of);
    add(program, { kind: 'jump', to: at });
    split.b = program.length;
    return;
  }
  const splits: { b: number }[] = [];
  for (let count = min; count < max; count++) {
    const split = { kind: 'split' as const, a: program.length + 1, b: 0 };
    add(program, split);
    splits.push(split);
    emit(program, of);
  }
  for (const split of splits) split.b = program.length;
}

function emit(program: Step[], node: Node): void {
  if (node.kind === 'character') add(program, { kind: 'character', test: node.test });
  else if (node.kind === 'start' || node.kind === 'end') add(program, { kind: node.kind });
  else if (node.kind === 'choice') emitChoice(program, node.parts);
  else if (node.kind === 'repeat') emitRepeat(program, node.of, node.min, node.max);
  else if (node.kind === 'sequence') for (const part of node.parts) emit(program, part);
}

/** Undefined for what goes beyond: look-around, back references, word boundaries, Unicode categories. */
export function parsePattern(source: string): Step[] | undefined {
  try {
    const reader: Reader = { source, at: 0 };
    const tree = readChoice(reader);
    if (reader.at < source.length) return undefined;
    const program: Step[] = [];
    emit(program, tree);
    add(program, { kind: 'match' });
    return program;
  } catch (error) {
    if (error instanceof NotHere || error instanceof RangeError) return undefined;
    throw error;
  }
}
