// The conditions of a mapping table's rows, compiled: `29 empty and (PV1-2 = "I" or .7 in ("L", "N"))`.
//
//   condition  one or more of: test, `not` condition, condition `and` condition, condition `or` condition, `(` condition `)`
//   test       [field] `empty` | `valued` | `null` | `= "x"` | `!= "x"` | `in ("a", "b")` | `length > n` | `matches /regex/`
//   field      `5`, `5.1` of the segment; `PV1-2` of another; `.7` a component of the row's repetition; none: the row's source
//
// `null` is `""`; `empty` is true for it as well, `valued` is not. Texts are compared as they were sent.
import { emptyPart, type Part } from '../../message/message.ts';
import type { RowContext } from './context.ts';
import { parseSource, type Source } from './row.ts';
import { partOf } from './source.ts';

export type Condition = (context: RowContext, part: Part) => boolean;

type Reader = (context: RowContext, part: Part) => Part;

const token = /\s*("(?:[^"])*"|\/(?:[^/\\]|\\.)*\/|\(|\)|,|!=|=|>|<|[^\s(),=!<>"]+)/y;

function tokens(text: string): string[] {
  const found: string[] = [];
  token.lastIndex = 0;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) found.push(match[1]!);
  if (found.join('').replaceAll(/\s/g, '') !== text.replaceAll(/\s/g, '')) throw new SyntaxError(`condition "${text}"`);
  return found;
}

/** Throws SyntaxError for what is no condition. */
export function compileCondition(text: string): Condition {
  const reader = new Tokens(tokens(text), text);
  const condition = disjunction(reader);
  if (reader.next() !== undefined) throw reader.fault();
  return condition;
}

class Tokens {
  readonly #tokens: string[];
  readonly #text: string;

  constructor(list: string[], text: string) {
    this.#tokens = [...list];
    this.#text = text;
  }

  peek(): string | undefined {
    return this.#tokens[0];
  }

  next(): string | undefined {
    return this.#tokens.shift();
  }

  take(word: string): boolean {
    if (this.peek() !== word) return false;
    this.next();
    return true;
  }

  expect(word: string): void {
    if (!this.take(word)) throw this.fault();
  }

  text(): string {
    const match = /^"([\s\S]*)"$/.exec(this.next() ?? '');
    if (!match) throw this.fault();
    return match[1]!;
  }

  fault(): SyntaxError {
    return new SyntaxError(`condition "${this.#text}"`);
  }
}

function disjunction(reader: Tokens): Condition {
  const first = conjunction(reader);
  if (!reader.take('or')) return first;
  const rest = disjunction(reader);
  return (context, part) => first(context, part) || rest(context, part);
}

function conjunction(reader: Tokens): Condition {
  const first = negation(reader);
  if (!reader.take('and')) return first;
  const rest = conjunction(reader);
  return (context, part) => first(context, part) && rest(context, part);
}

function negation(reader: Tokens): Condition {
  if (reader.take('not')) {
    const inner = negation(reader);
    return (context, part) => !inner(context, part);
  }
  if (!reader.take('(')) return test(reader);
  const inner = disjunction(reader);
  reader.expect(')');
  return inner;
}

const operators = new Set(['empty', 'valued', 'null', '=', '!=', 'in', 'length', 'matches']);

function test(reader: Tokens): Condition {
  const word = reader.peek();
  const read = word === undefined || operators.has(word) ? itself : fieldReader(reader);
  switch (reader.next()) {
    case 'empty':
      return (context, part) => read(context, part).text === undefined;
    case 'valued':
      return (context, part) => read(context, part).text !== undefined;
    case 'null':
      return (context, part) => read(context, part).isNull;
    case '=':
      return equals(read, [reader.text()]);
    case '!=': {
      const same = equals(read, [reader.text()]);
      return (context, part) => !same(context, part);
    }
    case 'in':
      return equals(read, list(reader));
    case 'length':
      return longer(read, reader);
    case 'matches':
      return matching(read, reader);
    default:
      throw reader.fault();
  }
}

const itself: Reader = (_context, part) => part;

function fieldReader(reader: Tokens): Reader {
  const word = reader.next()!;
  const component = /^\.(\d+)(?:\.(\d+))?$/.exec(word);
  if (component) {
    const [number, inner] = [Number(component[1]), component[2]];
    if (inner === undefined) return (_context, part) => part.component(number);
    return (_context, part) => part.component(number).subcomponent(Number(inner));
  }
  const source: Source | undefined = parseSource(word);
  if (source === undefined) throw reader.fault();
  return (context) => partOf(context, source) ?? emptyPart;
}

function list(reader: Tokens): string[] {
  reader.expect('(');
  const texts = [reader.text()];
  while (reader.take(',')) texts.push(reader.text());
  reader.expect(')');
  return texts;
}

function equals(read: Reader, texts: string[]): Condition {
  const [only] = texts;
  if (texts.length === 1) return (context, part) => (read(context, part).text ?? '') === only;
  const set = new Set(texts);
  return (context, part) => set.has(read(context, part).text ?? '');
}

function longer(read: Reader, reader: Tokens): Condition {
  const sign = reader.next();
  const count = Number(reader.next());
  if ((sign !== '>' && sign !== '<') || !Number.isInteger(count)) throw reader.fault();
  return (context, part) => {
    const length = read(context, part).text?.length ?? 0;
    return sign === '>' ? length > count : length < count;
  };
}

function matching(read: Reader, reader: Tokens): Condition {
  const match = /^\/(.*)\/$/.exec(reader.next() ?? '');
  if (!match) throw reader.fault();
  const form = new RegExp(match[1]!, 'u');
  return (context, part) => form.test(read(context, part).text ?? '');
}
