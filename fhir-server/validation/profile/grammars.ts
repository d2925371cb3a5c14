// Code sets that R4 binds by grammar or to lists of others: what is plainly of one need not be asked of the terminology service.
// https://hl7.org/fhir/R4/valueset-mimetypes.html, -currencies.html, -ucum-units.html, -languages.html
import { UCUM, ucumUnit } from '#fhir-model';

/** https://www.rfc-editor.org/rfc/rfc6838#section-4.2, with `*` for a subtype and parameters behind. */
const mediaType = /^[A-Za-z0-9][\w!#$&^.+-]{0,126}\/(?:\*|[A-Za-z0-9][\w!#$&^.+-]{0,126})(?:\s*;[\t\x20-\x7e]*)?$/;
/** https://www.rfc-editor.org/rfc/rfc5646#section-2.1: language, script, region, variants, extensions, private use. */
const language =
  /^(?:(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*(?:-[0-9a-wyz](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?|x(?:-[a-z0-9]{1,8})+|i-[a-z]{2,8}|en-gb-oed|sgn-(?:be-fr|be-nl|ch-de))$/i;
const languages = 'urn:ietf:bcp:47';
const languageCharactersMax = 200;
/** ISO 4217, those that have gone out of use included. */
const currencies = new Set(Intl.supportedValuesOf('currency'));

/** Undefined where somebody else may know more. */
type Grammar = (system: string | undefined, code: string) => boolean | undefined;

const isLanguage = (code: string): boolean => code.length <= languageCharactersMax && language.test(code);

const base = 'http://hl7.org/fhir/ValueSet/';
const grammars: ReadonlyMap<string, Grammar> = new Map<string, Grammar>([
  [`${base}mimetypes`, (_system, code) => mediaType.test(code) || undefined],
  [`${base}currencies`, (_system, code) => currencies.has(code) || undefined],
  [`${base}all-languages`, (system, code) => (system ?? languages) === languages && isLanguage(code)],
  [`${base}ucum-units`, (system, code) => ((system ?? UCUM) === UCUM && ucumUnit(code) !== undefined) || undefined],
]);

/** Whether a code is of the value set; undefined where that is not certain. */
export function plainly(valueSet: string, system: string | undefined, code: string): boolean | undefined {
  return grammars.get(valueSet.split('|')[0] ?? '')?.(system, code);
}
