// SNOMED CT Expression Constraint Language, the part that implicit value sets use: https://confluence.ihtsdotools.org/display/DOCECL
// Brief syntax: < << <! <<! > >> >! >>! ^ *, AND OR MINUS, refinements with groups and cardinalities, dotted attributes,
// terms between pipes and comments.
import { CerebraError } from '#platform';

export type Hierarchy = '<' | '<<' | '<!' | '<<!' | '>' | '>>' | '>!' | '>>!';

export interface Cardinality {
  min: number;
  /** Infinity for `*`. */
  max: number;
}

export interface EclAttribute {
  kind: 'attribute';
  cardinality: Cardinality | undefined;
  /** `R`: the concept is the attribute's value. */
  reverse: boolean;
  name: Ecl;
  comparison: '=' | '!=' | '<' | '<=' | '>' | '>=';
  /** A constraint on concepts, a number `#5` or a text. */
  value: { kind: 'concepts'; constraint: Ecl } | { kind: 'number'; digits: string } | { kind: 'text'; text: string };
}

export type EclRefinement =
  | EclAttribute
  | { kind: 'group'; cardinality: Cardinality | undefined; within: EclRefinement }
  | { kind: 'all' | 'any'; of: EclRefinement[] };

export type Ecl =
  | { kind: 'concept'; code: string }
  | { kind: 'any' }
  | { kind: 'hierarchy'; operator: Hierarchy; of: Ecl }
  | { kind: 'memberOf'; of: Ecl }
  | { kind: 'and' | 'or'; of: Ecl[] }
  | { kind: 'minus'; from: Ecl; without: Ecl }
  | { kind: 'refined'; of: Ecl; by: EclRefinement }
  | { kind: 'dotted'; of: Ecl; attribute: Ecl };

const CHARACTERS_MAX = 20_000;
const DEPTH_MAX = 40;
/** Each is a part of the SQL statement. */
const PARTS_MAX = 400;

type TokenKind = 'code' | 'operator' | 'word' | 'number' | 'text' | 'end';

interface Token {
  kind: TokenKind;
  text: string;
  at: number;
}

const refuse = (source: string, at: number, what: string): CerebraError =>
  new CerebraError(
    'invalid-parameter',
    `ECL at character ${at + 1}: ${what}; the expression is '${source.slice(0, 200)}'`,
  );

