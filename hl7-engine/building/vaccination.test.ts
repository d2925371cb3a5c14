// Vaccinations that are not simply given: doses that don't count, series in words; out, and read again.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { mapLines, onlyResource, storedAfter } from '../testing/mapped.ts';
import { buildFrom, wantedMessage } from './build.ts';
import { createGraph } from './graph.ts';
import { buildTarget } from './target.ts';

async function built(more: JsonObject, version = '2.5.1') {
  const graph = createGraph();
  graph.add({ resourceType: 'Patient', id: '1', identifier: [{ system: 'urn:id:HOSP', value: '1' }] });
  const focus = graph.add({
    ...{ resourceType: 'Immunization', id: 'i', status: 'completed', vaccineCode: { text: 'Hib' } },
    ...{ patient: { reference: 'Patient/1' }, occurrenceDateTime: '2026-01-31', ...more },
  } as unknown as Resource);
  const target = { ...buildTarget({}), version };
  const common = { wanted: wantedMessage('VXU'), focus, graph, target, controlId: '1', nowMs: 0 };
  const { message, warnings } = await buildFrom(common);
  const read = onlyResource(mapLines(...message.raw.toString('utf8').split('\r')), 'Immunization');
  return { message, warnings, read };
}

const doses: [more: JsonObject, rxa20: string, status: string, isSubpotent: boolean | undefined][] = [
  [{}, 'CP', 'completed', undefined],
  [{ isSubpotent: false }, 'CP', 'completed', undefined],
  [{ isSubpotent: true }, 'PA', 'completed', true],
  [{ status: 'not-done' }, 'NA', 'not-done', undefined],
  [{ status: 'not-done', statusReason: { text: 'refused' } }, 'RE', 'not-done', undefined],
];

for (const [more, rxa20, status, isSubpotent] of doses) {
  test(`RXA-20 of ${JSON.stringify(more)}`, async () => {
    const { message, read } = await built(more);
    assert.equal(message.get('RXA-20'), rxa20);
    assert.deepEqual([read.status, read.isSubpotent], [status, isSubpotent]);
  });
}

const protocols: [protocol: JsonObject, types: string[]][] = [
  [{ doseNumberPositiveInt: 2, seriesDosesPositiveInt: 3 }, ['NM', 'NM']],
  [{ doseNumberString: 'booster', seriesDosesString: 'one a year' }, ['ST', 'ST']],
];

for (const [protocol, types] of protocols) {
  test(`${JSON.stringify(protocol)} has the type of what it says`, async () => {
    const { message, read } = await built({ protocolApplied: [protocol] });
    assert.deepEqual(
      message.all('OBX').map((obx) => obx.field(2).text),
      types,
    );
    assert.deepEqual(read.protocolApplied, [protocol]);
  });
}

test('codes and dates have the types of the version', async () => {
  const system = 'http://terminology.hl7.org/CodeSystem/v2-0064';
  const more: JsonObject = {
    programEligibility: [{ coding: [{ system, code: 'V02' }] }],
    education: [{ documentType: 'Hib', presentationDate: '2026-01-31' }],
  };
  for (const [version, types] of [
    ['2.5.1', ['CE', 'CE', 'TS']],
    ['2.6', ['CWE', 'CWE', 'DTM']],
    ['2.8', ['CWE', 'CWE', 'DTM']],
  ] as const) {
    const { message, read } = await built(more, version);
    assert.deepEqual(
      message.all('OBX').map((obx) => obx.field(2).text),
      types,
      version,
    );
    assert.deepEqual(read.education, more.education, version);
  }
});

test('a dose of which a part was given, and then all, counts', () => {
  const told = (minute: string, completion: string): string[] => [
    `MSH|^~\\&|A|B|||2026013110${minute}+0000||VXU^V04^VXU_V04|${minute}|P|2.5.1`,
    'PID|1||1^^^HOSP||DOE',
    'ORC|RE||V1^REG',
    `RXA|0|1|20260131||48^Hib^CVX|0.5|mL^^UCUM|||||||||||||${completion}|A`,
  ];
  const stored = (...messages: string[][]) =>
    [...storedAfter(...messages).resources.values()].find((one) => one.resourceType === 'Immunization')?.isSubpotent;
  assert.equal(stored(told('00', 'PA')), true);
  assert.equal(stored(told('00', 'PA'), told('01', '')), true);
  assert.equal(stored(told('00', 'PA'), told('01', 'CP')), undefined);
});

test('what no field takes is told', async () => {
  const { warnings } = await built({
    ...{ isSubpotent: true, subpotentReason: [{ text: 'cold chain' }], reaction: [{ reported: true }] },
    protocolApplied: [{ doseNumberPositiveInt: 1 }, { doseNumberPositiveInt: 2 }],
  });
  assert.deepEqual(warnings, [
    'Immunization.reaction has no place in the message',
    'Immunization.subpotentReason has no place in the message',
    'Immunization.protocolApplied: one of several',
  ]);
});
