// What a conformance run found: a table on the terminal, the page docs/conformance.md, and the floor that only rises.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ConformanceResult, ConformanceSuite } from '#platform/testing';

export interface SuiteReport {
  suite: ConformanceSuite;
  /** Why it did not run. */
  absent?: string;
  results: ConformanceResult[];
  seconds: number;
}

/** Suite → cases that passed. */
export type Floor = Record<string, number>;

const floorFile = path.join(import.meta.dirname, 'floor.json');
const pageFile = path.join(import.meta.dirname, '../../docs/conformance.md');

export const readFloor = (): Floor => JSON.parse(readFileSync(floorFile, 'utf8')) as Floor;

const count = ({ results }: SuiteReport, outcome: ConformanceResult['outcome']): number =>
  results.filter((each) => each.outcome === outcome).length;

/** Never lower than it was; of suites that did not run it stays. */
export function raised(floor: Floor, reports: readonly SuiteReport[]): Floor {
  const all: Floor = { ...floor };
  for (const report of reports) {
    const { suite, absent } = report;
    if (absent === undefined) all[suite.name] = Math.max(floor[suite.name] ?? 0, count(report, 'passed'));
  }
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export const writeFloor = (floor: Floor): void => writeFileSync(floorFile, `${JSON.stringify(floor, null, 2)}\n`);

/** A line for each suite that has fewer passed cases than before. */
export function below(floor: Floor, reports: readonly SuiteReport[]): string[] {
  return reports.flatMap((report) => {
    const { suite, absent } = report;
    const [least, passed] = [floor[suite.name] ?? 0, count(report, 'passed')];
    return absent === undefined && passed < least ? [`${suite.name}: ${passed} passed, ${least} did before`] : [];
  });
}

const percent = (part: number, whole: number): string => (whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`);

interface Row {
  name: string;
  title: string;
  passed: number;
  failed: number;
  over: number;
}

const rowOf = (report: SuiteReport): Row => ({
  name: report.suite.name,
  title: report.suite.title,
  passed: count(report, 'passed'),
  failed: count(report, 'failed'),
  over: count(report, 'passed over'),
});

/** One line for the terminal. */
export function lineOf(report: SuiteReport): string {
  const name = report.suite.name.padEnd(24);
  if (report.absent !== undefined) return `${name}  not run: ${report.absent}`;
  const { passed, failed, over } = rowOf(report);
  const total = passed + failed;
  const more = over > 0 ? `, ${over} passed over` : '';
  return `${name}  ${passed}/${total}  ${percent(passed, total)}${more}  ${report.seconds.toFixed(1)} s`;
}

/** The failures, a line each. */
export const failureLines = ({ results }: SuiteReport): string[] =>
  results.flatMap(({ name, outcome, why = '' }) => (outcome === 'failed' ? [`    ${name}: ${why}`] : []));

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;');

function section(report: SuiteReport): string[] {
  const failed = report.results.filter(({ outcome }) => outcome === 'failed');
  const over = Map.groupBy(
    report.results.filter(({ outcome }) => outcome === 'passed over'),
    ({ why = '' }) => why,
  );
  if (failed.length === 0 && over.size === 0) return [];
  const passedOver = [...over].map(([why, cases]) => `Passed over, ${cases.length}: ${cell(why)}.`);
  const table = [
    '| case | why |',
    '|---|---|',
    ...failed.map(({ name, why = '' }) => `| ${cell(name)} | ${cell(why)} |`),
  ];
  return [
    `## ${report.suite.name}`,
    '',
    ...passedOver.flatMap((line) => [line, '']),
    ...(failed.length > 0 ? [...table, ''] : []),
  ];
}

/** docs/conformance.md, of suites that all ran. */
function tableRow(report: SuiteReport): string {
  const { name, title, passed, failed, over } = rowOf(report);
  const total = passed + failed;
  return `| ${title} | \`${name}\` | ${passed}/${total} | ${percent(passed, total)} | ${over === 0 ? '' : over} |`;
}

/** What the page has said of the suite. */
function formerOf(page: string, name: string): { row: string[]; section: string[] } {
  const lines = page.split('\n');
  const row = lines.filter((line) => line.includes(` | \`${name}\` | `));
  const start = lines.indexOf(`## ${name}`);
  const end = lines.findIndex((line, at) => at > start && line.startsWith('## '));
  return { row, section: start === -1 ? [] : lines.slice(start, end === -1 ? undefined : end) };
}

export const writePage = (reports: readonly SuiteReport[]): void =>
  writeFileSync(pageFile, pageOf(reports, readFileSync(pageFile, 'utf8')));

/** Of a suite that did not run now the page goes on saying what it said. */
export function pageOf(reports: readonly SuiteReport[], former: string): string {
  const told = reports.map((report) =>
    report.absent === undefined
      ? { row: [tableRow(report)], section: section(report) }
      : formerOf(former, report.suite.name),
  );
  const lines = [
    '# Conformance',
    '',
    'Cases of public suites, run against this project by `npm run conformance`; this page is written by',
    '`npm run conformance -- --update`. test/conformance/floor.json holds how many cases of each suite passed before: fewer fail',
    'the run. The cases are not part of the project (`CORPUS_DIR`); a suite whose cases are absent is not run, and keeps what stands here. A case is passed',
    'over when there is nothing to pass or fail, for the reason that stands below.',
    '',
    '| suite | name | passed | | passed over |',
    '|---|---|---|---|---|',
    ...told.flatMap(({ row }) => row),
    '',
    ...told.flatMap(({ section: one }) => one),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}
