// Rules that look at a subject's values over time: delta, trend and combination. They judge the newest value, by clinical
// time, that is known: a late or corrected one is put where it belongs and judged anew.
import type { Resource } from '#fhir-model';
import { inUnit, type Measured } from '../quantity.ts';
import { byTime, type Fact, type SubjectMemory } from './memory.ts';
import type { Direction, RuleAction, RuleKind } from './rule.ts';
import { measuredValue, type Verdict } from './verdict.ts';

export interface Looked {
  /** Undefined where it is gone, or its value does not stand. */
  resource: Resource | undefined;
  previous: Resource | undefined;
  /** `Observation/1` */
  source: string;
  atMs: number;
  windowMs: number;
}

/** A change by so much, or so many percent, against any value of the window before: what is certain of it, where values have a comparator. */
export function delta(action: RuleAction, index: number, looked: Looked, memory: SubjectMemory): Verdict {
  const change = action.change!;
  const [newest, ...before] = remember(action, index, change.unit, looked, memory);
  if (!newest) return { state: 'cleared' };
  let most: { by: number; from: Fact } | undefined;
  for (const from of before) {
    const by = changeOf(from.value, newest.value, change.percent);
    const isMore = Math.abs(by) > Math.abs(most?.by ?? 0);
    if (isMore && goes(by, change.direction) && isCertain(by, from, newest)) most = { by, from };
  }
  if (!most || Math.abs(most.by) < change.by - tolerance(change.by)) return mayBeMore(change, newest, before);
  const unit = change.unit === '' || change.unit === '1' ? '' : ` ${change.unit}`;
  const since = `${shown((newest.atMs - most.from.atMs) / 60_000)} min`;
  return {
    state: 'raised',
    detail: `from ${asTold(most.from)}${unit} to ${asTold(newest)}${unit} within ${since}`,
    evidence: [newest.resource, most.from.resource],
  };
}

const changeOf = (from: number, to: number, percent: boolean): number =>
  percent ? (from === 0 ? 0 : ((to - from) / Math.abs(from)) * 100) : to - from;

/** From `<5` to 9, or from 9 to `>13`, is 4 more at least; from 9 to `<13`, or from `>5` to 9, may be none. */
const isCertain = (by: number, from: Fact, to: Fact): boolean =>
  by > 0 ? boundOf(from) !== '>' && boundOf(to) !== '<' : boundOf(from) !== '<' && boundOf(to) !== '>';

/** A newest value of `>13` may have risen by more than is certain: that does not say that a rise is over. Nor does `<5` of a fall. */
function mayBeMore(
  { by, percent, direction }: NonNullable<RuleAction['change']>,
  newest: Fact,
  before: Fact[],
): Verdict {
  const bound = boundOf(newest);
  const most =
    bound === '>' && direction !== 'down' && before.length > 0
      ? Number.POSITIVE_INFINITY
      : bound === '<' && direction !== 'up'
        ? Math.max(0, ...before.map((from) => -changeOf(from.value, least(newest), percent)))
        : 0;
  return most >= by ? { state: 'hold' } : { state: 'cleared' };
}

/** What has a comparator is an amount, and none of those lies below 0. */
const least = ({ value }: Fact): number => (value > 0 ? 0 : Number.NEGATIVE_INFINITY);

/** Sums of doubles come out a little beside their decimals. */
const tolerance = (of: number): number => Math.abs(of) * 1e-9;
const goes = (by: number, direction: Direction): boolean =>
  direction === 'both' || (direction === 'up' ? by > 0 : by < 0);
const shown = (value: number): string => String(Number(value.toPrecision(6)));
const asTold = (fact: Fact): string => `${boundOf(fact)}${shown(fact.value)}`;

