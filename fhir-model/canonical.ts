// Business versions and what a canonical asks of them: https://hl7.org/fhir/R4/references.html#canonical,
// https://semver.org/#spec-item-11

/** `url|version#fragment` */
export interface CanonicalName {
  url: string;
  version: string | undefined;
}

export function parseCanonical(canonical: string): CanonicalName {
  const [name = ''] = canonical.split('#', 1);
  const bar = name.indexOf('|');
  return bar === -1
    ? { url: name, version: undefined }
    : { url: name.slice(0, bar), version: name.slice(bar + 1) || undefined };
}

interface Parsed {
  numbers: number[];
  prerelease: string[];
}

/** RxNorm's versions, `01022024`: month, day, year. Eight digits that begin with the year are no such date. */
const AMERICAN_DATE = /^(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])((?:19|20)\d{2})$/;

/** Dates (`2018-08-12`) are numbers too. undefined for what has no number in front: `current`. */
function parse(version: string): Parsed | undefined {
  const [plain = ''] = version.split('+', 1);
  const [, month, day, year] = AMERICAN_DATE.exec(plain) ?? [];
  if (year !== undefined) return { numbers: [Number(`${year}${month}${day}`)], prerelease: [] };
  if (/^\d{4}-\d{2}(-\d{2})?$/.test(plain)) return { numbers: plain.split('-').map(Number), prerelease: [] };
  const match = /^v?(\d+(?:\.\d+)*)(?:-(.+))?$/.exec(plain);
  if (match === null) return undefined;
  return { numbers: match[1]!.split('.').map(Number), prerelease: match[2]?.split('.') ?? [] };
}

const sign = (difference: number): number => Math.sign(difference);

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function compareNumbers(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return sign(difference);
  }
  return 0;
}

const isNumeric = (text: string): boolean => /^\d+$/.test(text);

function compareIdentifiers(a: string, b: string): number {
  if (isNumeric(a) && isNumeric(b)) return sign(Number(a) - Number(b));
  if (isNumeric(a) !== isNumeric(b)) return isNumeric(a) ? -1 : 1;
  return byText(a, b);
}

/** A release is later than what came before it: 1.0.0-ballot < 1.0.0. */
function comparePrereleases(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return sign(b.length - a.length);
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareIdentifiers(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return sign(a.length - b.length);
}

/** Negative: `a` is the earlier one. What is no semver counts as earlier than what is; no version at all as the earliest. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)];
  if (left === undefined || right === undefined) {
    if (left === right) return byText(a, b);
    return left === undefined ? -1 : 1;
  }
  return compareNumbers(left.numbers, right.numbers) || comparePrereleases(left.prerelease, right.prerelease);
}

/** Whether `6.1`, `6.1.x` or `6.x` means that version. */
export function isWithin(wanted: string, version: string): boolean {
  if (wanted === '*' || wanted === 'x') return true;
  const stem = wanted.replace(/(?:\.[xX*])+$/, '');
  return version.startsWith(`${stem}.`) || (stem === wanted && version === wanted);
}

/** Of versions, latest first, the one that is meant: that very one, else the latest of those that it is the beginning of. */
export function chooseVersion<T extends { version: string }>(
  latestFirst: readonly T[],
  wanted: string | undefined,
): T | undefined {
  if (wanted === undefined) return latestFirst[0];
  return (
    latestFirst.find(({ version }) => version === wanted) ??
    latestFirst.find(({ version }) => isWithin(wanted, version))
  );
}
