// The latest Observations of each code, in one statement: https://hl7.org/fhir/R4/observation-operation-lastn.html
import type { Criterion, SearchParam } from '#fhir-model';
import { CerebraError } from '#platform';
import { groups, groupTest } from '../search/conditions.ts';
import { indexedRids } from '../search/index-tests.ts';
import { joinedRids } from '../search/joins.ts';
import type { PageContext } from '../search/page.ts';
import { createSql, type Sql, type SqlBuilder, statementFor } from '../search/sql-text.ts';
import { conditionContext, where } from '../search/where.ts';
import { currentTable } from '../store/layout.ts';
import { PAGE_BYTES_MAX } from '../store/sql.ts';
import { keysOf } from './compartment.ts';

/** Observations of an answer at most. */
const FOUND_MAX = 10_000;

export interface LatestRequest {
  /** The one whose observations are looked at. */
  subject: Criterion;
  rest: readonly Criterion[];
  /** Observation.code and Observation.date. */
  code: SearchParam;
  date: SearchParam;
  /** Observation.subject, where there may be several of them: each has its own latest. */
  subjects?: SearchParam;
  /** Of each code at most, more where times are equal. */
  max: number;
}

export interface Latest {
  rid: bigint;
  /** The same for observations that certainly have the same codes. */
  code: string;
  /** Key of the subject; null where there is one only. */
  subject: bigint | null;
  /** Effective time, milliseconds since 1970 UTC. */
  lo: bigint | null;
  seq: bigint;
  bytes: number;
}

const T = currentTable('Observation');

/**
 * Codes are told by their tokens, which the rows have: parsing 200,000 bodies takes seconds. Which tokens are codes stands
 * in `term`. A text without code, and what was stored before there was `term`, are read from the body.
 */
const codeTerms = (code: string): string => `select distinct token from term where kind = 'k' and param = ${code}`;

/** Of the row `m`, one subject by its key. Looked up only where there may be several: it takes time for each observation. */
const subjectSql = (sql: SqlBuilder, subjects: SearchParam | undefined): string =>
  subjects === undefined
    ? 'null::bigint'
    : `(select max(x.target) from (select * from index_reference where rid = m.rid offset 0) x
        where x.param = any(${sql.value(keysOf([subjects]))}::int[]))`;

function latestSql(page: PageContext, asked: LatestRequest): Sql {
  const sql = createSql();
  const ctx = conditionContext(page, sql, 'join');
  const test = asked.subject.chain ? undefined : groupTest(ctx, [asked.subject]);
  const rids = test ? indexedRids(ctx, test) : joinedRids(ctx, 'Observation', asked.subject);
  if (rids === undefined) {
    throw new CerebraError('unsupported', 'Name the subject by a reference: patient=123 or subject=Patient/123', {
      expression: [asked.subject.name],
    });
  }
  const conditions = where(conditionContext(page, sql, 'probe'), groups(asked.rest));
  const dates = `${sql.value(keysOf([asked.date]))}::int[]`;
  const max = sql.value(asked.max);
  const text = `with d as materialized (select distinct rid from (${rids}) x),
  m as materialized (select m.rid, m.seq, m.tokens,
      (select max(x.lo) from (select * from index_date where rid = m.rid offset 0) x where x.param = any(${dates})) as lo,
      ${subjectSql(sql, asked.subjects)} as subject
    from d join ${T} m on m.rid = d.rid where ${conditions}),
  k as materialized (${codeTerms(sql.value(asked.code.key))}),
  g as materialized (
    select m.rid, string_agg(k.token::text, ',' order by k.token) as code
    from m cross join lateral unnest(m.tokens) as t(token) join k on k.token = t.token group by m.rid),
  c as (select m.rid, m.seq, m.lo, m.subject,
      coalesce(g.code, (select r.body::json ->> 'code' from ${T} r where r.rid = m.rid)) as code
    from m left join g on g.rid = m.rid),
  r as (select c.*, rank() over (partition by code, subject order by lo desc nulls last, case when lo is null then -seq end) as place
    from c)
  select r.rid, r.code, r.subject, r.lo, r.seq, (select octet_length(o.body) from ${T} o where o.rid = r.rid) as bytes
  from r where r.place <= ${max} limit ${FOUND_MAX + 1}`;
  return { text, values: sql.values };
}

/** The latest `max` of each code, grouped by what tokens tell. Throws `too-costly` when they are too many. */
export async function findLatest(page: PageContext, asked: LatestRequest): Promise<Latest[]> {
  const sql = latestSql(page, asked);
  const rows = await page.db.query<Latest>(statementFor(sql.text), sql.values);
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
  if (rows.length <= FOUND_MAX && bytes <= PAGE_BYTES_MAX) return rows;
  throw new CerebraError(
    'too-costly',
    `More than ${FOUND_MAX} observations or ${PAGE_BYTES_MAX} bytes would be returned: lower max or add criteria`,
    { expression: ['max'] },
  );
}
