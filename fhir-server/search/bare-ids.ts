// `subject=123`: an id without its type, where the parameter leads to several types. "Servers SHOULD fail a search where the
// logical id in a reference refers to more than one matching resource across different types":
// https://hl7.org/fhir/R4/search.html#reference
import type { Criterion, SearchValue } from '#fhir-model';
import { CerebraError } from '#platform';
import { type ScopeSql, scopeSql } from '../access/scope.ts';
import { indexedAs } from '../store/index-rows.ts';
import { currentTable, resourceKey } from '../store/layout.ts';
import { named } from '../store/sql.ts';
import type { PageContext } from './page.ts';

type BareId = Extract<SearchValue, { kind: 'reference' }> & { id: string };

const isBareId = (value: SearchValue): value is BareId =>
  value.kind === 'reference' && value.id !== undefined && value.type === undefined && value.url === undefined;

/** The types that the parameter leads to, all of R4 where it may lead to any. */
export function possibleTypes({ param }: Criterion, resourceTypes: readonly string[]): readonly string[] {
  const only = param.sameAs?.[0]?.targetType;
  if (only !== undefined) return [only];
  return param.target.length > 0 ? param.target : resourceTypes;
}

/** Whether it is to be looked up which types its ids have. */
export const hasBareIds = ({ param, modifier, values }: Criterion): boolean =>
  param.type === 'reference' &&
  modifier === undefined &&
  param.sameAs?.[0]?.targetType === undefined &&
  param.target.length !== 1 &&
  values.some(isBareId);

/** Each key is one step into the index: 50 µs for the types of most parameters, 1 ms for all 146. */
const referredSql = (type: string, access: ScopeSql): string => {
  const seen =
    access.name === ''
      ? ''
      : `and exists (select 1 from ${currentTable(type)} m where m.rid = x.rid and ${access.condition('m', 3)})`;
  return `select k.key from unnest($2::bigint[]) k(key) where exists
    (select 1 from index_reference x where x.param = any($1::int[]) and x.target = k.key ${seen})`;
};

async function referredKeys(page: PageContext, { param }: Criterion, keys: readonly string[]): Promise<Set<string>> {
  const access = scopeSql(page.scope);
  const type = param.resourceType;
  const statement = named(`referred_${access.name === '' ? '' : type}${access.name}`, () => referredSql(type, access));
  const params = indexedAs(param).map(({ key }) => key);
  const rows = await page.db.query<{ key: bigint }>(statement, [params, `{${keys.join(',')}}`, ...access.values]);
  return new Set(rows.map(({ key }) => String(key)));
}

function typed(criterion: Criterion, value: BareId, types: readonly string[]): SearchValue {
  const [type, another] = types;
  if (type === undefined) return value;
  if (another === undefined) return { ...value, type };
  const { name } = criterion;
  const all = types.map((each) => `${each}/${value.id}`).join(' and ');
  throw new CerebraError(
    'invalid-parameter',
    `'${value.id}' may mean ${all}: name the type, as in ${type}/${value.id}`,
    {
      expression: [name],
    },
  );
}

/**
 * The criterion with the type of each bare id that something refers to. Throws for an id that stands for several types, unless
 * one of them is the resource whose compartment is searched: `Patient/1/Observation?subject=1` tells which 1 it means.
 */
export async function withTypes(
  page: PageContext,
  criterion: Criterion,
  compartment: Criterion['compartment'],
): Promise<Criterion> {
  const possible = possibleTypes(criterion, page.resourceTypes);
  const keysOf = ({ id }: BareId): [string, string][] => possible.map((type) => [type, resourceKey(type, id)]);
  const keys = criterion.values.filter(isBareId).flatMap(keysOf);
  const referred = await referredKeys(page, criterion, [...new Set(keys.map(([, key]) => key))]);
  const values = criterion.values.map((value) => {
    if (!isBareId(value)) return value;
    const types = keysOf(value).flatMap(([type, key]) => (referred.has(key) ? [type] : []));
    const own = types.find((type) => type === compartment?.type && value.id === compartment.id);
    return typed(criterion, value, own === undefined ? types : [own]);
  });
  return { ...criterion, values };
}
