// What suites of other people's cases have in common: test/conformance/run.ts runs them all, a room brings its own in
// testing/*.conformance.ts.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface ConformanceResult {
  name: string;
  /** `passed over`: nothing that this could pass or fail, for the reason in `why`. */
  outcome: 'passed' | 'failed' | 'passed over';
  why?: string;
}

export interface ConformanceTools {
  /** What is wrong with a FHIR resource by R4 itself: a line for each fault. */
  faultsOf(resource: object): Promise<string[]>;
}

export interface ConformanceSuite {
  /** For the command line and the floor file: `fhirpath`, `tx/simple`. */
  name: string;
  /** What it is, in a table. */
  title: string;
  /** What is there to say where it can't run: the corpus is absent. */
  absent(): string | undefined;
  run(tools: ConformanceTools): AsyncIterable<ConformanceResult>;
}

/** `why` it has failed; undefined when it has passed. */
export function result(name: string, why: string | undefined): ConformanceResult {
  return why === undefined ? { name, outcome: 'passed' } : { name, outcome: 'failed', why };
}

/** Runs one case: what it throws is why it failed. */
export async function attempt(name: string, run: () => unknown): Promise<ConformanceResult> {
  try {
    await run();
    return { name, outcome: 'passed' };
  } catch (error) {
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return { name, outcome: 'failed', why: line.slice(0, 300) };
  }
}

/** A folder of CORPUS_DIR, by default ../shared/corpus beside the project. */
export const corpusFolder = (name: string): string =>
  path.join(process.env.CORPUS_DIR ?? path.join(import.meta.dirname, '../../../shared/corpus'), name);

export interface CorpusFile {
  /** From the folder on. */
  name: string;
  raw: Buffer;
}

/** The files of a folder of the corpus and below, by name; none where it is absent. */
export function corpusFiles(folder: string, pattern: RegExp): CorpusFile[] {
  const root = corpusFolder(folder);
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .toSorted()
    .map((file) => ({ name: path.relative(root, file), raw: readFileSync(file) }));
}

/** For `absent`. */
export const corpusAbsent = (name: string): string | undefined =>
  existsSync(corpusFolder(name)) ? undefined : `no corpus at ${corpusFolder(name)}`;
