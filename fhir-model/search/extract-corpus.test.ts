// The compiled extractors against fhirpath.js on real resources.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadDefinitions } from '../definitions.ts';
import type { Resource } from '../types.ts';
import { emitOf } from './emit.ts';
import { compileExtractor } from './extract.ts';
import { fhirpathValues } from './fallback.ts';
import { createSearchParameters } from './registry.ts';
import type { IndexValue, SearchParam } from './types.ts';

const corpus = process.env.CORPUS_DIR ?? fileURLToPath(new URL('../../../shared/corpus', import.meta.url));
const folder = join(corpus, 'synthea');
const PER_TYPE = 4;

/** A few resources of each type, from the first bundles, with references as a server stores them. */
function sample(): Resource[] {
  const byType = new Map<string, Resource[]>();
  for (const file of readdirSync(folder).sort().slice(0, 8)) {
    const text = readFileSync(join(folder, file), 'utf8');
    const bundle = JSON.parse(text) as { entry: { fullUrl: string; resource: Resource }[] };
    const types = new Map(bundle.entry.map((entry) => [entry.fullUrl, entry.resource.resourceType]));
    const local = text.replace(/"urn:uuid:([0-9a-f-]+)"/g, (whole, id) => {
      const type = types.get(`urn:uuid:${id}`);
      return type === undefined ? whole : `"${type}/${id}"`;
    });
    for (const { resource } of (JSON.parse(local) as typeof bundle).entry) {
      const list = byType.get(resource.resourceType) ?? [];
      if (list.length < PER_TYPE) byType.set(resource.resourceType, [...list, resource]);
    }
  }
  return [...byType.values()].flat();
}

/** fhirpath.js has nothing to resolve with: the test says the same by the reference's text. */
const resolvable = (expression: string): string =>
  expression.replace(/where\(resolve\(\) is (\w+)\)/g, "where(reference.startsWith('$1/'))");

function byFhirpath(param: SearchParam, resource: Resource): IndexValue[] {
  const out: IndexValue[] = [];
  const emit = emitOf(param, undefined);
  for (const value of fhirpathValues(resolvable(param.expression), resource)) emit?.(value, out);
  return out;
}

const canonical = (values: IndexValue[]): string[] =>
  values.map(({ param, ...rest }) => `${param.code} ${JSON.stringify(rest)}`).sort();

test('same values as fhirpath.js on every Synthea type', {
  skip: !existsSync(folder) && `no corpus at ${folder}`,
}, async () => {
  const definitions = await loadDefinitions();
  const parameters = createSearchParameters(definitions.searchParameters, definitions.resourceTypes);
  const resources = sample();
  assert.ok(resources.length > 40, 'resources of each type were found');
  let compared = 0;
  for (const resource of resources) {
    // fhirpath.js has no XHTML.
    const isCompared = (param: SearchParam) => emitOf(param, undefined) !== undefined && param.special !== 'text';
    const params = parameters.list(resource.resourceType).filter(isCompared);
    const expected = params.flatMap((param) => byFhirpath(param, resource));
    assert.deepEqual(
      canonical(compileExtractor(params)(resource)),
      canonical(expected),
      `${resource.resourceType}/${resource.id}`,
    );
    compared += expected.length;
  }
  assert.ok(compared > 400, `${compared} values were compared`);
});
