import assert from 'node:assert/strict';
import test from 'node:test';
import { checkHeader } from '../message/header.ts';
import { parseMessage } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { corpusMessages, corpusMissing } from '../testing/corpus.ts';
import { entriesOf, mapLines, refusalOf } from '../testing/mapped.ts';
import { oru } from '../testing/results.ts';
import { namedZone } from './datetime.ts';
import { mapMessage } from './map.ts';

const config = { zone: namedZone('UTC'), identifierSystems: {} };

test('refusals', () => {
  assert.equal(refusalOf(oru[0]!.replace('ORU^R01^ORU_R01', 'ZZZ^Z01')), 'AR 200 Unsupported message type');
  assert.equal(
    refusalOf(oru[0]!.replace('ORU^R01^ORU_R01', 'ORU^R99')),
    'AR 201 Unsupported message type: unsupported event code',
  );
  assert.equal(refusalOf(oru[0]!, oru[4]!), 'AE 100 Required segment PID is missing');
  assert.equal(refusalOf(oru[0]!, oru[1]!), 'AE 100 Required segment OBR is missing');
  assert.equal(
    refusalOf(oru[0]!, 'PID|1||^^^HOSP^MR||Test', oru[4]!),
    'AE 101 PID-3, the patient identifier list, has no identifier',
  );
});

/** Paths of what FHIR's JSON never has: empty texts, lists and objects, undefined, control characters. */
function faults(value: unknown, path: string): string[] {
  if (value === undefined || value === null || value === '') return [path];
  if (typeof value === 'string') return /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(value) ? [path] : [];
  if (typeof value !== 'object' || 'rawJSON' in value) return [];
  const entries = Object.entries(value);
  if (entries.length === 0) return [path];
  return entries.flatMap(([name, element]) => faults(element, `${path}.${name}`));
}

test('control characters never reach a resource', () => {
  const mapped = mapLines(...oru.slice(0, 5), 'OBX|1|ST|A\u0000B^x\u0001^L||a\u0000\u0007b\\X00\\c||||||F');
  const [observation] = entriesOf(mapped, 'Observation');
  assert.deepEqual(faults(observation!.resource, 'Observation'), []);
  assert.equal(observation!.resource.valueString, 'abc');
});

test('every message of the corpus is mapped or refused', { skip: corpusMissing }, () => {
  const outcomes = { mapped: 0, refused: 0 };
  for (const { name, raw } of corpusMessages()) {
    try {
      const message = parseMessage(raw);
      checkHeader(message);
      const mapped = mapMessage(message, name, config);
      for (const entry of mapped.entries) assert.deepEqual(faults(entry.resource, entry.url), [], name);
      outcomes.mapped++;
    } catch (error) {
      assert.ok(error instanceof Refusal, `${name}: ${String(error)}`);
      outcomes.refused++;
    }
  }
  assert.deepEqual(outcomes, { mapped: 166, refused: 4 });
});
