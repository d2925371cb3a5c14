// Observation/$stats: https://hl7.org/fhir/R4/observation-operation-stats.html
import {
  type DateRange,
  type JsonObject,
  type OperationAnswer,
  type OperationRequest,
  type OperationSpec,
  parseDateRange,
  parseReference,
  type Resource,
  rawJson,
} from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { badParameter } from '../interactions/parameter-fault.ts';
import { all, one, parametersOf } from './answer.ts';
import { statistics } from './statistics.ts';
import { type Coding, collect, type Series } from './stats-series.ts';

const SYSTEM = 'http://terminology.hl7.org/CodeSystem/observation-statistics';
/** Source observations of an answer, unless told. */
const SOURCES_DEFAULT = 100;
const SOURCES_MAX = 1000;
const HOUR_MS = 3_600_000;

/** `Patient/1`, of a reference to a resource here. */
function subjectOf(core: Core, { input }: OperationRequest): string {
  const given = one<string>(input, 'subject')!;
  const parsed = parseReference(given, core.baseUrl);
  if (parsed.kind === 'local' && core.definitions.isResourceType(parsed.type)) return `${parsed.type}/${parsed.id}`;
  throw badParameter(
    'subject',
    `'${given.slice(0, 80)}' is no reference to a resource of this server, like Patient/123`,
  );
}

function codingsOf({ input }: OperationRequest): Coding[] {
  const system = one<string>(input, 'system');
  const codes = all<string>(input, 'code').map(
    (code): Coding => ({ ...(system === undefined ? {} : { system }), code }),
  );
  const codings = all<JsonObject>(input, 'coding').map((coding): Coding => {
    if (typeof coding.code === 'string') return coding as unknown as Coding;
    throw badParameter('coding', 'A coding needs a code');
  });
  if (codes.length + codings.length > 0) return [...codes, ...codings];
  throw new CerebraError('required', "$stats needs 'code' (with 'system') or 'coding'", {
    expression: ['code', 'coding'],
  });
}

interface Span {
  range: Partial<DateRange>;
  /** Observation.effectivePeriod of the answer. */
  period?: JsonObject;
}

const instant = (ms: number): string => new Date(ms).toISOString();

/** Without duration and period: all time. */
function spanOf(core: Core, { input }: OperationRequest): Span {
  const hours = one<string>(input, 'duration');
  const period = one<JsonObject>(input, 'period');
  if (hours !== undefined) {
    if (period) throw badParameter('period', "Give 'duration' or 'period', not both");
    const nowMs = core.store.clock.now();
    const fromMs = nowMs - Number(hours) * HOUR_MS;
    if (!(Number(hours) > 0) || fromMs < -62_135_596_800_000)
      throw badParameter('duration', 'duration is a number of hours, above 0');
    return { range: { lo: fromMs, hi: nowMs }, period: { start: instant(fromMs), end: instant(nowMs) } };
  }
  if (!period) return { range: {} };
  const lo = parseDateRange(String(period.start ?? ''))?.lo;
  const hi = parseDateRange(String(period.end ?? ''))?.hi;
  const range = { ...(lo === undefined ? {} : { lo }), ...(hi === undefined ? {} : { hi }) };
  return { range, period };
}

function wantedStatistics({ input }: OperationRequest): string[] {
  const codes = [...new Set(all<string>(input, 'statistic'))];
  const wrong = codes.find((code) => !statistics.has(code));
  if (wrong === undefined) return codes;
  throw badParameter('statistic', `'${wrong.slice(0, 80)}' is not one of ${[...statistics.keys()].join(', ')}`);
}

const UCUM = 'http://unitsofmeasure.org';

/** The series' unit, squared for a variance; none for a count. */
function unitOf({ unit, label }: Series, power: number): JsonObject {
  if (power === 0) return { unit: '1', system: UCUM, code: '1' };
  if (unit === undefined) return {};
  const code = power === 1 ? unit : `(${unit})${power}`;
  return { unit: power === 1 ? (label ?? unit) : code, system: UCUM, code };
}

