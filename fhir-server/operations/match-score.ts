// How likely two descriptions are of one person. Weights are logarithms to base 2 of likelihood ratios, after Fellegi and
// Sunter: what agrees adds, what disagrees takes away, what is missing on a side does neither.
// Grades: https://hl7.org/fhir/R4/valueset-match-grade.html
import type { Features, NameFeatures } from './match-features.ts';
import { editDistance, isClose } from './match-text.ts';

export type Grade = 'certain' | 'probable' | 'possible' | 'certainly-not';

export interface Score {
  /** 0 to 1. */
  score: number;
  grade: Grade;
  /** How each compared part came out: `family: equal`, … */
  levels: Readonly<Partial<Record<keyof typeof WEIGHTS, string>>>;
}

/** One table, told in docs/fhir-operations.md. */
const WEIGHTS = {
  identifier: { same: 12, close: 2, differs: -4 },
  family: { equal: 4, part: 3, swapped: 3, close: 2.5, differs: -3 },
  given: { equal: 3.5, other: 2.5, swapped: 2.5, close: 2, initial: 1, differs: -4.5 },
  birthDate: { equal: 6, month: 3.5, swapped: 3.5, digit: 2.5, year: 2, differs: -5 },
  gender: { equal: 1, differs: -3 },
  telecom: { shared: 3, differs: -0.5 },
  address: { street: 3, postalCode: 1.5, differs: -0.5 },
  birthOrder: { equal: 0.5, differs: -8 },
} as const;

type Part = keyof typeof WEIGHTS;
type Level<P extends Part> = keyof (typeof WEIGHTS)[P];

/** What has to be outweighed: that two people picked at random are the same. */
const PRIOR = 10;

const CERTAIN_MIN = 0.99;
const PROBABLE_MIN = 0.7;
const POSSIBLE_MIN = 0.1;
/** The score of twins, at most, and of others whose given names or birth orders disagree. */
const CONTRADICTED_MAX = 0.5;

const weightOf = (part: Part, level: string): number => (WEIGHTS[part] as Record<string, number>)[level]!;

/** One of the longer identifiers mistyped. */
const IDENTIFIER_CLOSE_MIN = 6;

function identifierLevel(a: Features, b: Features): Level<'identifier'> | undefined {
  let level: Level<'identifier'> | undefined;
  for (const x of a.identifiers) {
    for (const y of b.identifiers) {
      if (x.system !== y.system) continue;
      if (x.value === y.value) return 'same';
      // Without a system nobody knows whether they are of one kind.
      if (x.system === '' || level === 'close') continue;
      const typo = x.value.length >= IDENTIFIER_CLOSE_MIN && editDistance(x.value, y.value, 1) === 1;
      level = typo ? 'close' : 'differs';
    }
  }
  return level;
}

const parts = (family: string): string[] => family.split(' ');

function familyLevel(a: string, b: string): Level<'family'> | undefined {
  if (a === '' || b === '') return undefined;
  if (a === b || a.replaceAll(' ', '') === b.replaceAll(' ', '')) return 'equal';
  const [x, y] = [parts(a), parts(b)];
  // `Garcia Lopez` is also written `Garcia`; particles of two letters are no names.
  if (x.some((part) => part.length > 2 && y.includes(part))) return 'part';
  return isClose(a, b) ? 'close' : 'differs';
}

const isInitial = (a: string, b: string): boolean => (a.length === 1 || b.length === 1) && a[0] === b[0];

function givenLevel(a: readonly string[], b: readonly string[]): Level<'given'> | undefined {
  const [x, y] = [a[0], b[0]];
  if (x === undefined || y === undefined) return undefined;
  if (x === y) return 'equal';
  if (a.some((one) => one.length > 1 && b.includes(one))) return 'other';
  if (isClose(x, y)) return 'close';
  return isInitial(x, y) ? 'initial' : 'differs';
}

/** Family name in the place of the given name, and the other way round. */
function isSwapped(a: NameFeatures, b: NameFeatures): boolean {
  const [x, y] = [a.given[0], b.given[0]];
  return x !== undefined && y !== undefined && a.family === y && x === b.family;
}

interface NameLevels {
  family: Level<'family'> | undefined;
  given: Level<'given'> | undefined;
  weight: number;
}

