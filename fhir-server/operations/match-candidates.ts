// Which patients are worth a comparison, through the search index: those with a common identifier or telecom, and those with
// two features in common of name, birth date and postal code, also where one of them is misspelt.
import { type AccessScope, foldString, type JsonObject, parseDateRange, type StoredVersion } from '#fhir-model';
import type { Queryable } from '#platform';
import { scopeSql } from '../access/scope.ts';
import type { Core } from '../interactions/core.ts';
import type { Row } from '../search/page.ts';
import { createSql, type SqlBuilder, statementFor } from '../search/sql-text.ts';
import { instantText } from '../store/index-rows.ts';
import { named, pageBody } from '../store/sql.ts';
import { token } from '../store/tokens.ts';
import { keysOf } from './compartment.ts';
import type { Features } from './match-features.ts';
import { swappedDate } from './match-score.ts';

/** Of each kind; a kind that has more tells too little. */
export const BLOCK_MAX = 500;

/** Rows read for them: a patient has a row for each of its names. */
const ROWS_MAX = 4 * BLOCK_MAX;

export interface Candidates {
  rids: bigint[];
  /** Kinds of which there are more than BLOCK_MAX: `birth date`, … */
  cut: string[];
}

/** Rows of `a` (a rid) that have a feature; a kind of candidates is one, or two of them at once. */
interface Feature {
  table: 'index_string' | 'index_date';
  condition(sql: SqlBuilder, alias: string): string;
}

const keysOfParam = (core: Core, ...codes: string[]): number[] =>
  keysOf(codes.map((code) => core.parameters.get('Patient', code)));

/** A B-tree entry has the first 100 characters. */
const stringIs = (keys: readonly number[], texts: readonly string[]): Feature => ({
  table: 'index_string',
  condition: (sql, a) => {
    const list = sql.value(texts.map((text) => text.slice(0, 100)));
    return `${a}.param = any(${sql.value(keys)}::int[]) and left(${a}.value, 100) = any(${list}::text[])`;
  },
});

/** U+10FFFF follows everything else in the order of code points. */
const stringStarts = (keys: readonly number[], prefix: string): Feature => ({
  table: 'index_string',
  condition: (sql, a) => {
    const [from, to] = [sql.value(prefix), sql.value(`${prefix}\u{10ffff}`)];
    return `${a}.param = any(${sql.value(keys)}::int[]) and left(${a}.value, 100) between ${from} and ${to}`;
  },
});

const bornBetween = (keys: readonly number[], lo: number, hi: number): Feature => ({
  table: 'index_date',
  condition: (sql, a) => {
    const [from, to] = [sql.value(instantText(lo)), sql.value(instantText(hi))];
    return `${a}.param = any(${sql.value(keys)}::int[]) and ${a}.lo between ${from}::bigint and ${to}::bigint`;
  },
});

const bornOn = (keys: readonly number[], days: readonly string[]): Feature => ({
  table: 'index_date',
  condition: (sql, a) => {
    const starts = days.flatMap((day) => parseDateRange(day)?.lo ?? []).map(instantText);
    return `${a}.param = any(${sql.value(keys)}::int[]) and ${a}.lo = any(${sql.value(starts)}::bigint[])`;
  },
});

interface Block {
  name: string;
  /** Where to look (`a`, with a rid), and for what. */
  from: string;
  condition(sql: SqlBuilder): string;
}

const indexed = (name: string, first: Feature, second?: Feature): Block => ({
  name,
  from: first.table,
  condition(sql) {
    const other = second
      ? ` and exists (select 1 from ${second.table} b where b.rid = a.rid and ${second.condition(sql, 'b')})`
      : '';
    return first.condition(sql, 'a') + other;
  },
});

const tokenBlock = (name: string, hashes: readonly string[]): Block => ({
  name,
  from: 'r_patient',
  condition: (sql) => `a.tokens && ${sql.value(`{${hashes.join(',')}}`)}::bigint[]`,
});

function identifierHashes(core: Core, { identifiers }: Features): string[] {
  const param = core.parameters.get('Patient', 'identifier');
  return param ? identifiers.map(({ value }) => token.anySystem(param, value)) : [];
}

/** As they are written; other spellings of a number are found by name and date. */
function telecomHashes(core: Core, patient: JsonObject): string[] {
  const param = core.parameters.get('Patient', 'telecom');
  const list = Array.isArray(patient.telecom) ? (patient.telecom as JsonObject[]) : [];
  const values = list.flatMap(({ value }) => (typeof value === 'string' && value !== '' ? [value] : []));
  return param ? values.slice(0, 50).map((value) => token.anySystem(param, value)) : [];
}

const isDay = (date: string | undefined): date is string => date?.length === 10;

const YEAR_MS = 366 * 86_400_000;
const FAMILY_PREFIX = 4;
const GIVEN_PREFIX = 3;

/** Kinds that have a birth date. */
function birthBlocks(core: Core, { birthDate }: Features, names: Feature | undefined): Block[] {
  const range = birthDate === undefined ? undefined : parseDateRange(birthDate);
  const keys = keysOfParam(core, 'birthdate');
  if (!range || birthDate === undefined) return [];
  const near = bornBetween(keys, range.lo - YEAR_MS, range.hi + YEAR_MS);
  const nearBlock = names ? [indexed('name and year of birth', names, near)] : [];
  if (!isDay(birthDate)) return nearBlock;
  const on = bornOn(keys, [birthDate, swappedDate(birthDate)]);
  const exact = names ? [indexed('name and birth date', names, on)] : [];
  return [indexed('birth date', on), ...exact, ...nearBlock];
}

