// Code sets that R4 binds by grammar or to lists of others: what is plainly of one need not be asked of the terminology service.
// https://hl7.org/fhir/R4/valueset-mimetypes.html, -currencies.html, -ucum-units.html, -languages.html
import { UCUM, ucumUnit } from '#fhir-model';

/** https://www.rfc-editor.org/rfc/rfc6838#section-4.2, with `*` for a subtype and parameters behind. */
const mediaType = /^[A-Za-z0-9][\w!#$&^.+-]{0,126}\/(?:\*|[A-Za-z0-9][\w!#$&^.+-]{0,126})(?:\s*;[\t\x20-\x7e]*)?$/;
/** https://www.rfc-editor.org/rfc/rfc5646: language, script, region, variants; extensions are rare enough to be asked. */
const language = /^[A-Za-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|\d{3}))?(?:-[A-Za-z0-9]{5,8})*$/;
/** ISO 4217, those that have gone out of use included. */
const currencies = new Set(Intl.supportedValuesOf('currency'));

type Grammar = (system: string | undefined, code: string) => boolean;

const base = 'http://hl7.org/fhir/ValueSet/';
const grammars: ReadonlyMap<string, Grammar> = new Map<string, Grammar>([
  [`${base}mimetypes`, (_system, code) => mediaType.test(code)],
  [`${base}currencies`, (_system, code) => currencies.has(code)],
  [`${base}all-languages`, (_system, code) => language.test(code)],
  [`${base}ucum-units`, (system, code) => (system ?? UCUM) === UCUM && ucumUnit(code) !== undefined],
]);

/** Whether it is certain that a code is of the value set; where not, it may still be. */
export function isPlainly(valueSet: string, system: string | undefined, code: string): boolean {
  return grammars.get(valueSet.split('|')[0] ?? '')?.(system, code) === true;
}
