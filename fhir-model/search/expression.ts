// The part of FHIRPath that R4's SearchParameter.expression uses: https://hl7.org/fhir/R4/searchparameter-registry.html

/** One step from a set of values to the next. `type` narrows a choice element or, after a polymorphic one, resources. */
export type Step =
  | { kind: 'child'; name: string }
  | { kind: 'type'; type: string }
  | { kind: 'equals'; name: string; value: string }
  | { kind: 'refersTo'; type: string }
  | { kind: 'index'; index: number };

/** Starts at the resource. */
export type Path = readonly Step[];

/** What an expression of the subset yields: the values at all paths, or one boolean. */
export type Expression = { kind: 'paths'; paths: Path[] } | { kind: 'boolean'; all: BooleanTerm[] };

/** `path.exists()` or `path = literal` / `path != literal`. */
export type BooleanTerm =
  | { kind: 'exists'; paths: Path[] }
  | { kind: 'compare'; paths: Path[]; negated: boolean; literal: string | boolean };

const TOKEN = /\s*(?:([A-Za-z_][A-Za-z0-9_]*)|'((?:[^'\\])*)'|(\d+)|(!=|[.()[\]|=]))/y;

interface Tokens {
  list: string[];
  at: number;
}

/** Thrown inside this file only: the expression lies outside the subset. */
class OutsideSubset extends Error {}

const outside = (): never => {
  throw new OutsideSubset();
};

/** Names as they are, strings behind a `'`. */
function tokenize(text: string): Tokens {
  const list: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const match = TOKEN.exec(text);
    if (match === null) return outside();
    list.push(match[1] ?? (match[2] === undefined ? (match[3] ?? match[4] ?? '') : `'${match[2]}`));
  }
  return { list, at: 0 };
}

const peek = (tokens: Tokens): string | undefined => tokens.list[tokens.at];

function take(tokens: Tokens, expected?: string): string {
  const token = tokens.list[tokens.at++];
  if (token === undefined || (expected !== undefined && token !== expected)) return outside();
  return token;
}

function accept(tokens: Tokens, token: string): boolean {
  if (peek(tokens) !== token) return false;
  tokens.at++;
  return true;
}

const isName = (token: string | undefined): token is string => token !== undefined && /^[A-Za-z_]/.test(token);

/** `resolve() is Patient` or `system='phone'`, up to the closing parenthesis of `where(`. */
function parseWhere(tokens: Tokens): Step {
  const name = take(tokens);
  if (!isName(name)) return outside();
  if (name === 'resolve' && accept(tokens, '(')) {
    take(tokens, ')');
    take(tokens, 'is');
    return { kind: 'refersTo', type: take(tokens) };
  }
  take(tokens, '=');
  const literal = take(tokens);
  return literal.startsWith("'") ? { kind: 'equals', name, value: literal.slice(1) } : outside();
}

/** The step of a function whose opening parenthesis has been taken. */
function parseFunction(tokens: Tokens, name: string): Step {
  let step: Step;
  if (name === 'where') step = parseWhere(tokens);
  else if (name === 'ofType' || name === 'as') step = { kind: 'type', type: take(tokens) };
  else return outside();
  take(tokens, ')');
  return step;
}

const extend = (paths: Path[], ...steps: Step[]): Path[] => paths.map((path) => [...path, ...steps]);

/** `extension('url')`, behind its opening parenthesis, is `extension.where(url = 'url')`: https://hl7.org/fhir/R4/fhirpath.html#functions */
function parseExtension(tokens: Tokens): Step[] {
  const url = take(tokens);
  if (!url.startsWith("'")) return outside();
  take(tokens, ')');
  return [
    { kind: 'child', name: 'extension' },
    { kind: 'equals', name: 'url', value: url.slice(1) },
  ];
}

function parseCall(tokens: Tokens, name: string): Step[] {
  return name === 'extension' ? parseExtension(tokens) : [parseFunction(tokens, name)];
}

/** `.name`, `.function(…)`, `[0]` as often as they follow; `.exists()` is left for the caller. */
function parseSteps(tokens: Tokens, start: Path[]): Path[] {
  let paths = start;
  for (;;) {
    if (accept(tokens, '[')) {
      const index = Number(take(tokens));
      if (!Number.isInteger(index)) return outside();
      paths = extend(paths, { kind: 'index', index });
      take(tokens, ']');
    } else if (peek(tokens) === '.' && tokens.list[tokens.at + 1] !== 'exists') {
      tokens.at++;
      const name = take(tokens);
      if (!isName(name)) return outside();
      paths = extend(paths, ...(accept(tokens, '(') ? parseCall(tokens, name) : [{ kind: 'child', name } as const]));
    } else return paths;
  }
}

/** A type name at the start stands for the resource itself. */
function parseStart(tokens: Tokens): Path[] {
  if (accept(tokens, '(')) {
    const paths = parseUnion(tokens);
    take(tokens, ')');
    return paths;
  }
  const name = take(tokens);
  if (name === 'extension' && accept(tokens, '(')) return [parseExtension(tokens)];
  if (!isName(name) || peek(tokens) === '(') return outside();
  return /^[A-Z]/.test(name) ? [[]] : [[{ kind: 'child', name }]];
}

function parseTerm(tokens: Tokens): Path[] {
  const paths = parseSteps(tokens, parseStart(tokens));
  if (!accept(tokens, 'as')) return paths;
  return extend(paths, { kind: 'type', type: take(tokens) });
}

function parseUnion(tokens: Tokens): Path[] {
  const paths = parseTerm(tokens);
  while (accept(tokens, '|')) paths.push(...parseTerm(tokens));
  return paths;
}

function parseLiteral(token: string): string | boolean {
  if (token === 'true' || token === 'false') return token === 'true';
  return token.startsWith("'") ? token.slice(1) : outside();
}

function parseBooleanTerm(tokens: Tokens): BooleanTerm {
  const paths = parseUnion(tokens);
  if (accept(tokens, '.')) {
    take(tokens, 'exists');
    take(tokens, '(');
    take(tokens, ')');
    return { kind: 'exists', paths };
  }
  const operator = take(tokens);
  if (operator !== '=' && operator !== '!=') return outside();
  return { kind: 'compare', paths, negated: operator === '!=', literal: parseLiteral(take(tokens)) };
}

function parseAll(tokens: Tokens): Expression {
  const paths = parseUnion(tokens);
  if (peek(tokens) === undefined) return { kind: 'paths', paths };
  tokens.at = 0;
  const all = [parseBooleanTerm(tokens)];
  while (accept(tokens, 'and')) all.push(parseBooleanTerm(tokens));
  return peek(tokens) === undefined ? { kind: 'boolean', all } : outside();
}

/** The expression if it lies within the subset, else undefined: it needs a whole FHIRPath engine then. */
export function parseExpression(text: string): Expression | undefined {
  try {
    return parseAll(tokenize(text));
  } catch (error) {
    if (error instanceof OutsideSubset) return undefined;
    throw error;
  }
}
