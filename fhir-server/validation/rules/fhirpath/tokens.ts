// The words of FHIRPath: https://hl7.org/fhirpath/#lexical-elements

export interface Token {
  kind: 'name' | 'delimited' | 'string' | 'number' | 'date' | 'time' | 'external' | 'special' | 'symbol' | 'end';
  text: string;
}

/** Not FHIRPath, or FHIRPath that the compiler doesn't know: the library's turn. */
export class Unsupported extends Error {}

const WORDS =
  /\s+|\/\/[^\n]*|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/|(@T[\d:.]+)|(@\d{4}[\d\-T:.+Z]*)|(\d+(?:\.\d+)?)|('(?:[^'\\]|\\.)*')|(`(?:[^`\\]|\\.)*`)|(%(?:[A-Za-z_][\w-]*|`[^`]*`|'[^']*'))|(\$(?:this|index|total))|([A-Za-z_]\w*)|(<=|>=|!=|!~|[.,()[\]{}+\-*/&|<>=~])/y;
const KINDS = ['time', 'date', 'number', 'string', 'delimited', 'external', 'special', 'name', 'symbol'] as const;

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t', f: '\f' };

/** What stands between quotes, its escapes resolved. */
function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\(u([0-9a-fA-F]{4})|.)/gs, (_all, one: string, hex: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    return ESCAPES[one] ?? one;
  });
}

function textOf(kind: Token['kind'], text: string): string {
  if (kind === 'string' || kind === 'delimited') return unquote(text);
  if (kind === 'external') return /^%[`']/.test(text) ? unquote(text.slice(1)) : text.slice(1);
  if (kind === 'date') return text.slice(1).replace(/T$/, '');
  return kind === 'time' ? text.slice(2) : text;
}

/** Throws Unsupported. */
export function tokensOf(expression: string): Token[] {
  const tokens: Token[] = [];
  WORDS.lastIndex = 0;
  while (WORDS.lastIndex < expression.length) {
    const match = WORDS.exec(expression);
    if (match === null) throw new Unsupported('a character that FHIRPath does not have');
    const at = KINDS.findIndex((_, index) => match[index + 1] !== undefined);
    const kind = KINDS[at];
    if (kind !== undefined) tokens.push({ kind, text: textOf(kind, match[0]) });
  }
  tokens.push({ kind: 'end', text: '' });
  return tokens;
}
