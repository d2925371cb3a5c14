// :above and :below of references: https://hl7.org/fhir/R4/search.html#reference ("hierarchical references")
import type { Criterion, SearchParam, SearchParameters, SearchValue } from '#fhir-model';
import { CerebraError } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { indexedAs } from '../store/index-rows.ts';
import { currentTable, resourceKey } from '../store/layout.ts';
import { named } from '../store/sql.ts';
import { canonicalsBelow } from './canonical-versions.ts';
import { isOf, rowsOf } from './index-tests.ts';
import type { PageContext } from './page.ts';

/** Resources above or below one; the keys of so many are asked for in some 20 ms. */
const MEMBERS_MAX = 10_000;

/** How resources of a type say what they are part of: Location.partOf, Encounter.partOf, … */
function parentParam(parameters: SearchParameters, type: string): SearchParam | undefined {
  const found = ['partof', 'part-of'].map((code) => parameters.get(type, code));
  return found.find(
    (param) => param?.type === 'reference' && (param.target.length === 0 || param.target.includes(type)),
  );
}

/**
 * One step from these keys, by the indexes, whatever PostgreSQL believes of how many there are: with statistics of a smaller
 * table it read all resources of the type for it, 1.7 s of 300,000. Each resource on the way is one that the caller may see.
 */
async function step(
  page: PageContext,
  type: string,
  param: SearchParam,
  keys: string[],
  below: boolean,
): Promise<string[]> {
  const access = scopeSql(page.scope);
  const params = indexedAs(param).map(({ key }) => key);
  const statement = named(`hierarchy_${below ? 'below' : 'above'}_${type}${access.name}`, () => {
    const resource = `(select * from ${currentTable(type)}`;
    const scope = access.condition('m', 4);
    return below
      ? `select distinct m.key from unnest($1::int[]) p (param), unnest($2::bigint[]) k (key)
          cross join lateral (select rid from index_reference where param = p.param and ${isOf('target', 'k.key')} offset 0) x
          cross join lateral ${resource} where ${isOf('rid', 'x.rid')} offset 0) m where ${scope} limit $3`
      : `select distinct x.target as key from unnest($2::bigint[]) k (key)
          cross join lateral ${resource} where ${isOf('key', 'k.key')} offset 0) m
          cross join lateral ${rowsOf('index_reference', 'm')} x where x.param = any($1::int[]) and ${scope} limit $3`;
  });
  const rows = await page.db.query<{ key: bigint }>(statement, [
    params,
    `{${keys.join(',')}}`,
    MEMBERS_MAX + 1,
    ...access.values,
  ]);
  return rows.map(({ key }) => String(key));
}

/** The key itself and all above or below; cycles end where they began. */
async function members(page: PageContext, type: string, param: SearchParam, key: string, below: boolean, name: string) {
  const found = new Set([key]);
  for (let edge = [key]; edge.length > 0; ) {
    const next = await step(page, type, param, edge, below);
    edge = next.filter((each) => !found.has(each));
    for (const each of edge) found.add(each);
    if (found.size > MEMBERS_MAX) {
      throw new CerebraError(
        'too-costly',
        `More than ${MEMBERS_MAX} resources lie ${below ? 'below' : 'above'} this one`,
        {
          expression: [name],
        },
      );
    }
  }
  return found;
}

/** The types that the value may refer to and that are hierarchies. */
function hierarchies(parameters: SearchParameters, { param, name, modifier }: Criterion, type: string | undefined) {
  const only = param.sameAs?.[0]?.targetType;
  const possible = type !== undefined ? [type] : only !== undefined ? [only] : param.target;
  const found = possible.flatMap((each) => {
    const parent = parentParam(parameters, each);
    return parent ? [{ type: each, parent }] : [];
  });
  if (found.length > 0) return found;
  const types = possible.length > 0 ? possible.join(', ') : 'a reference without its type';
  throw new CerebraError(
    'invalid-parameter',
    `:${modifier} follows what resources are part of, which ${types} can't say: name a type that can, as in Location/42`,
    { expression: [name] },
  );
}

/** The criterion with the keys of what lies above or below its values. */
export async function hierarchyKeys(
  page: PageContext,
  parameters: SearchParameters,
  criterion: Criterion,
): Promise<Criterion> {
  const { modifier, ...rest } = criterion;
  const values: SearchValue[] = [];
  for (const value of criterion.values) {
    const canonicals = modifier === 'below' ? await canonicalsBelow(page, criterion, value) : undefined;
    if (canonicals) {
      values.push(...canonicals);
      continue;
    }
    if (value.kind !== 'reference' || value.id === undefined) {
      throw new CerebraError('invalid-parameter', `:${modifier} takes references to resources of this server`, {
        expression: [criterion.name],
      });
    }
    const hashes = new Set<string>();
    for (const { type, parent } of hierarchies(parameters, criterion, value.type)) {
      const key = resourceKey(type, value.id);
      for (const each of await members(page, type, parent, key, modifier === 'below', criterion.name)) hashes.add(each);
    }
    values.push({ kind: 'hashes', text: value.text, hashes: [...hashes] });
  }
  return { ...rest, values };
}