function components(series: Series, code: string): JsonObject[] {
  return statistics.get(code)!(series).map(({ digits, power, label }) => ({
    code: { coding: [{ system: SYSTEM, code }], ...(label === undefined ? {} : { text: label }) },
    ...(digits === undefined
      ? { dataAbsentReason: { coding: [{ system: ABSENT, code: 'not-a-number' }] } }
      : { valueQuantity: { value: rawJson(digits) as unknown as number, ...unitOf(series, power) } }),
  }));
}

const ABSENT = 'http://terminology.hl7.org/CodeSystem/data-absent-reason';

function observation(series: Series, subject: string, { period }: Span, wanted: readonly string[]): Resource {
  return {
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [series.coding as unknown as JsonObject] },
    subject: { reference: subject },
    ...(period ? { effectivePeriod: period } : {}),
    component: wanted.flatMap((code) => components(series, code)),
  };
}

function sourcesMax({ input }: OperationRequest): number {
  if (one<boolean>(input, 'include') !== true) return 0;
  return Math.min(one<number>(input, 'limit') ?? SOURCES_DEFAULT, SOURCES_MAX);
}

async function stats(core: Core, request: OperationRequest): Promise<OperationAnswer> {
  const wanted = wantedStatistics(request);
  const span = spanOf(core, request);
  const subject = subjectOf(core, request);
  const asked = { subject, codings: codingsOf(request), range: span.range, sourcesMax: sourcesMax(request) };
  const { series, sources } = await collect(core, request.scope, asked);
  return {
    resource: parametersOf([
      ...series.map((each) => ({ name: 'statistics', resource: observation(each, subject, span, wanted) })),
      ...sources.map((resource) => ({ name: 'source', resource })),
    ]),
  };
}

export const statsOperation = (core: Core): OperationSpec => ({
  name: 'stats',
  title: 'Observation statistics',
  description:
    'Statistics of measurements in UCUM units, for each code, of a subject and a time; values in other units of the same kind are converted',
  url: 'http://hl7.org/fhir/OperationDefinition/Observation-stats',
  type: ['Observation'],
  system: false,
  typeLevel: true,
  instanceLevel: false,
  affectsState: false,
  parameters: [
    { name: 'subject', use: 'in', min: 1, max: '1', type: 'uri', documentation: 'Whose observations: Patient/123' },
    { name: 'code', use: 'in', min: 0, max: '*', type: 'string', documentation: 'Codes of observations or components' },
    {
      name: 'system',
      use: 'in',
      min: 0,
      max: '1',
      type: 'uri',
      documentation: 'The system of the codes; any without it',
    },
    { name: 'coding', use: 'in', min: 0, max: '*', type: 'Coding', documentation: 'Codes with their systems' },
    { name: 'duration', use: 'in', min: 0, max: '1', type: 'decimal', documentation: 'The last hours' },
    { name: 'period', use: 'in', min: 0, max: '1', type: 'Period', documentation: 'The time, if not the last hours' },
    {
      ...{ name: 'statistic', use: 'in', min: 1, max: '*', type: 'code' },
      documentation: [...statistics.keys()].join(', '),
    },
    { name: 'include', use: 'in', min: 0, max: '1', type: 'boolean', documentation: 'Whether to return the sources' },
    {
      ...{ name: 'limit', use: 'in', min: 0, max: '1', type: 'positiveInt' },
      documentation: `Sources at most, the latest ones; ${SOURCES_DEFAULT} unless told, ${SOURCES_MAX} at most`,
    },
    { name: 'statistics', use: 'out', min: 1, max: '*', type: 'Observation' },
    { name: 'source', use: 'out', min: 0, max: '*', type: 'Observation' },
  ],
  run: (request) => stats(core, request),
});
