// What the operations on code systems refuse: https://hl7.org/fhir/R4/terminology-service.html
import { CerebraError } from '#platform';
import type { About } from './code-system.ts';
import { refuse } from './tx-issues.ts';

/** What is quoted of what the caller sent. */
const SHOWN_CHARACTERS_MAX = 200;
export const shown = (text: string): string => text.slice(0, SHOWN_CHARACTERS_MAX);

export const tooManyCodes = (codesMax: number): CerebraError =>
  new CerebraError('too-costly', `More than ${codesMax} codes: ask for fewer`);

export const systemName = (url: string, version: string | undefined): string =>
  version === undefined ? shown(url) : `${shown(url)}|${shown(version)}`;

/**
 * Says which version is wanted, and which are here. `valid`: versions that are known; `so`: what can't be done without it, as
 * `so the code cannot be validated`.
 */
export function unknownSystemText(
  url: string,
  version: string | undefined,
  valid: readonly string[],
  so?: string,
): { messageId: 'UNKNOWN_CODESYSTEM' | 'UNKNOWN_CODESYSTEM_VERSION'; text: string } {
  const which = version === undefined ? '' : ` version '${shown(version)}'`;
  const text = `A definition for CodeSystem '${shown(url)}'${which} could not be found${so === undefined ? '' : `, ${so}`}`;
  if (version === undefined) return { messageId: 'UNKNOWN_CODESYSTEM', text };
  // The one that is wanted may be here without its codes: it is of no use.
  const others = valid.filter((each) => each !== version);
  const known = others.filter((each) => each !== '').join(', ') || 'none is named';
  return {
    messageId: 'UNKNOWN_CODESYSTEM_VERSION',
    text: others.length === 0 ? text : `${text}. Valid versions: ${known}`,
  };
}

export function unknownSystem(url: string, version: string | undefined, valid: readonly string[]): CerebraError {
  return refuse('not-found', {
    ...{ code: 'not-found', type: 'not-found' },
    ...unknownSystemText(url, version, valid),
  });
}

/** Of a system at another server. */
export const notListed = (url: string): CerebraError =>
  new CerebraError(
    'unsupported',
    `The code system '${shown(url)}' is known at another server only: its codes can be asked for, not listed`,
  );

export const absentContentText = ({ url, version, content }: About): string =>
  `Of CodeSystem '${systemName(url, version)}' no codes are here (its content is '${content}')`;

/** Its description is here, and nothing else. */
export const absentContent = (about: About): CerebraError =>
  refuse('not-found', {
    ...{ code: 'not-found', type: 'not-found', messageId: 'UNKNOWN_CODESYSTEM' },
    text: absentContentText(about),
  });

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
