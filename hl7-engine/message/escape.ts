// Escape sequences: HL7 v2.9 chapter 2.7; formatting commands: chapter 2.7.6
import { switchedSet } from './switched.ts';

export interface Delimiters {
  field: string;
  component: string;
  repetition: string;
  /** '' when the message defines none: then nothing is escaped. */
  escape: string;
  subcomponent: string;
  /** '' before v2.7. */
  truncation: string;
}

export const standardDelimiters: Delimiters = {
  field: '|',
  component: '^',
  repetition: '~',
  escape: '\\',
  subcomponent: '&',
  truncation: '',
};

/** How tokens of a message become text: see CharsetText. */
export interface Reading {
  readonly delimiters: Delimiters;
  decode(token: string): string;
  fromBytes(bytes: Buffer): string;
}

/** Spaces and lines that the commands of one text may add: `\.sp999\` is 8 bytes, a field may have megabytes of them. */
const paddingMax = 10_000;

/**
 * A token's text. \F\ \S\ \T\ \R\ \E\ \P\ become the delimiters, \Xhh…\ bytes of the message's character set, \Cxxyy\ and
 * \Mxxyyzz\ switch to another set until the next of them or the end; \H\ and \N\ (highlighting), \.fi\ and \.nf\ (filling)
 * vanish; \.br\ \.sp<n>\ \.ce\ become line feeds, \.sk<n>\ \.in<n>\ \.ti<n>\ spaces. \Z…\ and what has another form stay as they are.
 */
export function unescapeToken(token: string, reading: Reading): string {
  const mark = reading.delimiters.escape;
  if (mark === '' || !token.includes(mark)) return reading.decode(token);
  const text = createText(reading);
  // Added as one when something else begins: megabytes of marks that open nothing are not added one by one.
  let kept = 0;
  let start = token.indexOf(mark);
  for (;;) {
    const end = start < 0 ? -1 : token.indexOf(mark, start + 1);
    if (end < 0) break;
    const effect = resolve(token, start + 1, end, reading);
    if (effect === undefined) {
      // An unknown sequence stays, and its closing mark may be the opening one of the next: `a\b\F\c`.
      start = end;
      continue;
    }
    if (start > kept) text.add(token.slice(kept, start));
    effect(text);
    kept = end + 1;
    start = token.indexOf(mark, kept);
  }
  if (kept < token.length) text.add(token.slice(kept));
  return text.finish();
}

interface Text {
  /** Tokens, decoded together: a character may be spread over \X..\ and what is beside it. */
  add(token: string): void;
  /** So many line feeds. */
  lines(count: number): void;
  spaces(count: number): void;
  /** Of every line from now on; `once`: of this one beside. */
  indent(count: number, once: boolean): void;
  /** A line feed where the line has something already. */
  newLine(): void;
  decodeBy(decode: (token: string) => string): void;
  finish(): string;
}

function createText(reading: Reading): Text {
  let result = '';
  let run = '';
  let decode = reading.decode;
  let margin = 0;
  let marginOnce = 0;
  let isLineStart = true;
  let padding = 0;
  const flush = (): void => {
    result += decode(run);
    run = '';
  };
  const padded = (wanted: number): number => {
    const count = Math.max(0, Math.min(wanted, paddingMax - padding));
    padding += count;
    return count;
  };
  const text: Text = {
    add(token) {
      if (isLineStart && margin + marginOnce > 0) run += ' '.repeat(padded(margin + marginOnce));
      isLineStart = false;
      marginOnce = 0;
      run += token;
    },
    lines(count) {
      run += '\n'.repeat(1 + padded(count - 1));
      isLineStart = true;
    },
    spaces: (count) => text.add(' '.repeat(padded(count))),
    indent(count, once) {
      if (once) marginOnce = count;
      else margin = Math.max(0, count);
    },
    newLine() {
      if (!isLineStart) text.lines(1);
    },
    decodeBy(next) {
      flush();
      decode = next;
    },
    finish() {
      flush();
      return result;
    },
  };
  return text;
}

type Effect = (text: Text) => void;

const none: Effect = () => {};

/** What the sequence between two marks does; undefined where it is none. */
function resolve(token: string, from: number, to: number, reading: Reading): Effect | undefined {
  if (to === from) return undefined;
  const sequence = token.slice(from, to);
  const { delimiters } = reading;
  switch (sequence) {
    case 'F':
      return adding(delimiters.field);
    case 'S':
      return adding(delimiters.component);
    case 'T':
      return adding(delimiters.subcomponent);
    case 'R':
      return adding(delimiters.repetition);
    case 'E':
      return adding(delimiters.escape);
    case 'P':
      return adding(delimiters.truncation);
    case 'H':
    case 'N':
      return none;
  }
  if (sequence.startsWith('.')) return formatting(sequence.slice(1));
  if (/^X(?:[0-9A-Fa-f]{2})+$/.test(sequence)) return adding(reading.fromBytes(hex(sequence)));
  if (!/^(?:C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4}(?:[0-9A-Fa-f]{2})?)$/.test(sequence)) return undefined;
  const decode = switchedSet(hex(sequence).toString('latin1'), reading.decode);
  return decode && ((text) => text.decodeBy(decode));
}

const hex = (sequence: string): Buffer => Buffer.from(sequence.slice(1), 'hex');

/** \T\ in a message whose MSH-2 names no subcomponent separator stands for nothing: it stays. */
function adding(token: string): Effect | undefined {
  return token === '' ? undefined : (text) => text.add(token);
}

/** Three digits: no page is wider or longer. */
const formatForm = /^([a-z]{2})([+-]?\d{1,3})?$/i;

function formatting(command: string): Effect | undefined {
  const [, name = '', digits] = formatForm.exec(command) ?? [];
  const number = digits === undefined ? undefined : Number(digits);
  switch (name.toLowerCase()) {
    case 'sp':
      return number === undefined || number > 0 ? (text) => text.lines(number ?? 1) : undefined;
    case 'sk':
      return number === undefined || number > 0 ? (text) => text.spaces(number ?? 1) : undefined;
    case 'in':
      return number === undefined ? undefined : (text) => text.indent(number, false);
    case 'ti':
      return number === undefined ? undefined : (text) => text.indent(number, true);
    default:
      return number === undefined ? plainCommands.get(name.toLowerCase()) : undefined;
  }
}

/** Those without a number. */
const plainCommands = new Map<string, Effect>([
  ['br', (text) => text.lines(1)],
  ['ce', (text) => text.newLine()],
  ['fi', none],
  ['nf', none],
]);

/**
 * The opposite, for text that goes into a field. Line breaks become \.br\, other control characters but the tab \Xhh\: a
 * frame of MLLP ends at one.
 */
export function escapeText(text: string, delimiters: Delimiters): string {
  const mark = delimiters.escape;
  const names = new Map([
    [delimiters.truncation, 'P'],
    [delimiters.field, 'F'],
    [delimiters.component, 'S'],
    [delimiters.subcomponent, 'T'],
    [delimiters.repetition, 'R'],
    [mark, 'E'],
    ['\r', '.br'],
    ['\n', '.br'],
  ]);
  let result = '';
  for (const character of text.replaceAll('\r\n', '\n')) {
    const name = names.get(character) ?? controlName(character);
    if (name === undefined) result += character;
    else result += mark === '' ? ' ' : mark + name + mark;
  }
  return result;
}

function controlName(character: string): string | undefined {
  const code = character.charCodeAt(0);
  if ((code >= 0x20 && code !== 0x7f) || character === '\t') return undefined;
  return `X${code.toString(16).toUpperCase().padStart(2, '0')}`;
}
