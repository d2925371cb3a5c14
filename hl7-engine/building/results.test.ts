// How a result stands: its status and its report's, and when it was taken.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { mapLines, onlyResource } from '../testing/mapped.ts';
import { buildFrom, wantedMessage } from './build.ts';
import { createGraph } from './graph.ts';
import { buildTarget } from './target.ts';

const subject: JsonObject = { subject: { reference: 'Patient/1' } };

async function built(focus: JsonObject, ...others: JsonObject[]) {
  const graph = createGraph();
  const patient = { resourceType: 'Patient', id: '1', identifier: [{ system: 'urn:id:HOSP', value: '1' }] };
  for (const other of [patient, ...others]) graph.add(other as Resource);
  const wanted = wantedMessage('ORU');
  const common = { wanted, graph, target: buildTarget({}), controlId: '1', nowMs: 0 };
  return buildFrom({ ...common, focus: graph.add({ id: 'f', ...subject, ...focus } as unknown as Resource) });
}

const observation = (more: JsonObject): JsonObject => ({
  ...{ resourceType: 'Observation', status: 'final', code: { text: 'K' }, valueInteger: 4, ...subject },
  ...more,
});

const statuses: [status: string, obr25: string | undefined, obx11: string | undefined][] = [
  ['preliminary', 'P', 'P'],
  ['final', 'F', 'F'],
  ['amended', 'C', 'C'],
  ['corrected', 'C', 'C'],
  ['cancelled', 'X', 'X'],
  ['registered', 'I', 'I'],
  // Table 0123 has no W.
  ['entered-in-error', 'C', 'W'],
  ['unknown', undefined, undefined],
];

for (const [status, obr25, obx11] of statuses) {
  test(`${status} of a result alone`, async () => {
    const { message, warnings } = await built(observation({ status }));
    assert.deepEqual([message.get('OBR-25'), message.get('OBX-11')], [obr25, obx11]);
    const told = status === 'unknown' ? ['Observation.status unknown has no code in OBX-11'] : [];
    assert.deepEqual(warnings, told);
  });
}

test('a report that is entered in error takes its results back, also those that are right by themselves', async () => {
  const report = {
    ...{ resourceType: 'DiagnosticReport', status: 'entered-in-error', code: { text: 'Panel' }, conclusion: 'low' },
    result: [{ reference: 'Observation/o' }],
  };
  const { message } = await built(report, observation({ id: 'o' }));
  assert.deepEqual(
    message.all('OBX').map((obx) => obx.field(11).text),
    ['W', 'W'],
  );
  assert.equal(message.get('OBR-25'), 'C');
  const lines = message.raw
    .toString('utf8')
    .split('\r')
    .filter((line) => !line.includes('|low|'));
  assert.equal(onlyResource(mapLines(...lines), 'Observation').status, 'entered-in-error');
});

const times: [element: JsonObject, obr7: string, obx14: string][] = [
  [{ effectiveDateTime: '2026-01-31' }, '20260131', '20260131'],
  [{ effectiveInstant: '2026-01-31T08:00:00Z' }, '20260131080000+0000', '20260131080000+0000'],
  [{ effectivePeriod: { start: '2026-01-31', end: '2026-02-01' } }, '20260131', '20260131'],
  [{ effectiveTiming: { event: ['2026-01-31', '2026-02-01'] } }, '20260131', '20260131'],
];

for (const [element, obr7, obx14] of times) {
  test(`taken ${JSON.stringify(element)}`, async () => {
    const { message } = await built(observation(element));
    assert.deepEqual([message.part('OBR-7').raw, message.part('OBX-14').raw], [obr7, obx14]);
  });
}

test('what is said of a panel without a value of its own is told', async () => {
  const component = [{ code: { text: 'sys' }, valueInteger: 120 }];
  const { warnings } = await built(
    observation({ valueInteger: undefined as never, component, interpretation: [{ text: 'high' }] }),
  );
  assert.deepEqual(warnings, ['Observation.interpretation has no place in the message']);
});

test('who wrote a note, and when, is told where the version has no field for it', async () => {
  const note = [{ text: 'haemolysed', authorString: 'DR X', time: '2026-01-31T08:00:00Z' }];
  const { message, warnings } = await built(observation({ note }));
  assert.equal(message.segment('NTE')?.raw, 'NTE|1||haemolysed');
  assert.deepEqual(warnings, ['NTE-5: not in 2.5.1', 'NTE-6: not in 2.5.1']);
  assert.deepEqual((await built(observation({ note: [{ text: 'plain' }] }))).warnings, []);
});

test('panels in panels come in their order, however deep they stand', async () => {
  const panel = (n: number): JsonObject => ({
    ...{ id: `o${n}`, valueInteger: n },
    hasMember: [`o${n + 1}`, `side${n}`, `o${n}`].map((id) => ({ reference: `Observation/${id}` })),
  });
  const depth = 4_000;
  const members = Array.from({ length: depth }, (_, n) => observation(panel(n + 1)));
  const side = observation({ id: 'side2', valueInteger: -2 });
  const last = observation({ id: `o${depth + 1}`, valueInteger: -1 });
  const { message } = await built(observation({ ...panel(0), id: 'f' }), ...members, side, last);
  const values = message.all('OBX').map((obx) => obx.field(5).text);
  assert.deepEqual(values, ['0', ...members.map((_, n) => String(n + 1)), '-1', '-2']);
});

