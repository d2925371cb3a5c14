// Case of codes: https://hl7.org/fhir/R4/search.html#token, https://hl7.org/fhir/R4/datatypes.html#Identifier
import type { SearchParam } from './types.ts';

export const UCUM = 'http://unitsofmeasure.org';

/** Systems two of whose codes differ in case alone: `mm` and `Mm`, `c.1A>G` and `C.1A>G`. */
const CASE_SENSITIVE_SYSTEMS = new Set([UCUM, 'http://varnomen.hgvs.org']);

/**
 * The form in which a code is compared. Token searches are not case-sensitive: finding too much harms less than finding
 * too little. But Identifier.value is to be treated as case-sensitive, so that a conditional update never takes one
 * person's record for another's; and so are the codes of the systems above when the system is known.
 */
export function tokenCode(param: SearchParam, system: string | undefined, code: string): string {
  if (param.caseSensitive === true) return code;
  if (system !== undefined && CASE_SENSITIVE_SYSTEMS.has(system)) return code;
  return code.toLowerCase();
}
