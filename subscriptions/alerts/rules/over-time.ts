// Rules that look at a subject's values over time: delta, trend and combination. They judge the newest value, by clinical
// time, that is known: a late or corrected one is put where it belongs and judged anew.
import type { Resource } from '#fhir-model';
import { inUnit } from '../quantity.ts';
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

/** A change by so much, or so many percent, against any value of the window before. */
export function delta(action: RuleAction, index: number, looked: Looked, memory: SubjectMemory): Verdict {
  const change = action.change!;
  const [newest, ...before] = remember(action, index, change.unit, looked, memory);
  if (!newest) return { state: 'cleared' };
  let most: { by: number; from: Fact } | undefined;
  for (const from of before) {
    const moved = newest.value - from.value;
    const by = change.percent ? (from.value === 0 ? 0 : (moved / Math.abs(from.value)) * 100) : moved;
    if (goes(by, change.direction) && Math.abs(by) > Math.abs(most?.by ?? 0)) most = { by, from };
  }
  if (!most || Math.abs(most.by) < change.by - tolerance(change.by)) return { state: 'cleared' };
  const unit = change.unit === '' || change.unit === '1' ? '' : ` ${change.unit}`;
  const since = `${shown((newest.atMs - most.from.atMs) / 60_000)} min`;
  return {
    state: 'raised',
    detail: `from ${shown(most.from.value)}${unit} to ${shown(newest.value)}${unit} within ${since}`,
    evidence: [newest.resource, most.from.resource],
  };
}

/** Sums of doubles come out a little beside their decimals. */
const tolerance = (of: number): number => Math.abs(of) * 1e-9;
const goes = (by: number, direction: Direction): boolean =>
  direction === 'both' || (direction === 'up' ? by > 0 : by < 0);
const shown = (value: number): string => String(Number(value.toPrecision(6)));

/** The slope of the least-squares line through the values of the window. */
export function trend(action: RuleAction, index: number, looked: Looked, memory: SubjectMemory): Verdict {
  const { perHour, unit, pointsMin, direction } = action.slope!;
  const facts = remember(action, index, unit, looked, memory);
  if (facts.length < pointsMin) return { state: 'cleared' };
  const slope = slopePerHour(facts);
  if (slope === undefined || !goes(slope, direction)) return { state: 'cleared' };
  if (Math.abs(slope) < perHour - tolerance(perHour)) return { state: 'cleared' };
  const text = `${slope > 0 ? 'rising' : 'falling'} by ${shown(Math.abs(slope))}${unit === '1' ? '' : ` ${unit}`} an hour`;
  const last = shown(facts[0]!.value);
  return {
    state: 'raised',
    detail: `${text}, ${facts.length} values, now ${last}`,
    evidence: facts.slice(0, 10).map(({ resource }) => resource),
  };
}

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
  memory.prune(newestOf(memory) - looked.windowMs);
  const mine = [...memory.facts()].filter((fact) => isValueOf(fact, index)).sort((a, b) => byTime(b, a));
  const of = mine.some((fact) => fact.series === series) ? series : mine[0]?.series;
  return mine.filter((fact) => fact.series === of);
}

const isValueOf = ({ series }: Fact, index: number): boolean => series.split(' ')[0] === String(index);

/** Puts the value where it belongs, or takes it away where there is none; the series it belongs to. */
function placeValue(action: RuleAction, index: number, unit: string, looked: Looked, memory: SubjectMemory): string {
  const { resource, source, atMs } = looked;
  const measured = resource && measuredValue(action, resource, looked.previous);
  // Percentages need no unit in common with the rule, but one in common with each other.
  const series = unit === '' ? `${index} ${measured?.unit ?? ''}` : String(index);
  const value = measured && (unit === '' ? measured.value : inUnit(measured, unit));
  // Also what it was before it was corrected to another unit.
  const former = [...memory.facts()].filter((fact) => fact.resource === source && isValueOf(fact, index));
  for (const fact of former) if (value === undefined || fact.series !== series) memory.remove(fact.series, source);
  if (value !== undefined) memory.put({ series, resource: source, atMs, value });
  return series;
}

function newestOf(memory: SubjectMemory): number {
  let newestMs = Number.NEGATIVE_INFINITY;
  for (const { atMs } of memory.facts()) newestMs = Math.max(newestMs, atMs);
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
  memory.prune(newestOf(memory) - looked.windowMs);
  const newest = new Map<string, Fact>();
  for (const fact of [...memory.facts()].sort(byTime)) if (isOf(fact, index)) newest.set(fact.series, fact);
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
