// What supplements add, however large they are: https://hl7.org/fhir/R4/codesystem.html#supplements
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { JsonObject, OperationRequest, Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { expandOperation } from './expand.ts';
import { withSupplements } from './supplements.ts';
import { type CodeSystems, createCodeSystems } from './systems.ts';
import { testCanonicals } from './testing.ts';
import { createValueSets } from './value-sets.ts';

const BASE = 'http://base';
const MORE = 'http://more';
const scope = { kind: 'everything' } as const;
const definitions = [
  { ...{ resourceType: 'CodeSystem', url: BASE, content: 'complete' }, concept: [{ code: 'a', display: 'A' }] },
  {
    ...{ resourceType: 'CodeSystem', id: 'more', meta: { versionId: '1' }, url: MORE },
    ...{ content: 'supplement', supplements: BASE },
    concept: [
      {
        ...{ code: 'a', designation: [{ language: 'de', value: 'Ah' }] },
        property: [{ code: 'tone', valueCode: 'high' }],
      },
      { code: 'b' },
    ],
  },
] as unknown as Resource[];

let db: Db;
before(async () => {
  db = await testDatabase();
});

for (const [where, memoryConceptsMax] of [
  ['memory', 100],
  ['the tables', 1],
] as const) {
  describe(`a supplement in ${where}`, () => {
    const canonicals = testCanonicals(definitions);
    const systemsHere = () => createCodeSystems({ db, canonicals, memoryConceptsMax });

    test('adds designations and properties to a concept', async () => {
      const systems = systemsHere();
      const supplement = (await systems.find(MORE, undefined, { scope }))!;
      assert.equal(supplement.table !== undefined, where === 'the tables');
      const whole = withSupplements((await systems.find(BASE, undefined, { scope }))!, [supplement]);
      const { concept, details } = (await whole.described('a'))!;
      const designations = [{ language: 'de', value: 'Ah', source: MORE }];
      assert.deepEqual(details.designations, designations);
      assert.deepEqual(details.properties, [{ code: 'tone', type: 'code', value: 'high', source: MORE }]);
      assert.deepEqual(await whole.details(concept), details);
      assert.deepEqual(await whole.designations(concept), designations);
    });

    const expanded = async (systems: CodeSystems, ...more: [string, boolean[]][]): Promise<unknown> => {
      const expand = expandOperation({
        ...{ db, valueSets: createValueSets({ canonicals, systems }) },
        ...{
          reader: { read: async () => undefined },
          now: () => 0,
          newId: () => 'x',
          bindingOf: async () => undefined,
        },
      });
      const input = new Map<string, (string | boolean)[]>([
        ['url', [`${BASE}?fhir_vs`]],
        ['useSupplement', [MORE]],
        ...more,
      ]);
      const answer = await expand.run({ input, scope, search: [] } as unknown as OperationRequest);
      const { expansion } = (answer as { resource: JsonObject }).resource as { expansion: { contains: JsonObject[] } };
      return expansion.contains;
    };

    test('is made use of in an expansion', async () => {
      assert.deepEqual(await expanded(systemsHere(), ['includeDesignations', [true]]), [
        { system: BASE, code: 'a', display: 'A', designation: [{ language: 'de', value: 'Ah' }] },
      ]);
    });

    test('is not asked for what an expansion does not show', async () => {
      const systems = systemsHere();
      let asked = 0;
      const find: CodeSystems['find'] = async (...wanted) => {
        const found = await systems.find(...wanted);
        const described = (code: string) => {
          asked++;
          return found!.described(code);
        };
        return found && { ...found, described };
      };
      assert.deepEqual(await expanded({ ...systems, find }), [{ system: BASE, code: 'a', display: 'A' }]);
      assert.equal(asked, 0);
    });
  });
}
