import assert from 'node:assert/strict';
import test from 'node:test';
import type { Resource, TransactionEntry } from '#fhir-model';
import { checkHeader } from '../message/header.ts';
import { parseMessage } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { corpusMessages, corpusMissing } from '../testing/corpus.ts';
import type { Mapped } from './context.ts';
import { namedZone } from './datetime.ts';
import { mapMessage } from './map.ts';

const config = { zone: namedZone('UTC'), identifierSystems: {} };

function map(...lines: string[]): Mapped {
  const { entries, warnings } = mapMessage(parseMessage(Buffer.from(lines.join('\r'))), 'm1', config);
  // What each message has: provenance.test.ts.
  return { entries: entries.filter(({ url }) => !url.startsWith('Provenance/')), warnings };
}

function entriesOf(mapped: Mapped, type: string): (TransactionEntry & { resource: Resource })[] {
  return mapped.entries.filter((entry) => entry.resource?.resourceType === type) as never;
}

const oru = [
  'MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260131120000+0100||ORU^R01^ORU_R01|M1|P|2.5.1',
  'PID|1||777^^^HOSP&1.2.3&ISO^MR~999-99-9999^^^USSSA^SS||Test^Anna||19800102|F',
  'PV1|1|I|WARD^R1^B1^NORTH||||100^Doc^Dora^^^Dr^MD^^HOSP||||||||||||V55^^^HOSP',
  'ORC|RE|P1^EHR|F1^LAB||CM||||20260131',
  'OBR|1|P1^EHR|F1^LAB|24323-8^Panel^LN|||20260131080000|||||||||100^Doc^Dora^^^Dr^MD^^HOSP||||||20260131113000||CH|F',
  'NTE|1||Order note',
  'OBX|1|NM|2823-3^Potassium^LN||6.90|mmol/L^^UCUM|3.5-5.1|HH^^HL70078|||F|||20260131081500|||||||||Lab Inc^^^^^CLIA&2.16.840.1.113883.4.7&ISO^XX^^^45D0000001',
  'NTE|1||critical, phoned',
  'OBX|2|ST|COLOR^Color^L||yellow||||||F',
  'SPM|1|S1&EHR^S2&LAB|||119297000^Blood^SCT||||||||||||||20260131080000|20260131090000',
];

function refusalOf(...lines: string[]): string {
  try {
    map(...lines);
    return 'mapped';
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    return `${error.acknowledgment} ${error.condition} ${error.message}`;
  }
}

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
  const mapped = map(...oru.slice(0, 5), 'OBX|1|ST|A\u0000B^x\u0001^L||a\u0000\u0007b\\X00\\c||||||F');
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