/** Kinds that have names; family and given names may have changed places. */
function nameBlocks(core: Core, { names }: Features, postal: Feature | undefined): Block[] {
  const [family, given] = [keysOfParam(core, 'family'), keysOfParam(core, 'given')];
  const families = names.map((name) => name.family).filter(Boolean);
  const givens = names.flatMap((name) => [...name.given, name.given.join(' ')]).filter(Boolean);
  const words = [...new Set([...families, ...givens])];
  const blocks: Block[] = [];
  if (words.length > 1) blocks.push(indexed('family and given name', stringIs(family, words), stringIs(given, words)));
  else if (words.length > 0) blocks.push(indexed('name', stringIs([...family, ...given], words)));
  if (postal && words.length > 0) {
    blocks.push(indexed('name and postal code', stringIs([...family, ...given], words), postal));
  }
  for (const name of names.slice(0, 3)) {
    const first = name.given[0];
    if (name.family.length < FAMILY_PREFIX || first === undefined || first.length < GIVEN_PREFIX) continue;
    const starts = stringStarts(family, name.family.slice(0, FAMILY_PREFIX));
    blocks.push(indexed('beginnings of names', starts, stringStarts(given, first.slice(0, GIVEN_PREFIX))));
  }
  return blocks;
}

function postalCodes(patient: JsonObject): string[] {
  const list = Array.isArray(patient.address) ? (patient.address as JsonObject[]) : [];
  return list.flatMap(({ postalCode }) => (typeof postalCode === 'string' ? [foldString(postalCode)] : []));
}

function blocksOf(core: Core, patient: JsonObject, features: Features): Block[] {
  const blocks: Block[] = [];
  const identifiers = identifierHashes(core, features);
  if (identifiers.length > 0) blocks.push(tokenBlock('identifier', identifiers));
  const telecom = telecomHashes(core, patient);
  if (telecom.length > 0) blocks.push(tokenBlock('telecom', telecom));
  const codes = postalCodes(patient).filter(Boolean);
  const postal = codes.length > 0 ? stringIs(keysOfParam(core, 'address-postalcode'), codes) : undefined;
  const words = features.names.flatMap(({ family, given }) => [family, ...given]).filter(Boolean);
  const name = words.length > 0 ? stringIs(keysOfParam(core, 'family', 'given'), [...new Set(words)]) : undefined;
  blocks.push(...birthBlocks(core, features, name), ...nameBlocks(core, features, postal));
  if (blocks.length === 0 && postal) blocks.push(indexed('postal code', postal));
  return blocks;
}

/** Finds candidates that the scope lets see, with one statement. */
export async function findCandidates(
  core: Core,
  db: Queryable,
  patient: JsonObject,
  features: Features,
  scope: AccessScope,
): Promise<Candidates> {
  const blocks = blocksOf(core, patient, features);
  if (blocks.length === 0) return { rids: [], cut: [] };
  const access = scopeSql(scope);
  const sql = createSql();
  sql.values.push(...access.values);
  const [limit, rowsMax] = [sql.value(BLOCK_MAX + 1), sql.value(ROWS_MAX)];
  const selects = blocks.map(
    (block, i) => `(select distinct ${i} as block, x.rid from (
      select a.rid from ${block.from} a join r_patient m on m.rid = a.rid
      where ${block.condition(sql)} and ${access.condition('m', 1)} limit ${rowsMax}) x limit ${limit})`,
  );
  const rows = await db.query<{ block: number; rid: bigint }>(statementFor(selects.join(' union all ')), sql.values);
  const counts = Map.groupBy(rows, ({ block }) => block);
  const cut = blocks.flatMap(({ name }, i) => ((counts.get(i)?.length ?? 0) > BLOCK_MAX ? [name] : []));
  return { rids: [...new Set(rows.map(({ rid }) => rid))], cut };
}

/** Bodies are read some at a time: 5,000 of them with photographs would fill the heap. */
const TOGETHER_MAX = 250;

/** Calls `visit` with each of these patients. */
export async function forEachPatient(
  db: Queryable,
  rids: readonly bigint[],
  scope: AccessScope,
  visit: (one: StoredVersion, rid: bigint) => void,
): Promise<void> {
  const access = scopeSql(scope);
  const statement = named(
    `match_patients${access.name}`,
    () => `select r.rid, r.id, r.version, r.updated, ${pageBody('r', 'r.rid')} from r_patient r
      where r.rid = any($1::bigint[]) and ${access.condition('r', 2)} order by r.rid`,
  );
  for (let left = [...rids]; left.length > 0; ) {
    const some = left.slice(0, TOGETHER_MAX);
    const rows = await db.query<Row>(statement, [some, ...access.values]);
    // What is null did not fit beside the others.
    const later = rows.filter(({ body }) => body === null).map(({ rid }) => rid);
    for (const { rid, id, version, updated, body } of rows) {
      if (body !== null) visit({ type: 'Patient', id, version, updatedMs: updated, body, deleted: false }, rid);
    }
    left = [...later, ...left.slice(TOGETHER_MAX)];
  }
}
