// What a score is, as data: which vital signs it looks at, for how long each counts, and the points of their values. The
// built-in tables and those of SCORES_FILE go through the same checks.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { CerebraError } from '#platform';

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'small letters, digits and "-", 40 at most');
const words = z.string().min(1).max(500);
const coding = z.strictObject({
  system: z.string().min(1).max(200),
  code: z.string().min(1).max(64),
  display: z.string().min(1).max(200).optional(),
});
const points = z.int().min(0).max(100);

/** What is measured or observed of a patient, whatever score it counts for. */
const vital = z
  .strictObject({
    name,
    title: words,
    /** Of Observation.code or of a component's. */
    codings: z.array(coding).min(1),
    /** UCUM unit that bands are in; none for what is coded. */
    unit: z.string().min(1).max(64).optional(),
    /** Units as they are written without being UCUM, and what they mean. */
    unitTexts: z.record(z.string(), z.string()).default({}),
    /** Values outside, in `unit`, are no readings: both ends are inside. */
    plausible: z.tuple([z.number(), z.number()]).optional(),
    /** Of what is coded: each value with the codes that mean it. */
    values: z.record(name, z.array(coding)).optional(),
  })
  .refine((one) => (one.unit === undefined) !== (one.values === undefined), 'a vital has either unit or values');

/** Points from this value on, up to the next band's; the first band has no `from`. */
const band = z.strictObject({ from: z.number().optional(), points: points.nullable() });
const bands = z
  .array(band)
  .min(1)
  .refine(
    (all) => all.every((one, i) => (i === 0 ? one.from === undefined : isAfter(one.from, all[i - 1]!.from))),
    'bands begin with one without "from", and each "from" is more than the one before it',
  );
const isAfter = (from: number | undefined, before: number | undefined): boolean =>
  from !== undefined && (before === undefined || from > before);

const condition = z.union([z.strictObject({ vital: name, value: name }), z.strictObject({ parameter: name, points })]);

const scoring = z
  .strictObject({
    /** The vital whose reading this case is for. */
    vital: name,
    /** All must hold, else the next case is looked at. */
    when: z.array(condition).default([]),
    /** Age in whole months: from this, and below that. */
    fromMonths: z.int().min(0).optional(),
    belowMonths: z.int().min(1).optional(),
    bands: bands.optional(),
    /** Of a coded vital: points by value; a value that is not here gives none. */
    points: z.record(name, points).optional(),
    /** Of the component, where it is another than the parameter's. */
    coding: coding.optional(),
  })
  .refine((one) => (one.bands === undefined) !== (one.points === undefined), 'a case has either bands or points');

const parameter = z.strictObject({
  name,
  title: words,
  /** Readings older than this, at the time of the score, don't count. */
  windowMinutes: z
    .int()
    .min(1)
    .max(60 * 24 * 366 * 10),
  /** Decimal places that a measured value is rounded to, half up, before it is looked up. */
  decimals: z.int().min(0).max(3).default(0),
  coding,
  cases: z.array(scoring).min(1),
});

const level = z.strictObject({
  /** Total from which on it is this level. */
  from: z.int().min(0),
  code: name,
  title: words,
  /** https://hl7.org/fhir/R4/valueset-risk-probability.html */
  risk: z.enum(['negligible', 'low', 'moderate', 'high', 'certain']),
});

const table = z.strictObject({
  name,
  title: words,
  /** Where the numbers come from. */
  source: words,
  codings: z.array(coding).min(1),
  /** What is predicted. */
  outcome: words,
  /** Age in whole months; without one it is for every age. */
  fromMonths: z.int().min(0).optional(),
  belowMonths: z.int().min(1).optional(),
  /** Whether somebody of unknown age is scored. */
  unknownAge: z.boolean(),
  parameters: z.array(parameter).min(1).max(30),
  /** What conditions look at without points of its own, and how long it holds. */
  context: z.array(z.strictObject({ vital: name, windowMinutes: parameter.shape.windowMinutes })).default([]),
  levels: z
    .array(level)
    .min(1)
    .refine(
      (all) => all.every((one, i) => (i === 0 ? one.from === 0 : one.from > all[i - 1]!.from)),
      'levels begin with from 0 and rise',
    ),
  /** A single parameter with so many points raises a level that is lower to this one. */
  red: z.strictObject({ points, level: level.omit({ from: true }) }).optional(),
});

