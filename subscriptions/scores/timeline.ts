// Which scores a patient has in a stretch of time: one at each instant at which a vital of the score was taken, from the
// latest readings then. The same function computes what is new, what is late and what a check from the store compares.
import { isFor, monthsOf, type Score, scoreAt } from './compute.ts';
import type { Reading } from './readings.ts';
import { type ScoreSet, type ScoreTable, vitalsOf } from './schema.ts';

/** A score that is to be, or, without `score`, that must not be. */
export interface Entry {
  table: ScoreTable;
  patient: string;
  atMs: number;
  score?: Score;
  /** A reading of the instant that led to it. */
  trigger?: Reading;
}

export interface Stretch {
  patient: string;
  /** Patient.birthDate, or ''. */
  born: string;
  /** In any order: all of [fromMs, toMs], and of each vital the latest before that. */
  readings: readonly Reading[];
  fromMs: number;
  toMs: number;
  /** Instants whose scores may have lost what led to them. */
  doubtful: readonly number[];
}

/** In the order of time; of two readings of one vital and instant the one with the greater Observation.id counts. */
export const byTime = (a: Reading, b: Reading): number =>
  a.atMs - b.atMs || (a.vital < b.vital ? -1 : a.vital > b.vital ? 1 : a.observation < b.observation ? -1 : 1);

const vitalSets = new WeakMap<ScoreTable, ReadonlySet<string>>();

/** Those whose readings lead to a score: what is only looked at by conditions does not. */
function triggersOf(table: ScoreTable): ReadonlySet<string> {
  let known = vitalSets.get(table);
  if (!known) {
    const context = new Set(table.context.map(({ vital }) => vital));
    known = new Set(vitalsOf(table).filter((vital) => !context.has(vital)));
    vitalSets.set(table, known);
  }
  return known;
}

export function scoresOf({ tables }: ScoreSet, stretch: Stretch): Entry[] {
  const { patient, born, fromMs, toMs } = stretch;
  const latest = new Map<string, Reading>();
  const entries: Entry[] = [];
  const doubtful = new Set(stretch.doubtful);
  const sorted = [...stretch.readings].sort(byTime);
  const absent = (atMs: number, but: ReadonlySet<ScoreTable>) => {
    if (!doubtful.delete(atMs)) return;
    for (const table of tables) if (!but.has(table)) entries.push({ table, patient, atMs });
  };
  for (let at = 0; at < sorted.length; ) {
    const { atMs } = sorted[at]!;
    const now: Reading[] = [];
    for (; sorted[at]?.atMs === atMs; at++) now.push(sorted[at]!);
    for (const reading of now) latest.set(reading.vital, reading);
    if (atMs < fromMs || atMs > toMs) continue;
    const ageMonths = monthsOf(born, atMs);
    const present = new Set<ScoreTable>();
    for (const table of tables) {
      const trigger = isFor(table, ageMonths) ? triggerOf(table, now) : undefined;
      if (!trigger) continue;
      present.add(table);
      entries.push({ table, patient, atMs, trigger, score: scoreAt(table, { atMs, ageMonths, latest }) });
    }
    absent(atMs, present);
  }
  for (const atMs of [...doubtful]) absent(atMs, new Set());
  return entries;
}

/** One with an encounter, if there is one. */
function triggerOf(table: ScoreTable, now: readonly Reading[]): Reading | undefined {
  const vitals = triggersOf(table);
  const own = now.filter(({ vital }) => vitals.has(vital));
  return own.find(({ encounter }) => encounter !== '') ?? own[0];
}

/** By vital, the longest that a reading counts for any score, milliseconds. */
export function windowsOf({ tables }: ScoreSet): ReadonlyMap<string, number> {
  const windows = new Map<string, number>();
  const widen = (vital: string, minutes: number) =>
    windows.set(vital, Math.max(windows.get(vital) ?? 0, minutes * 60_000));
  for (const { parameters, context } of tables) {
    for (const { cases, windowMinutes } of parameters) for (const { vital } of cases) widen(vital, windowMinutes);
    for (const { vital, windowMinutes } of context) widen(vital, windowMinutes);
  }
  return windows;
}
