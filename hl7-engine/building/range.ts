// Observation.referenceRange as OBX-7: what mapping/clinical/range.ts reads, the other way round; HL7 v2.9 chapter 7.4.2.7
import { isNumber, type Json, type JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import type { FieldValue } from '../message/build.ts';
import { type Building, isObject, objects, text } from './building.ts';
import { digitsOf } from './types/number.ts';
import { unitOf } from './types/registry.ts';

/**
 * Words of the ranges, else low and high; several are parted by `;`. Figures are in the unit of OBX-6: those of another unit name
 * it, as 3.9 to 6.1 mmol/L of a value in mg/dL would be wrong by a factor of 18.
 */
export function rangeText(
  building: Building,
  ranges: readonly JsonObject[],
  unit: FieldValue | undefined,
): string | undefined {
  const words = ranges.flatMap((range) => {
    const sent = text(range.text);
    const own = otherUnit(building, range, unit);
    if (sent !== undefined) return own !== undefined && /^[\d\s.<>=≤≥–-]+$/.test(sent) ? `${sent} ${own}` : sent;
    const bounds = boundsOf(range);
    return bounds === undefined ? [] : `${forWhom(range)}${bounds}${own === undefined ? '' : ` ${own}`}`;
  });
  return [...new Set(words)].join('; ') || undefined;
}

const digits = (end: Json | undefined): string | undefined =>
  isObject(end) && isNumber(end.value) ? digitsOf(end.value) : undefined;

function boundsOf(range: JsonObject): string | undefined {
  const [low, high] = [digits(range.low), digits(range.high)];
  if (low === undefined) return high && `<=${high}`;
  return high === undefined ? `>=${low}` : `${low}-${high}`;
}

/** The unit of the figures, where it is not the value's. */
function otherUnit(building: Building, { low, high }: JsonObject, unit: FieldValue | undefined): string | undefined {
  const [code, words] = Array.isArray(unit) ? (unit as readonly unknown[]) : [unit];
  for (const end of [low, high]) {
    const own = unitOf(building, end);
    const same = own === undefined || own[0] === code || (words !== undefined && own[1] === words);
    if (!same) return text((end as JsonObject).unit) ?? text((end as JsonObject).code);
  }
  return undefined;
}

const sexes: Readonly<Record<string, string>> = { male: 'M', female: 'F' };
const ageUnits: Readonly<Record<string, string>> = { a: 'y', mo: 'mo', wk: 'wk', d: 'd' };

const nameOf = (concept: JsonObject): string | undefined => {
  const [coding] = objects(concept.coding);
  return text(concept.text) ?? text(coding?.display) ?? text(coding?.code);
};

/** `therapeutic: `, `18-65 y: `, `M: `: of two ranges a receiver could not tell which one holds. */
function forWhom({ type, appliesTo, age }: JsonObject): string {
  const kind = isObject(type) ? type : {};
  const isNormal = objects(kind.coding).some(({ code }) => code === 'normal');
  const groups = objects(appliesTo).map(
    (group) => ownValue(sexes, text(objects(group.coding)[0]?.code)) ?? nameOf(group),
  );
  return [isNormal ? undefined : nameOf(kind), ageInWords(age), ...groups]
    .filter((words) => words !== undefined)
    .map((words) => `${words}: `)
    .join('');
}

function ageInWords(age: Json | undefined): string | undefined {
  if (!isObject(age)) return undefined;
  const [low, high] = [digits(age.low), digits(age.high)];
  const end = isObject(age.low) ? age.low : isObject(age.high) ? age.high : {};
  const unit = ownValue(ageUnits, text(end.code)) ?? text(end.unit) ?? '';
  if (low !== undefined && high !== undefined) return `${low}-${high} ${unit}`;
  return low === undefined ? high && `<=${high} ${unit}` : `>=${low} ${unit}`;
}