/** The slope of the least-squares line through the values of the window: what is certain of it, where values have a comparator. */
export function trend(action: RuleAction, index: number, looked: Looked, memory: SubjectMemory): Verdict {
  const { perHour, unit, pointsMin, direction } = action.slope!;
  const facts = remember(action, index, unit, looked, memory);
  if (facts.length < pointsMin) return { state: 'cleared' };
  const isSteep = (slope: number | undefined): slope is number =>
    slope !== undefined && goes(slope, direction) && Math.abs(slope) >= perHour - tolerance(perHour);
  const slope = slopePerHour(facts);
  if (!isSteep(slope)) return isSteep(slopePerHour(withNewestBeyond(facts))) ? { state: 'hold' } : { state: 'cleared' };
  if (!isCertainSlope(slope, facts)) return { state: 'hold' };
  const text = `${slope > 0 ? 'rising' : 'falling'} by ${shown(Math.abs(slope))}${unit === '1' ? '' : ` ${unit}`} an hour`;
  return {
    state: 'raised',
    detail: `${text}, ${facts.length} values, now ${asTold(facts[0]!)}`,
    evidence: facts.slice(0, 10).map(({ resource }) => resource),
  };
}

/** A value of the earlier half that is less than it is told makes a rise steeper, as does one of the later half that is more. */
function isCertainSlope(slope: number, facts: readonly Fact[]): boolean {
  const meanMs = meanOf(facts.map(({ atMs }) => atMs));
  return facts.every((fact) => {
    const bound = boundOf(fact);
    const weight = (fact.atMs - meanMs) * Math.sign(slope);
    return bound === '' || weight === 0 || (bound === '<') === weight < 0;
  });
}

/** Beyond whatever is measured; infinite, it would make a sum of other infinite ones. */
const far = 1e100;

