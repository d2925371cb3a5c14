// What the operations on code systems refuse: https://hl7.org/fhir/R4/terminology-service.html
import { CerebraError } from '#platform';
import { refuse } from './tx-issues.ts';

/** What is quoted of what the caller sent. */
const SHOWN_CHARACTERS_MAX = 200;
export const shown = (text: string): string => text.slice(0, SHOWN_CHARACTERS_MAX);

export const tooManyCodes = (codesMax: number): CerebraError =>
  new CerebraError('too-costly', `More than ${codesMax} codes: ask for fewer`);

export const systemName = (url: string, version: string | undefined): string =>
  version === undefined ? shown(url) : `${shown(url)}|${shown(version)}`;

/** `valid`: versions that are known. */
export function unknownSystem(url: string, version: string | undefined, valid: readonly string[]): CerebraError {
  const known = valid.filter((each) => each !== '');
  const text =
    version === undefined || valid.length === 0
      ? `A definition for CodeSystem '${shown(url)}' could not be found`
      : `A definition for CodeSystem '${shown(url)}' version '${shown(version)}' could not be found. Valid versions: ${known.join(', ') || 'none is named'}`;
  const messageId = version === undefined || valid.length === 0 ? 'UNKNOWN_CODESYSTEM' : 'UNKNOWN_CODESYSTEM_VERSION';
  return refuse('not-found', { code: 'not-found', type: 'not-found', messageId, text });
}

export const unknownCodeText = (code: string, url: string, version: string | undefined): string =>
  `Unknown code '${shown(code)}' in the CodeSystem '${shown(url)}'${version === undefined ? '' : ` version '${shown(version)}'`}`;

export const unknownCode = (
  code: string,
  url: string,
  version: string | undefined,
  expression?: string,
): CerebraError =>
  refuse('not-found', {
    ...{ code: 'not-found', type: 'invalid-code', messageId: 'Unknown_Code_in_Version', expression },
    text: unknownCodeText(code, url, version),
  });
