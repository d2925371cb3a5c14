// The grammar of FHIRPath: https://hl7.org/fhirpath/grammar.html
import { type RawJson, rawJson } from '#fhir-model';
import { type Token, tokensOf, Unsupported } from './tokens.ts';

export type Literal =
  | { type: 'string' | 'date' | 'dateTime' | 'time'; value: string }
  | { type: 'integer' | 'decimal'; value: number | RawJson }
  | { type: 'boolean'; value: boolean };

export type Ast =
  | { kind: 'literal'; literal: Literal }
  | { kind: 'empty' }
  | { kind: 'special'; name: 'this' | 'index' | 'total' }
  | { kind: 'external'; name: string }
  | { kind: 'member'; of: Ast | undefined; name: string }
  | { kind: 'call'; of: Ast | undefined; name: string; args: Ast[] }
  | { kind: 'type'; op: 'is' | 'as'; of: Ast; type: string }
  | { kind: 'at'; of: Ast; index: Ast }
  | { kind: 'negate'; of: Ast }
  | { kind: 'binary'; op: string; left: Ast; right: Ast };

/** Deeper than any real one; keeps parser and compiler from overflowing the stack. */
const LEVELS_MAX = 200;

/** From the loosest to the tightest; `is` and `as` stand between. */
const LEVELS: readonly (readonly string[])[] = [
  ['implies'],
  ['or', 'xor'],
  ['and'],
  ['in', 'contains'],
  ['=', '~', '!=', '!~'],
  ['<', '>', '<=', '>='],
  ['|'],
  ['is', 'as'],
  ['+', '-', '&'],
  ['*', '/', 'div', 'mod'],
];
const TYPE_LEVEL = 7;

interface Parser {
  readonly tokens: readonly Token[];
  at: number;
  depth: number;
}

const peek = (parser: Parser): Token => parser.tokens[parser.at] ?? { kind: 'end', text: '' };

function next(parser: Parser): Token {
  const token = peek(parser);
  parser.at++;
  return token;
}

function isSymbol(parser: Parser, text: string): boolean {
  const token = peek(parser);
  return token.kind === 'symbol' && token.text === text;
}

function expect(parser: Parser, text: string): void {
  if (!isSymbol(parser, text)) throw new Unsupported(`${text} is missing`);
  parser.at++;
}

/** A type, as `is` and `as` name it, without the namespace FHIR. */
function typeName(parser: Parser): string {
  const names: string[] = [];
  do {
    const token = next(parser);
    if (token.kind !== 'name' && token.kind !== 'delimited') throw new Unsupported('a type is missing');
    names.push(token.text);
  } while (isSymbol(parser, '.') && next(parser) !== undefined);
  return names.join('.');
}

function binary(parser: Parser, level: number): Ast {
  const operators = LEVELS[level];
  if (operators === undefined) return polarity(parser);
  let left = binary(parser, level + 1);
  for (;;) {
    const { kind, text } = peek(parser);
    if ((kind !== 'symbol' && kind !== 'name') || !operators.includes(text)) return left;
    next(parser);
    left =
      level === TYPE_LEVEL
        ? { kind: 'type', op: text as 'is' | 'as', of: left, type: typeName(parser) }
        : { kind: 'binary', op: text, left, right: binary(parser, level + 1) };
  }
}

function polarity(parser: Parser): Ast {
  if (isSymbol(parser, '-')) {
    next(parser);
    return { kind: 'negate', of: polarity(parser) };
  }
  if (isSymbol(parser, '+')) next(parser);
  return invocations(parser);
}

function invocations(parser: Parser): Ast {
  let of = term(parser);
  for (;;) {
    if (isSymbol(parser, '.')) {
      next(parser);
      of = invocation(parser, of);
    } else if (isSymbol(parser, '[')) {
      next(parser);
      of = { kind: 'at', of, index: expression(parser) };
      expect(parser, ']');
    } else return of;
  }
}

function argumentsOf(parser: Parser): Ast[] {
  const args: Ast[] = [];
  expect(parser, '(');
  if (!isSymbol(parser, ')')) {
    args.push(expression(parser));
    while (isSymbol(parser, ',')) {
      next(parser);
      args.push(expression(parser));
    }
  }
  expect(parser, ')');
  return args;
}

function invocation(parser: Parser, of: Ast | undefined): Ast {
  const token = next(parser);
  if (token.kind === 'special') return special(token, of);
  if (token.kind !== 'name' && token.kind !== 'delimited') throw new Unsupported('a name is missing');
  if (isSymbol(parser, '(')) return { kind: 'call', of, name: token.text, args: argumentsOf(parser) };
  return { kind: 'member', of, name: token.text };
}

function special({ text }: Token, of: Ast | undefined): Ast {
  if (of !== undefined) throw new Unsupported(`${text} after a dot`);
  return { kind: 'special', name: text.slice(1) as 'this' | 'index' | 'total' };
}

const exactNumber = (text: string): number | RawJson => (String(Number(text)) === text ? Number(text) : rawJson(text));

function number(parser: Parser, text: string): Ast {
  const after = peek(parser);
  // A quantity: 4 days, 5 'mg'.
  if (
    after.kind === 'string' ||
    (after.kind === 'name' && /^(?:year|month|week|day|hour|minute|(?:milli)?second)s?$/.test(after.text))
  )
    throw new Unsupported('a quantity');
  return { kind: 'literal', literal: { type: text.includes('.') ? 'decimal' : 'integer', value: exactNumber(text) } };
}

function term(parser: Parser): Ast {
  const token = peek(parser);
  const { kind, text } = token;
  if (kind === 'symbol') return bracketed(parser);
  if (kind === 'name' && (text === 'true' || text === 'false')) {
    next(parser);
    return { kind: 'literal', literal: { type: 'boolean', value: text === 'true' } };
  }
  if (kind === 'name' || kind === 'delimited' || kind === 'special') return invocation(parser, undefined);
  next(parser);
  if (kind === 'string' || kind === 'time') return { kind: 'literal', literal: { type: kind, value: text } };
  if (kind === 'date')
    return { kind: 'literal', literal: { type: text.includes('T') ? 'dateTime' : 'date', value: text } };
  if (kind === 'number') return number(parser, text);
  if (kind === 'external') return { kind: 'external', name: text };
  throw new Unsupported('it ends too early');
}

function bracketed(parser: Parser): Ast {
  const { text } = next(parser);
  if (text === '{') {
    expect(parser, '}');
    return { kind: 'empty' };
  }
  if (text !== '(') throw new Unsupported(`${text} where a value should be`);
  const inner = expression(parser);
  expect(parser, ')');
  return inner;
}

function expression(parser: Parser): Ast {
  if (++parser.depth > LEVELS_MAX) throw new Unsupported('too deep');
  const ast = binary(parser, 0);
  parser.depth--;
  return ast;
}

/** Throws Unsupported for what is no FHIRPath and for quantity literals. */
export function parseFhirPath(text: string): Ast {
  const parser: Parser = { tokens: tokensOf(text), at: 0, depth: 0 };
  const ast = expression(parser);
  if (peek(parser).kind !== 'end') throw new Unsupported(`${peek(parser).text} where it should end`);
  return ast;
}
