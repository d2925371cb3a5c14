// Race, ethnicity and animals: http://hl7.org/fhir/StructureDefinition/patient-animal, http://hl7.org/fhir/us/core/StructureDefinition/us-core-race, us-core-ethnicity; HL7 tables 0005 and 0189
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '#fhir-model';
import { head } from '../../testing/adt.ts';
import { mapLines, onlyEntry } from '../../testing/mapped.ts';

const usCore = 'http://hl7.org/fhir/us/core/StructureDefinition';
const cdc = 'urn:oid:2.16.840.1.113883.6.238';

function extensionOf(name: 'race' | 'ethnicity', value: string): unknown {
  const fields = name === 'race' ? { 10: value, 22: '' } : { 10: '', 22: value };
  const pid = `PID|1||7^^^NORTH^MR||DOE^JANE|||||${fields[10]}||||||||||||${fields[22]}`;
  const { extension = [] } = onlyEntry(mapLines(...head('A08'), pid), 'Patient').resource as {
    extension?: JsonObject[];
  };
  return extension.find(({ url }) => url === `${usCore}/us-core-${name}`)?.extension;
}

test('a field whose every repetition or component is deleted is deleted', () => {
  const change = onlyEntry(
    mapLines(...head('A08'), 'PID|1||7^^^NORTH^MR||DOE^JANE||||||""^""^""||""~""|""~555'),
    'Patient',
  );
  const before = { ...change.resource, address: [{ city: 'X' }], telecom: [{ value: '1', use: 'home' }] };
  const after = change.merge!(before, change.resource) as JsonObject;
  assert.equal(after.address, undefined);
  assert.deepEqual(
    (after.telecom as JsonObject[]).map(({ value }) => value),
    ['555'],
  );
});

const text = (valueString: string) => ({ url: 'text', valueString });

test('a letter of table 0189 is its category; others are words', () => {
  const not = { system: cdc, code: '2186-5', display: 'Not Hispanic' };
  assert.deepEqual(extensionOf('ethnicity', 'N^Not Hispanic^HL70189^NH^No^L'), [
    { url: 'ombCategory', valueCoding: not },
    text('Not Hispanic'),
  ]);
  assert.deepEqual(extensionOf('ethnicity', 'H^^HL70189'), [
    { url: 'ombCategory', valueCoding: { system: cdc, code: '2135-2' } },
    text('H'),
  ]);
  assert.deepEqual(extensionOf('ethnicity', 'U^Unknown^HL70189'), [text('Unknown')]);
  assert.deepEqual(extensionOf('ethnicity', 'N^Black or Black British - African'), [
    text('Black or Black British - African'),
  ]);
});

test("CDC's codes are categories or details, in the alternate too; what is local stays as words", () => {
  assert.deepEqual(extensionOf('race', 'W^White^L^2106-3^White^CDCREC~2108-9^European^CDCREC'), [
    { url: 'ombCategory', valueCoding: { system: cdc, code: '2106-3', display: 'White' } },
    { url: 'detailed', valueCoding: { system: cdc, code: '2108-9', display: 'European' } },
    text('White, European'),
  ]);
  assert.deepEqual(extensionOf('race', 'X^Other race^L'), [text('Other race')]);
  const unknown = { system: 'http://terminology.hl7.org/CodeSystem/v3-NullFlavor', code: 'UNK' };
  assert.deepEqual(extensionOf('race', 'UNK^^NULLFL'), [{ url: 'ombCategory', valueCoding: unknown }, text('UNK')]);
  assert.equal(extensionOf('race', ''), undefined);
});

test('an animal has a species: a breed alone is told and left out', () => {
  const animalOf = (value: string) => {
    const mapped = mapLines(...head('A08'), `PID|1||7^^^NORTH^MR||DOE^JANE|||F${'|'.repeat(27)}${value}`);
    const { extension } = onlyEntry(mapped, 'Patient').resource as { extension?: JsonObject[] };
    return [extension, mapped.warnings];
  };
  const coded = (code: string, display: string) => ({ coding: [{ code, display }] });
  assert.deepEqual(JSON.parse(JSON.stringify(animalOf('L-80700^Canine|L-80900^Husky'))), [
    [
      {
        url: 'http://hl7.org/fhir/StructureDefinition/patient-animal',
        extension: [
          { url: 'species', valueCodeableConcept: coded('L-80700', 'Canine') },
          { url: 'breed', valueCodeableConcept: coded('L-80900', 'Husky') },
        ],
      },
    ],
    [],
  ]);
  assert.deepEqual(animalOf('|L-80900^Husky'), [
    undefined,
    ['PID-36: a breed without the species (PID-35) has no place'],
  ]);
});

test('what somebody is called (XPN-15) is a name of its own', () => {
  const pid = `PID|1||7^^^NORTH^MR||Doe^Jane^^^^^L${'^'.repeat(8)}Janie||19800101`;
  assert.deepEqual(JSON.parse(JSON.stringify(onlyEntry(mapLines(...head('A08'), pid), 'Patient').resource.name)), [
    { use: 'official', family: 'Doe', given: ['Jane'] },
    { use: 'nickname', given: ['Janie'] },
  ]);
});
