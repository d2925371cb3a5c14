// When a laboratory result is critical, by the table.
import type { Json, JsonObject, Resource } from '#fhir-model';
import { beyond, inUnit, measuredOf } from '../quantity.ts';
import type { Finding } from '../seams.ts';
import { type AgeBand, type Analyte, analyteOf } from './table.ts';

export interface Level {
  analyte: Analyte;
  direction: 'low' | 'high';
  /** As reported: `6.9 mmol/L`. */
  text: string;
  /** The limit passed, in the analyte's unit. */
  limit: number;
}

// https://hl7.org/fhir/R4/valueset-observation-status.html: preliminary results count, since a critical value is called
// in before it is verified; registered has no result yet, the rest is withdrawn or unknown.
const countedStatuses = new Set<unknown>(['preliminary', 'final', 'amended', 'corrected']);

/** Whether the values of an Observation stand. */
const counts = ({ status }: Resource): boolean => countedStatuses.has(status);

/** The analyte of a result by its LOINC codes; undefined for what is not in the table. */
export function analyteIn(observation: Resource): Analyte | undefined {
  const coding = ((observation.code as JsonObject | undefined)?.coding ?? []) as JsonObject[];
  const found = coding.find(({ system, code }) => system === 'http://loinc.org' && analyteOf.has(code as string));
  return found && analyteOf.get(found.code as string);
}

/**
 * The band of an age; of an unknown one the adults'. East of Greenwich a result of the first hours is dated, in UTC, to the day before
 * the date of birth; one from before that has a wrong date of birth, so the age is not known.
 */
export const bandOf = ({ bands }: Analyte, ageDays: number | undefined): AgeBand =>
  ageDays === -1
    ? bands[0]
    : (bands.findLast(({ fromDays }) => ageDays !== undefined && ageDays >= fromDays) ?? bands.at(-1)!);

/** Beyond the limits of this band; undefined when it is not, or can't be told (no value, unknown unit). */
export function levelIn(observation: Resource, analyte: Analyte, band: AgeBand): Level | undefined {
  const measured = counts(observation) ? measuredOf(observation.valueQuantity as Json) : undefined;
  if (!measured) return undefined;
  // A pH is often sent without its unit, or as a plain number.
  const unit = analyte.unit === '[pH]' && ['', '1'].includes(measured.unit) ? '[pH]' : measured.unit;
  const value = inUnit({ ...measured, unit, substance: analyte }, analyte.unit);
  const direction = value === undefined ? undefined : beyond(value, measured.comparator, band);
  if (!direction) return undefined;
  return { analyte, direction, text: measured.text, limit: band[direction]! };
}

/** Whether it is critical at any age: only then the patient is looked up. */
export function mayBeCritical(observation: Resource): boolean {
  const analyte = analyteIn(observation);
  return analyte?.bands.some((band) => levelIn(observation, analyte, band) !== undefined) ?? false;
}

/** What people are told of it. */
export function whatOf({
  analyte,
  direction,
  text,
  limit,
}: Level): Pick<Finding, 'title' | 'severity' | 'detail' | 'code'> {
  const unit = analyte.unit === '[pH]' ? '' : ` ${analyte.unit}`;
  const coded = analyte.finding?.[direction];
  return {
    title: `Critically ${direction} ${analyte.name}`,
    severity: analyte.severity,
    detail: `${text} (limit ${limit}${unit})`,
    ...(coded ? { code: { system: 'http://snomed.info/sct', ...coded } } : {}),
  };
}
