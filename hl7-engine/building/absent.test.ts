// Why a result has no value, out as a message and read again.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { mapLines, onlyResource } from '../testing/mapped.ts';
import { buildFrom, wantedMessage } from './build.ts';
import { createGraph } from './graph.ts';
import { buildTarget } from './target.ts';

const system = 'http://terminology.hl7.org/CodeSystem/data-absent-reason';

async function sent(more: JsonObject): Promise<string[]> {
  const graph = createGraph();
  graph.add({ resourceType: 'Patient', id: '1', identifier: [{ system: 'urn:id:HOSP', value: '1' }] });
  const focus = graph.add({
    ...{ resourceType: 'Observation', id: 'o', code: { coding: [{ system: 'http://loinc.org', code: '2823-3' }] } },
    ...{ status: 'final', subject: { reference: 'Patient/1' }, ...more },
  } as Resource);
  const wanted = wantedMessage('ORU');
  const { message } = await buildFrom({
    ...{ wanted, focus, graph, target: buildTarget({}), controlId: '1', nowMs: 0 },
  });
  return message.raw.toString('utf8').split('\r');
}

const cases: [status: string, code: string, two: string, five: string, eleven: string, readAs?: string][] = [
  ['final', 'masked', 'CWE', `masked^Masked^${system}`, 'F'],
  ['corrected', 'asked-declined', 'CWE', `asked-declined^Masked^${system}`, 'C'],
  ['corrected', 'not-performed', 'CWE', `not-performed^Masked^${system}`, 'C'],
  ['final', 'not-asked', '', '', 'N'],
  ['final', 'not-performed', '', '', 'X', 'cancelled'],
  ['final', 'unknown', '', '', 'F'],
];

for (const [status, code, two, five, eleven, readAs = status] of cases) {
  test(`${status}, ${code}`, async () => {
    const lines = await sent({ status, dataAbsentReason: { coding: [{ system, code, display: 'Masked' }] } });
    const fields = lines.find((line) => line.startsWith('OBX'))!.split('|');
    assert.deepEqual([fields[2], fields[5], fields[11]], [two, five, eleven]);
    const read = onlyResource(mapLines(...lines), 'Observation');
    const [coding] = (read.dataAbsentReason as { coding: JsonObject[] }).coding;
    assert.deepEqual([read.status, coding?.system, coding?.code], [readAs, system, code]);
    assert.equal(read.valueCodeableConcept, undefined);
  });
}
