// A score of one patient at one instant, from the latest reading of each vital then: nothing but arithmetic.
import type { Reading } from './readings.ts';
import type { Coding, ScoreLevel, ScoreParameter, ScoreTable, ScoringCase } from './schema.ts';

/** By vital: the latest reading at the instant, whatever its age. */
export type Latest = ReadonlyMap<string, Reading>;

/** What a parameter has come to. */
export interface Part {
  name: string;
  title: string;
  coding: Coding;
  /** Absent: there is no reading within the window that gives any. */
  points?: number;
  /** What gives the points. */
  reading?: Reading;
  /** What decides by which case it gives them: the saturation scale in use. */
  given?: Reading[];
}

export interface Score {
  /** Of the points that are there; the score itself only if nothing is missing. */
  total: number;
  complete: boolean;
  parts: Part[];
  /** Only of a complete score. */
  level?: Pick<ScoreLevel, 'code' | 'title' | 'risk'>;
  /** Names of the parameters that alone ask for a response. */
  red: string[];
}

interface Instant {
  atMs: number;
  /** Whole months; undefined where it is not known. */
  ageMonths: number | undefined;
  latest: Latest;
}

/** Whether the score is for people of this age. */
export function isFor(table: ScoreTable, ageMonths: number | undefined): boolean {
  return ageMonths === undefined ? table.unknownAge : isWithinAge(table, ageMonths);
}

const isWithinAge = ({ fromMonths = 0, belowMonths = Infinity }: Partial<ScoringCase>, ageMonths: number): boolean =>
  ageMonths >= fromMonths && ageMonths < belowMonths;

export function scoreAt(table: ScoreTable, instant: Instant): Score {
  const parts: Part[] = [];
  for (const parameter of table.parameters) parts.push(partOf(table, parameter, instant, parts));
  const total = parts.reduce((sum, { points = 0 }) => sum + points, 0);
  const complete = parts.every(({ points }) => points !== undefined);
  const red = table.red ? parts.filter(({ points = 0 }) => points >= table.red!.points).map(({ name }) => name) : [];
  return { total, complete, parts, red, ...(complete ? { level: levelOf(table, total, red) } : {}) };
}

function levelOf(
  { levels, red: rule }: ScoreTable,
  total: number,
  red: readonly string[],
): NonNullable<Score['level']> {
  const at = levels.findLastIndex(({ from }) => total >= from);
  const { from: _from, ...level } = levels[at]!;
  return at === 0 && rule && red.length > 0 ? rule.level : level;
}

/** The latest reading that gives points; of two of one instant that of the case that stands first. */
function partOf(table: ScoreTable, parameter: ScoreParameter, instant: Instant, before: readonly Part[]): Part {
  const part = { name: parameter.name, title: parameter.title, coding: parameter.coding };
  for (const reading of readingsOf(parameter, instant)) {
    const found = caseOf(table, parameter, reading, instant, before);
    const points = found && pointsOf(found, reading.value, parameter.decimals);
    if (!found || points === undefined) continue;
    const given = found.when.flatMap((each) => ('vital' in each ? [instant.latest.get(each.vital)!] : []));
    return { ...part, coding: found.coding ?? part.coding, points, reading, ...(given.length > 0 ? { given } : {}) };
  }
  return part;
}

function readingsOf({ cases, windowMinutes }: ScoreParameter, { latest, atMs }: Instant): Reading[] {
  const names = [...new Set(cases.map(({ vital }) => vital))];
  return names
    .map((name) => latest.get(name))
    .filter((one) => one !== undefined && atMs - one.atMs <= windowMinutes * 60_000)
    .sort((a, b) => b!.atMs - a!.atMs) as Reading[];
}

function caseOf(
  table: ScoreTable,
  { cases }: ScoreParameter,
  { vital }: Reading,
  instant: Instant,
  before: readonly Part[],
): ScoringCase | undefined {
  return cases.find(
    (one) =>
      one.vital === vital &&
      fitsAge(one, instant.ageMonths) &&
      one.when.every((each) =>
        'parameter' in each
          ? before.some(({ name, points }) => name === each.parameter && points === each.points)
          : contextOf(table, each.vital, instant) === each.value,
      ),
  );
}

const fitsAge = (one: ScoringCase, ageMonths: number | undefined): boolean =>
  ageMonths === undefined ? one.fromMonths === undefined && one.belowMonths === undefined : isWithinAge(one, ageMonths);

function contextOf({ context }: ScoreTable, vital: string, { latest, atMs }: Instant): string | undefined {
  const found = latest.get(vital);
  const { windowMinutes } = context.find((one) => one.vital === vital)!;
  return found && atMs - found.atMs <= windowMinutes * 60_000 ? found.value : undefined;
}

function pointsOf(one: ScoringCase, value: string, decimals: number): number | undefined {
  if (one.points) return Object.hasOwn(one.points, value) ? one.points[value] : undefined;
  const rounded = round(Number(value), decimals);
  return one.bands!.findLast(({ from }) => from === undefined || rounded >= from)?.points ?? undefined;
}

/** Half up, in the decimal digits as they are written: 38.05 is 38.1, though the nearest double lies below. */
export function round(value: number, decimals: number): number {
  const shifted = Number(`${value}e${decimals}`);
  return Number(`${Math.floor(Number((shifted + 0.5).toPrecision(12)))}e-${decimals}`);
}

/** Whole months from a FHIR date to an instant in UTC; of a year or month alone from its first day. Undefined for what is no date. */
export function monthsOf(birthDate: string, atMs: number): number | undefined {
  const match = /^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?$/.exec(birthDate);
  if (!match) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2] ?? 1), Number(match[3] ?? 1)];
  const at = new Date(atMs);
  const months = (at.getUTCFullYear() - year) * 12 + at.getUTCMonth() + 1 - month;
  return Math.max(0, at.getUTCDate() < day ? months - 1 : months);
}
