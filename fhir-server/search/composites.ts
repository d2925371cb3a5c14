// Composite parameters in SQL: https://hl7.org/fhir/R4/search.html#composite
import type { Composite, Criterion, SearchParam, SearchValue } from '#fhir-model';
import { CerebraError, type Statement } from '#platform';
import { indexedAs } from '../store/index-rows.ts';
import { compositeHash, compositeKey, token } from '../store/tokens.ts';
import { type ConditionContext, hasFacts, hasHashes, hasTokens, or } from './index-tests.ts';
import type { PageContext } from './page.ts';
import { rangeCondition } from './ranges.ts';
import { isOpen, systemsOf, tokensOf } from './term-systems.ts';

type CompositeValue = SearchValue & { kind: 'composite' };
type TokenValue = SearchValue & { kind: 'token' };
interface Code {
  system: string;
  code: string;
}

/** Systems that have a code, or codes of a system, that one part may stand for; and combinations of all parts. */
const CODES_MAX = 1000;

const codesOf: Statement = {
  name: 'terms_codes',
  text: `select distinct value from term where kind = 'c' and param = $1 and system = $2 limit ${CODES_MAX + 1}`,
};

const onElements = (param: SearchParam): SearchParam => param.composite?.withinAs ?? param;

const tooMany = ({ name }: Criterion): CerebraError =>
  new CerebraError(
    'too-costly',
    `The parts stand for more than ${CODES_MAX} combinations of codes: give system and code`,
    {
      expression: [name],
    },
  );

async function codesOfPart(page: PageContext, criterion: Criterion, part: TokenValue): Promise<Code[]> {
  const { system, code } = part;
  const { key } = onElements(criterion.param);
  if (system !== undefined && code !== undefined) return [{ system, code }];
  if (code !== undefined) {
    return (await systemsOf(page.db, key, code)).map((name) => ({ system: name, code }));
  }
  const rows = await page.db.query<{ value: string }>(codesOf, [key, system]);
  if (rows.length > CODES_MAX) throw tooMany(criterion);
  return rows.map(({ value }) => ({ system: system ?? '', code: value }));
}

/** Elements are found by system and code of their coded parts: all that a part without one of them stands for. */
export async function codesOfParts(page: PageContext, criterion: Criterion, { parts }: CompositeValue) {
  const within = criterion.param.composite?.within?.parts ?? [];
  const found: (Code[] | undefined)[] = [];
  for (const [i, part] of parts.entries()) {
    found.push(part.kind === 'token' && within[i] !== undefined ? await codesOfPart(page, criterion, part) : undefined);
  }
  const combinations = found.reduce((product, codes) => product * (codes?.length ?? 1), 1);
  if (combinations > CODES_MAX) throw tooMany(criterion);
  return found;
}

/** The tokens of the resource that one of the codes has, for each part. */
export async function tokensOfParts(page: PageContext, { param }: Criterion, codes: (Code[] | undefined)[]) {
  const found: (string[] | undefined)[] = [];
  for (const [i, some] of codes.entries()) {
    const sources = indexedAs(param.composite?.parts[i] as SearchParam);
    const tokens = some && (await tokensOf(page.db, sources, [...new Set(some.map(({ code }) => code))]));
    found.push(tokens?.flat());
  }
  return found;
}

/** The parts as they are tested on the resource itself: codes without a system by the tokens that they stand for. */
export async function partsOnResource(page: PageContext, criterion: Criterion, { parts }: CompositeValue) {
  const { root, parts: params } = criterion.param.composite as Composite;
  const found: SearchValue[] = [];
  for (const [i, part] of parts.entries()) {
    const sources = indexedAs((root?.[i] ?? params[i]) as SearchParam);
    if (!sources.some((source) => isOpen(source, part))) found.push(part);
    else {
      const [hashes = []] = await tokensOf(page.db, sources, [(part as TokenValue).code ?? '']);
      found.push({ kind: 'hashes', text: part.text, hashes });
    }
  }
  return found;
}

/** One hash for each combination of the codes. */
function hashesOf(param: SearchParam, codes: CompositeValue['codes'] = []): string[] {
  const parts = param.composite?.parts ?? [];
  let found: { part: SearchParam; system: string; code: string }[][] = [[]];
  codes.forEach((some, i) => {
    if (some)
      found = found.flatMap((list) => some.map((code) => [...list, { part: parts[i] as SearchParam, ...code }]));
  });
  return found.map((list) => compositeHash(onElements(param), list));
}

