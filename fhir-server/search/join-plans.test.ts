// How PostgreSQL runs criteria on other resources, right after a bulk load and with statistics: through indexes, whatever
// the planner believes. https://www.postgresql.org/docs/current/using-explain.html
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Db, Queryable, Statement } from '#platform';
import { random, testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { pageContext, parseQuery, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { resourceKey } from '../store/layout.ts';
import { codeToken, token } from '../store/tokens.ts';
import { everything, testCore } from '../testing.ts';
import { findPage } from './page.ts';

const PATIENTS = 1000;
const OBSERVATIONS = 30_000;
const QUESTIONNAIRES = 30;
const RESPONSES = 30_000;
const next = random(20_260_303);

let db: Db;
let core: Core;

/** `count` rows at `first`; `of(i)` are the values of `columns` but those that all have. */
async function fill(
  type: string,
  first: number,
  count: number,
  tokens: (i: number) => string[],
  more: (i: number) => string = () => '',
): Promise<void> {
  const all = Array.from({ length: count }, (_, i) => i);
  const id = (i: number) => `${type.toLowerCase()}${i}`;
  await db.query(
    {
      text: `insert into r_${type.toLowerCase()} (rid, key, seq, updated, version, type, id, tokens, body)
        select rid, key, rid, now(), 1, $1, id, tokens::bigint[], '{"resourceType":"' || $2 || '","id":"' || id || '","text":"' || repeat('x', 400) || '"' || more || '}'
        from unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[]) t (rid, key, id, tokens, more)`,
    },
    [
      core.store.layout.codeOf(type),
      type,
      all.map((i) => first + i),
      all.map((i) => resourceKey(type, id(i))),
      all.map(id),
      all.map((i) => `{${tokens(i).join(',')}}`),
      all.map(more),
    ],
  );
}

/** One in ten has the code `often`, one in a thousand `rare`. */
const codeOf = (i: number): string => (i % 1000 === 0 ? 'rare' : i % 10 === 0 ? 'often' : `k${i % 97}`);

/** A thousand responses to each, of which one in a hundred is `amended`. */
async function fillResponses(): Promise<void> {
  await db.query({ text: `select setval('resource_seq', 1000000)` });
  const url = (i: number) => `http://x/q${i}`;
  const questionnaires = Array.from({ length: QUESTIONNAIRES }, (_, i) => ({
    ...{ resourceType: 'Questionnaire', id: `q${i}`, status: 'active', url: url(i), version: '1', title: `t${i}.` },
  }));
  await createWriter(core).createIfAbsent(questionnaires, { scope: everything });
  const questionnaire = core.parameters.get('QuestionnaireResponse', 'questionnaire')!;
  const status = core.parameters.get('QuestionnaireResponse', 'status')!;
  const [some, few] = ['completed', 'amended'].map((code) => codeToken(status, status.codeSystem!, code));
  const tokens = (i: number): string[] => {
    const named = url(i % QUESTIONNAIRES);
    return [token.url(questionnaire, named), token.url(questionnaire, `${named}|1`), i % 100 === 0 ? few! : some!];
  };
  const more = (i: number): string => `,"questionnaire":"${url(i % QUESTIONNAIRES)}|1"`;
  await fill('QuestionnaireResponse', 100_001, RESPONSES, tokens, more);
}

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  await fillResponses();
  const code = core.parameters.get('Observation', 'code')!;
  const gender = core.parameters.get('Patient', 'gender')!;
  const identifier = core.parameters.get('Patient', 'identifier')!;
  await fill('Patient', 1, PATIENTS, (i) => [
    token.anySystem(gender, i % 2 === 0 ? 'male' : 'female'),
    token.anySystem(identifier, `m${i}`),
  ]);
  await fill('Observation', 10_001, OBSERVATIONS, (i) => [codeToken(code, '', codeOf(i))]);
  const codes = [...new Set(Array.from({ length: OBSERVATIONS }, (_, i) => codeOf(i)))];
  await db.query(
    {
      text: `insert into term (rid, token, param, kind, value, system)
        select 0, token, $1, 'k', value, '' from unnest($2::text[], $3::bigint[]) t (value, token)`,
    },
    [code.key, codes, codes.map((value) => codeToken(code, '', value))],
  );
  const subject = core.parameters.get('Observation', 'subject')!;
  const all = Array.from({ length: OBSERVATIONS }, (_, i) => i);
  await db.query(
    {
      text: 'insert into index_reference (rid, target, param) select rid, target, $1 from unnest($2::bigint[], $3::bigint[]) t (rid, target)',
    },
    [subject.key, all.map((i) => 10_001 + i), all.map(() => resourceKey('Patient', `patient${next(PATIENTS)}`))],
  );
});

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

