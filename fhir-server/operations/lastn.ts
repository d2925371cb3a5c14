// Observation/$lastn: https://hl7.org/fhir/R4/observation-operation-lastn.html
import type {
  Criterion,
  OperationAnswer,
  OperationRequest,
  OperationSpec,
  Resource,
  SearchQuery,
  StoredVersion,
} from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { assertIndexed, withParameters } from '../interactions/indexed.ts';
import { pageContext, parseQuery } from '../interactions/search.ts';
import { applySubset, subsetOf } from '../interactions/subset.ts';
import { bounded } from '../search/deadline.ts';
import { MUCH, resolveJoins } from '../search/resolve.ts';
import { one } from './answer.ts';
import { createGroups, namesOf } from './code-groups.ts';
import { bodiesOf } from './everything-members.ts';
import { findLatest, type Latest } from './lastn-sql.ts';

const isSubject = ({ param, modifier, has, logic, compartment, filter }: Criterion): boolean =>
  (param.code === 'patient' || param.code === 'subject') &&
  modifier === undefined &&
  !has &&
  !logic &&
  !compartment &&
  !filter;

/** `category`, or a parameter that has a code in its expression: `code`, `combo-code`, `code-value-quantity`. */
const isKind = ({ param, modifier, has, logic }: Criterion): boolean =>
  modifier !== 'missing' && !has && !logic && (param.code === 'category' || /\bcode\b/.test(param.expression));

function parse(core: Core, request: OperationRequest): { query: SearchQuery; subject: Criterion; rest: Criterion[] } {
  const query = parseQuery(core, 'Observation', request.search, request.strict);
  const subject = query.criteria.find(isSubject);
  if (!subject) {
    throw new CerebraError('required', '$lastn needs a subject: patient=123 or subject=Patient/123', {
      expression: ['patient', 'subject'],
    });
  }
  if (!query.criteria.some(isKind)) {
    throw new CerebraError('required', '$lastn needs a category, or a parameter about a code', {
      expression: ['category', 'code'],
    });
  }
  if (query.includes.length > 0) {
    throw new CerebraError('unsupported', '$lastn takes no _include and no _revinclude', {
      expression: ['_include', '_revinclude'],
    });
  }
  return { query, subject, rest: query.criteria.filter((criterion) => criterion !== subject) };
}

/** A body's effective time, latest first; what has none comes last, the latest change first. */
const byTime = (a: Latest, b: Latest): number => {
  if (a.lo !== b.lo) return a.lo === null ? 1 : b.lo === null ? -1 : a.lo > b.lo ? -1 : 1;
  return a.seq > b.seq ? -1 : 1;
};

/** The `max` latest, and those of the same time as the last of them. */
function latestOf(rows: Latest[], max: number): Latest[] {
  const sorted = rows.toSorted(byTime);
  const last = sorted[max - 1];
  return sorted.filter((row, i) => i < max || (row.lo !== null && row.lo === last?.lo));
}

/** Of what the database knows to have the same code, and the same subject. */
const nameOf = ({ code, subject }: Latest): string => `${subject} k${code}`;

/** Whether it names one subject: not a chain, several, or an id of any type. */
const isOne = ({ chain, values: [first, more] }: Criterion): boolean =>
  !chain && more === undefined && first?.kind === 'reference' && first.type !== undefined;

interface Found extends Latest {
  stored: StoredVersion;
}

async function find(
  core: Core,
  request: OperationRequest,
  max: number,
): Promise<{ query: SearchQuery; latest: StoredVersion[] }> {
  const { query, subject, rest } = await withParameters(core, () => parse(core, request));
  await assertIndexed(core, [query], core.store);
  const { scope } = request;
  const code = core.parameters.get('Observation', 'code')!;
  const date = core.parameters.get('Observation', 'date')!;
  const subjects = isOne(subject) ? undefined : core.parameters.get('Observation', 'subject');
  const found = await bounded({ db: core.store.db }, core.limits.searchTimeoutMs, async (db) => {
    const page = pageContext(core, { scope, db });
    await resolveJoins(page, [subject, ...rest], MUCH);
    const rows = await findLatest(page, { subject, rest, code, date, max, ...(subjects ? { subjects } : {}) });
    const bodies = await bodiesOf(
      db,
      'Observation',
      rows.map(({ rid }) => rid),
      scope,
    );
    const byRid = new Map(bodies.map((stored) => [stored.rid, stored]));
    return rows.flatMap((row): Found[] => {
      const stored = byRid.get(row.rid);
      return stored ? [{ ...row, stored }] : [];
    });
  });
  const codes = createGroups();
  for (const row of found) {
    const names = namesOf((JSON.parse(row.stored.body) as Resource).code);
    codes.join([nameOf(row), ...names.map((name) => `${row.subject} ${name}`)]);
  }
  const groups = Map.groupBy(found, (row) => codes.rootOf(nameOf(row)));
  const latest = [...groups.values()].flatMap((rows) => latestOf(rows, max) as Found[]);
  return { query, latest: latest.sort(byTime).map(({ stored }) => stored) };
}

/** What it makes no use of, since the whole answer is one page in one order; so it is not in the self link. */
const UNUSED = new Set(['_count', '_sort', '_total']);

function searchsetText(core: Core, request: OperationRequest, query: SearchQuery, found: StoredVersion[]): string {
  const max = one<number>(request.input, 'max');
  const pairs = request.search.filter(([name]) => !UNUSED.has(name));
  if (max !== undefined) pairs.push(['max', String(max)]);
  const used = pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
  const self = JSON.stringify(`${core.baseUrl}/Observation/$lastn?${used}`);
  const subset = subsetOf(query);
  const shown = query.summary === 'count' ? [] : found;
  const entries = shown.map(
    ({ type, id, body }) =>
      `{"fullUrl":"${core.baseUrl}/${type}/${id}","resource":${applySubset(core, body, subset)},"search":{"mode":"match"}}`,
  );
  const list = entries.length > 0 ? `,"entry":[${entries.join(',')}]` : '';
  return `{"resourceType":"Bundle","type":"searchset","total":${found.length},"link":[{"relation":"self","url":${self}}]${list}}`;
}

async function lastn(core: Core, request: OperationRequest): Promise<OperationAnswer> {
  const { query, latest } = await find(core, request, one<number>(request.input, 'max') ?? 1);
  return { text: searchsetText(core, request, query, latest) };
}

export const lastnOperation = (core: Core): OperationSpec => ({
  name: 'lastn',
  title: 'Latest observations of each code',
  description:
    'The latest observations of a subject, grouped by code; takes the search parameters of Observation, of which patient or subject, and category or one about a code, are needed',
  url: 'http://hl7.org/fhir/OperationDefinition/Observation-lastn',
  type: ['Observation'],
  system: false,
  typeLevel: true,
  instanceLevel: false,
  affectsState: false,
  searchType: 'Observation',
  parameters: [
    {
      ...{ name: 'max', use: 'in', min: 0, max: '1', type: 'positiveInt' },
      documentation: 'Observations of each code, 1 unless told; more where times are equal',
    },
    { name: 'return', use: 'out', min: 1, max: '1', type: 'Bundle' },
  ],
  run: (request) => lastn(core, request),
});
