// Regular expressions that others write, read into a tree: the part of ECMAScript's syntax that can be matched in linear time.
// https://tc39.es/ecma262/#sec-patterns

export type Node =
  | { kind: 'empty' }
  /** One code point; `source` is the expression of it alone: `a`, `\d`, `[^A-Z]`. */
  | { kind: 'character'; source: string }
  | { kind: 'assertion'; at: '^' | '$' | '\\b' | '\\B' }
  | { kind: 'sequence'; parts: Node[] }
  | { kind: 'choice'; branches: Node[] }
  /** `group`: number of what it captures, from 1. */
  | { kind: 'capture'; group: number; node: Node }
  | { kind: 'repeat'; node: Node; min: number; max: number; lazy: boolean };

/** A tree of this depth is the most that is read: each group is a call. */
const depthMax = 30;

// Two \u are one character where they are a surrogate pair.
const escapeForm =
  /\\(?:u\{[0-9a-f]+\}|ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|u[0-9a-f]{4}|x[0-9a-f]{2}|c[a-z]|p\{[^}]*\}|.)/iuy;
const quantifier = /(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})(\?)?/y;

const unsupported = (what: string): RangeError =>
  new RangeError(`${what}: not possible here, since it can take for ever; say it without, or with two conditions`);

/**
 * The pattern as `u` mode has it: XML Schema, Java and ECMAScript without `u` let any punctuation be escaped (`\@`, `\ `), `u` mode
 * only what has a meaning.
 */
export const unicodeSource = (source: string): string =>
  source.replaceAll(/\\([^A-Za-z0-9])/gu, (whole, sign: string) =>
    /[\^$\\.*+?()[\]{}|/]/.test(sign) ? whole : `\\u{${sign.codePointAt(0)!.toString(16)}}`,
  );

export interface ReadPattern {
  node: Node;
  groups: number;
  /** Name -> number of the group. */
  names: ReadonlyMap<string, number>;
}

/** Reads a pattern of `u` mode. Throws RangeError that tells what is wrong in it. */
export function parsePattern(source: string): ReadPattern {
  try {
    new RegExp(source, 'u');
  } catch (error) {
    throw new RangeError((error as Error).message);
  }
  const reader = new Reader(source);
  const node = reader.choice(0);
  return { node, groups: reader.groups, names: reader.names };
}

// The native parser has accepted the pattern: what is read here is well-formed.
class Reader {
  readonly #source: string;
  #position = 0;
  groups = 0;
  readonly names = new Map<string, number>();

  constructor(source: string) {
    this.#source = source;
  }

  choice(depth: number): Node {
    if (depth > depthMax) throw new RangeError(`groups are nested deeper than ${depthMax}`);
    const branches = [this.#sequence(depth)];
    while (this.#take('|')) branches.push(this.#sequence(depth));
    return branches.length === 1 ? branches[0]! : { kind: 'choice', branches };
  }

  #sequence(depth: number): Node {
    const parts: Node[] = [];
    while (this.#position < this.#source.length && !this.#sees('|') && !this.#sees(')')) {
      const atom = this.#atom(depth);
      parts.push(this.#quantified(atom));
    }
    if (parts.length === 1) return parts[0]!;
    return parts.length === 0 ? { kind: 'empty' } : { kind: 'sequence', parts };
  }

  #atom(depth: number): Node {
    if (this.#take('^')) return { kind: 'assertion', at: '^' };
    if (this.#take('$')) return { kind: 'assertion', at: '$' };
    if (this.#sees('(')) return this.#group(depth);
    if (this.#sees('\\')) return this.#escape();
    if (this.#sees('[')) return this.#class();
    const character = String.fromCodePoint(this.#source.codePointAt(this.#position)!);
    this.#position += character.length;
    return { kind: 'character', source: character };
  }

  #group(depth: number): Node {
    if (/^\(\?<?[=!]/.test(this.#source.slice(this.#position, this.#position + 4)))
      throw unsupported('look-around (?=…)');
    this.#position++;
    if (this.#take('?:')) {
      const node = this.choice(depth + 1);
      this.#position++;
      return node;
    }
    const group = ++this.groups;
    if (this.#take('?<')) this.#name(group);
    else if (this.#sees('?')) throw unsupported('a group with flags (?i:…)');
    const node = this.choice(depth + 1);
    this.#position++;
    return { kind: 'capture', group, node };
  }

  #name(group: number): void {
    const end = this.#source.indexOf('>', this.#position);
    this.names.set(this.#source.slice(this.#position, end), group);
    this.#position = end + 1;
  }

  #escape(): Node {
    if (this.#take('\\b')) return { kind: 'assertion', at: '\\b' };
    if (this.#take('\\B')) return { kind: 'assertion', at: '\\B' };
    escapeForm.lastIndex = this.#position;
    const source = escapeForm.exec(this.#source)![0];
    if (/^\\[1-9k]/.test(source)) throw unsupported('a reference to a group (\\1)');
    this.#position += source.length;
    return { kind: 'character', source };
  }

  #class(): Node {
    const start = this.#position;
    while (!this.#sees(']')) this.#position += this.#sees('\\') ? 2 : 1;
    this.#position++;
    return { kind: 'character', source: this.#source.slice(start, this.#position) };
  }

  #quantified(node: Node): Node {
    quantifier.lastIndex = this.#position;
    const match = quantifier.exec(this.#source);
    if (match === null) return node;
    this.#position += match[0].length;
    const [, sign, least = '0', comma, most = ''] = match;
    const min = sign === undefined ? Number(least) : sign === '+' ? 1 : 0;
    const many = sign === undefined ? comma !== undefined && most === '' : sign !== '?';
    const max = many ? Number.POSITIVE_INFINITY : sign === '?' ? 1 : comma === undefined ? min : Number(most);
    return { kind: 'repeat', node, min, max, lazy: match[5] !== undefined };
  }

  #sees(text: string): boolean {
    return this.#source.startsWith(text, this.#position);
  }

  #take(text: string): boolean {
    if (!this.#sees(text)) return false;
    this.#position += text.length;
    return true;
  }
}
