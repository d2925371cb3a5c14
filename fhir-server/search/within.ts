// Chains into contained resources: https://hl7.org/fhir/R4/search.html#contained. Where resources of the type contain what
// the reference names (fhir-model/search/places.ts; the terms tell), the chain is also a criterion on the container: that it
// has the link, and that the contained resource meets what the chain goes on with.
import { type Criterion, linkParam, placedCriterion, placesMax } from '#fhir-model';
import { CerebraError, type Statement } from '#platform';
import { indexedAs } from '../store/index-rows.ts';
import { currentTable } from '../store/layout.ts';
import { type ConditionContext, hasTokens } from './index-tests.ts';
import type { PageContext } from './page.ts';
import { statementFor } from './sql-text.ts';

/** One contained resource that a chain may lead to: the token of the link, and the criterion as one on the container. */
export interface Within {
  link: string;
  criterion: Criterion;
}

/** What a chain asks of containers of the type. */
export interface Places {
  type: string;
  all: readonly Within[];
}

/** Ways of all chains of a search. Two links through sixteen resources that all name each other are 272. */
const WITHIN_MAX = 500;

/** The links that there are, few: a type and a place. Those of resources that are gone stay, and find nothing. */
const linkTerms: Statement = {
  name: 'terms_links',
  text: `select distinct param, value, system, token from term where kind = 'k' and param = any($1::int[])`,
};

export interface LinkTerm {
  /** The number of a linkParam. */
  param: number;
  /** The type, in lower case. */
  value: string;
  /** The place. */
  system: string;
  token: bigint;
}

/** The alternatives of a chain that the link leads to. */
function placedAt(chain: NonNullable<Criterion['chain']>, { value, system, token }: LinkTerm): Within[] {
  const found = chain
    .filter(({ type }) => type.toLowerCase() === value)
    .map(({ criterion }) => placedCriterion(criterion, Number(system)));
  return found.flatMap((criterion) => (criterion ? [{ link: String(token), criterion }] : []));
}

function assertFew(within: ReadonlyMap<Criterion, Places>, { name }: Criterion): void {
  let count = 0;
  for (const { all } of within.values()) count += all.length;
  if (count <= WITHIN_MAX) return;
  throw new CerebraError(
    'too-costly',
    `There are more than ${WITHIN_MAX} ways through contained resources: name types, or give fewer links`,
    {
      expression: [name],
    },
  );
}

const linkKeys = ({ param }: Criterion): number[] => indexedAs(param).map((source) => linkParam(source).key);

/** The numbers of the links of all chains in the criterion. */
function allLinkKeys(criterion: Criterion): number[] {
  const { chain, has, logic } = criterion;
  const inner = [...(chain?.map((link) => link.criterion) ?? []), ...(has ? [has.criterion] : [])];
  const keys = [...inner, ...(logic?.criteria ?? [])].flatMap(allLinkKeys);
  return chain ? [...linkKeys(criterion), ...keys] : keys;
}

/** Looks up what resources contain of what the chains of all criteria name, at once: a fifth of a millisecond. */
export async function lookUpLinks(page: PageContext, criteria: readonly Criterion[]): Promise<void> {
  const keys = new Set(criteria.flatMap(allLinkKeys).filter((key) => !page.links?.has(key)));
  if (keys.size === 0) return;
  const terms = await page.db.query<LinkTerm>(linkTerms, [[...keys]]);
  page.links ??= new Map();
  for (const key of keys) page.links.set(key, []);
  for (const term of terms) page.links.get(term.param)!.push(term);
}

/**
 * Finds what the chain asks of containers of the type, its links looked up, and remembers it on the page. Yields the criteria on contained
 * resources, which are to be looked up as well; none the second time.
 */
export function findPlaces(page: PageContext, criterion: Criterion, type: string): Criterion[] {
  const { chain } = criterion;
  if (!chain || page.within?.has(criterion)) return [];
  const terms = linkKeys(criterion).flatMap((key) => page.links?.get(key) ?? []);
  const all = terms.filter((term) => !isBeyond(term)).flatMap((term) => placedAt(chain, term));
  page.within ??= new Map();
  page.within.set(criterion, { type, all });
  assertFew(page.within, criterion);
  return all.map((each) => each.criterion);
}

const isBeyond = ({ system }: LinkTerm): boolean => Number(system) >= placesMax;

/**
 * Remembers on the page what is to be told of a chain that leads to contained resources beyond the first placesMax of a type
 * in containers that are there: their values are not indexed. A search that meets no such link asks nothing.
 */
export async function tellBeyond(page: PageContext, criterion: Criterion, type: string): Promise<void> {
  const { chain = [], name } = criterion;
  const types = new Set(chain.map((each) => each.type.toLowerCase()));
  const terms = linkKeys(criterion).flatMap((key) => page.links?.get(key) ?? []);
  const beyond = terms.filter((term) => isBeyond(term) && types.has(term.value));
  if (beyond.length === 0 || page.issues?.some(({ expression }) => expression?.includes(name))) return;
  // Counted, not looked for: PostgreSQL might look for the first of none through the whole table.
  const text = `select count(*) > 0 as found from ${currentTable(type)} m where m.tokens && $1::bigint[]`;
  const tokens = `{${beyond.map(({ token }) => String(token)).join(',')}}`;
  const [row] = await page.db.query<{ found: boolean }>(statementFor(text), [tokens]);
  if (!row!.found) return;
  const elsewhere = type === 'Bundle' ? '' : ', _contained=true finds all';
  const diagnostics = `Some ${type} contain more than ${placesMax} resources of one type: chains find the first ${placesMax} of them${elsewhere}`;
  page.issues ??= [];
  page.issues.push({ severity: 'warning', code: 'incomplete', diagnostics, expression: [name] });
}

/** What a chain asks of contained resources. */
export const withinOf = (
  { within }: { within?: ReadonlyMap<Criterion, Places> | undefined },
  criterion: Criterion,
): readonly Within[] => within?.get(criterion)?.all ?? [];

/** A criterion of any kind as a condition (joins.ts). */
type Condition = (ctx: ConditionContext, criterion: Criterion, m: string) => string;

/** For each contained resource that a chain may lead to, the condition on its container `m`. */
export const placeConditions = (ctx: ConditionContext, chain: Criterion, condition: Condition, m: string): string[] =>
  withinOf(ctx, chain).map(
    ({ link, criterion }) => `(${hasTokens(ctx, m, [link])} and ${condition(ctx, criterion, m)})`,
  );

/** The rids of these containers: a select for each. */
export function placeRids(ctx: ConditionContext, chain: Criterion, condition: Condition): string[] {
  const type = ctx.within?.get(chain)?.type;
  if (type === undefined) return [];
  const m = ctx.sql.alias();
  const from = `select ${m}.rid from ${currentTable(type)} ${m} where`;
  return placeConditions(ctx, chain, condition, m).map((each) => `${from} ${each}`);
}
