// Patient/$match: https://hl7.org/fhir/R4/patient-operation-match.html
import {
  type AccessScope,
  type Issue,
  type JsonObject,
  type OperationAnswer,
  type OperationRequest,
  type OperationSpec,
  operationOutcome,
  type Resource,
  type StoredVersion,
  stringify,
} from '#fhir-model';
import { CerebraError, type Queryable } from '#platform';
import type { Core } from '../interactions/core.ts';
import { bounded } from '../search/deadline.ts';
import { one } from './answer.ts';
import { BLOCK_MAX, findCandidates, forEachPatient } from './match-candidates.ts';
import { featuresOf, isReplaced, tellsAnything } from './match-features.ts';
import { compare, type Grade, type Score } from './match-score.ts';

export interface Match extends Score {
  rid: bigint;
  id: string;
}

export interface Matches {
  /** The likeliest first. */
  matches: Match[];
  /** Kinds of candidates that were too many to be compared all. */
  cut: string[];
}

const byScore = (a: Match, b: Match): number => b.score - a.score || (a.id < b.id ? -1 : 1);

/** Whoever has the same identifier is told of, even where everything else speaks against it. */
const isShown = ({ grade, levels }: Score): boolean => grade !== 'certainly-not' || levels.identifier === 'same';

/** Patients that may be this one, compared and in order; those that were merged into others are not among them. */
export async function findMatches(
  core: Core,
  db: Queryable,
  patient: JsonObject,
  scope: AccessScope,
): Promise<Matches> {
  const features = featuresOf(patient);
  const { rids, cut } = await findCandidates(core, db, patient, features, scope);
  const matches: Match[] = [];
  await forEachPatient(db, rids, scope, (candidate, rid) => {
    const other = JSON.parse(candidate.body) as JsonObject;
    if (isReplaced(other)) return;
    const score = compare(features, featuresOf(other));
    if (isShown(score)) matches.push({ ...score, rid, id: candidate.id });
  });
  return { matches: matches.sort(byScore), cut };
}

const MATCH_GRADE = 'http://hl7.org/fhir/StructureDefinition/match-grade';

function entryText(core: Core, { score, grade }: Match, { id, body }: StoredVersion): string {
  const extension = `[{"url":"${MATCH_GRADE}","valueCode":"${grade}"}]`;
  const search = `{"extension":${extension},"mode":"match","score":${score}}`;
  return `{"fullUrl":"${core.baseUrl}/Patient/${id}","resource":${body},"search":${search}}`;
}

const information = (diagnostics: string): Issue => ({ severity: 'information', code: 'informational', diagnostics });

function cutIssue(cut: readonly string[]): Issue[] {
  if (cut.length === 0) return [];
  const text = `More than ${BLOCK_MAX} patients have the same ${cut.join(', ')}: not all were compared by that alone. Give more to go by.`;
  return [information(text)];
}

interface Shown {
  matches: readonly Match[];
  issues: Issue[];
}

/** "If there are multiple potential matches, the match should not return the results with this flag set to true" */
function certainOnly({ matches, cut }: Matches): Shown {
  const certain = matches.filter(({ grade }) => grade === 'certain');
  if (certain.length === 1) return { matches: certain, issues: cutIssue(cut) };
  const counts = (['certain', 'probable', 'possible'] satisfies Grade[]).map(
    (grade) => `${matches.filter((match) => match.grade === grade).length} ${grade}`,
  );
  const text = `No single patient is certain to be this one; there are ${counts.join(', ')}`;
  return { matches: [], issues: [information(text), ...cutIssue(cut)] };
}

function shownOf(found: Matches, onlyCertain: boolean, count: number): Shown {
  if (onlyCertain) {
    const { matches, issues } = certainOnly(found);
    return { matches: matches.slice(0, count), issues };
  }
  const issues = cutIssue(found.cut);
  const left = found.matches.length - count;
  if (left > 0) issues.unshift(information(`${left} less likely matches are not shown: raise count to see them`));
  return { matches: found.matches.slice(0, count), issues };
}

async function bundleText(core: Core, db: Queryable, { matches, issues }: Shown, scope: AccessScope): Promise<string> {
  const bodies = new Map<bigint, StoredVersion>();
  await forEachPatient(
    db,
    matches.map(({ rid }) => rid),
    scope,
    (patient, rid) => bodies.set(rid, patient),
  );
  // One that was deleted meanwhile is no match any more.
  const present = matches.filter(({ rid }) => bodies.has(rid));
  const entries = present.map((match) => entryText(core, match, bodies.get(match.rid)!));
  if (issues.length > 0) {
    entries.push(`{"resource":${stringify(operationOutcome(issues))},"search":{"mode":"outcome"}}`);
  }
  const entry = entries.length > 0 ? `,"entry":[${entries.join(',')}]` : '';
  const link = `[{"relation":"self","url":"${core.baseUrl}/Patient/$match"}]`;
  return `{"resourceType":"Bundle","type":"searchset","total":${present.length},"link":${link}${entry}}`;
}

/** Throws `required` for a patient that has nothing to be found by. */
export function assertDescribed(patient: JsonObject, name: string): void {
  if (tellsAnything(featuresOf(patient))) return;
  const text = `'${name}' has nothing to find a patient by: give identifier, name, birthDate, telecom or address`;
  throw new CerebraError('required', text, { expression: [name] });
}

async function match(core: Core, { input, scope }: OperationRequest): Promise<OperationAnswer> {
  const patient = one<Resource>(input, 'resource')!;
  assertDescribed(patient, 'resource');
  const { searchCountDefault, searchCountMax, searchTimeoutMs } = core.limits;
  const count = one<number>(input, 'count') ?? searchCountDefault;
  if (count < 0) throw new CerebraError('invalid-parameter', "'count' can't be negative", { expression: ['count'] });
  const onlyCertain = one<boolean>(input, 'onlyCertainMatches') ?? false;
  const text = await bounded({ db: core.store.db }, searchTimeoutMs, async (db) => {
    const found = await findMatches(core, db, patient, scope);
    return bundleText(core, db, shownOf(found, onlyCertain, Math.min(count, searchCountMax)), scope);
  });
  return { text };
}

export const matchOperation = (core: Core): OperationSpec => ({
  name: 'match',
  title: 'Find patient matches using MPI based logic',
  description:
    'Finds patients that may be the one described, by identifier, name, birth date, gender, telecom and address, each with a score and a grade, the likeliest first',
  url: 'http://hl7.org/fhir/OperationDefinition/Patient-match',
  type: ['Patient'],
  system: false,
  typeLevel: true,
  instanceLevel: false,
  affectsState: false,
  parameters: [
    { name: 'resource', use: 'in', min: 1, max: '1', type: 'Patient', documentation: 'What is known of the patient' },
    {
      ...{ name: 'onlyCertainMatches', use: 'in', min: 0, max: '1', type: 'boolean' },
      documentation: 'Only the one patient that is certain to be meant, or none',
    },
    {
      ...{ name: 'count', use: 'in', min: 0, max: '1', type: 'integer' },
      documentation: 'Matches returned at most; the page size of searches if it is not given',
    },
    { name: 'return', use: 'out', min: 1, max: '1', type: 'Bundle' },
  ],
  run: (request) => match(core, request),
});
