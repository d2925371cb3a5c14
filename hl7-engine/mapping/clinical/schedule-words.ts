// What a ServiceRequest has no place for: R4 has one occurrence[x], TQ1 repeats (HL7 v2.9 chapter 4.5.4).
import type { JsonObject } from '#fhir-model';
import type { Mapping } from '../context.ts';
import type { Schedule } from './timing.ts';

/** Every schedule after the first, for a note each; one that is the same as another says nothing. */
export function furtherInWords(mapping: Mapping, schedules: readonly Schedule[]): string[] {
  const [first, ...others] = schedules.map(inWords);
  const further = [...new Set(others)].filter((words) => words !== '' && words !== first);
  if (further.length > 0) {
    mapping.warnings.add('TQ1: R4 has a place for one schedule of a request; the others are notes of it');
  }
  return further.map((words) => `Further schedule: ${words}`);
}

function inWords({ quantity, timing, start, condition, text, priority }: Schedule): string {
  const repeat = (timing?.repeat ?? {}) as JsonObject;
  const bounds = (repeat.boundsPeriod ?? {}) as JsonObject;
  const times = (repeat.timeOfDay ?? []) as string[];
  const duration = repeat.boundsDuration as JsonObject | undefined;
  const from = bounds.start ?? start;
  return [
    amountInWords(quantity),
    patternInWords(timing),
    times.length > 0 && `at ${times.join(', ')}`,
    repeat.count !== undefined && `${repeat.count} times`,
    from !== undefined && `from ${from}`,
    bounds.end !== undefined && `until ${bounds.end}`,
    duration !== undefined && `for ${amountInWords(duration)}`,
    condition,
    text,
    priority !== undefined && `priority ${priority}`,
  ]
    .filter((words) => typeof words === 'string' && words !== '')
    .join('; ');
}

/** Numbers keep the digits that were sent. */
function amountInWords(quantity: JsonObject | undefined): string {
  const { value, unit } = quantity ?? {};
  return [value === undefined ? undefined : JSON.stringify(value), unit].filter((word) => word !== undefined).join(' ');
}

function patternInWords(timing: JsonObject | undefined): string | undefined {
  const code = timing?.code as JsonObject | undefined;
  const [coding] = (code?.coding ?? []) as JsonObject[];
  const named = code?.text ?? coding?.display ?? coding?.code;
  if (typeof named === 'string') return named;
  const { frequency, period, periodUnit, when } = (timing?.repeat ?? {}) as JsonObject;
  if (period !== undefined) return `${JSON.stringify(frequency)} per ${JSON.stringify(period)} ${periodUnit}`;
  return Array.isArray(when) ? when.join(', ') : undefined;
}