function compareNames(a: NameFeatures, b: NameFeatures): NameLevels {
  const plain = { family: familyLevel(a.family, b.family), given: givenLevel(a.given, b.given) };
  const swapped = isSwapped(a, b) && plain.family !== 'equal';
  const { family, given } = swapped ? { family: 'swapped' as const, given: 'swapped' as const } : plain;
  const weight = (family ? weightOf('family', family) : 0) + (given ? weightOf('given', given) : 0);
  return { family, given, weight };
}

/** Of all pairs of names the one that is most alike: people keep former names. */
function bestNames(a: Features, b: Features): NameLevels | undefined {
  let best: NameLevels | undefined;
  for (const x of a.names) {
    for (const y of b.names) {
      const found = compareNames(x, y);
      if (!best || found.weight > best.weight) best = found;
    }
  }
  return best;
}

const isDay = (date: string): boolean => date.length === 10;

/** `1980-02-01` of `1980-01-02`. */
export const swappedDate = (date: string): string => `${date.slice(0, 4)}-${date.slice(8, 10)}-${date.slice(5, 7)}`;

function birthDateLevel(a: string | undefined, b: string | undefined): Level<'birthDate'> | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a === b) return isDay(a) ? 'equal' : a.length === 7 ? 'month' : 'year';
  const common = Math.min(a.length, b.length);
  if (common < 10) return a.slice(0, common) !== b.slice(0, common) ? 'differs' : common === 7 ? 'month' : 'year';
  if (swappedDate(a) === b) return 'swapped';
  return editDistance(a, b, 1) === 1 ? 'digit' : 'differs';
}

const intersect = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => !a.isDisjointFrom(b);

function telecomLevel(a: Features, b: Features): Level<'telecom'> | undefined {
  if (a.telecom.size === 0 || b.telecom.size === 0) return undefined;
  return intersect(a.telecom, b.telecom) ? 'shared' : 'differs';
}

function addressLevel(a: Features, b: Features): Level<'address'> | undefined {
  if (intersect(a.streets, b.streets)) return 'street';
  if (intersect(a.postalCodes, b.postalCodes)) return 'postalCode';
  const both = (a.postalCodes.size > 0 && b.postalCodes.size > 0) || (a.streets.size > 0 && b.streets.size > 0);
  return both ? 'differs' : undefined;
}

const sameOrNot = <T>(a: T | undefined, b: T | undefined): 'equal' | 'differs' | undefined =>
  a === undefined || b === undefined ? undefined : a === b ? 'equal' : 'differs';

type Levels = Partial<Record<Part, string>>;

function gradeOf(score: number, levels: Levels): Grade {
  const contradicted = [levels.given, levels.birthDate, levels.gender, levels.birthOrder].includes('differs');
  const supported =
    levels.identifier === 'same' ||
    levels.telecom === 'shared' ||
    levels.address === 'street' ||
    levels.address === 'postalCode';
  if (score >= CERTAIN_MIN && supported && !contradicted) return 'certain';
  if (score >= PROBABLE_MIN) return 'probable';
  return score >= POSSIBLE_MIN ? 'possible' : 'certainly-not';
}

/** Compares two patients; `a` and `b` may be exchanged. */
export function compare(a: Features, b: Features): Score {
  const names = bestNames(a, b);
  const all: Record<Part, string | undefined> = {
    identifier: identifierLevel(a, b),
    family: names?.family,
    given: names?.given,
    birthDate: birthDateLevel(a.birthDate, b.birthDate),
    gender: sameOrNot(a.gender, b.gender),
    telecom: telecomLevel(a, b),
    address: addressLevel(a, b),
    birthOrder: sameOrNot(a.birthOrder, b.birthOrder),
  };
  const levels = Object.fromEntries(Object.entries(all).filter(([, level]) => level !== undefined)) as Levels;
  const weight = Object.entries(levels).reduce((sum, [part, level]) => sum + weightOf(part as Part, level!), 0);
  const likely = 1 / (1 + 2 ** (PRIOR - weight));
  const isTwin = levels.birthOrder === 'differs' || (levels.given === 'differs' && levels.identifier !== 'same');
  const score = Math.round((isTwin ? Math.min(likely, CONTRADICTED_MAX) : likely) * 10_000) / 10_000;
  return { score, grade: gradeOf(score, levels), levels };
}
