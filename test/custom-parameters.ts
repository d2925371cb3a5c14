// What the tests of custom search parameters share: SearchParameters, $reindex, and what of it can be seen.
import assert from 'node:assert/strict';
import type { JsonObject, Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { type Client, type EntryShape, entries, type Reply } from './client.ts';

export const URL = 'http://example.org/fhir/SearchParameter';
export const EXTENSION = 'http://example.org/fhir/StructureDefinition';

export const parameter = (
  code: string,
  base: string,
  type: string,
  expression: string,
  more: object = {},
): Resource => ({
  resourceType: 'SearchParameter',
  ...{ url: `${URL}/${base}-${code}`, name: `Name${code.replaceAll('-', '')}`, status: 'active' },
  ...{ description: `The ${code}`, code, base: [base], type, expression },
  ...more,
});

/** The extension of that name with one value: `extended('Patient', 'a', { mark: { valueCode: 'x' } })`. */
export const extended = (
  resourceType: string,
  id: string,
  values: Record<string, object>,
  more: object = {},
): Resource => ({
  ...{ resourceType, id },
  extension: Object.entries(values).map(([name, value]) => ({ url: `${EXTENSION}/${name}`, ...value })),
  ...more,
});

export const valueIn = (name: string, rest = ''): string => `extension('${EXTENSION}/${name}').value${rest}`;

/** The steps of a test, through one server. */
export function stepsOf(fhir: () => Client) {
  const step = {
    async create(resource: Resource): Promise<string> {
      const reply = await fhir()('POST', resource.resourceType, resource);
      assert.equal(reply.status, 201, reply.text);
      return reply.json.id!;
    },
    async put(...resources: Resource[]): Promise<void> {
      for (const resource of resources) {
        const reply = await fhir()('PUT', `${resource.resourceType}/${resource.id}`, resource);
        assert.ok(reply.status === 200 || reply.status === 201, reply.text);
      }
    },
    /** The states of a SearchParameter, by type; of one that is not in force `unused`. */
    async states(id: string): Promise<Record<string, unknown>> {
      const reply = await fhir()('GET', `SearchParameter/${id}/$index-status`);
      assert.equal(reply.status, 200, reply.text);
      return Object.fromEntries(indexesIn(reply).map(({ type = '', state }) => [type, state])) as Record<
        string,
        unknown
      >;
    },
    async reindex(type: string): Promise<string> {
      const started = await fhir()('POST', `${type}/$reindex`);
      assert.equal(started.status, 202, started.text);
      const location = started.headers.get('Content-Location')!;
      await waitFor(async () => (await fhir()('GET', location)).status === 200, 'the rebuild to end');
      return new globalThis.URL(location).searchParams.get('job')!;
    },
    search: (query: string, prefer?: string): Promise<Reply> =>
      fhir()('GET', query, undefined, prefer === undefined ? {} : { Prefer: prefer }),
    strictly: (query: string): Promise<Reply> => step.search(query, 'handling=strict'),
    /** What a strict search finds: ids, in order. */
    async found(query: string): Promise<string[]> {
      const reply = await step.strictly(query);
      assert.equal(reply.status, 200, reply.text);
      assert.deepEqual(outcomesIn(reply), []);
      return matchesIn(reply).sort();
    },
  };
  return step;
}

/** What $index-status tells, part by part. */
export const indexesIn = ({ json }: Reply): Record<string, unknown>[] =>
  ((json.parameter ?? []) as unknown as { part: JsonObject[] }[]).map(({ part }) =>
    Object.fromEntries(part.map(({ name, ...value }) => [name, Object.values(value)[0]])),
  );

const modeOf = (mode: string) => (reply: Reply) => entries(reply).filter((entry) => entry.search?.mode === mode);

export const outcomesIn: (reply: Reply) => EntryShape[] = modeOf('outcome');
export const matchesIn = (reply: Reply): string[] => modeOf('match')(reply).map(({ resource }) => resource!.id!);
export const includedIn = (reply: Reply): string[] => modeOf('include')(reply).map(({ resource }) => resource!.id!);

/** The expressions of the warnings that a search is not answered in full. */
export const lackingIn = (reply: Reply): unknown[] =>
  outcomesIn(reply).flatMap(({ resource }) =>
    (resource!.issue as unknown as JsonObject[]).map(({ severity, code, expression }) => {
      assert.deepEqual([severity, code], ['warning', 'incomplete']);
      return (expression as string[])[0];
    }),
  );
