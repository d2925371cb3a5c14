// Patient/$everything without an id: the records of all patients, one resource type after the other.
// https://hl7.org/fhir/R4/patient-operation-everything.html
import type { OperationAnswer, OperationRequest, StoredVersion } from '#fhir-model';
import type { Core } from '../interactions/core.ts';
import { scopeCondition } from '../search/conditions.ts';
import { isOf, rowsOf } from '../search/index-tests.ts';
import type { Row } from '../search/page.ts';
import { createSql, type Sql, type SqlBuilder, statementFor } from '../search/sql-text.ts';
import { currentTable, resourceKey } from '../store/layout.ts';
import { PAGE_BYTES_MAX, pageBody, seconds } from '../store/sql.ts';
import { inCareRange } from './care-dates.ts';
import { isPersonal, keysOf, memberParams } from './compartment.ts';
import { bundleText } from './everything-bundle.ts';
import { type Everything, type EverythingCursor, parseEverything } from './everything-input.ts';
import { readNamed, SUPPORT_MAX, tooMany, typeOf, unindexedLinks } from './everything-links.ts';
import { isOfVisible } from './visible-referrers.ts';

/** A resource type that is gone through, and what its resources must meet. */
interface Step {
  type: string;
  mode: 'match' | 'include';
  condition(sql: SqlBuilder): string;
}

/** Refers to a patient that is here. IS TRUE: the patients are found once and hashed, not looked up for each row. */
const isSomeones = (sql: SqlBuilder, request: OperationRequest, keys: readonly number[], m = 'm'): string =>
  `exists (select 1 from ${rowsOf('index_reference', m)} x
    where x.param = any(${sql.value(keys)}::int[])
      and (x.target in (select p.key from ${currentTable('Patient')} p where ${scopeCondition({ sql, scope: request.scope }, 'p')})) is true)`;

/** By type of member the reference parameters that may lead to the type. */
const leadingTo = (core: Core, members: readonly string[], type: string): Map<string, number[]> =>
  new Map(
    members.map((member) => {
      const params = core.parameters.list(member).filter((param) => param.type === 'reference');
      return [member, keysOf(params.filter(({ target }) => target.length === 0 || target.includes(type)))];
    }),
  );

/** The row `y` of index_reference is of a resource that is part of the answer: a patient's, and not a device's or a group's alone. */
function isOfMember(core: Core, sql: SqlBuilder, request: OperationRequest, asked: Everything): string {
  const isPatient = `exists (select 1 from ${currentTable('Patient')} p where ${isOf('p.rid', 'y.rid')})`;
  const keys = [...memberParams(core, 'Patient').values()].flat();
  return `(${isPatient} or ${isSomeones(sql, request, keys, 'y')} and ${inCareRange(core, sql, 'y.rid', asked.care)})`;
}

/** Some member that the scope shows refers to the row `m`. */
function isReferredTo(
  core: Core,
  sql: SqlBuilder,
  request: OperationRequest,
  asked: Everything,
  members: readonly string[],
  to: string,
): string {
  const params = leadingTo(core, members, to);
  return `exists (select 1 from index_reference y where y.target = m.key
    and y.param = any(${sql.value([...params.values()].flat())}::int[])
    and ${isOfMember(core, sql, request, asked)} and ${isOfVisible(sql, request.scope, 'y', params)})`;
}

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
        condition: (sql) => isReferredTo(core, sql, request, asked, referring, type),
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
      and ${scopeCondition({ sql, scope: request.scope }, 'm')} and ${step.condition(sql)} order by m.rid limit ${sql.value(limit)}) m
    order by m.rid`;
  return { text, values: sql.values };
}

/** Of the keys those that members refer to by an indexed reference. */
async function referredTo(
  core: Core,
  request: OperationRequest,
  asked: Everything,
  types: readonly string[],
  keys: string[],
) {
  const members = ['Patient', ...memberParams(core, 'Patient').keys()];
  const params = new Map<string, number[]>(members.map((member) => [member, []]));
  for (const type of types) {
    for (const [member, some] of leadingTo(core, members, type)) params.get(member)!.push(...some);
  }
  const sql = createSql();
  const text = `select distinct y.target from index_reference y
    where y.param = any(${sql.value([...params.values()].flat())}::int[]) and y.target = any(${sql.value(keys)}::bigint[])
      and ${isOfMember(core, sql, request, asked)} and ${isOfVisible(sql, request.scope, 'y', params)}`;
  const rows = await core.store.db.query<{ target: bigint }>(statementFor(text), sql.values);
  return new Set(rows.map(({ target }) => String(target)));
}

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
  const keys = wanted.map((name) => resourceKey(...(name.split('/') as [string, string])));
  const indexed = await referredTo(core, request, asked, [...new Set(wanted.map(typeOf))], keys);
  const found = await readNamed(
    core.store.db,
    wanted.filter((_, i) => !indexed.has(keys[i]!)),
    request,
  );
  return found.filter((one) => one.updatedMs >= (asked.sinceMs ?? 0));
}

/** How many of the rows the page has room for, of which it has so many bytes already: it ends with the one that fills it. */
export function fitting(rows: readonly Pick<Row, 'body'>[], left: number, bytesBefore: number) {
  let bytes = bytesBefore;
  const beyond = rows.findIndex(({ body }, i) => {
    if (i >= left || body === null || bytes > PAGE_BYTES_MAX) return true;
    bytes += Buffer.byteLength(body);
    return false;
  });
  return { count: beyond === -1 ? rows.length : beyond, bytes };
}

/** The page; types in which nothing is left are passed over. */
export async function allRecords(core: Core, request: OperationRequest): Promise<OperationAnswer> {
  const asked = parseEverything(core, request);
  const steps = stepsOf(core, request, asked);
  const shown: Record<Step['mode'], StoredVersion[]> = { match: [], include: [] };
  let left = asked.count;
  let bytes = 0;
  let { step: index, rid: after } = asked.cursor ?? { step: 0, rid: '0' };
  let next: EverythingCursor | undefined;
  for (; index < steps.length && !next; index++, after = '0') {
    const step = steps[index]!;
    const sql = stepSql(request, asked, step, after, left + 1);
    const rows = await core.store.db.query<Row>(statementFor(sql.text), sql.values);
    const room = fitting(rows, left, bytes);
    const some = rows.slice(0, room.count);
    for (const { id, version, updated, body } of some) {
      shown[step.mode].push({ type: step.type, id, version, updatedMs: updated, body: body ?? '', deleted: false });
    }
    left -= some.length;
    bytes = room.bytes;
    if (some.length < rows.length) next = { step: index, rid: String(some.at(-1)?.rid ?? after) };
  }
  const included = [...shown.include, ...(await unindexedSupport(core, request, asked, shown.match))];
  return { text: bundleText(core, request, { matches: shown.match, included, next, subset: asked.subset }) };
}