const file = z.strictObject({ vitals: z.array(vital).default([]), scores: z.array(table).default([]) });

export type Vital = z.output<typeof vital>;
export type ScoreTable = z.output<typeof table>;
export type ScoreParameter = z.output<typeof parameter>;
export type ScoringCase = z.output<typeof scoring>;
export type ScoreLevel = z.output<typeof level>;
export type Coding = z.output<typeof coding>;
export type VitalInput = z.input<typeof vital>;
export type ScoreTableInput = z.input<typeof table>;

/** What is in force: scores, and the vitals that they look at, each by its name. */
export interface ScoreSet {
  vitals: readonly Vital[];
  tables: readonly ScoreTable[];
}

/**
 * `own` and what a file adds: an entry with a name that is there replaces it. `names`: which scores are computed. Throws
 * CerebraError `config` that says which entry is wrong, and why.
 */
export function readScoreSet(
  own: { vitals: VitalInput[]; scores: ScoreTableInput[] },
  names: string[],
  path?: string,
): ScoreSet {
  const built = check(own, 'the built-in tables');
  const added = path === undefined ? check({}, '') : check(readFile(path), path);
  const vitals = overlay(built.vitals, added.vitals);
  const tables = overlay(built.scores, added.scores);
  const unknown = names.find((one) => !tables.some((table) => table.name === one));
  if (unknown !== undefined) {
    const known = tables.map((table) => table.name).join(', ');
    throw new CerebraError('config', `SCORES: there is no score '${unknown.slice(0, 80)}'; there are ${known}`);
  }
  const chosen = tables.filter((table) => names.includes(table.name));
  for (const one of chosen) checkNames(one, vitals, path ?? 'the built-in tables');
  const used = new Set(chosen.flatMap(vitalsOf));
  return { vitals: vitals.filter((one) => used.has(one.name)), tables: chosen };
}

function check(value: unknown, where: string): z.output<typeof file> {
  const { success, data, error } = file.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  throw new CerebraError('config', `SCORES_FILE: ${where}: ${issue!.path.join('.')}: ${issue!.message}`);
}

function readFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new CerebraError('config', `SCORES_FILE: ${path} can't be read as JSON`, { cause });
  }
}

function overlay<T extends { name: string }>(below: readonly T[], above: readonly T[]): T[] {
  const all = new Map([...below, ...above].map((one) => [one.name, one]));
  return [...all.values()];
}

/** Names of the vitals that a score looks at. */
export const vitalsOf = ({ parameters, context }: ScoreTable): string[] => [
  ...parameters.flatMap(({ cases }) => cases.map((one) => one.vital)),
  ...context.map((one) => one.vital),
];

/** What Observations of these vitals are searched by: `system|code`. */
export const tokensOf = (vitals: readonly Vital[]): string[] =>
  vitals.flatMap(({ codings }) => codings.map(({ system, code }) => `${system}|${code}`));

/** Conditions look at parameters before theirs only: none can depend on itself. */
function checkNames(one: ScoreTable, vitals: readonly Vital[], where: string): void {
  const fail = (text: string): never => {
    throw new CerebraError('config', `SCORES_FILE: ${where}: score ${one.name}: ${text}`);
  };
  const byName = new Map(vitals.map((each) => [each.name, each]));
  const earlier = new Set<string>();
  for (const each of vitalsOf(one)) if (!byName.has(each)) fail(`there is no vital '${each}'`);
  const inContext = new Set(one.context.map((each) => each.vital));
  for (const { name: own, cases } of one.parameters) {
    if (earlier.has(own)) fail(`parameter '${own}' is there twice`);
    for (const { vital: of, when, bands: measured } of cases) {
      if ((measured === undefined) !== (byName.get(of)!.unit === undefined)) {
        fail(`parameter '${own}': bands are for vitals with a unit, points for coded ones`);
      }
      for (const each of when) {
        if ('parameter' in each && !earlier.has(each.parameter)) fail(`parameter '${own}' depends on a later one`);
        if ('vital' in each && !inContext.has(each.vital)) fail(`'${each.vital}' is not in its context`);
      }
    }
    earlier.add(own);
  }
}
