// PID-15 to Patient.communication.language: R4 allows tags of BCP 47 beside which other codes may stand, and no others alone.
// https://hl7.org/fhir/R4/patient-definitions.html#Patient.communication.language
import type { JsonObject } from '#fhir-model';

const bcp47 = 'urn:ietf:bcp:47';
const names = new Intl.DisplayNames('en', { type: 'language', fallback: 'none' });

/** `en` of `EN` and `eng`, the codes of ISO 639 that table 0296 takes; undefined for what is no language. */
export function languageTag(code: string): string | undefined {
  if (tags.has(code)) return tags.get(code);
  const tag = tagOf(code);
  if (tags.size < tagsMax) tags.set(code, tag);
  return tag;
}

// Asking Intl took a tenth of the time of mapping an ADT^A01; a feed has a few dozen codes.
const tags = new Map<string, string | undefined>();
const tagsMax = 1000;

function tagOf(code: string): string | undefined {
  if (!/^[A-Za-z]{2,3}(?:-[A-Za-z]{2})?$/.test(code)) return undefined;
  const [tag] = Intl.getCanonicalLocales(code);
  return tag !== undefined && names.of(tag) !== undefined ? tag : undefined;
}

/** With a tag before its codings, of the first that tells one; without any their words alone. */
export function spokenLanguage(language: JsonObject): JsonObject {
  const coding = Array.isArray(language.coding) ? (language.coding as JsonObject[]) : [];
  const [tag] = coding.flatMap(({ code }) => (typeof code === 'string' ? (languageTag(code) ?? []) : []));
  if (tag !== undefined) return { ...language, coding: [{ system: bcp47, code: tag }, ...coding] };
  const [first] = coding;
  const text = language.text ?? first?.display ?? first?.code;
  return text === undefined ? {} : { text };
}
