// Encounter/[id]/$triage-suggestion: what the Emergency Severity Index suggests, from the vital signs of the last hour and the
// nurse's answers. Nothing is written: the level is the nurse's to assign.
import {
  type AccessScope,
  type JsonObject,
  type OperationAnswer,
  type OperationParameter,
  type OperationRequest,
  type OperationSpec,
  one,
  parametersOf,
  type ResourceReader,
} from '#fhir-model';
import { CerebraError, type Clock } from '#platform';
import { monthsOf } from '../compute.ts';
import { createReadVitals, localIdOf, type Reading, type ReadVitals } from '../readings.ts';
import { tokensOf } from '../schema.ts';
import { readScores, type ScoreOptions } from '../scores.ts';
import { byTime } from '../timeline.ts';
import { type Presentation, type Suggestion, suggestEsi } from './esi.ts';

export interface TriageParts {
  /** Our own FHIR base. */
  baseUrl: string;
  clock: Clock;
  reader: () => ResourceReader;
  scores: ScoreOptions;
}

const windowMs = 3_600_000;
/** Of each vital sign: the latest, and others where that is no reading, as beyond what a living person can have. */
const readingsMax = 20;

const limits =
  'A suggestion from vital signs and what was answered, after the Emergency Severity Index version 4. It knows neither the ' +
  'complaint nor the looks of the patient: a triage nurse assigns the level.';

const input = (name: string, type: string, documentation: string): OperationParameter => ({
  ...{ name, use: 'in', min: 0, max: '1', type, documentation },
});
const output = (name: string, type: string, max: string, documentation: string): OperationParameter => ({
  ...{ name, use: 'out', min: 0, max, type, documentation },
});

export const triageOperation = (parts: TriageParts): OperationSpec => ({
  name: 'triage-suggestion',
  title: 'Suggest a triage level',
  description: `What the Emergency Severity Index suggests for the patient of an Encounter, with its reasons. ${limits}`,
  url: `${parts.baseUrl}/OperationDefinition/Encounter-triage-suggestion`,
  type: ['Encounter'],
  ...{ system: false, typeLevel: false, instanceLevel: true, affectsState: false },
  parameters: [
    input(
      'resources',
      'integer',
      'How many different resources (laboratory, imaging, fluids, …) are expected to be needed',
    ),
    input('lifesaving', 'boolean', 'An immediate life-saving intervention is needed'),
    input('highRisk', 'boolean', 'It is a high-risk situation'),
    input('pain', 'integer', 'Pain from 0 to 10'),
    output('level', 'integer', '1', 'The suggested level, 1 (most urgent) to 5; absent where it can not be told yet'),
    output('consider', 'integer', '1', 'A more urgent level to think of'),
    output('reason', 'string', '*', 'Why'),
    output('missing', 'string', '*', 'What is not known and could change it'),
    output('basis', 'Reference', '*', 'The Observations that were looked at'),
    output('limits', 'string', '1', 'What the suggestion is not'),
  ],
  run: runner(parts),
});

/** Those vital signs of NEWS2 that the suggestion looks at. */
interface Vitals {
  /** Tokens of each, for a search. */
  codes: string[];
  read: ReadVitals;
}

function vitalsOf({ scores, baseUrl }: TriageParts): Vitals {
  const { vitals } = readScores({ ...scores, names: ['news2'] });
  const asked = vitals.filter(({ name }) => name === consciousness || Object.values(numbers).includes(name));
  return {
    codes: asked.map((vital) => encodeURIComponent(tokensOf([vital]).join(','))),
    read: createReadVitals(asked, baseUrl),
  };
}

/** Tables are read with the first request: a server on which nobody asks reads them once less at its start. */
function runner(parts: TriageParts): OperationSpec['run'] {
  let vitals: Vitals | undefined;
  return (request) => {
    vitals ??= vitalsOf(parts);
    return run(parts, vitals, request);
  };
}

async function run(parts: TriageParts, vitals: Vitals, request: OperationRequest): Promise<OperationAnswer> {
  const { clock, reader } = parts;
  const nowMs = clock.now();
  const patient = await patientOf(parts, request);
  const [birthDate, latest] = await Promise.all([
    birthDateOf(reader(), patient, request.scope),
    latestOf(reader(), patient, vitals, nowMs, request.scope),
  ]);
  const suggestion = suggestEsi({ ...answersOf(request), ...measured(latest), ...ageOf(birthDate, nowMs) });
  return { resource: parametersOf(parametersFrom(suggestion, latest)) };
}

