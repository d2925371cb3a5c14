// The same CodeSystem in memory and in the tables answers the same: https://hl7.org/fhir/R4/codesystem.html
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { random, testDatabase } from '#platform/testing';
import type { CodeSystem } from './code-system.ts';
import { importSystem } from './import-system.ts';
import { indexCodeSystem } from './memory-index.ts';
import { memorySystem } from './memory-system.ts';
import { createTableReader } from './table-system.ts';

let db: Db;
before(async () => {
  db = await testDatabase();
});

const ROUNDS = 12;
const CONCEPTS = 40;

/** Nested, with parents and children by property, some unknown, some closing cycles, some codes twice or in another case. */
function codeSystem(seed: number): Resource {
  const below = random(seed);
  const chance = (percent: number): boolean => below(100) < percent;
  /** Edges close cycles easily: only half of the systems have such by property. */
  const linked = seed % 2 === 0;
  const code = (): string => `${chance(20) ? 'C' : 'c'}${below(CONCEPTS)}`;
  const property = (): object => {
    const kinds = [
      ...(linked
        ? [
            { code: 'parent', valueCode: code() },
            { code: 'child', valueCode: code() },
          ]
        : []),
      { code: 'status', valueCode: chance(50) ? 'retired' : 'active' },
      { code: 'notSelectable', valueBoolean: chance(50) },
      { code: 'inactive', valueBoolean: chance(30) },
      { code: 'weight', valueDecimal: below(100) / 8 },
      { code: 'see', valueCoding: { system: 'http://x', code: code(), display: 'Tab\there' } },
      { code: 'note', valueString: 'back\\slash\nand line' },
    ];
    return kinds[below(kinds.length)]!;
  };
  const some = <T>(max: number, make: () => T): T[] => Array.from({ length: below(max + 1) }, make);
  const concept = (depth: number): object => ({
    ...(chance(95) && { code: code() }),
    ...(chance(90) && { display: `Display ${below(1000)}` }),
    ...(chance(30) && { definition: 'Some \\N text' }),
    property: some(3, property),
    designation: some(2, () => ({
      language: 'de',
      use: { system: 'http://use', code: 'u' },
      value: `Wort ${below(9)}`,
    })),
    ...(depth < 4 && { concept: some(3, () => concept(depth + 1)) }),
  });
  return {
    ...{ resourceType: 'CodeSystem', id: `s${seed}`, meta: { versionId: '1' }, url: `http://s/${seed}` },
    ...{ status: 'active', content: 'complete', caseSensitive: chance(50) },
    ...(chance(30) && { hierarchyMeaning: 'grouped-by' }),
    concept: Array.from({ length: 10 }, () => concept(0)),
  } as unknown as Resource;
}

/** Where cycles are cut is each one's own affair: what is compared is which codes there are and what is said of them. */
async function told(system: CodeSystem, codes: readonly string[], acyclic: boolean): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const code of codes) {
    const found = await system.described(code);
    assert.deepEqual(await system.concept(code), found?.concept && (await system.described(code))?.concept);
    if (found === undefined) {
      answers.push(undefined);
      continue;
    }
    const { code: own, display, definition, abstract, inactive, status } = found.concept;
    const { designations, properties, parents, children } = found.details;
    answers.push([own, display, definition, abstract, inactive, status, designations, properties]);
    assert.deepEqual(await system.designations(found.concept), designations);
    if (!acyclic) continue;
    const sorted = (names: readonly { code: string }[]) => names.map((each) => each.code).sort();
    const relatives = [
      await system.relatives(found.concept, 'above', 1_000),
      await system.relatives(found.concept, 'below', 1_000),
    ];
    const others = await Promise.all(codes.map((each) => system.concept(each)));
    const relations = others.map((other) => other && system.relation(found.concept, other));
    answers.push([sorted(parents), sorted(children), relatives.map((each) => [...each].sort())]);
    answers.push(await Promise.all(relations));
  }
  return answers;
}

test(`${ROUNDS} generated systems`, async () => {
  const open = createTableReader(db);
  let acyclic = 0;
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const resource = codeSystem(seed);
    const index = indexCodeSystem(resource);
    const memory = memorySystem(index);
    const table = open(await importSystem(db, resource));
    const isAcyclic = index.lineage.cyclic.length === 0;
    if (isAcyclic) acyclic++;
    const codes = Array.from({ length: CONCEPTS }, (_, i) => [`c${i}`, `C${i}`]).flat();
    const inMemory = await told(memory, codes, isAcyclic);
    assert.deepEqual(await told(table, codes, isAcyclic), inMemory);
    assert.equal(table.table?.concepts, index.concepts.length);
  }
  assert.ok(acyclic > 0, 'some of them have a hierarchy to compare');
});
