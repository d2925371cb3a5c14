// When a potassium result is critical.
import { decimalText, isNumber, type Json, type JsonObject, type Resource } from '#fhir-model';

/**
 * Limits in mmol/L, exclusive. Default: mean limits at which 92 US medical centres notify a clinician at once, 2.8 and 6.2
 * (Kost GJ. Critical limits for urgent clinician notification at US medical centers. JAMA 1990;263:704-707). Laboratories
 * differ (2.5 to 3.6 and 5.0 to 8.0 in that survey), so both can be configured.
 */
export interface PotassiumLimits {
  low: number;
  high: number;
}

export const defaultPotassiumLimits: PotassiumLimits = { low: 2.8, high: 6.2 };

/** LOINC codes of potassium in serum, plasma or blood; urine, sweat, stool, fluids and erythrocytes have other limits. */
export const potassiumCodes = [
  '2823-3', // Serum or Plasma, moles/volume
  '6298-4', // Blood
  '77142-8', // Serum, Plasma or Blood
  '32713-0', // Arterial blood
  '39789-3', // Venous blood
  '39790-1', // Capillary blood
  '41656-0', // Mixed venous blood
  '22760-3', // Serum or Plasma, mass/volume
  '75940-7', // Blood, mass/volume
] as const;

// mmol/L in one of each unit. Potassium is univalent: 1 eq is 1 mol. 39.0983 g/mol.
const mmolPerL = new Map([
  ['mmol/l', 1],
  ['meq/l', 1],
  ['umol/l', 1e-3],
  ['µmol/l', 1e-3], // micro sign
  ['μmol/l', 1e-3], // Greek mu
  ['mol/l', 1e3],
  ['eq/l', 1e3],
  ['umol/ml', 1],
  ['mmol/dl', 10],
  ['mg/dl', 10 / 39.0983],
  ['mg/l', 1 / 39.0983],
]);

export interface Level {
  direction: 'low' | 'high';
  /** As reported: comparator, value and unit, `6.9 mmol/L`. */
  text: string;
  /** The limit passed, mmol/L. */
  limit: number;
}

// https://hl7.org/fhir/R4/valueset-observation-status.html: preliminary results count, since a critical value is called
// in before it is verified; registered has no result yet, the rest is withdrawn or unknown.
const countedStatuses = new Set(['preliminary', 'final', 'amended', 'corrected']);

/** How critical the Observation is; undefined when it is not, or can't be told (no value, unknown unit). */
export function criticalLevel(observation: Resource, limits: PotassiumLimits): Level | undefined {
  if (!countedStatuses.has(observation.status as string)) return undefined;
  const quantity = observation.valueQuantity as JsonObject | undefined;
  if (!quantity || !isNumber(quantity.value)) return undefined;
  const factor = unitFactor(quantity);
  if (factor === undefined) return undefined;
  const level = Number(decimalText(quantity.value)) * factor;
  const direction = directionOf(level, quantity.comparator, limits);
  if (!direction) return undefined;
  const comparator = typeof quantity.comparator === 'string' ? quantity.comparator : '';
  const text = `${comparator}${decimalText(quantity.value)} ${unitText(quantity)}`;
  return { direction, text, limit: limits[direction] };
}

function directionOf(level: number, comparator: Json | undefined, { low, high }: PotassiumLimits) {
  // `<2.8` lies below 2.8; `>6.0` may be anything above: it is critical only from the limit on.
  if (comparator === '<') return level <= low ? 'low' : undefined;
  if (comparator === '>') return level >= high ? 'high' : undefined;
  if (comparator !== '>=' && level < low) return 'low';
  if (comparator !== '<=' && level > high) return 'high';
  return undefined;
}

function unitFactor({ system, code, unit }: JsonObject): number | undefined {
  const coded = system === undefined || system === 'http://unitsofmeasure.org' ? code : undefined;
  const text = typeof coded === 'string' ? coded : unit;
  return typeof text === 'string' ? mmolPerL.get(text.trim().toLowerCase()) : undefined;
}

const unitText = ({ unit, code }: JsonObject): string => (typeof unit === 'string' ? unit : String(code));
