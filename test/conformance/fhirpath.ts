// The FHIRPath suite for R4 (https://github.com/FHIR/fhir-test-cases) against fhirpath.js with the options that it is used
// with here.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import fhirpath from 'fhirpath';
import model from 'fhirpath/fhir-context/r4';
import { SaxesParser, type SaxesTagPlain } from 'saxes';
import { type ConformanceResult, type ConformanceSuite, corpusAbsent, corpusFolder, result } from '#platform/testing';

interface Case {
  name: string;
  input: string | undefined;
  expression: string;
  invalid: boolean;
  predicate: boolean;
  ordered: boolean;
  outputs: string[];
}

function attributeOf(tag: SaxesTagPlain, name: string): string | undefined {
  return tag.attributes[name];
}

/** The cases in order; an output is its text. */
function readCases(xml: string): Case[] {
  const cases: Case[] = [];
  let current: Case | undefined;
  let text = '';
  const parser = new SaxesParser();
  parser.on('opentag', (tag) => {
    text = '';
    if (tag.name === 'test') {
      current = {
        name: attributeOf(tag, 'name') ?? `case ${cases.length + 1}`,
        input: attributeOf(tag, 'inputfile'),
        ...{ expression: '', invalid: false, outputs: [] },
        predicate: attributeOf(tag, 'predicate') === 'true',
        ordered: attributeOf(tag, 'ordered') !== 'false',
      };
      cases.push(current);
    } else if (tag.name === 'expression' && current) current.invalid = attributeOf(tag, 'invalid') !== undefined;
  });
  parser.on('text', (part) => {
    text += part;
  });
  parser.on('cdata', (part) => {
    text += part;
  });
  parser.on('closetag', ({ name }) => {
    if (name === 'expression' && current) current.expression = text;
    if (name === 'output' && current) current.outputs.push(text);
  });
  parser.write(xml).close();
  return cases;
}

interface Shown {
  asStr?: string;
  value?: unknown;
  unit?: string;
}

/** As the suite writes values: dates with `@`, quantities with their unit in quotes. */
function shown(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const { asStr, value: amount, unit } = value as Shown;
  if (asStr !== undefined) return asStr;
  return amount === undefined ? JSON.stringify(value) : `${amount} ${unit ?? ''}`.trim();
}

const plain = (text: string): string => text.replace(/^@T?/, '');

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** Equal as FHIRPath has it: instants in different time zones may be the same. */
function isSame(expected: string, value: unknown): boolean {
  const [found, wanted] = [shown(value), plain(expected)];
  if (found === expected || found === wanted) return true;
  if (instant.test(found) && instant.test(wanted)) return Date.parse(found) === Date.parse(wanted);
  return typeof value === 'number' && Number(expected) === value;
}

const truth = (found: unknown[]): boolean =>
  found.length === 1 && typeof found[0] === 'boolean' ? found[0] : found.length > 0;

function difference({ outputs, predicate, ordered }: Case, found: unknown[]): string | undefined {
  const actual = predicate ? [truth(found)] : found;
  const left = [...actual];
  const same = outputs.every((output, i) => {
    const at = ordered ? (isSame(output, left[i]) ? i : -1) : left.findIndex((value) => isSame(output, value));
    if (!ordered && at !== -1) left.splice(at, 1);
    return at !== -1;
  });
  if (same && actual.length === outputs.length) return undefined;
  return `expected ${outputs.join(', ') || 'nothing'}, found ${actual.map(shown).join(', ') || 'nothing'}`.slice(
    0,
    300,
  );
}

type Evaluate = (
  path: string,
  model: unknown,
  options: object,
) => (resource: unknown, environment: object) => unknown[];

function run(one: Case, folder: string): string | undefined {
  const file = (one.input ?? 'patient-example.xml').replace(/\.xml$/, '.json');
  const resource = JSON.parse(readFileSync(path.join(folder, 'inputs', file), 'utf8')) as unknown;
  try {
    const evaluate = (fhirpath.compile as unknown as Evaluate)(one.expression, model, {
      resolveInternalTypes: true,
      traceFn: () => undefined,
    });
    const found = evaluate(resource, { resource, rootResource: resource });
    return one.invalid ? 'an error was expected' : difference(one, found);
  } catch (error) {
    return one.invalid
      ? undefined
      : String((error as Error).message ?? error)
          .split('\n')[0]!
          .slice(0, 300);
  }
}

async function* runAll(): AsyncGenerator<ConformanceResult> {
  const folder = corpusFolder('fhirpath');
  for (const one of readCases(readFileSync(path.join(folder, 'tests-fhir-r4.xml'), 'utf8'))) {
    yield result(one.name, run(one, folder));
  }
}

export const suites: ConformanceSuite[] = [
  {
    name: 'fhirpath',
    title: 'FHIRPath, the R4 suite (fhirpath.js as it is used here)',
    absent: () => corpusAbsent('fhirpath'),
    run: runAll,
  },
];