/** Where a limit ends it after so many rows, reading them in order is as good as an index. */
const SCANNED_MAX = 1500;

const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

/** Runs the search; of each of its statements, how many rows its scans of the large tables yielded. */
async function scanned(search: string): Promise<{ found: number; rows: number; sequential: string[] }> {
  let rows = 0;
  const sequential: string[] = [];
  const explain = async (statement: Statement, values: unknown[] | undefined) => {
    const text = `explain (analyze, format json) ${statement.text}`;
    const [row] = await db.query<{ 'QUERY PLAN': string | { Plan: Plan }[] }>({ text }, values);
    const json = row!['QUERY PLAN'];
    const [{ Plan: plan }] = (typeof json === 'string' ? JSON.parse(json) : json) as [{ Plan: Plan }];
    for (const node of nodes(plan)) {
      if (!['r_observation', 'r_questionnaireresponse', 'index_reference'].includes(node['Relation Name'] ?? ''))
        continue;
      rows += node['Actual Rows'] * node['Actual Loops'];
      const read = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
      if (node['Node Type'] === 'Seq Scan' && read > SCANNED_MAX)
        sequential.push(`${node['Relation Name']} of ${search}`);
    }
  };
  const watched: Queryable = {
    query: async <R>(statement: Statement, values?: unknown[]) => {
      await explain(statement, values);
      return db.query<R>(statement, values);
    },
    queryCount: (statement, values) => db.queryCount(statement, values),
  };
  const [type = '', text = ''] = search.split('?');
  const query = parseQuery(core, type, searchPairs(text), true);
  const { resources } = await findPage(pageContext(core, { scope: everything, db: watched }), query);
  return { found: resources.length, rows, sequential };
}

/** Searches, how many they find, and how many rows of the large tables they may look at. */
const searches: [search: string, found: number, rowsMax: number][] = [
  // Three references from 30,000, and their resources.
  ['Observation?patient.identifier=m5', 20, 200],
  // Each second Observation is one: the newest few tell.
  ['Observation?patient.gender=male', 20, 500],
  ['Observation?patient.gender=male&code=often', 20, 2500],
  // 30 Observations, their references, and the Patients they name.
  ['Patient?_has:Observation:patient:code=rare', 20, 1000],
  // Each Patient has some: the newest few tell, after 500 Observations have told that the code is frequent.
  ['Patient?_has:Observation:patient:code=often', 20, 3000],
  ['Patient?_has:Observation:patient:code=none', 0, 600],
  ['Observation?patient._has:Observation:patient:code=rare', 20, 4000],
  // By canonical URL: the newest 750 tell; 1,000 of one, and none of another title.
  ['QuestionnaireResponse?questionnaire.title=t5', 20, 2500],
  ['QuestionnaireResponse?questionnaire.title=none', 0, 600],
  // The references of 300; 1,001 of many, then one of each Questionnaire, found by its URL, and one by its version.
  ['Questionnaire?_has:QuestionnaireResponse:questionnaire:status=amended', 3, 1500],
  ['Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed', 20, 1500],
];

async function check(): Promise<void> {
  for (const [search, found, rowsMax] of searches) {
    const told = await scanned(search);
    assert.equal(told.found, found, search);
    assert.deepEqual(told.sequential, [], search);
    assert.ok(told.rows <= rowsMax, `${search}: ${told.rows} rows`);
  }
}

test('without statistics', check);

test('with statistics', async () => {
  for (const table of ['r_patient', 'r_observation', 'r_questionnaireresponse', 'index_reference'])
    await db.query({ text: `analyze ${table}` });
  await check();
});
