// How old somebody is, in the days that the table of critical laboratory values goes by.
import { adult } from './table.ts';

const dayMs = 86_400_000;

/** Whole days in UTC from a FHIR date, of a month or year alone from its first day; -1 is the day before. Undefined for what is no date. */
export function ageDaysAt(birthDate: unknown, atMs: number): number | undefined {
  const bornMs = typeof birthDate === 'string' ? Date.parse(birthDate) : Number.NaN;
  if (!Number.isFinite(bornMs)) return undefined;
  const days = Math.floor((atMs - bornMs) / dayMs);
  const birthday = new Date(bornMs);
  birthday.setUTCFullYear(birthday.getUTCFullYear() + 18);
  return atMs >= birthday.getTime() ? Math.max(days, adult) : Math.min(days, adult - 1);
}
