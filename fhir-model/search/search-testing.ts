// What the tests of this folder share.
import assert from 'node:assert/strict';
import { loadDefinitions } from '../definitions.ts';
import type { Resource } from '../types.ts';
import { compileExtractor } from './extract.ts';
import { matches } from './match.ts';
import { parseSearch, type SearchOptions } from './parse.ts';
import { createSearchParameters } from './registry.ts';
import type { SearchQuery } from './types.ts';

export const definitions = await loadDefinitions();
const { resourceTypes } = definitions;
export const parameters = createSearchParameters(definitions.searchParameters, resourceTypes, definitions);
export const options: SearchOptions = { parameters, resourceTypes, strict: true, countDefault: 20, countMax: 1000 };

export const pairsOf = (search: string): [string, string][] => [...new URLSearchParams(search)] as [string, string][];

/** What a parameter's type makes of its elements; values of other kinds tell theirs. */
const OWN_KINDS = new Set(['token', 'reference', 'date', 'number', 'quantity', 'string', 'uri']);

/** The values of one parameter, without the parameter. */
export function extract(resource: unknown, code: string, baseUrl?: string): Record<string, unknown>[] {
  const typed = resource as Resource;
  const values = compileExtractor(parameters.list(typed.resourceType), { baseUrl })(typed);
  return values
    .filter((value) => value.param.code === code)
    .map(({ param: _, kind, ...rest }) => (OWN_KINDS.has(kind) ? rest : { kind, ...rest }));
}

export const query = (type: string, pairs: [string, string][]): SearchQuery => parseSearch(type, pairs, options);

const extractors = new Map(resourceTypes.map((type) => [type, compileExtractor(parameters.list(type))]));

/** Whether the resource matches the search string of its type. */
export function found(search: string, resource: object): boolean {
  const typed = resource as Resource;
  const values = extractors.get(typed.resourceType)?.(typed) ?? [];
  return matches(query(typed.resourceType, pairsOf(search)), values, typed);
}

/** Asserts that the search is a 400 of that code which names the parameter, the first one unless `name` says another. */
export function rejects(
  type: string,
  search: string | [string, string][],
  code: string,
  message: RegExp,
  name?: string,
): void {
  const pairs = typeof search === 'string' ? pairsOf(search) : search;
  assert.throws(
    () => parseSearch(type, pairs, options),
    (error: { code: string; status: number; message: string; issues: { expression?: string[] }[] }) => {
      assert.equal(error.code, code);
      assert.equal(error.status, 400);
      assert.match(error.message, message);
      assert.deepEqual(error.issues[0]?.expression, [name ?? pairs[0]?.[0]]);
      assert.ok(error.message.length < 500, 'the message stays short');
      return true;
    },
  );
}
