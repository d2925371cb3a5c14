// The calculations of Observation/$stats: https://hl7.org/fhir/R4/valueset-observation-statistics.html

export interface Measured {
  value: number;
  /** The digits as they stand in the resource. */
  digits: string;
  /** Milliseconds since 1970 UTC; undefined when not told. */
  timeMs?: number;
}

/**
 * What a statistic yields: `power` is that of the unit (1 for an average, 2 for a variance, 0 for a count); `label` tells
 * several values of one code apart. `digits` is left out where the measurements do not yield it.
 */
export interface Statistic {
  digits?: string;
  power: number;
  label?: string;
}

export interface Measurements {
  /** In ascending order of value. */
  sorted: readonly Measured[];
  /** Those without a usable value too. */
  totalCount: number;
}

const DAY_MS = 86_400_000;

/** 15 digits: 0.1 + 0.2 is 0.3, and no digit of a double is made up. */
const text = (value: number): string | undefined =>
  Number.isFinite(value) ? String(Number(value.toPrecision(15))) : undefined;

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

const valuesOf = ({ sorted }: Measurements): number[] => sorted.map(({ value }) => value);

const mean = (values: readonly number[]): number => sum(values) / values.length;

/** The n-th central moment. */
function moment(values: readonly number[], n: number): number {
  const middle = mean(values);
  return mean(values.map((value) => (value - middle) ** n));
}

/** Of a sample: divided by n - 1. */
const variance = (values: readonly number[]): number =>
  values.length < 2 ? Number.NaN : (moment(values, 2) * values.length) / (values.length - 1);

/** Between the two nearest measurements, linearly. */
function quantile(values: readonly number[], part: number): number {
  const place = (values.length - 1) * part;
  const low = values[Math.floor(place)] ?? Number.NaN;
  const high = values[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

/** The least-squares line through value over time: `gradient` a day, `intercept` at the first measurement. */
function regression({ sorted }: Measurements): { gradient: number; intercept: number } {
  const points = sorted.filter(({ timeMs }) => timeMs !== undefined);
  // Components count each for itself: as arguments of one call more than 120,000 are too many.
  const first = points.reduce((least, { timeMs }) => Math.min(least, timeMs!), Number.POSITIVE_INFINITY);
  const days = points.map(({ timeMs }) => (timeMs! - first) / DAY_MS);
  const values = points.map(({ value }) => value);
  const [x, y] = [mean(days), mean(values)];
  const gradient = sum(days.map((day, i) => (day - x) * (values[i]! - y))) / sum(days.map((day) => (day - x) ** 2));
  return { gradient, intercept: y - gradient * x };
}

type Calculation = (measurements: Measurements) => Statistic[];

const of =
  (power: number, calculate: (values: readonly number[]) => number): Calculation =>
  (measurements) => {
    const digits = text(calculate(valuesOf(measurements)));
    return [{ power, ...(digits === undefined ? {} : { digits }) }];
  };

const asWritten =
  (pick: (sorted: readonly Measured[]) => Measured | undefined): Calculation =>
  ({ sorted }) => {
    const digits = pick(sorted)?.digits;
    return [{ power: 1, ...(digits === undefined ? {} : { digits }) }];
  };

function line(measurements: Measurements): Statistic[] {
  const { gradient, intercept } = regression(measurements);
  return (
    [
      ['gradient per day', gradient],
      ['intercept at the first measurement', intercept],
    ] as const
  ).map(([label, value]) => {
    const digits = text(value);
    return { power: 1, label, ...(digits === undefined ? {} : { digits }) };
  });
}

/** By code. Percentiles lie between measurements, variance and standard deviation are those of a sample. */
export const statistics: ReadonlyMap<string, Calculation> = new Map<string, Calculation>([
  ['average', of(1, mean)],
  ['maximum', asWritten((sorted) => sorted.at(-1))],
  ['minimum', asWritten((sorted) => sorted[0])],
  ['count', ({ sorted }) => [{ power: 0, digits: String(sorted.length) }]],
  ['total-count', ({ totalCount }) => [{ power: 0, digits: String(totalCount) }]],
  ['median', of(1, (values) => quantile(values, 0.5))],
  ['std-dev', of(1, (values) => Math.sqrt(variance(values)))],
  ['sum', of(1, sum)],
  ['variance', of(2, variance)],
  ['20-percent', of(1, (values) => quantile(values, 0.2))],
  ['80-percent', of(1, (values) => quantile(values, 0.8))],
  ['4-lower', of(1, (values) => quantile(values, 0.25))],
  ['4-upper', of(1, (values) => quantile(values, 0.75))],
  ['4-dev', of(1, (values) => (quantile(values, 0.75) - quantile(values, 0.25)) / 2)],
  ['5-1', of(1, (values) => quantile(values, 0.2))],
  ['5-2', of(1, (values) => quantile(values, 0.4))],
  ['5-3', of(1, (values) => quantile(values, 0.6))],
  ['5-4', of(1, (values) => quantile(values, 0.8))],
  ['skew', of(0, (values) => moment(values, 3) / moment(values, 2) ** 1.5)],
  ['kurtosis', of(0, (values) => moment(values, 4) / moment(values, 2) ** 2)],
  ['regression', line],
]);
