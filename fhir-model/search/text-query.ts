// What `_text` and `_content` ask: words, "phrases", AND, OR, NOT or -, parentheses. https://hl7.org/fhir/R4/search.html#content
import { wordsOf } from './words.ts';

/** A phrase is one word or several in a row; with `prefix` its last word only begins so (`metast*`). */
export type TextQuery =
  | { op: 'phrase'; words: string[]; prefix: boolean }
  | { op: 'and'; parts: TextQuery[] }
  | { op: 'or'; parts: TextQuery[] }
  | { op: 'not'; part: TextQuery };

const TERMS_MAX = 100;
const DEPTH_MAX = 20;
const TOKEN = /\s*(?:([()])|"([^"]*)"|(-?[^\s()"]+))/y;

type Token = { kind: '(' | ')' | 'and' | 'or' | 'not' } | { kind: 'phrase'; words: string[]; prefix: boolean };

const OPERATORS = new Set(['and', 'or', 'not']);

/** Why a text can't be searched for, for the message to the client. */
class TextFault extends Error {}

const fault = (why: string): never => {
  throw new TextFault(why);
};

function wordTokens(text: string): Token[] {
  const lower = text.toLowerCase();
  if (OPERATORS.has(lower)) return [{ kind: lower as 'and' | 'or' | 'not' }];
  const negated = text.length > 1 && text.startsWith('-');
  const words = wordsOf(text);
  if (words.length === 0) return fault(`'${text.slice(0, 40)}' has no letters or digits`);
  const phrase: Token = { kind: 'phrase', words, prefix: text.endsWith('*') };
  return negated ? [{ kind: 'not' }, phrase] : [phrase];
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < end; ) {
    const match = TOKEN.exec(text);
    if (match === null) return fault('a quotation mark is not closed');
    const [, parenthesis, quoted, word] = match;
    if (parenthesis !== undefined) tokens.push({ kind: parenthesis as '(' | ')' });
    else if (quoted !== undefined) {
      const words = wordsOf(quoted);
      tokens.push(words.length > 0 ? { kind: 'phrase', words, prefix: false } : fault('a phrase has no words'));
    } else tokens.push(...wordTokens(word ?? ''));
    if (tokens.length > TERMS_MAX) fault(`it has more than ${TERMS_MAX} words`);
  }
  return tokens;
}

interface Reader {
  tokens: Token[];
  at: number;
}

function readTerm(reader: Reader, depth: number): TextQuery {
  const token = reader.tokens[reader.at++];
  if (depth > DEPTH_MAX) return fault(`it is nested deeper than ${DEPTH_MAX} levels`);
  if (token === undefined) return fault('it ends where a word is expected');
  if (token.kind === 'phrase') return { op: 'phrase', words: token.words, prefix: token.prefix };
  if (token.kind === 'not') return { op: 'not', part: readTerm(reader, depth + 1) };
  if (token.kind !== '(') return fault(`'${token.kind}' stands where a word is expected`);
  const inner = readOr(reader, depth + 1);
  if (reader.tokens[reader.at++]?.kind !== ')') return fault('a parenthesis is not closed');
  return inner;
}

/** Words beside each other are AND. */
function readAnd(reader: Reader, depth: number): TextQuery {
  const parts = [readTerm(reader, depth)];
  for (;;) {
    const next = reader.tokens[reader.at]?.kind;
    if (next === undefined || next === 'or' || next === ')') break;
    if (next === 'and') reader.at++;
    parts.push(readTerm(reader, depth));
  }
  return parts.length === 1 ? (parts[0] as TextQuery) : { op: 'and', parts };
}

function readOr(reader: Reader, depth: number): TextQuery {
  const parts = [readAnd(reader, depth)];
  while (reader.tokens[reader.at]?.kind === 'or') {
    reader.at++;
    parts.push(readAnd(reader, depth));
  }
  return parts.length === 1 ? (parts[0] as TextQuery) : { op: 'or', parts };
}

/** The query, or why it is none. */
export function parseTextQuery(text: string): TextQuery | { fault: string } {
  try {
    const reader = { tokens: tokenize(text), at: 0 };
    const query = readOr(reader, 0);
    return reader.at < reader.tokens.length ? { fault: 'a parenthesis closes that was not opened' } : query;
  } catch (error) {
    if (error instanceof TextFault) return { fault: error.message };
    throw error;
  }
}

/** `text` is the words, each with one space before and after it. */
function holds(query: TextQuery, text: string): boolean {
  switch (query.op) {
    case 'not':
      return !holds(query.part, text);
    case 'and':
      return query.parts.every((part) => holds(part, text));
    case 'or':
      return query.parts.some((part) => holds(part, text));
    case 'phrase':
      return text.includes(` ${query.words.join(' ')}${query.prefix ? '' : ' '}`);
  }
}

/** Whether these words (wordsOf) are what the query asks for. */
export const matchesWords = (query: TextQuery, words: readonly string[]): boolean =>
  holds(query, ` ${words.join(' ')} `);
