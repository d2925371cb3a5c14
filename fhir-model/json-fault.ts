// Where and why a text is not JSON (https://www.rfc-editor.org/rfc/rfc8259): V8's own messages quote the input, which may be
// somebody's record, and often leave out the place. Only reached after JSON.parse has failed.

export interface Fault {
  /** In UTF-16 code units from the start; the text's length when it ends too early. */
  offset: number;
  expected: string;
  found: string;
}

const whitespace = /[ \t\r\n]*/y;
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const stringPart = /[^"\\\u0000-\u001f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

function matchEnd(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

function describe(text: string, at: number): string {
  const point = text.codePointAt(at);
  if (point === undefined) return 'the end of the text';
  const shown =
    point > 0x20 && point < 0x7f
      ? `'${String.fromCodePoint(point)}'`
      : `U+${point.toString(16).toUpperCase().padStart(4, '0')}`;
  return shown;
}

function fault(text: string, offset: number, expected: string): Fault {
  return { offset, expected, found: describe(text, offset) };
}

/** The index after a string, or what is wrong in it. */
function skipString(text: string, start: number): number | Fault {
  let at = start + 1;
  for (let end = at; end !== -1; end = matchEnd(stringPart, text, at)) at = end;
  if (text[at] === '"') return at + 1;
  const wanted = text[at] === '\\' ? 'a valid escape' : 'a closing quote (control characters need escapes)';
  return fault(text, at, wanted);
}

type Awaited = 'value' | 'value or ]' | 'name or }' | 'name' | ': after a name' | 'comma or end';

const expectations: Record<Awaited, string> = {
  value: 'a value',
  'value or ]': "a value or ']'",
  'name or }': "a name in quotes or '}'",
  name: 'a name in quotes',
  ': after a name': "':'",
  'comma or end': "','",
};

function expectation(awaited: Awaited, open: string[]): string {
  if (awaited !== 'comma or end') return expectations[awaited];
  const closing = open.at(-1);
  return closing === undefined ? 'the end of the text' : `',' or '${closing}'`;
}

interface State {
  awaited: Awaited;
  /** Closing brackets still to come, innermost last. */
  open: string[];
}

function opened(state: State, closing: string, awaited: Awaited): number {
  state.open.push(closing);
  state.awaited = awaited;
  return 1;
}

/** Length of the structural character at `at` if it may stand there (state moves on), else 0. */
function takeStructure(character: string | undefined, state: State): number {
  const { awaited, open } = state;
  const wantsValue = awaited === 'value' || awaited === 'value or ]';
  if (wantsValue && character === '{') return opened(state, '}', 'name or }');
  if (wantsValue && character === '[') return opened(state, ']', 'value or ]');
  if (awaited === ': after a name' && character === ':') {
    state.awaited = 'value';
    return 1;
  }
  if (awaited === 'comma or end' && character === ',' && open.length > 0) {
    state.awaited = open.at(-1) === '}' ? 'name' : 'value';
    return 1;
  }
  const mayClose = awaited === 'comma or end' || awaited === 'value or ]' || awaited === 'name or }';
  if (mayClose && character !== undefined && character === open.at(-1)) {
    open.pop();
    state.awaited = 'comma or end';
    return 1;
  }
  return 0;
}

/** The index after the string or scalar at `at`, -1 if none may stand there. */
function takeToken(text: string, at: number, state: State): number | Fault {
  const isName = state.awaited === 'name' || state.awaited === 'name or }';
  const isValue = state.awaited === 'value' || state.awaited === 'value or ]';
  if (text[at] === '"' && (isName || isValue)) {
    state.awaited = isName ? ': after a name' : 'comma or end';
    return skipString(text, at);
  }
  const end = isValue ? matchEnd(scalar, text, at) : -1;
  if (end !== -1) state.awaited = 'comma or end';
  return end;
}

/** The first place where the text stops being JSON. Iterative: any depth will do. */
export function findFault(text: string): Fault {
  const state: State = { awaited: 'value', open: [] };
  for (let at = matchEnd(whitespace, text, 0); ; at = matchEnd(whitespace, text, at)) {
    if (at === text.length) return fault(text, at, expectation(state.awaited, state.open));
    const length = takeStructure(text[at], state);
    if (length > 0) {
      at += length;
      continue;
    }
    const awaited = state.awaited;
    const end = takeToken(text, at, state);
    if (typeof end !== 'number') return end;
    if (end === -1) return fault(text, at, expectation(awaited, state.open));
    at = end;
  }
}
