// All Synthea bundles load, and searches over them return what a plain filter over their JSON returns.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Bundle, Resource } from '@medplum/fhirtypes';
import { startTestServer, type TestServer } from './server.ts';
import { bundleFiles, type Loaded, readBundle, syntheaFolder, takeUp } from './synthea/corpus.ts';
import { type Search, searches } from './synthea/searches.ts';

const folder = syntheaFolder();
const skip = folder === undefined ? 'the corpus is not there (CORPUS_DIR)' : false;

/** Walks all pages; every page but the last holds `_count` matches, and all give the same total. */
async function everyPage(url: string): Promise<{ matches: string[]; included: string[]; totals: Set<number> }> {
  const matches: string[] = [];
  const included: string[] = [];
  const totals = new Set<number>();
  for (let next: string | undefined = url; next !== undefined; ) {
    const response: Response = await fetch(next);
    const page = (await response.json()) as Bundle;
    assert.equal(response.status, 200, JSON.stringify(page));
    if (page.total !== undefined) totals.add(page.total);
    for (const { resource, search } of page.entry ?? []) {
      const name = `${resource?.resourceType}/${resource?.id}`;
      (search?.mode === 'include' ? included : matches).push(name);
    }
    next = page.link?.find((link) => link.relation === 'next')?.url;
  }
  return { matches, included, totals };
}

function encodeQuery(query: string): string {
  const [type, parameters = ''] = query.split('?');
  const pairs = parameters.split('&').map((pair) => pair.split('=').map(encodeURIComponent).join('='));
  return `${type}?${pairs.join('&')}`;
}

function assertSorted(names: string[], loaded: Loaded, sort: NonNullable<Search['sort']>): void {
  const keys = names.map((name) => sort.by(loaded.get(name) as Resource));
  const ordered = keys.toSorted((a, b) => ((a ?? '') < (b ?? '') ? -1 : (a ?? '') > (b ?? '') ? 1 : 0));
  assert.deepEqual(keys, sort.descending ? ordered.toReversed() : ordered);
}

describe('Synthea', { skip }, () => {
  const loaded: Loaded = new Map();
  let server: TestServer;
  /** Whom `{patient}` stands for: the first that was loaded. */
  let patientName = '';

  before(async () => {
    server = await startTestServer();
    for (const file of bundleFiles(folder as string)) {
      const bundle = readBundle(file);
      const response = await fetch(server.fhirBaseUrl, {
        method: 'POST',
        headers: { 'Content-Type': 'application/fhir+json' },
        body: JSON.stringify(bundle),
      });
      const result = (await response.json()) as Bundle;
      assert.equal(response.status, 200, `${file}: ${JSON.stringify(result).slice(0, 1000)}`);
      takeUp(loaded, bundle, result);
    }
    patientName = [...loaded.keys()].find((name) => name.startsWith('Patient/')) as string;
  });
  after(() => server?.stop());

  test('every bundle is loaded', () => {
    assert.equal(bundleFiles(folder as string).length, 78);
    assert.equal(loaded.size, 22_298);
  });

  for (const search of searches) {
    test(search.query, async () => {
      const query = search.query.replace('{patient}', patientName.slice('Patient/'.length));
      const expected = [...loaded].filter(([, resource]) => search.matches(resource, loaded, patientName));
      const names = new Set(expected.map(([name]) => name));
      assert.notEqual(names.size, 0, 'a search that finds nothing proves nothing');
      const found = await everyPage(`${server.fhirBaseUrl}/${encodeQuery(query)}&_count=50&_total=accurate`);
      assert.equal(new Set(found.matches).size, found.matches.length, 'a match came twice');
      assert.deepEqual(found.matches.toSorted(), [...names].sort());
      assert.deepEqual([...found.totals], [names.size]);
      assert.deepEqual(new Set(found.included), search.includes?.(names, loaded) ?? new Set());
      if (search.sort) assertSorted(found.matches, loaded, search.sort);
    });
  }

  test('paging by _count=1000 through all Observations yields each once', async () => {
    const all = [...loaded.keys()].filter((name) => name.startsWith('Observation/'));
    const found = await everyPage(`${server.fhirBaseUrl}/Observation?_count=1000&_total=accurate`);
    assert.deepEqual(found.matches.toSorted(), all.sort());
    assert.deepEqual([...found.totals], [all.length]);
  });

  test('reading gives back what was loaded, references resolved', async () => {
    const [name, resource] = [...loaded].find(([, each]) => each.resourceType === 'DiagnosticReport') as [
      string,
      Resource,
    ];
    const read = (await (await fetch(`${server.fhirBaseUrl}/${name}`)).json()) as Record<string, unknown>;
    assert.deepEqual(read, { ...resource, id: name.split('/')[1], meta: read.meta });
  });
});