async function patientOf({ reader, baseUrl }: TriageParts, { id = '', scope }: OperationRequest): Promise<string> {
  const stored = await reader().read('Encounter', id, scope);
  if (!stored) throw new CerebraError('not-found', `There is no Encounter/${id}`);
  if (stored.deleted) throw new CerebraError('deleted', `Encounter/${id} is deleted`);
  const patient = localIdOf((JSON.parse(stored.body) as JsonObject).subject, 'Patient', baseUrl);
  if (patient !== '') return patient;
  throw new CerebraError(
    'business-rule',
    `Encounter/${id} has no patient of this server as its subject: add one first`,
    {
      expression: ['Encounter.subject'],
    },
  );
}

async function birthDateOf(reader: ResourceReader, id: string, scope: AccessScope): Promise<string> {
  const stored = await reader.read('Patient', id, scope);
  const birthDate = stored && !stored.deleted ? (JSON.parse(stored.body) as JsonObject).birthDate : '';
  return typeof birthDate === 'string' ? birthDate : '';
}

/** Each vital sign by itself: of a monitor that sends each second 200 readings of all together would be less than a minute's. */
async function latestOf(
  reader: ResourceReader,
  patient: string,
  { codes, read }: Vitals,
  nowMs: number,
  scope: AccessScope,
): Promise<Map<string, Reading>> {
  const since = encodeURIComponent(new Date(nowMs - windowMs).toISOString());
  const until = encodeURIComponent(new Date(nowMs).toISOString());
  const query = `patient=${patient}&date=ge${since}&date=le${until}&_sort=-date&_count=${readingsMax}&_total=none`;
  const pages = await Promise.all(
    codes.map((some) => reader.search('Observation', `${query}&combo-code=${some}`, scope)),
  );
  const stored = pages.flatMap(({ resources }) => resources);
  const readings = stored.flatMap(({ body }) => read(JSON.parse(body) as JsonObject));
  return new Map(
    readings
      // A period that has not ended is found, however long ago it began, and counts by its beginning.
      .filter(({ atMs }) => atMs <= nowMs && atMs >= nowMs - windowMs)
      .sort(byTime)
      .map((each) => [each.vital, each]),
  );
}

function answersOf({ input: given }: OperationRequest): Presentation {
  const answers = {
    lifesaving: one<boolean>(given, 'lifesaving'),
    highRisk: one<boolean>(given, 'highRisk'),
    pain: whole(given, 'pain', 10),
    resources: whole(given, 'resources', 100),
  };
  return Object.fromEntries(Object.entries(answers).filter(([, value]) => value !== undefined));
}

function whole(given: OperationRequest['input'], name: string, max: number): number | undefined {
  const value = one<number>(given, name);
  if (value === undefined || (value >= 0 && value <= max)) return value;
  throw new CerebraError('invalid-parameter', `${name} is a number from 0 to ${max}, not ${value}`);
}

const numbers = {
  heartRate: 'heart-rate',
  respiratoryRate: 'respiratory-rate',
  oxygenSaturation: 'oxygen-saturation',
  temperature: 'temperature',
};
const consciousness = 'consciousness';

function measured(latest: ReadonlyMap<string, Reading>): Presentation {
  const found = Object.entries(numbers).filter(([, vital]) => latest.has(vital));
  const reacts = latest.get(consciousness)?.value;
  return {
    ...Object.fromEntries(found.map(([name, vital]) => [name, Number(latest.get(vital)!.value)])),
    ...(reacts === undefined ? {} : { consciousness: reacts }),
  };
}

function ageOf(birthDate: string, nowMs: number): Presentation {
  const ageMonths = monthsOf(birthDate, nowMs);
  return ageMonths === undefined ? {} : { ageMonths };
}

function parametersFrom(suggestion: Suggestion, latest: ReadonlyMap<string, Reading>): JsonObject[] {
  const { level, consider, reasons, missing } = suggestion;
  const observations = [...new Set([...latest.values()].map(({ observation }) => observation))];
  return [
    ...(level === undefined ? [] : [{ name: 'level', valueInteger: level }]),
    ...(consider === undefined ? [] : [{ name: 'consider', valueInteger: consider }]),
    ...reasons.map((valueString) => ({ name: 'reason', valueString })),
    ...missing.map((valueString) => ({ name: 'missing', valueString })),
    ...observations.map((id) => ({ name: 'basis', valueReference: { reference: `Observation/${id}` } })),
    { name: 'limits', valueString: limits },
  ];
}