/** A criterion on the resource itself as a condition (conditions.ts). */
type Condition = (ctx: ConditionContext, criterion: Criterion, m: string) => string;

/** What a composite is made of: its criterion, how to test parts, and the row that is tested. */
interface Test {
  ctx: ConditionContext;
  criterion: Criterion;
  condition: Condition;
  m: string;
}

/** Part `i` of a value, in all its units, as a criterion on a parameter of its own. */
const partCriterion = ({ name }: Criterion, param: SearchParam, value: CompositeValue, i: number): Criterion => ({
  ...{ name, param },
  values: value.inUnits?.[i] ?? [(value.onResource ?? value.parts)[i] as SearchValue],
});

function atRoot({ ctx, criterion, condition, m }: Test, root: readonly SearchParam[], value: CompositeValue): string {
  const conditions = root.map((param, i) => condition(ctx, partCriterion(criterion, param, value, i), m));
  return `(${conditions.join(' and ')})`;
}

/** Two numbers of one element are the ends of a row of index_quantity. */
function numberPair(ctx: ConditionContext, keys: readonly number[], pair: SearchValue[], m: string): string {
  const x = ctx.sql.alias();
  const [low, high] = ['low', 'high'].map((end, i) => {
    const test = rangeCondition(ctx.sql, pair[i] as SearchValue, 'y', ctx.nowMs);
    return `exists (select 1 from (select ${x}.${end} as value) y where ${test})`;
  });
  const rows = `select ${x}.rid from index_quantity ${x} where ${x}.param = any(${ctx.sql.value(keys)}::int[]) and ${low} and ${high}`;
  return ctx.style === 'join' ? `${m}.rid in (${rows})` : `exists (${rows} and ${x}.rid = ${m}.rid)`;
}

/** A parameter whose rows are those of all these keys. */
function ofKeys(part: SearchParam, keys: readonly number[]): SearchParam {
  const { sameAs: _, ...own } = part;
  return { ...own, sameAs: keys.map((key) => ({ param: { ...own, key } })) };
}

function onElement({ ctx, criterion, condition, m }: Test, value: CompositeValue): string {
  const { parts, within } = criterion.param.composite as Composite;
  const hashes = hashesOf(criterion.param, value.codes);
  if (hashes.length === 0) return 'false';
  const keys = hashes.map(compositeKey);
  const others = value.parts.filter((part, i) => part.kind !== 'token' && within?.parts[i] !== undefined);
  const [first, second] = others;
  const found: string[] = [];
  if (first === undefined) found.push(hasTokens(ctx, m, hashes));
  else if (second !== undefined) found.push(numberPair(ctx, keys, others, m));
  else {
    const at = value.parts.indexOf(first);
    found.push(condition(ctx, partCriterion(criterion, ofKeys(parts[at] as SearchParam, keys), value, at), m));
  }
  parts.forEach((part, i) => {
    const tokens = value.codeTokens?.[i];
    if (within?.parts[i] === undefined) {
      found.push(condition(ctx, partCriterion(criterion, part, value, i), m));
    } else if (first !== undefined && tokens !== undefined) {
      // Of 32 bits only, a key may be another's too: the resource has one of the codes at any rate.
      found.push(hasHashes(ctx, m, { tokens, facts: [] }));
    }
  });
  return `(${found.join(' and ')})`;
}

/** The criterion, looked up (look-up.ts), as a condition on `m`. */
export function compositeCondition(
  ctx: ConditionContext,
  criterion: Criterion,
  m: string,
  condition: Condition,
): string {
  const test: Test = { ctx, criterion, condition, m };
  const { root, within } = criterion.param.composite as Composite;
  const arms = criterion.values.flatMap((value) => {
    if (value.kind !== 'composite') return [];
    return [...(root ? [atRoot(test, root, value)] : []), ...(within ? [onElement(test, value)] : [])];
  });
  return arms.length === 0 ? 'false' : or(arms);
}

/** Whether the resource has all parts, at the root or on one element. */
export function compositePresent(
  ctx: ConditionContext,
  param: SearchParam,
  present: (part: SearchParam) => string,
  m: string,
): string {
  const { root, within, parts } = param.composite as Composite;
  const onResource = parts.filter((_, i) => within?.parts[i] === undefined);
  const element = within && [hasFacts(ctx, m, [token.present(onElements(param))]), ...onResource.map(present)];
  const arms = [root?.map(present), element].filter((arm) => arm !== undefined);
  return or(arms.map((arm) => `(${arm.join(' and ')})`));
}
