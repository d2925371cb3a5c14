// ECL over a tiny SNOMED CT release.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type Db, isCerebraError } from '#platform';
import { testDatabase } from '#platform/testing';
import { eclSql } from './ecl.ts';
import { ids, rf2Files } from './load/testing/rf2-release.ts';
import { load, testFolder, writeFiles } from './load/testing/rig.ts';
import { activeSystems, tableOf } from './tables.ts';

let db: Db;
let cs: number;

before(async () => {
  db = await testDatabase();
});

const nameOf = new Map(Object.entries(ids).map(([name, id]) => [id, name]));

/** The names of the concepts that the expression selects; `{name}` in it is a concept's id. */
async function select(expression: string): Promise<string[]> {
  const values: unknown[] = ['a value that was there before'];
  const text = eclSql(
    expression.replace(/\{(\w+)\}/g, (whole, name: string) => ids[name as keyof typeof ids] ?? whole),
    cs,
    values,
  );
  const rows = await db.query<{ code: string }>(
    { text: `select c.code, $1::text from (${text}) e join ${tableOf('concept', cs)} c using (n)` },
    values,
  );
  return rows.map(({ code }) => nameOf.get(code)!).sort();
}

const cases: [string, string[]][] = [
  ['{bloop}', ['bloop']],
  ['{gone}', ['gone']],
  ['99999999', []],
  ['< {bloop}', ['blueBloop', 'loudBloop', 'loudBlueBloop']],
  ['<< {bloop} |Bloop|', ['bloop', 'blueBloop', 'loudBloop', 'loudBlueBloop']],
  ['<! {finding}', ['bloop']],
  ['<<! {finding} /* and its children */', ['bloop', 'finding']],
  ['> {loudBlueBloop}', ['bloop', 'blueBloop', 'finding', 'loudBloop', 'root']],
  ['>> {leftSite}', ['leftSite', 'root', 'site']],
  ['>! {loudBlueBloop}', ['blueBloop', 'loudBloop']],
  ['>>! {blue}', ['blue', 'colour']],
  ['* MINUS << {root}', ['refset']],
  ['^ {refset}', ['gone', 'loudBloop']],
  ['^ *', ['gone', 'loudBloop']],
  ['< {bloop} AND ^ {refset}', ['loudBloop']],
  ['<< {site} OR << {colour}', ['blue', 'colour', 'leftSite', 'site']],
  ['< {bloop} MINUS ({loudBloop} OR {blueBloop})', ['loudBlueBloop']],
  ['<< ({site} OR {colour}) AND > {blue}', ['colour']],
  ['<< {bloop}: {hasSite} = {site}', ['bloop', 'blueBloop']],
  ['<< {bloop}: {hasSite} = << {site}', ['bloop', 'blueBloop', 'loudBlueBloop']],
  ['<< {bloop}: {hasSite} = << {site}, {hasColour} = *', ['blueBloop', 'loudBlueBloop']],
  ['<< {bloop}: {hasColour} = * OR {hasSite} = {site}', ['bloop', 'blueBloop', 'loudBlueBloop']],
  ['*: < {attribute} = {blue}', ['blueBloop', 'loudBlueBloop']],
  ['*: * = {leftSite}', ['loudBlueBloop']],
  ['*: {hasSite} != {site}', ['loudBlueBloop']],
  // In one role group.
  ['*: {{hasSite} = << {site}, {hasColour} = {blue}}', ['blueBloop']],
  ['*: {{hasSite} = << {site}}', ['bloop', 'blueBloop', 'loudBlueBloop']],
  ['<< {bloop}: [0..0] {hasColour} = *', ['bloop', 'loudBloop']],
  ['<< {bloop}: [1..1] * = *', ['bloop']],
  ['<< {bloop}: [2..*] {hasSite} = *', []],
  ['<< {bloop}: [0..0] {{hasSite} = *}', ['loudBloop']],
  ['<< {colour}: R {hasColour} = {blueBloop}', ['blue']],
  ['*: R {hasSite} = << {bloop}', ['leftSite', 'site']],
  ['{blueBloop}.{hasColour}', ['blue']],
  ['<< {bloop}.{hasSite}', ['leftSite', 'site']],
  ['*: {count} = #3', ['loudBloop']],
  ['*: {count} = #3.0', ['loudBloop']],
  ['*: {count} < #1', ['blueBloop']],
  ['*: {count} != #3', ['blueBloop']],
  ['<< {finding}: [0..1] * = *', ['bloop', 'finding', 'loudBloop']],
  ['<< {bloop}: [0..*] {hasColour} = *', ['bloop', 'blueBloop', 'loudBloop', 'loudBlueBloop']],
  ['<< {bloop}: [2..2] {* = *}', ['loudBlueBloop']],
  ['*: {[0..0] {hasColour} = *, {hasSite} = *}', ['bloop', 'loudBlueBloop']],
  ['*: {{hasColour} = * OR {hasSite} = {leftSite}}', ['blueBloop', 'loudBlueBloop']],
  ['<< {site}: R {hasSite} != {bloop}', ['leftSite', 'site']],
  ['<< {colour}: R * = *', ['blue']],
  ['(<< {bloop}: {hasColour} = *) MINUS {blueBloop}', ['loudBlueBloop']],
  ['<< ({bloop}.{hasSite})', ['leftSite', 'site']],
  ['*: ({hasSite} OR {hasColour}) = {blue}', ['blueBloop', 'loudBlueBloop']],
  ['*: ({hasSite} = {leftSite} OR {hasSite} = {site}), {hasColour} = *', ['blueBloop', 'loudBlueBloop']],
];

