// The terminology cases of https://github.com/HL7/fhir-tx-ecosystem-ig against a running server.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { JsonObject, Resource } from '#fhir-model';
import type { Client } from '../client.ts';
import { differs } from './tx-compare.ts';
import { toR4, toR5 } from './tx-r5.ts';

export interface TxResult {
  suite: string;
  name: string;
  passed: boolean;
  /** Where the answer differs, when it does not pass. */
  why?: string;
}

interface TxCase {
  name: string;
  operation: string;
  request: string;
  response: string;
  'response:flat'?: string;
  'http-code'?: string;
  'Accept-Language'?: string;
}

interface TxSuite {
  name: string;
  setup: string[];
  tests: TxCase[];
}

const PATHS: Record<string, string> = {
  expand: 'ValueSet/$expand',
  'validate-code': 'ValueSet/$validate-code',
  'cs-validate-code': 'CodeSystem/$validate-code',
  lookup: 'CodeSystem/$lookup',
};

/** The folder of the cases, or undefined where the corpus isn't there. */
export function txFolder(): string | undefined {
  const root = path.join(import.meta.dirname, '../..');
  const folder = path.join(process.env.CORPUS_DIR ?? path.join(root, '../shared/corpus'), 'tx');
  return existsSync(folder) ? folder : undefined;
}

/** Some of the files begin with a byte order mark. */
const read = (folder: string, file: string): JsonObject =>
  JSON.parse(readFileSync(path.join(folder, file), 'utf8').replace(/^\uFEFF/, '')) as JsonObject;

function statusFits(expected: string | undefined, status: number): boolean {
  if (expected === undefined || expected === '2xx') return status >= 200 && status < 300;
  if (expected === '4xx') return status >= 400 && status < 500;
  return String(status) === expected;
}

/**
 * The narrative is each server's own. Where a case has an issue's `location` (deprecated in R4) it is the same as its
 * `expression`, which is compared.
 */
function comparable(resource: JsonObject): JsonObject {
  const { text, ...rest } = resource;
  const parameters = (rest.parameter ?? []) as JsonObject[];
  const outcomes = [rest, ...parameters.map(({ resource: held }) => held as JsonObject | undefined)];
  for (const outcome of outcomes) {
    for (const issue of (outcome?.issue ?? []) as JsonObject[]) delete issue.location;
  }
  return rest;
}

async function runCase(client: Client, folder: string, suite: TxSuite, test: TxCase): Promise<string | undefined> {
  const profile = read(folder, 'parameters-default.json').parameter as JsonObject[];
  const request = toR4(read(folder, test.request)) as Resource;
  const setup = suite.setup.map((file) => toR4(read(folder, file)) as JsonObject);
  const parameter = [
    ...((request.parameter ?? []) as JsonObject[]),
    ...setup.map((resource) => ({ name: 'tx-resource', resource })),
    // The identifier of a cached set of resources: nothing is kept here between requests.
    ...profile.filter(({ name }) => name !== 'uuid'),
  ];
  const language = test['Accept-Language'];
  const headers = language === undefined ? {} : { 'Accept-Language': language };
  const reply = await client('POST', PATHS[test.operation]!, { ...request, parameter }, headers);
  const actual = comparable(toR5(reply.json));
  if (!statusFits(test['http-code'], reply.status)) return `status ${reply.status}: ${reply.text.slice(0, 300)}`;
  const expected = comparable(read(folder, test.response));
  const difference = differs(expected, actual, String(expected.resourceType));
  const { 'response:flat': flat } = test;
  if (difference === undefined || flat === undefined) return difference;
  const other = differs(comparable(read(folder, flat)), actual, String(expected.resourceType));
  return other === undefined ? undefined : difference;
}

/** All cases, suite by suite; `only` is a suite's name. */
export async function* runTx(client: Client, folder: string, only?: string): AsyncGenerator<TxResult> {
  const { suites } = read(folder, 'test-cases.json') as unknown as { suites: TxSuite[] };
  for (const suite of suites) {
    if (only !== undefined && suite.name !== only) continue;
    for (const test of suite.tests) {
      const why = await runCase(client, folder, suite, test);
      yield { suite: suite.name, name: test.name, passed: why === undefined, ...(why !== undefined && { why }) };
    }
  }
}
