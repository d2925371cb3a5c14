// Tables of a site: what SCORES_FILE adds and replaces, and what is refused.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { isCerebraError } from '#platform';
import { readScores } from './scores.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'cerebra-scores-'));
after(() => rmSync(folder, { recursive: true }));

function fileOf(content: unknown): string {
  const file = path.join(folder, 'scores.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

const pulse = {
  ...{ name: 'pulse', title: 'Pulse', windowMinutes: 60 },
  coding: { system: 'urn:example', code: 'pulse' },
  cases: [{ vital: 'heart-rate', bands: [{ points: 0 }, { from: 100, points: 1 }] }],
};

const ward = {
  ...{ name: 'ward', title: 'Ward score', source: 'the ward', outcome: 'a call', unknownAge: true },
  codings: [{ system: 'urn:example', code: 'ward' }],
  parameters: [pulse],
  levels: [{ from: 0, code: 'low', title: 'Low', risk: 'low' }],
};

test('a score of the site, and vitals with other codes', () => {
  const heartRate = {
    ...{ name: 'heart-rate', title: 'Heart rate', unit: '/min' },
    codings: [{ system: 'urn:example', code: 'hr' }],
  };
  const path = fileOf({ vitals: [heartRate], scores: [ward] });
  const { vitals, tables } = readScores({ names: ['ward'], path });
  assert.deepEqual(
    tables.map(({ name }) => name),
    ['ward'],
  );
  assert.deepEqual(
    vitals.map(({ name, codings }) => [name, codings[0]!.code]),
    [['heart-rate', 'hr']],
  );
  const replaced = readScores({ names: ['news2'], path: fileOf({ scores: [{ ...ward, name: 'news2' }] }) });
  assert.deepEqual(
    replaced.tables.map(({ title }) => title),
    ['Ward score'],
  );
});

test('what is refused tells where and why', () => {
  const cases: [unknown, RegExp][] = [
    ['{', /can't be read as JSON/],
    [{ scores: [{ ...ward, parameters: [] }] }, /scores\.0\.parameters/],
    [{ scores: [{ ...ward, extra: 1 }] }, /scores\.0/],
    [
      { scores: [{ ...ward, parameters: [{ ...pulse, cases: [{ vital: 'wind', bands: [{ points: 0 }] }] }] }] },
      /no vital 'wind'/,
    ],
    [{ scores: [{ ...ward, parameters: [pulse, pulse] }] }, /'pulse' is there twice/],
    [
      { scores: [{ ...ward, parameters: [{ ...pulse, cases: [{ vital: 'heart-rate', points: { alert: 0 } }] }] }] },
      /bands are for vitals with a unit/,
    ],
    [
      {
        scores: [
          { ...ward, parameters: [{ ...pulse, cases: [{ vital: 'heart-rate', bands: [{ from: 3, points: 0 }] }] }] },
        ],
      },
      /bands begin with one without "from"/,
    ],
    [
      {
        scores: [
          {
            ...ward,
            parameters: [{ ...pulse, cases: [{ ...pulse.cases[0], when: [{ parameter: 'pulse', points: 1 }] }] }],
          },
        ],
      },
      /depends on a later one/,
    ],
    [{ scores: [{ ...ward, levels: [{ ...ward.levels[0], from: 2 }] }] }, /levels begin with from 0/],
  ];
  for (const [content, message] of cases) {
    assert.throws(
      () => readScores({ names: ['ward'], path: fileOf(content) }),
      (error) => {
        assert.ok(isCerebraError(error, 'config'));
        assert.match(error.message, /^SCORES_FILE: /);
        return message.test(error.message);
      },
      String(message),
    );
  }
  assert.throws(
    () => readScores({ names: ['sofa'] }),
    /SCORES: there is no score 'sofa'; there are news2, mews, qsofa, pews/,
  );
  assert.throws(() => readScores({ names: ['news2'], path: path.join(folder, 'none.json') }), /can't be read as JSON/);
});
