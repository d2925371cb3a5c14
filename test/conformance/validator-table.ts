// The table of docs/validation.md: how the verdicts on the validator cases agree with the HL7 validator's, by module.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type ConformanceResult, corpusFolder } from '#platform/testing';

const page = path.join(import.meta.dirname, '../../docs/validation.md');
const begin = '<!-- validator cases: written by npm run conformance -- --update -->';
const end = '<!-- end of validator cases -->';

interface Row {
  agree: number;
  falseAlarm: number;
  missed: number;
  over: number;
}

function modules(): Map<string, string> {
  const text = readFileSync(path.join(corpusFolder('validator'), 'cases.json'), 'utf8');
  const cases = JSON.parse(text) as { name: string; module?: string }[];
  return new Map(cases.map(({ name, module = 'other' }) => [name, module]));
}

function count(row: Row, { outcome, why = '' }: ConformanceResult): void {
  if (outcome === 'passed') row.agree++;
  else if (outcome === 'passed over') row.over++;
  else if (/\bmissed\b/.test(why)) row.missed++;
  else row.falseAlarm++;
}

const emptyRow = (): Row => ({ agree: 0, falseAlarm: 0, missed: 0, over: 0 });

const line = (name: string, { agree, falseAlarm, missed, over }: Row): string =>
  `| ${name} | ${agree + falseAlarm + missed} | ${agree} | ${falseAlarm || ''} | ${missed || ''} | ${over || ''} |`;

function tableOf(results: readonly ConformanceResult[]): string[] {
  const moduleOf = modules();
  const rows = new Map<string, Row>();
  const all = emptyRow();
  for (const result of results) {
    const module = moduleOf.get(result.name) ?? 'other';
    const row = rows.get(module) ?? emptyRow();
    rows.set(module, row);
    count(row, result);
    count(all, result);
  }
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  const over = Map.groupBy(
    results.filter(({ outcome }) => outcome === 'passed over'),
    ({ why = '' }) => why,
  );
  return [
    '| module | cases | agree | false alarm | missed | passed over |',
    '|---|---|---|---|---|---|',
    ...sorted.map(([name, row]) => line(name, row)),
    line('**all**', all),
    '',
    'Passed over:',
    '',
    ...[...over].map(([why, cases]) => `- ${why}: ${cases.map(({ name }) => name).join(', ')}`),
  ];
}

/** Puts the table in its place in docs/validation.md. */
export function writeValidatorTable(results: readonly ConformanceResult[]): void {
  const text = readFileSync(page, 'utf8');
  const [before, after] = [text.split(begin)[0]!, text.split(end)[1]];
  if (after === undefined) throw new Error(`docs/validation.md has no place for the table: ${begin} … ${end}`);
  writeFileSync(page, `${before}${begin}\n\n${tableOf(results).join('\n')}\n\n${end}${after}`);
}
