// What a source holds, piece by piece: a line, an entry of a Bundle, a file with one resource.
import { issuesOf, type Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import type { Fault, Place, Source } from './types.ts';

/** A resource to be stored. */
export interface Item {
  resource: Resource;
  id: string;
  /** The id came with it. */
  given: boolean;
  place: Place;
  /** It is created only if these criteria match nothing: `Type?query`. */
  absent?: string;
  fullUrl?: string;
}

export interface Piece {
  source: Source;
  /** [from, to) in the source's unit: bytes of lines, entries of a Bundle. */
  from: number;
  to: number;
  lines: number;
  item?: Item;
  fault?: Fault;
  /** A conditional create that found its resource. */
  found?: boolean;
}

/** `resources`: how many are not loaded because of it. */
export function faultOf(place: Place, error: unknown, resources = 1): Fault {
  if (error instanceof CerebraError) return { ...place, issues: issuesOf(error), resources };
  throw error;
}

export const invalid = (diagnostics: string, expression?: string): CerebraError =>
  new CerebraError('invalid', diagnostics, expression === undefined ? {} : { expression: [expression] });
