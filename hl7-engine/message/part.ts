// Fields, repetitions, components, subcomponents: HL7 v2.9 chapter 2.5.3 and 2.5.4
import { type Delimiters, type Reading, unescapeToken } from './escape.ts';
import { Refusal } from './refusal.ts';

/**
 * A field, repetition, component or subcomponent. Numbers count from 1; what is not there is an empty part, never an
 * error. `text` is that of the first leaf (a field that a later version split into components still reads the same),
 * un-escaped, trimmed and without control characters; undefined when empty or `""`.
 */
export interface Part {
  /** As it stands in the message, escapes and all; one character a byte where the charset allows (see charset.ts). */
  readonly raw: string;
  readonly text: string | undefined;
  /** All of it un-escaped, untrimmed, delimiters as they stand; undefined when empty or `""`. */
  readonly whole: string | undefined;
  /** `""`: the sender says that there is no value. */
  readonly isNull: boolean;
  /** Has neither text nor `""` anywhere. */
  readonly isEmpty: boolean;
  /** Its first leaf ends with the truncation character of MSH-2: the sender cut it. The character is part of `text`. */
  readonly isTruncated: boolean;
  component(number: number): Part;
  subcomponent(number: number): Part;
  /** All repetitions of a field, empty ones between others too; none when the field is empty. Throws Refusal AE for more than 10,000. */
  repetitions(): Part[];
  /** Also an empty part when there is no such repetition. */
  repetition(number: number): Part;
  /** `token`, a piece of `raw` between delimiters, as a subcomponent: who wants all splits once, by its number each is looked for from the beginning. */
  leaf(token: string): Part;
}

/** Each becomes an object or more: bounds what a field of megabytes can make of itself. */
const repetitionsMax = 10_000;

// FHIR's string allows none of these, PostgreSQL's text no NUL.
const controls = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/** What separates the parts of a field, of a repetition, of a component. */
const separators: readonly (keyof Delimiters)[] = ['repetition', 'component', 'subcomponent'];

/** How deep a part is; 0 a field, 1 a repetition, 2 a component, 3 a subcomponent. */
type Level = 0 | 1 | 2 | 3;

export function fieldPart(raw: string, reading: Reading): Part {
  return partOf(raw, 0, reading);
}

function partOf(raw: string, level: Level, reading: Reading): Part {
  return raw === '' ? emptyPart : new TokenPart(raw, level, reading);
}

/** Printable ASCII without an escape is itself in every character set: a tenth of the time of mapping a message. */
function standsForItself(token: string, mark: string): boolean {
  const markCode = mark.charCodeAt(0);
  for (let index = 0; index < token.length; index++) {
    const code = token.charCodeAt(index);
    if (code < 32 || code > 126 || code === markCode) return false;
  }
  return true;
}

// A class for speed: one hidden shape, getters on the prototype (a closure a part made mapping 1.6 times slower).
class TokenPart implements Part {
  readonly raw: string;
  readonly #level: Level;
  readonly #reading: Reading;

  constructor(raw: string, level: Level, reading: Reading) {
    this.raw = raw;
    this.#level = level;
    this.#reading = reading;
  }

  get text(): string | undefined {
    const leaf = this.#leaf();
    if (leaf === '' || leaf === '""') return undefined;
    if (standsForItself(leaf, this.#reading.delimiters.escape)) return leaf.trim() || undefined;
    return unescapeToken(leaf, this.#reading).replaceAll(controls, '').trim() || undefined;
  }

  get whole(): string | undefined {
    return this.isNull || this.isEmpty ? undefined : unescapeToken(this.raw, this.#reading);
  }

  get isNull(): boolean {
    return this.raw === '""';
  }

  get isEmpty(): boolean {
    const { component, repetition, subcomponent } = this.#reading.delimiters;
    for (const character of this.raw) {
      if (character !== component && character !== repetition && character !== subcomponent) return false;
    }
    return true;
  }

  get isTruncated(): boolean {
    const { truncation } = this.#reading.delimiters;
    return truncation !== '' && this.#leaf().endsWith(truncation);
  }

  component(number: number): Part {
    return this.#child(2, number);
  }

  subcomponent(number: number): Part {
    return this.#child(3, number);
  }

  repetition(number: number): Part {
    return this.#child(1, number);
  }

  repetitions(): Part[] {
    if (this.isEmpty) return [];
    const { repetition } = this.#reading.delimiters;
    const tokens = this.#level === 0 && repetition !== '' ? this.raw.split(repetition, repetitionsMax + 1) : [this.raw];
    if (tokens.length > repetitionsMax) {
      throw new Refusal('AE', '207', `A field repeats more than ${repetitionsMax} times`);
    }
    return tokens.map((token) => partOf(token, 1, this.#reading));
  }

  leaf(token: string): Part {
    return partOf(token, 3, this.#reading);
  }

  #leaf(): string {
    let token = this.raw;
    for (let level = this.#level; level < 3; level++) {
      const end = token.indexOf(this.#reading.delimiters[separators[level]!] || '\r');
      if (end >= 0) token = token.slice(0, end);
    }
    return token;
  }

  /** The `number`-th part of `level`, by way of the first parts of the levels between. */
  #child(level: 1 | 2 | 3, number: number): Part {
    let token = this.raw;
    for (let between = this.#level; between < level; between++) {
      const index = between === level - 1 ? number - 1 : 0;
      token = nth(token, this.#reading.delimiters[separators[between]!], index);
    }
    return partOf(this.#level >= level && number !== 1 ? '' : token, level, this.#reading);
  }
}

function nth(token: string, delimiter: string, index: number): string {
  if (delimiter === '') return index === 0 ? token : '';
  let start = 0;
  for (let skipped = 0; skipped < index; skipped++) {
    const next = token.indexOf(delimiter, start);
    if (next < 0) return '';
    start = next + delimiter.length;
  }
  const end = token.indexOf(delimiter, start);
  return end < 0 ? token.slice(start) : token.slice(start, end);
}

/** MSH-1 and MSH-2, in which nothing is escaped or split. */
export function literalPart(raw: string): Part {
  const part: Part = {
    raw,
    text: raw || undefined,
    whole: raw || undefined,
    isNull: false,
    isEmpty: raw === '',
    isTruncated: false,
    component: (number) => (number === 1 ? part : emptyPart),
    subcomponent: (number) => (number === 1 ? part : emptyPart),
    repetitions: () => (raw === '' ? [] : [part]),
    repetition: (number) => (number === 1 ? part : emptyPart),
    leaf: literalPart,
  };
  return part;
}

/** A component of type CWE, XCN … within a larger type: its subcomponents are what that type calls components. */
export function subcomponentsAsComponents(component: Part): Part {
  const { raw, text, whole, isNull, isEmpty, isTruncated } = component;
  const view: Part = {
    raw,
    text,
    whole,
    isNull,
    isEmpty,
    isTruncated,
    component: (number) => component.subcomponent(number),
    subcomponent: (number) => (number === 1 ? component.subcomponent(1) : emptyPart),
    repetitions: () => (isEmpty ? [] : [view]),
    repetition: (number) => (number === 1 ? view : emptyPart),
    leaf: (token) => component.leaf(token),
  };
  return view;
}

/** What stands where nothing was sent. */
export const emptyPart: Part = {
  raw: '',
  text: undefined,
  whole: undefined,
  isNull: false,
  isEmpty: true,
  isTruncated: false,
  component: () => emptyPart,
  subcomponent: () => emptyPart,
  repetitions: () => [],
  repetition: () => emptyPart,
  leaf: () => emptyPart,
};
