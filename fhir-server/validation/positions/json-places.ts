// Where elements stand in a JSON text: https://hl7.org/fhir/R4/json.html. One pass, which steps over what nobody looks for.
import { endOfString } from '#fhir-model';
import { type Wanted, wantedChild } from './wanted.ts';

const space = /[ \t\r\n]*/y;
const scalarEnd = /[^\s,\]}]*/y;

interface Scan {
  readonly text: string;
  at: number;
}

function skip(scan: Scan, pattern: RegExp): void {
  pattern.lastIndex = scan.at;
  pattern.test(scan.text);
  scan.at = pattern.lastIndex;
}

/** Past a value that holds nothing wanted. */
function skipValue(scan: Scan): void {
  const { text } = scan;
  for (let depth = 0; scan.at < text.length; ) {
    const character = text[scan.at];
    if (character === '"') scan.at = endOfString(text, scan.at);
    else if (character === '{' || character === '[') {
      depth++;
      scan.at++;
    } else if (character === '}' || character === ']') {
      depth--;
      scan.at++;
    } else if (depth > 0) scan.at++;
    else skip(scan, scalarEnd);
    if (depth === 0) return;
  }
}

/** Past a comma, if one follows. */
function goesOn(scan: Scan): boolean {
  skip(scan, space);
  if (scan.text[scan.at] !== ',') return false;
  scan.at++;
  skip(scan, space);
  return true;
}

function visitObject(scan: Scan, wanted: Wanted): void {
  const { text } = scan;
  scan.at++;
  skip(scan, space);
  if (text[scan.at] !== '}') {
    do {
      const start = scan.at;
      scan.at = endOfString(text, start);
      const child = wantedChild(wanted, JSON.parse(text.slice(start, scan.at)) as string);
      skip(scan, space);
      // The colon.
      scan.at++;
      skip(scan, space);
      if (child === undefined) skipValue(scan);
      else {
        child.offset ??= start;
        visitMember(scan, child);
      }
    } while (goesOn(scan));
  }
  scan.at++;
}

/** The value of a wanted name: its first item stands for it where no index was given. */
function visitMember(scan: Scan, wanted: Wanted): void {
  if (scan.text[scan.at] !== '[') {
    const [only] = wanted.items.values();
    if (only !== undefined) only.offset ??= wanted.offset;
    visitValue(scan, wanted.children.size > 0 ? wanted : (only ?? wanted));
    return;
  }
  scan.at++;
  skip(scan, space);
  if (scan.text[scan.at] !== ']') {
    let index = 0;
    do {
      const item = wanted.items.get(index);
      if (item !== undefined) {
        // The null of a `_name` is the place of nothing.
        if (!scan.text.startsWith('null', scan.at)) item.offset ??= scan.at;
        visitValue(scan, item);
      } else if (index === 0) visitValue(scan, wanted);
      else skipValue(scan);
      index++;
    } while (goesOn(scan));
  }
  scan.at++;
}

function visitValue(scan: Scan, wanted: Wanted): void {
  if (scan.text[scan.at] === '{' && wanted.children.size > 0) visitObject(scan, wanted);
  else skipValue(scan);
}

/** Sets the offsets of what is found. The text is JSON. */
export function findInJson(text: string, root: Wanted): void {
  const scan: Scan = { text, at: text.charCodeAt(0) === 0xfeff ? 1 : 0 };
  skip(scan, space);
  root.offset = scan.at;
  visitValue(scan, root);
}
