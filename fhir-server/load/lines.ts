// NDJSON: one resource a line. https://hl7.org/fhir/R4/nd-json.html
import { isUtf8 } from 'node:buffer';
import type { Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { type Checks, readResource } from './read-resource.ts';
import { faultOf, invalid, type Piece } from './records.ts';
import type { Place, Source } from './types.ts';

const LINE_FEED = 10;

interface Line {
  bytes: Uint8Array;
  from: number;
  to: number;
  place: Place;
}

function* linesOf({ bytes, from, file, line }: Source): Generator<Line> {
  let number = line;
  for (let at = 0; at < bytes.length; number++) {
    const feed = bytes.indexOf(LINE_FEED, at);
    const end = feed === -1 ? bytes.length : feed + 1;
    yield { bytes: bytes.subarray(at, end), from: from + at, to: from + end, place: { file, line: number } };
    at = end;
  }
}

const decoder = new TextDecoder();

/** Stored as it is, nobody would find what it brings; documents, messages, collections and the like are kept as they are. */
function assertKept({ resourceType, type }: Resource): void {
  if (resourceType !== 'Bundle' || (type !== 'transaction' && type !== 'batch')) return;
  const text = `A Bundle of type ${type} is to be carried out, a line is stored as it is: give it a .json file of its own`;
  throw invalid(text, 'Bundle.type');
}

function readLine(checks: Checks, { bytes, from, to, place }: Line, source: Source, newId: () => string): Piece {
  const piece: Piece = { source, from, to, lines: 1 };
  try {
    if (!isUtf8(bytes)) throw new CerebraError('invalid-json', 'The line is not UTF-8');
    const text = decoder.decode(bytes).trim();
    if (text === '') return piece;
    const resource = readResource(checks, text);
    assertKept(resource);
    const given = resource.id !== undefined;
    return { ...piece, item: { resource, id: resource.id ?? newId(), given, place } };
  } catch (error) {
    return { ...piece, fault: faultOf(place, error) };
  }
}

/** A piece a line, blank ones too. */
export function linePieces(checks: Checks, source: Source, newId: () => string): Piece[] {
  const { file, line, from, to } = source;
  if (source.tooLong) {
    const fault = faultOf({ file, line }, invalid('The line is longer than BODY_BYTES_MAX allows'));
    return [{ source, from, to, lines: 1, fault }];
  }
  return Array.from(linesOf(source), (each) => readLine(checks, each, source, newId));
}
