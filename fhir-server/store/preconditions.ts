// What a write asks of the version that it follows: https://www.rfc-editor.org/rfc/rfc9110#section-13.1
// A precondition is the number of a version, or one of these; undefined asks nothing.

/** `If-Match: *`: there is a current version, whichever. */
export const ANY_VERSION = -1;
/** `If-None-Match: *`: there is no current version. */
export const NO_VERSION = 0;

/** Whether it holds of the current version, 0 being none. */
export function holds(ifVersion: number | undefined, current: number): boolean {
  if (ifVersion === undefined) return true;
  return ifVersion === ANY_VERSION ? current > 0 : ifVersion === current;
}

/** For SQL that compares with an existing row: the number it must have, undefined for any. */
export const exactVersion = (ifVersion: number | undefined): number | undefined =>
  ifVersion === ANY_VERSION ? undefined : ifVersion;