/** With a newest value of `>13` or `<5` as far as it may be. */
function withNewestBeyond(facts: readonly Fact[]): Fact[] {
  const [newest, ...before] = facts;
  const bound = boundOf(newest!);
  const value = bound === '>' ? far : bound === '<' ? Math.max(least(newest!), -far) : newest!.value;
  return [{ ...newest!, value }, ...before];
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;

function slopePerHour(facts: readonly Fact[]): number | undefined {
  const origin = facts[0]!.atMs;
  const points = facts.map(({ atMs, value }) => ({ x: (atMs - origin) / 3_600_000, y: value }));
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / points.length;
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  if (spread === 0) return undefined;
  return points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread;
}

/** Puts the value where it belongs and yields those of the window that ends with the newest one, newest first. */
function remember(action: RuleAction, index: number, unit: string, looked: Looked, memory: SubjectMemory): Fact[] {
  const series = placeValue(action, index, unit, looked, memory);
  const isMine = (fact: Fact): boolean => isValueOf(fact, index);
  memory.prune(newestOf(memory, isMine) - looked.windowMs, isMine);
  const mine = [...memory.facts()].filter(isMine).sort((a, b) => byTime(b, a));
  const wanted = unitOf(series);
  const of = mine.some((fact) => unitOf(fact.series) === wanted) ? wanted : mine[0] && unitOf(mine[0].series);
  return mine.filter((fact) => unitOf(fact.series) === of);
}

/** `0`, of what has a comparator `0<` or `0>`; behind it a unit, of percentages. */
const headOf = (series: string): string => series.split(' ', 1)[0]!;
const unitOf = (series: string): string => series.slice(headOf(series).length);
const isValueOf = ({ series }: Fact, index: number): boolean => headOf(series).replace(/[<>]$/, '') === String(index);
/** On which side of it the value lies. */
const boundOf = ({ series }: Fact): '' | '<' | '>' => (/[<>]$/.exec(headOf(series))?.[0] ?? '') as '' | '<' | '>';

/** Puts the value where it belongs, or takes it away where there is none; the series it belongs to. */
function placeValue(action: RuleAction, index: number, unit: string, looked: Looked, memory: SubjectMemory): string {
  const { resource, source, atMs } = looked;
  const measured = resource && measuredValue(action, resource, looked.previous);
  const head = `${index}${measured?.comparator.slice(0, 1) ?? ''}`;
  const mine = [...memory.facts()].filter((fact) => isValueOf(fact, index));
  // Percentages need no unit in common with the rule, but one in common with each other.
  const others = unit === '' ? mine.filter((fact) => fact.resource !== source) : [];
  const told = unit === '' ? measured && commonUnit(measured, others) : unit;
  const series = unit === '' ? `${head} ${told ?? ''}` : head;
  const value = measured && inUnit(measured, told!);
  // Also what it was before it was corrected to another unit.
  const former = mine.filter((fact) => fact.resource === source);
  for (const fact of former) if (value === undefined || fact.series !== series) memory.remove(fact.series, source);
  if (value !== undefined) memory.put({ series, resource: source, atMs, value });
  return series;
}

/** That of the newest of the others in which it can be told too, else its own: laboratories differ in theirs. */
function commonUnit(measured: Measured, others: Fact[]): string {
  const units = others.sort((a, b) => byTime(b, a)).map(({ series }) => unitOf(series).trimStart());
  return [...new Set(units)].find((unit) => inUnit(measured, unit) !== undefined) ?? measured.unit;
}

/** Of one action: what another one looks at may come every second, and this one's values an hour after they were measured. */
function newestOf(memory: SubjectMemory, isMine: (fact: Fact) => boolean): number {
  let newestMs = Number.NEGATIVE_INFINITY;
  for (const fact of memory.facts()) if (isMine(fact)) newestMs = Math.max(newestMs, fact.atMs);
  return newestMs;
}

/**
 * So many of the triggers hold, each by the newest resource of its own within the window. `held`: by trigger whether it
 * holds for this resource; a trigger that the resource does not concern is not in it.
 */
export function combination(
  action: RuleAction,
  index: number,
  held: ReadonlyMap<number, boolean>,
  looked: Looked,
  memory: SubjectMemory,
): Verdict {
  placeHeld(action, index, held, looked, memory);
  const isMine = (fact: Fact): boolean => isOf(fact, index);
  memory.prune(newestOf(memory, isMine) - looked.windowMs, isMine);
  const newest = new Map<string, Fact>();
  for (const fact of [...memory.facts()].sort(byTime)) if (isMine(fact)) newest.set(fact.series, fact);
  const holding = [...newest.values()].filter(({ value }) => value === 1).sort(byTrigger);
  if (holding.length < action.atLeast) return { state: 'cleared' };
  const names = holding.map((fact) => nameOf(action, triggerOf(fact)));
  return {
    state: 'raised',
    detail: names.join(', '),
    evidence: [...new Set(holding.map(({ resource }) => resource))],
  };
}

function placeHeld(
  action: RuleAction,
  index: number,
  held: ReadonlyMap<number, boolean>,
  looked: Looked,
  memory: SubjectMemory,
): void {
  for (const trigger of action.triggers.keys()) {
    const series = `${index}.${trigger}`;
    const holds = looked.resource && held.get(trigger);
    if (holds === undefined) memory.remove(series, looked.source);
    else memory.put({ series, resource: looked.source, atMs: looked.atMs, value: Number(holds) });
  }
}

/** Puts what a resource says where it belongs, without judging it; parameters are those of delta, trend and combination. */
export function place(
  kind: RuleKind,
  action: RuleAction,
  index: number,
  held: ReadonlyMap<number, boolean>,
  looked: Looked,
  memory: SubjectMemory,
): void {
  if (kind === 'delta') placeValue(action, index, action.change!.unit, looked, memory);
  else if (kind === 'trend') placeValue(action, index, action.slope!.unit, looked, memory);
  else placeHeld(action, index, held, looked, memory);
}

const triggerOf = ({ series }: Fact): number => Number(series.split('.')[1]);
/** In the rule's order: the same finding is told in the same words, whichever came first. */
const byTrigger = (a: Fact, b: Fact): number => triggerOf(a) - triggerOf(b);
const isOf = ({ series }: Fact, index: number): boolean => series.split('.')[0] === String(index);
const nameOf = ({ triggers }: RuleAction, place: number): string => triggers[place]?.name || `condition ${place + 1}`;