/** `{{` and the like begin what is beyond this part of the language. */
const tokenPattern =
  /\s+|\/\*[\s\S]*?\*\/|\|[^|]*\||(?<code>\d{6,18})(?!\d)|(?<number>#[+-]?\d+(?:\.\d+)?)|(?<text>"(?:[^"\\]|\\.)*")|(?<word>[A-Za-z]+)|(?<operator>\{\{|<<!|>>!|!!<|!!>|<<|>>|<!|>!|<=|>=|!=|\.\.|[<>^*=:,(){}[\].])|(?<digits>\d+)/y;

function tokenize(source: string): Token[] {
  if (source.length > CHARACTERS_MAX) {
    throw new CerebraError(
      'too-costly',
      `An ECL expression may have ${CHARACTERS_MAX} characters, this has ${source.length}`,
    );
  }
  const tokens: Token[] = [];
  for (let at = 0; at < source.length; ) {
    tokenPattern.lastIndex = at;
    const match = tokenPattern.exec(source);
    if (!match) throw refuse(source, at, `'${source.slice(at, at + 20)}' is not understood`);
    const found = Object.entries(match.groups!).find(([, text]) => text !== undefined);
    if (found) tokens.push({ kind: found[0] === 'digits' ? 'word' : (found[0] as TokenKind), text: match[0], at });
    at = tokenPattern.lastIndex;
  }
  tokens.push({ kind: 'end', text: 'the end', at: source.length });
  return tokens;
}

const hierarchyOperators = new Set<string>(['<', '<<', '<!', '<<!', '>', '>>', '>!', '>>!']);
const comparisons = new Set<string>(['=', '!=', '<', '<=', '>', '>=']);

class Parser {
  private readonly tokens: Token[];
  private readonly source: string;
  private at = 0;
  private depth = 0;
  private parts = 0;

  constructor(source: string) {
    this.source = source;
    this.tokens = tokenize(source);
  }

  private get next(): Token {
    return this.tokens[this.at]!;
  }

  private fail(what: string): CerebraError {
    return refuse(this.source, this.next.at, what);
  }

  private is(text: string): boolean {
    return this.next.kind === 'operator' && this.next.text === text;
  }

  private isWord(word: string): boolean {
    return this.next.kind === 'word' && this.next.text.toUpperCase() === word;
  }

  private take(text: string): boolean {
    if (!this.is(text)) return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.take(text)) throw this.fail(`expected '${text}', found ${this.next.text.slice(0, 40)}`);
  }

  /** `read` one level deeper. */
  private deeper<T>(read: () => T): T {
    if (++this.depth > DEPTH_MAX) throw this.fail(`nested deeper than ${DEPTH_MAX}`);
    const found = read();
    this.depth--;
    return found;
  }

  private count(): void {
    if (++this.parts > PARTS_MAX) {
      throw new CerebraError('too-costly', `An ECL expression may have ${PARTS_MAX} parts, this has more`);
    }
  }

  whole(): Ecl {
    const found = this.expression();
    if (this.next.kind !== 'end') throw this.fail(`expected the end, found ${this.next.text.slice(0, 40)}`);
    return found;
  }

  private expression(): Ecl {
    return this.deeper(() => this.compound(this.refined(this.operand())));
  }

  private refined(of: Ecl): Ecl {
    if (!this.take(':')) return of;
    return { kind: 'refined', of, by: this.refinement() };
  }

  /** AND, OR or MINUS; mixed only with parentheses. */
  private compound(first: Ecl): Ecl {
    const word = this.conjunction();
    if (word === undefined) return first;
    const of = [first];
    while (this.conjunction() === word) {
      this.at++;
      of.push(this.refined(this.operand()));
    }
    if (this.conjunction() !== undefined) throw this.fail('AND, OR and MINUS mix only with parentheses');
    if (word !== 'MINUS') return { kind: word === 'AND' ? 'and' : 'or', of };
    if (of.length > 2) throw this.fail('more than one MINUS needs parentheses');
    return { kind: 'minus', from: of[0]!, without: of[1]! };
  }

  private conjunction(): 'AND' | 'OR' | 'MINUS' | undefined {
    if (this.is(',')) return 'AND';
    const word = this.next.kind === 'word' ? this.next.text.toUpperCase() : '';
    return word === 'AND' || word === 'OR' || word === 'MINUS' ? word : undefined;
  }

  /** A sub-expression and the attributes behind dots. */
  private operand(): Ecl {
    let found = this.sub();
    while (this.take('.')) found = { kind: 'dotted', of: found, attribute: this.sub() };
    return found;
  }

  private sub(): Ecl {
    this.count();
    const { kind, text } = this.next;
    if (kind === 'operator' && hierarchyOperators.has(text)) {
      this.at++;
      return { kind: 'hierarchy', operator: text as Hierarchy, of: this.deeper(() => this.sub()) };
    }
    if (this.take('^')) return { kind: 'memberOf', of: this.deeper(() => this.sub()) };
    if (text === '!!<' || text === '!!>' || text === '{{') throw this.unsupported(text);
    const found = this.focus();
    if (this.is('{{')) throw this.unsupported('{{ filters }}');
    return found;
  }

  private unsupported(what: string): CerebraError {
    return new CerebraError('unsupported', `ECL at character ${this.next.at + 1}: ${what} is not evaluated here`);
  }

  private focus(): Ecl {
    const { kind, text } = this.next;
    if (this.take('(')) {
      const found = this.expression();
      this.expect(')');
      return found;
    }
    if (this.take('*')) return { kind: 'any' };
    if (kind !== 'code') throw this.fail(`expected a concept, '*' or '(', found ${text.slice(0, 40)}`);
    this.at++;
    return { kind: 'concept', code: text };
  }

  private refinement(): EclRefinement {
    return this.deeper(() => {
      const first = this.subRefinement();
      const word = this.conjunction();
      if (word === undefined || word === 'MINUS') return first;
      const of = [first];
      while (this.conjunction() === word) {
        this.at++;
        of.push(this.subRefinement());
      }
      const rest = this.conjunction();
      if (rest !== undefined && rest !== 'MINUS') throw this.fail('AND and OR mix only with parentheses');
      return { kind: word === 'AND' ? 'all' : 'any', of };
    });
  }

  private subRefinement(): EclRefinement {
    const cardinality = this.is('[') ? this.cardinality() : undefined;
    if (this.take('{')) {
      const within = this.refinement();
      this.expect('}');
      return { kind: 'group', cardinality, within };
    }
    if (cardinality === undefined && this.is('(') && this.isRefinementInParentheses()) {
      this.at++;
      const within = this.refinement();
      this.expect(')');
      return within;
    }
    return this.attribute(cardinality);
  }

  /** `(a = b OR c = d)` is a refinement, `(a OR b) = c` an attribute: what follows the closing parenthesis tells. */
  private isRefinementInParentheses(): boolean {
    let open = 0;
    for (let at = this.at; at < this.tokens.length; at++) {
      const { kind, text } = this.tokens[at]!;
      if (kind !== 'operator') continue;
      if (text === '(') open++;
      else if (text === ')' && --open === 0) {
        const after = this.tokens[at + 1]!;
        return !(after.kind === 'operator' && comparisons.has(after.text));
      }
    }
    return true;
  }

  private cardinality(): Cardinality {
    this.expect('[');
    const min = this.bound();
    this.expect('..');
    const max = this.take('*') ? Number.POSITIVE_INFINITY : this.bound();
    this.expect(']');
    if (max < min) throw this.fail('the cardinality ends below its start');
    return { min, max };
  }

  private bound(): number {
    const { text } = this.next;
    if (!/^\d{1,6}$/.test(text)) throw this.fail(`expected a number, found ${text.slice(0, 40)}`);
    this.at++;
    return Number(text);
  }

  private attribute(cardinality: Cardinality | undefined): EclAttribute {
    const reverse = this.isWord('R');
    if (reverse) this.at++;
    const name = this.sub();
    const comparison = this.next.text;
    if (this.next.kind !== 'operator' || !comparisons.has(comparison)) {
      throw this.fail(`expected '=' behind the attribute, found ${comparison.slice(0, 40)}`);
    }
    this.at++;
    const value = this.value();
    if (value.kind === 'concepts' && comparison !== '=' && comparison !== '!=') {
      throw this.fail(`'${comparison}' compares numbers, as in '#5'`);
    }
    return {
      kind: 'attribute',
      cardinality,
      reverse,
      name,
      comparison: comparison as EclAttribute['comparison'],
      value,
    };
  }

  private value(): EclAttribute['value'] {
    const { kind, text } = this.next;
    if (kind !== 'number' && kind !== 'text') return { kind: 'concepts', constraint: this.deeper(() => this.sub()) };
    this.at++;
    if (kind === 'number') return { kind: 'number', digits: text.slice(1) };
    return { kind: 'text', text: text.slice(1, -1).replace(/\\(.)/g, '$1') };
  }
}

/**
 * Throws CerebraError `invalid-parameter` with the place for what is no ECL, `unsupported` for what is beyond this part of
 * it, `too-costly` beyond 20,000 characters or 400 parts.
 */
export const parseEcl = (source: string): Ecl => new Parser(source).whole();
