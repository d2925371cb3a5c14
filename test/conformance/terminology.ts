// The terminology suites, by tx.ts, as rows of the conformance table.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type ConformanceResult, type ConformanceSuite, corpusAbsent, corpusFolder, result } from '#platform/testing';
import { sharedServer } from './server.ts';
import { runTx } from './tx.ts';

const file = path.join(corpusFolder('tx'), 'test-cases.json');

const names = (): string[] =>
  existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as { suites: { name: string }[] }).suites.map(({ name }) => name)
    : [];

async function* run(suite: string): AsyncGenerator<ConformanceResult> {
  for await (const { name, passed, why } of runTx(await sharedServer(), corpusFolder('tx'), suite)) {
    yield result(name, passed ? undefined : (why ?? 'differs').slice(0, 300));
  }
}

export const suites: ConformanceSuite[] = names().map((name) => ({
  name: `tx/${name}`,
  title: `Terminology: ${name}`,
  absent: () => corpusAbsent('tx'),
  run: () => run(name),
}));
