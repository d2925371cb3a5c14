// NM to FHIR decimal, digit for digit: https://hl7.org/fhir/R4/datatypes.html#decimal ("Precision … is significant")
import { rawJson } from '#fhir-model';

const digitsMax = 40;

const numeric = /^([+-]?)0*(\d*)(?:\.(\d*))?$/;

/**
 * A JSON number with the digits that were sent: `+05.10` is 5.10 (as JSON.rawJSON, since a number would say 5.1).
 * Undefined for what is no NM or has more than 40 digits.
 */
export function decimal(text: string): number | undefined {
  const canonical = decimalText(text);
  if (canonical === undefined) return undefined;
  const value = Number(canonical);
  return String(value) === canonical ? value : (rawJson(canonical) as unknown as number);
}

/** The same as text. */
export function decimalText(text: string): string | undefined {
  const trimmed = text.trim();
  const match = trimmed.length > digitsMax || !/\d/.test(trimmed) ? null : numeric.exec(trimmed);
  if (!match) return undefined;
  const [, sign, whole, fraction] = match;
  return `${sign === '-' ? '-' : ''}${whole || '0'}${fraction ? `.${fraction}` : ''}`;
}

/** What `decimal` yields, to calculate with: one that keeps its digits is no JavaScript number, and Number() of it throws. */
export const computable = (value: unknown): number => Number(JSON.stringify(value));