test('answers to the order form go out with the results', async () => {
  const asked = {
    ...{ id: 'q', code: { text: 'Fasting' } },
    category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0936', code: 'QST' }] }],
  };
  const request = {
    ...{ resourceType: 'ServiceRequest', id: 'r', status: 'active', intent: 'order', code: { text: 'K' }, ...subject },
    supportingInfo: [{ reference: 'Observation/q' }, { reference: 'Observation/other' }],
  };
  const report = {
    ...{ resourceType: 'DiagnosticReport', status: 'final', code: { text: 'Panel' } },
    ...{ basedOn: [{ reference: 'ServiceRequest/r' }], result: [{ reference: 'Observation/o' }] },
  };
  const others = [observation({ id: 'o' }), observation({ id: 'other' })];
  const { message } = await built(report, request, observation(asked), ...others);
  assert.deepEqual(
    message.all('OBX').map((obx) => obx.field(3).component(2).text),
    ['K', 'Fasting'],
  );
});

test('what of a report and its results has no field is told', async () => {
  const report = {
    ...{ resourceType: 'DiagnosticReport', status: 'final', code: { text: 'Panel' }, conclusionCode: [{ text: 'x' }] },
    result: [{ reference: 'Observation/o' }, { reference: 'Observation/w' }],
  };
  const period = { effectivePeriod: { start: '2026-01-31', end: '2026-02-01' } };
  const wave = { origin: { value: 0, unit: 'mV' }, period: 10, dimensions: 1, data: '1 2 3' };
  const { warnings } = await built(
    report,
    observation({ id: 'o', ...period }),
    observation({ id: 'w', valueInteger: undefined as never, valueSampledData: wave }),
  );
  assert.deepEqual(warnings, [
    'Observation.effectivePeriod.end has no place in OBX-14',
    'DiagnosticReport.conclusionCode has no place in the message',
    'Observation.valueSampledData.period has no place in OBX-5',
  ]);
});

test('a report without its request has the number of whoever ordered it, with and without one of the filler', async () => {
  const number = (code: string, value: string): JsonObject => ({
    ...{ type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code }] } },
    ...{ system: 'urn:id:H', value },
  });
  const numbers = async (...identifier: JsonObject[]): Promise<(string | undefined)[]> => {
    const { message } = await built({
      ...{ resourceType: 'DiagnosticReport', status: 'final', code: { text: 'Panel' }, identifier },
    });
    return [message.get('OBR-2.1'), message.get('OBR-3.1')];
  };
  assert.deepEqual(await numbers(number('PLAC', 'P1'), number('FILL', 'F1')), ['P1', 'F1']);
  assert.deepEqual(await numbers(number('PLAC', 'P1')), ['P1', 'f']);
  assert.deepEqual(await numbers(number('FILL', 'F1')), [undefined, 'F1']);
});

test('results of one code in an order have each their own OBX-4', async () => {
  const culture = (id: string, valueString: string): JsonObject => {
    const code = { coding: [{ code: '600-7' }] };
    return observation({ id, code, valueInteger: undefined as never, valueString });
  };
  const report = {
    ...{ resourceType: 'DiagnosticReport', status: 'final', code: { text: 'Blood culture' } },
    result: ['a', 'b', 'c', 'k'].map((id) => ({ reference: `Observation/${id}` })),
    presentedForm: ['AA==', 'AQ=='].map((data) => ({ contentType: 'application/pdf', data })),
  };
  const results = [culture('a', 'E. coli\n++'), culture('b', 'S. aureus\n+'), culture('c', 'C. albicans\n+')];
  const { message } = await built(report, ...results, observation({ id: 'k' }));
  assert.deepEqual(
    message.all('OBX').map((obx) => obx.field(4).text),
    [undefined, '0.2', '0.3', undefined, undefined, '0.2'],
  );
  // Read again, they are no lines of one text.
  const { entries } = mapLines(...message.raw.toString('utf8').split('\r'));
  const values = entries.map(({ resource }) => resource).filter((one) => one?.resourceType === 'Observation');
  assert.deepEqual(
    values.map((one) => one?.valueString).filter((value) => value !== undefined),
    ['E. coli\n++', 'S. aureus\n+', 'C. albicans\n+'],
  );
});

test('a report of several requests is told of one of them, and says so', async () => {
  const request = (id: string): JsonObject => ({
    ...{ resourceType: 'ServiceRequest', id, status: 'active', intent: 'order', code: { text: 'K' }, ...subject },
    identifier: [{ system: 'urn:id:EHR', value: id.toUpperCase() }],
  });
  const basedOn = [{ reference: 'ServiceRequest/p1' }, { reference: 'ServiceRequest/p2' }];
  const report = { resourceType: 'DiagnosticReport', status: 'final', code: { text: 'Panel' } };
  const requests = [request('p1'), request('p2')];
  const { message, warnings } = await built({ ...report, basedOn }, ...requests);
  assert.deepEqual([message.get('OBR-2.1'), message.all('OBR').length], ['P1', 1]);
  assert.deepEqual(warnings, ['DiagnosticReport.basedOn: one of several']);
  assert.deepEqual((await built({ ...report, basedOn: basedOn.slice(0, 1) }, ...requests)).warnings, []);
});
