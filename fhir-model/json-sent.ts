// What JSON that is sent must not have, though JSON.parse takes it: https://www.rfc-editor.org/rfc/rfc8259#section-4
// "The names within an object SHOULD be unique", and section 8.2 on halves of surrogate pairs.
import type { Json } from './types.ts';

/** Members of all objects in it; `__proto__` is one like any other. */
export function countNames(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0;
  let names = 0;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item = value[i];
      if (typeof item === 'object' && item !== null) names += countNames(item);
    }
    return names;
  }
  for (const name in value) {
    names++;
    const held = value[name];
    if (typeof held === 'object' && held !== null) names += countNames(held);
  }
  return names;
}

/** The index after the string that opens at `start`; the text's length when it doesn't end. */
export function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at + 1;
    if (code === 0x5c) at++;
  }
  return text.length;
}

/** An object or array that is open: its names so far, or its index, and the name whose value is being read. */
interface Open {
  names: Set<string> | undefined;
  name: string;
  index: number;
}

const pathOf = (open: readonly Open[]): string =>
  open.map(({ names, name, index }) => (names ? `.${name.slice(0, 64)}` : `[${index}]`)).join('');

export interface Repeated {
  name: string;
  /** Where it stands again. */
  offset: number;
  /** `.name[0].family` */
  path: string;
}

/** The first name that stands twice in one object. The text is JSON. */
export function findRepeatedName(json: string): Repeated | undefined {
  const open: Open[] = [];
  let awaitsName = false;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    const inside = open.at(-1);
    if (character === '"') {
      const end = endOfString(json, at);
      if (awaitsName && inside?.names) {
        inside.name = JSON.parse(json.slice(at, end)) as string;
        if (inside.names.has(inside.name)) return { name: inside.name, offset: at, path: pathOf(open) };
        inside.names.add(inside.name);
      }
      awaitsName = false;
      at = end - 1;
    } else if (character === '{') {
      open.push({ names: new Set(), name: '', index: 0 });
      awaitsName = true;
    } else if (character === '[') open.push({ names: undefined, name: '', index: 0 });
    else if (character === '}' || character === ']') open.pop();
    else if (character === ',' && inside) {
      inside.index++;
      awaitsName = inside.names !== undefined;
    }
  }
  return undefined;
}

const halfEscape = /\\u[dD][89a-fA-F]/;
/** Any escape, so that the two characters of `\\\\` are never taken for the start of another. */
const escapes = /\\(?:u([0-9a-fA-F]{4})|.)/gs;
const isHigh = (code: number): boolean => code >= 0xd800 && code <= 0xdbff;
const isLow = (code: number): boolean => code >= 0xdc00 && code <= 0xdfff;

/**
 * The offset of an escape for half a surrogate pair without its other half. The text is JSON that came as UTF-8, in which
 * only escapes can be halves.
 */
export function findLoneSurrogate(json: string): number | undefined {
  if (!json.includes('\\u') || !halfEscape.test(json)) return undefined;
  let high: { at: number; end: number } | undefined;
  for (const { 0: text, 1: digits, index } of json.matchAll(escapes)) {
    const code = digits === undefined ? 0 : Number.parseInt(digits, 16);
    if (high !== undefined && (high.end !== index || !isLow(code))) return high.at;
    if (high === undefined && isLow(code)) return index;
    high = isHigh(code) ? { at: index, end: index + text.length } : undefined;
  }
  return high?.at;
}
