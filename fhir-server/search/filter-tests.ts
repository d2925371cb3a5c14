// The tests of _filter that no modifier or prefix stands for, as SQL: https://hl7.org/fhir/R4/search_filter.html#ops
import { type Criterion, foldString, type SearchValue } from '#fhir-model';
import { CerebraError } from '#platform';
import { instantText } from '../store/index-rows.ts';
import { type ConditionContext, type IndexTest, indexedText, like } from './index-tests.ts';

type FilterTest = NonNullable<Criterion['filter']>;

const COMPARE: Partial<Record<FilterTest, string>> = { gt: '>', lt: '<', ge: '>=', le: '<=' };

/** The index holds the first characters: what is before or after a text is so, or the same, in these. */
function compared(ctx: ConditionContext, x: string, test: FilterTest, folded: string): string {
  const sign = COMPARE[test];
  if (sign === undefined) throw new CerebraError('unsupported', `${test} is no test of text`);
  const head = `left(${x}.value, 100) ${sign[0]}= ${ctx.sql.value(indexedText(folded))}`;
  return `(${head} and ${x}.value ${sign} ${ctx.sql.value(folded)})`;
}

function stringTest(ctx: ConditionContext, x: string, test: FilterTest, text: string): string {
  const folded = foldString(text);
  const { sql } = ctx;
  if (test === 'eq')
    return `(left(${x}.value, 100) = ${sql.value(indexedText(folded))} and ${x}.value = ${sql.value(folded)})`;
  if (test === 'ne') return `${x}.value <> ${sql.value(folded)}`;
  if (test === 'ew') return `${x}.value like ${sql.value(`%${like(folded)}`)}`;
  return compared(ctx, x, test, folded);
}

function oneTest(ctx: ConditionContext, x: string, test: FilterTest, value: SearchValue, isRanged: boolean): string {
  const { sql } = ctx;
  if (value.kind === 'string') return stringTest(ctx, x, test, value.value);
  if (value.kind === 'date') {
    const lo = `${sql.value(instantText(value.lo))}::bigint`;
    const hi = `${sql.value(instantText(value.hi))}::bigint`;
    return test === 'po' ? `(${x}.lo <= ${hi} and ${x}.hi >= ${lo})` : `(${x}.lo <= ${lo} and ${x}.hi >= ${hi})`;
  }
  return value.kind === 'number' ? numberTest(`${sql.value(value.value)}::numeric`, x, isRanged) : 'false';
}

/** Half a unit of the last digit. */
const half = (column: string): string => `power(10::numeric, -scale(${column})) / 2`;

/** A number that may be a range is stored as one; ends that are null are open. */
function numberTest(number: string, x: string, isRanged: boolean): string {
  const [low, high] = isRanged ? [`${x}.low`, `${x}.high`] : [`${x}.value`, `${x}.value`];
  const about = `(${low} - ${half(low)} <= ${number} and ${number} < ${low} + ${half(low)})`;
  if (!isRanged) return about;
  return `(case when ${low} = ${high} then ${about}
    else coalesce(${low} <= ${number}, true) and coalesce(${number} <= ${high}, true) end)`;
}

const TABLES: Partial<Record<SearchValue['kind'], string>> = {
  string: 'index_string',
  date: 'index_date',
  number: 'index_number',
};

/** The criterion, one with `filter`, as a test of index rows; undefined of `_lastUpdated`, a column of the resource. */
export function filterTest(
  ctx: ConditionContext,
  { param, values, filter = 'eq', name }: Criterion,
): IndexTest | undefined {
  if (param.code === '_lastUpdated') return undefined;
  const isRanged = param.ranged === true;
  const table = isRanged ? 'index_quantity' : TABLES[values[0]?.kind ?? 'missing'];
  if (table === undefined) {
    throw new CerebraError('unsupported', `${filter} is not possible with ${param.code}`, { expression: [name] });
  }
  return {
    table,
    param,
    test: (x) => `(${values.map((value) => oneTest(ctx, x, filter, value, isRanged)).join(' or ')})`,
  };
}
