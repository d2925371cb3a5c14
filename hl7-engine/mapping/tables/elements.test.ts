import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type Definitions,
  type ElementDefinition,
  type JsonObject,
  loadDefinitions,
  type TypeDefinition,
} from '#fhir-model';
import { head } from '../../testing/adt.ts';
import { mapLines, onlyEntry, segment } from '../../testing/mapped.ts';
import { messageMaps } from '../map.ts';
import { allTables } from '../table/table.ts';
import { parsePath } from '../table/target.ts';

/** The element and the type of its value; a choice by its name with the type. */
function child(type: TypeDefinition, name: string): { element: ElementDefinition; typeName: string } | undefined {
  const plain = name.replace(/^_/, '');
  for (const element of type.elements) {
    const typeNames = element.types;
    if (element.name === plain) return { element, typeName: typeNames[0] ?? '' };
    const ofChoice = typeNames.find((one) => `${element.name}${one[0]!.toUpperCase()}${one.slice(1)}` === plain);
    if (ofChoice !== undefined) return { element, typeName: ofChoice };
  }
  return undefined;
}

/** What is wrong with a path from a type on. */
function faultOf(definitions: Definitions, start: string, path: string, isCustom: boolean): string | undefined {
  let type = definitions.type(start);
  if (type === undefined) return `no type ${start}`;
  const steps = parsePath(path);
  for (const [index, { name, place }] of steps.entries()) {
    const found: ReturnType<typeof child> = child(type, name);
    if (found === undefined) return `${type.name} has no ${name}`;
    const isLast = index === steps.length - 1;
    const repeats = found.element.array;
    if (repeats && place.kind === 'one' && !name.startsWith('_') && !(isLast && isCustom)) return `${name} is a list`;
    if (!repeats && place.kind !== 'one' && !name.startsWith('_')) return `${name} is no list`;
    if (isLast) return undefined;
    const next: TypeDefinition | undefined = definitions.type(name.startsWith('_') ? 'Element' : found.typeName);
    if (next === undefined) return `${name} has no parts`;
    type = next;
  }
  return undefined;
}

test('every row’s target is an element of R4, a list where R4 has one', async () => {
  assert.ok(messageMaps.length > 0, 'loads all tables');
  const definitions = await loadDefinitions();
  const faults = allTables().flatMap(({ segment, target, rows }) =>
    rows.flatMap((row) => {
      if (/^[-@]/.test(row.target)) return [];
      const [path = ''] = row.target.split(/\s+&\s+/);
      const fault = faultOf(definitions, target, path.trim(), row.map.startsWith('custom'));
      return fault === undefined ? [] : [`${segment}[${target}] ${row.text}: ${fault}`];
    }),
  );
  assert.deepEqual(faults, []);
});

test('PR1: where it was done and what it is part of', () => {
  const pr1 = segment('PR1', { 3: '0DTJ4ZZ^^I10P', 5: '20260101', 19: 'P2^OR', 23: 'OR1^R2', 25: 'P1^OR' });
  const mapped = mapLines(...head('A08'), 'PID|1||7^^^HA^MR', pr1);
  const { location, partOf } = onlyEntry(mapped, 'Procedure').resource as JsonObject;
  assert.equal((location as JsonObject).display, 'R2, OR1');
  assert.deepEqual(partOf, [{ identifier: { system: 'urn:id:OR', value: 'P1' }, type: 'Procedure' }]);
});