describe('an expression', () => {
  before(async () => {
    const folder = await testFolder({ after: () => undefined } as never);
    await writeFiles(folder, rf2Files());
    await load(db, folder);
    cs = (await activeSystems(db))[0]!.cs;
  });

  for (const [expression, expected] of cases) {
    test(expression, async () => {
      assert.deepEqual(await select(expression), expected);
    });
  }
});

describe('what is no ECL is refused', () => {
  const refused: [string, 'invalid-parameter' | 'unsupported' | 'too-costly', RegExp][] = [
    ['', 'invalid-parameter', /at character 1: expected a concept, '\*' or '\(', found the end/],
    ['< ', 'invalid-parameter', /at character 3: expected a concept/],
    ['bloop', 'invalid-parameter', /found bloop/],
    ['123', 'invalid-parameter', /found 123/],
    ['1234567 7654321', 'invalid-parameter', /at character 9: expected the end, found 7654321/],
    ['(1234567', 'invalid-parameter', /expected '\)', found the end/],
    ['1234567 |open', 'invalid-parameter', /at character 9: '\|open' is not understood/],
    ['1234567 AND 1234567 OR 1234567', 'invalid-parameter', /mix only with parentheses/],
    ['1234567 MINUS 1234567 MINUS 1234567', 'invalid-parameter', /more than one MINUS/],
    ['1234567: 1234567', 'invalid-parameter', /expected '=' behind the attribute/],
    ['1234567: 1234567 > 1234567', 'invalid-parameter', /'>' compares numbers/],
    ['1234567: [2..1] 1234567 = *', 'invalid-parameter', /the cardinality ends below its start/],
    ['<< 1234567 {{ term = "heart" }}', 'unsupported', /\{\{ filters \}\} is not evaluated/],
    ['*: {R 1234567 = *}', 'unsupported', /a reversed attribute is evaluated outside of groups/],
    ['!!> 1234567', 'unsupported', /!!> is not evaluated/],
    [`${'<'.repeat(500)}1234567`, 'invalid-parameter', /nested deeper than 40/],
    [`${'('.repeat(5000)}1234567`, 'invalid-parameter', /nested deeper than 40/],
    [Array(500).fill('1234567').join(' OR '), 'too-costly', /400 parts/],
    [' '.repeat(20_001), 'too-costly', /20000 characters/],
  ];
  for (const [expression, code, text] of refused) {
    test(expression.slice(0, 60), () => {
      assert.throws(
        () => eclSql(expression, 1, []),
        (error) => isCerebraError(error, code) && text.test(error.message),
      );
    });
  }
});
