// Ids of what has no identifier of its own: the same order, code and place in it always give the same id, so that a
// correction finds what it corrects without a search (a conditional update a result would be a lock and a look-up each).
import { uuidv5 } from '#platform';

/** RFC 9562 namespace of ids this engine derives. */
const idNamespace = '6f0c3a52-5a39-4a8e-9d3c-1c7f0c5be1b4';

/** `key`: what makes the resource one of its kind, as texts. */
export function derivedId(type: string, key: readonly (string | undefined)[]): string {
  return uuidv5(idNamespace, JSON.stringify([type, ...key.map((part) => part ?? null)]));
}
