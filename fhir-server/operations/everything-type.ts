// Patient/$everything without an id: the records of all patients, one resource type after the other.
// https://hl7.org/fhir/R4/patient-operation-everything.html
import type { OperationAnswer, OperationRequest, StoredVersion } from '#fhir-model';
import { scopeSql } from '../access/scope.ts';
import type { Core } from '../interactions/core.ts';
import { rowsOf } from '../search/index-tests.ts';
import type { Row } from '../search/page.ts';
import { createSql, type Sql, type SqlBuilder, statementFor } from '../search/sql-text.ts';
import { currentTable, resourceKey } from '../store/layout.ts';
import { named, pageBody, seconds } from '../store/sql.ts';
import { inCareRange } from './care-dates.ts';
import { isPersonal, keysOf, memberParams } from './compartment.ts';
import { bundleText } from './everything-bundle.ts';
import { type Everything, type EverythingCursor, parseEverything } from './everything-input.ts';
import { readNamed, SUPPORT_MAX, tooMany, typeOf, unindexedLinks } from './everything-links.ts';

/** A resource type that is gone through, and what its resources must meet. */
interface Step {
  type: string;
  mode: 'match' | 'include';
  condition(sql: SqlBuilder): string;
}

function scopeOf(sql: SqlBuilder, { scope }: OperationRequest, m: string): string {
  const access = scopeSql(scope);
  const first = sql.values.length + 1;
  sql.values.push(...access.values);
  return access.condition(m, first);
}

/** Refers to a patient that is here. IS TRUE: the patients are found once and hashed, not looked up for each row. */
const isSomeones = (sql: SqlBuilder, request: OperationRequest, keys: readonly number[]): string =>
  `exists (select 1 from ${rowsOf('index_reference', 'm')} x
    where x.param = any(${sql.value(keys)}::int[])
      and (x.target in (select p.key from ${currentTable('Patient')} p where ${scopeOf(sql, request, 'p')})) is true)`;

/** The reference parameters of members that may lead to the type. */
const leadingTo = (core: Core, members: readonly string[], type: string): number[] =>
  keysOf(
    members.flatMap((member) =>
      core.parameters
        .list(member)
        .filter((param) => param.type === 'reference' && (param.target.length === 0 || param.target.includes(type))),
    ),
  );

function stepsOf(core: Core, request: OperationRequest, asked: Everything): Step[] {
  const isAsked = (type: string) => !asked.types || asked.types.includes(type);
  const params = memberParams(core, 'Patient');
  const members = [...params.keys()].filter((type) => type !== 'Patient').sort();
  const supporting = core.definitions.resourceTypes.filter((type) => !isPersonal(core, type));
  const referring = ['Patient', ...members];
  const steps: Step[] = [
    { type: 'Patient', mode: 'match', condition: () => 'true' },
    ...members.map(
      (type): Step => ({
        type,
        mode: 'match',
        condition: (sql) =>
          `${isSomeones(sql, request, params.get(type)!)} and ${inCareRange(core, sql, 'm.rid', asked.care)}`,
      }),
    ),
    ...supporting.map(
      (type): Step => ({
        type,
        mode: 'include',
        condition: (sql) =>
          `exists (select 1 from index_reference y where y.target = m.key
            and y.param = any(${sql.value(leadingTo(core, referring, type))}::int[]))`,
      }),
    ),
  ];
  return steps.filter(({ type }) => isAsked(type));
}

function stepSql(request: OperationRequest, asked: Everything, step: Step, after: string, limit: number): Sql {
  const sql = createSql();
  const since = `m.updated >= to_timestamp(${sql.value(seconds(asked.sinceMs ?? 0))}::float8)`;
  const text = `select m.rid, m.id, m.version, m.updated, ${pageBody('m', 'm.rid')}
    from (select * from ${currentTable(step.type)} m where m.rid > ${sql.value(after)}::bigint and ${since}
      and ${scopeOf(sql, request, 'm')} and ${step.condition(sql)} order by m.rid limit ${sql.value(limit)}) m
    order by m.rid`;
  return { text, values: sql.values };
}

const referredTo = named(
  'everything_referred_to',
  () => 'select distinct target from index_reference where param = any($1::int[]) and target = any($2::bigint[])',
);

/** What only links without an index lead to, from the page's members: it is in no step of its own. */
async function unindexedSupport(
  core: Core,
  request: OperationRequest,
  asked: Everything,
  page: StoredVersion[],
): Promise<StoredVersion[]> {
  const names = new Set<string>();
  for (const one of page) for (const name of unindexedLinks(core, one)) names.add(name);
  const wanted = [...names].filter(
    (name) => !isPersonal(core, typeOf(name)) && (!asked.types || asked.types.includes(typeOf(name))),
  );
  if (wanted.length === 0) return [];
  if (wanted.length > SUPPORT_MAX) throw tooMany();
  const members = ['Patient', ...memberParams(core, 'Patient').keys()];
  const params = [...new Set(wanted.map(typeOf))].flatMap((type) => leadingTo(core, members, type));
  const keys = wanted.map((name) => resourceKey(...(name.split('/') as [string, string])));
  const rows = await core.store.db.query<{ target: bigint }>(referredTo, [params, keys]);
  const indexed = new Set(rows.map(({ target }) => String(target)));
  const found = await readNamed(
    core.store.db,
    wanted.filter((_, i) => !indexed.has(keys[i]!)),
    request,
  );
  return found.filter((one) => one.updatedMs >= (asked.sinceMs ?? 0));
}

/** The page; types in which nothing is left are passed over. */
export async function allRecords(core: Core, request: OperationRequest): Promise<OperationAnswer> {
  const asked = parseEverything(core, request);
  const steps = stepsOf(core, request, asked);
  const shown: Record<Step['mode'], StoredVersion[]> = { match: [], include: [] };
  let left = asked.count;
  let { step: index, rid: after } = asked.cursor ?? { step: 0, rid: '0' };
  let next: EverythingCursor | undefined;
  for (; index < steps.length && !next; index++, after = '0') {
    const step = steps[index]!;
    const sql = stepSql(request, asked, step, after, left + 1);
    const rows = await core.store.db.query<Row>(statementFor(sql.text), sql.values);
    const full = rows.findIndex((row, i) => i >= left || row.body === null);
    const some = full === -1 ? rows : rows.slice(0, full);
    for (const { id, version, updated, body } of some) {
      shown[step.mode].push({ type: step.type, id, version, updatedMs: updated, body: body ?? '', deleted: false });
    }
    left -= some.length;
    if (full !== -1) next = { step: index, rid: String(some.at(-1)?.rid ?? after) };
  }
  const included = [...shown.include, ...(await unindexedSupport(core, request, asked, shown.match))];
  return { text: bundleText(core, request, { matches: shown.match, included, next, subset: asked.subset }) };
}
