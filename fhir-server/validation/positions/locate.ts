// Line and column of elements in the text that they came in.
import { findInJson } from './json-places.ts';
import { foundOffset, wantedTree } from './wanted.ts';
import { findInXml } from './xml-places.ts';

/** A resource as it was sent. */
export interface SourceText {
  format: 'json' | 'xml';
  text: string;
  /** The path of the resource in it where it isn't the root: `parameter[0].resource`. */
  below?: string;
}

/** From 1; columns count UTF-16 units. */
export interface Position {
  line: number;
  column: number;
}

/** Offsets as positions, in one pass over the text. */
export function positionsOf(text: string, offsets: readonly number[]): Position[] {
  const positions = new Map<number, Position>();
  let line = 1;
  let lineStart = 0;
  for (const offset of [...new Set(offsets)].sort((a, b) => a - b)) {
    for (let end = text.indexOf('\n', lineStart); end !== -1 && end < offset; end = text.indexOf('\n', lineStart)) {
      line++;
      lineStart = end + 1;
    }
    positions.set(offset, { line, column: offset - lineStart + 1 });
  }
  return offsets.map((offset) => positions.get(offset)!);
}

/**
 * Where the elements that the expressions name stand, in their order; of one that is missing, what it is missing from. In
 * JSON a member's place is its name, an item's its value; in XML it is the tag. The text is well-formed.
 */
export function locate({ format, text, below }: SourceText, expressions: readonly string[]): Position[] {
  const { root, leaves } = wantedTree(expressions, below);
  if (format === 'json') findInJson(text, root);
  else findInXml(text, root);
  return positionsOf(text, leaves.map(foundOffset));
}
