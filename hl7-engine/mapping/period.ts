// Periods as R4 takes them: https://hl7.org/fhir/R4/datatypes.html#Period (constraint per-1)
import type { JsonObject } from '#fhir-model';
import type { Mapping } from './context.ts';

/** The period without an end that is before its start; undefined for none. */
export function soundPeriod(mapping: Mapping, period: unknown, place: string): JsonObject | undefined {
  if (typeof period !== 'object' || period === null) return undefined;
  const { start, end } = period as { start?: string; end?: string };
  if (start === undefined || end === undefined || !isBefore(end, start)) return period as JsonObject;
  mapping.warnings.add(`${place}: an end before the start is left out`);
  return { start };
}

/** Texts of different precision are compared as far as both go. */
function isBefore(a: string, b: string): boolean {
  const [instantA, instantB] = [Date.parse(a), Date.parse(b)];
  const length = Math.min(a.length, b.length, 10);
  if (a.length > 10 && b.length > 10) return instantA < instantB;
  return a.slice(0, length) < b.slice(0, length);
}
