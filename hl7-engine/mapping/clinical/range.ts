// OBX-7 to Observation.referenceRange: https://hl7.org/fhir/uv/v2mappings/ (OBX[Observation]); the forms of HL7 v2.9 chapter 7.4.2.7
import type { JsonObject } from '#fhir-model';
import type { Part } from '../../message/message.ts';
import { systems } from '../codes/systems.ts';
import { decimal, decimalText } from '../decimal.ts';
import type { Unit } from '../units.ts';

const number = String.raw`([+-]?\d*\.?\d+)`;
const boundsForm = new RegExp(`^${number}\\s*(?:-|–|to)\\s*${number}$`, 'i');
const limitForm = new RegExp(`^(<=|>=|<|>|≤|≥)\\s*${number}$`);
// `M: 13-17`, `Female 12-15`, and `13-17 (M)`.
const sexBefore = /^(male|female|men|women|m|f)\b\s*[:=]?\s*(?=[\d<>=≤≥.+-])/i;
const sexAfter = /\s*\(\s*(male|female|men|women|m|f)\s*\)$/i;
// `18-65 y: 3.5-5.1`
const ageBefore = /^(\d{1,3})\s*(?:-|–|to)\s*(\d{1,3})\s*(days?|d|weeks?|wks?|months?|mos?|years?|yrs?|y)\b\s*[:=]\s*/i;

const ageUnits: Readonly<Record<string, { code: string; unit: string }>> = {
  d: { code: 'd', unit: 'day' },
  w: { code: 'wk', unit: 'week' },
  m: { code: 'mo', unit: 'month' },
  y: { code: 'a', unit: 'year' },
};

/** What is longer is a sentence; of 200,000 digits the forms above would take minutes to say that they don't match. */
const rangeCharactersMax = 500;

/** Every range of the field: one, or one a repetition, or one for each sex or age that it names, parted by `;` or `,`. */
export function referenceRanges(field: Part, unit: Unit): JsonObject[] {
  const whole = field.whole?.trim();
  if (whole === undefined) return [];
  if (whole.length > rangeCharactersMax) return [{ text: whole }];
  const bare = boundsOf(whole, unit);
  if (bare !== undefined) return [{ ...bare, text: whole }];
  const plain = rangeOf(whole, unit);
  const pieces = field.repetitions().flatMap((one) => piecesOf(one.whole?.trim() ?? ''));
  const ranges = pieces.length > 1 ? pieces.map((piece) => rangeOf(piece, unit)) : [plain];
  return ranges.filter((range) => range !== undefined);
}

/** Only where each piece names whom it is for: a comma may as well be part of a sentence. */
function piecesOf(text: string): string[] {
  const pieces = text.split(/\s*[;,]\s*/).filter((piece) => piece !== '');
  const named = (piece: string): boolean => sexBefore.test(piece) || sexAfter.test(piece) || ageBefore.test(piece);
  return pieces.length > 1 && pieces.every(named) ? pieces : [text];
}

function rangeOf(sent: string, unit: Unit): JsonObject | undefined {
  if (!/[\p{L}\p{N}]/u.test(sent)) return undefined;
  const bare = boundsOf(sent, unit);
  if (bare !== undefined) return { ...bare, text: sent };
  const age = ageBefore.exec(sent);
  let rest = age === null ? sent : sent.slice(age[0].length);
  const sex = sexBefore.exec(rest) ?? sexAfter.exec(rest);
  if (sex !== null) rest = rest.replace(sex[0], '').trim();
  const bounds = age === null && sex === null ? undefined : boundsOf(rest, unit);
  if (bounds === undefined) return { text: sent };
  return {
    ...bounds,
    appliesTo: sex === null ? undefined : [sexConcept(sex[1]!)],
    age: age === null ? undefined : ageRange(age),
    text: sent,
  };
}

/** `70-100 mg/dL`, `0% - 1%`: the unit of the value, which says nothing new. Another one is left, and the range is its words. */
function withoutUnit(text: string, { unit, code }: Unit): string {
  for (const word of [unit, code]) {
    if (word === undefined || !text.toLowerCase().endsWith(word.toLowerCase())) continue;
    // `1` and `10*9/L` begin with a digit: without a space they are part of the number.
    const space = /^[\d.]/.test(word) ? '\\s+' : '\\s*';
    const isUnit = new RegExp(`(?<=\\d)${space}${RegExp.escape(word)}(?=\\s*(?:-|–|to\\b|$))`, 'gi');
    return text.replace(isUnit, '');
  }
  return text;
}

function boundsOf(sent: string, unit: Unit): JsonObject | undefined {
  const text = withoutUnit(sent, unit);
  const bounds = boundsForm.exec(text);
  if (bounds !== null) {
    const [low, high] = [decimalText(bounds[1]!), decimalText(bounds[2]!)];
    if (low === undefined || high === undefined || Number(low) > Number(high)) return undefined;
    return { low: { value: decimal(low)!, ...unit }, high: { value: decimal(high)!, ...unit } };
  }
  const limit = limitForm.exec(text);
  const value = limit === null ? undefined : decimal(limit[2]!);
  if (limit === null || value === undefined) return undefined;
  return { [/^[<≤]/.test(limit[1]!) ? 'high' : 'low']: { value, ...unit } };
}

function sexConcept(word: string): JsonObject {
  const code = /^(?:f|w)/i.test(word) ? 'female' : 'male';
  return { coding: [{ system: 'http://hl7.org/fhir/administrative-gender', code }] };
}

function ageRange(match: RegExpExecArray): JsonObject {
  const { code, unit } = ageUnits[match[3]![0]!.toLowerCase()]!;
  const quantity = (text: string): JsonObject => ({ value: Number(text), unit, system: systems.ucum, code });
  return { low: quantity(match[1]!), high: quantity(match[2]!) };
}
