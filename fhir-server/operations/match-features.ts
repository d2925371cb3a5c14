// What of a patient tells who it is, in a form that can be compared: https://hl7.org/fhir/R4/patient.html
import { foldString, type Json, type JsonObject, objectsOf } from '#fhir-model';

export interface NameFeatures {
  /** Folded: `obrien nunez`. */
  family: string;
  given: readonly string[];
}

export interface Features {
  identifiers: readonly { system: string; value: string }[];
  names: readonly NameFeatures[];
  birthDate?: string;
  /** Only male and female can disagree. */
  gender?: 'male' | 'female';
  /** Order of birth of twins. */
  birthOrder?: number;
  /** Digits of telephone numbers, the last nine; mail addresses and others folded to lower case. */
  telecom: ReadonlySet<string>;
  postalCodes: ReadonlySet<string>;
  /** Line and city, folded. */
  streets: ReadonlySet<string>;
}

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

const foldedOf = (value: Json | undefined): string => foldString(textOf(value));

/** Names of a person; more of one resource than anybody has are not compared. */
const LIST_MAX = 50;

/** A name that has only a text: the last word is taken for the family's. */
function ofText(text: string): NameFeatures | undefined {
  const words = foldString(text).split(' ').filter(Boolean);
  const family = words.pop();
  return family === undefined ? undefined : { family, given: words };
}

function nameOf(name: JsonObject): NameFeatures | undefined {
  const family = foldedOf(name.family);
  const given = (Array.isArray(name.given) ? name.given : [])
    .flatMap((one) => foldedOf(one ?? undefined).split(' '))
    .filter(Boolean);
  if (family !== '' || given.length > 0) return { family, given };
  return ofText(textOf(name.text));
}

/** Numbers are written with country codes, zeros and signs, or without. */
const PHONE_DIGITS = 9;

function telecomText({ system, value }: JsonObject): string {
  const text = textOf(value).trim().toLowerCase();
  if (system === 'email' || text.includes('@')) return text;
  const digits = text.replaceAll(/\D/g, '');
  return digits.length >= 6 ? digits.slice(-PHONE_DIGITS) : text;
}

const streetOf = ({ line, city }: JsonObject): string => {
  const lines = (Array.isArray(line) ? line : []).map((one) => foldedOf(one ?? undefined)).filter(Boolean);
  return lines.length > 0 && foldedOf(city) !== '' ? `${lines.join(' ')}, ${foldedOf(city)}` : '';
};

const setOf = (texts: readonly string[]): ReadonlySet<string> => new Set(texts.filter(Boolean));

export function featuresOf(patient: JsonObject): Features {
  const { birthDate, gender, multipleBirthInteger } = patient;
  const addresses = objectsOf(patient.address).slice(0, LIST_MAX);
  return {
    identifiers: objectsOf(patient.identifier)
      .slice(0, LIST_MAX)
      .map(({ system, value }) => ({ system: textOf(system), value: textOf(value).trim() }))
      .filter(({ value }) => value !== ''),
    names: objectsOf(patient.name)
      .slice(0, LIST_MAX)
      .flatMap((name) => nameOf(name) ?? []),
    ...(typeof birthDate === 'string' ? { birthDate } : {}),
    ...(gender === 'male' || gender === 'female' ? { gender } : {}),
    ...(typeof multipleBirthInteger === 'number' ? { birthOrder: multipleBirthInteger } : {}),
    telecom: setOf(objectsOf(patient.telecom).slice(0, LIST_MAX).map(telecomText)),
    postalCodes: setOf(addresses.map(({ postalCode }) => foldedOf(postalCode).replaceAll(' ', ''))),
    streets: setOf(addresses.map(streetOf)),
  };
}

/** Whether there is anything to find candidates by: a gender or a birth order alone is not. */
export const tellsAnything = ({ identifiers, names, birthDate, telecom, postalCodes, streets }: Features): boolean =>
  identifiers.length + names.length + telecom.size + postalCodes.size + streets.size > 0 || birthDate !== undefined;

/** Whether two identifiers are the same one. */
export const sameIdentifier = (a: JsonObject, b: JsonObject): boolean =>
  a.value === b.value && (a.system ?? '') === (b.system ?? '');

/** Whether it was merged into another, which has its identifiers now. */
export const isReplaced = (patient: JsonObject): boolean =>
  objectsOf(patient.link).some((link) => link.type === 'replaced-by');
