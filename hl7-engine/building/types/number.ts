// A FHIR decimal as NM, which has digits alone: HL7 v2.9 chapter 2A.3.49. JSON has 1e-7 as well, and JavaScript writes it so.
import { decimalText, type RawJson } from '#fhir-model';

/** What is longer is no number that anybody has measured. */
const exponentMax = 30;

/** Its digits without an exponent; undefined for one of more than 30 places more. */
export function digitsOf(value: number | RawJson): string | undefined {
  const whole = decimalText(value);
  const match = /^(-?)(\d+)(?:\.(\d+))?e([+-]?\d+)$/i.exec(whole);
  if (match === null) return whole;
  const [, sign = '', before = '', after = '', power] = match;
  const exponent = Number(power);
  if (Math.abs(exponent) > exponentMax) return undefined;
  const digits = before + after;
  const point = before.length + exponent;
  const padded = point <= 0 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0');
  const at = Math.max(point, 1);
  const integer = padded.slice(0, at).replace(/^0+(?=\d)/, '');
  return `${sign}${integer}${at < padded.length ? `.${padded.slice(at)}` : ''}`;
}
