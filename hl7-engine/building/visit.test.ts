// What of a visit stands in PV1 and PV2, and what is told to have no place there.
import assert from 'node:assert/strict';
import test from 'node:test';
import { type JsonObject, parseJson, type Resource } from '#fhir-model';
import { buildFrom, wantedMessage } from './build.ts';
import { createGraph } from './graph.ts';
import { buildTarget } from './target.ts';

const participant = (code: string, display: string): JsonObject => ({
  type: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code }] }],
  individual: { display },
});

async function built(more: JsonObject, version = '2.5.1', nowMs = 0) {
  const graph = createGraph();
  const identifier = [{ system: 'urn:id:HOSP', value: '1' }];
  graph.add({ resourceType: 'Patient', id: '1', identifier } as unknown as Resource);
  const visit = { resourceType: 'Encounter', id: 'v', status: 'in-progress', class: { code: 'IMP' } };
  const focus = graph.add({ ...visit, subject: { reference: 'Patient/1' }, ...more } as unknown as Resource);
  const target = { ...buildTarget({}), version };
  return buildFrom({ wanted: wantedMessage('ADT^A01'), focus, graph, target, controlId: '1', nowMs });
}

test('a code of another system is no code of the table that a field has', async () => {
  const sct = (code: string): JsonObject => ({ coding: [{ system: 'http://snomed.info/sct', code }] });
  const table = (name: string, code: string): JsonObject => ({
    coding: [{ system: `http://terminology.hl7.org/CodeSystem/v2-${name}`, code }],
  });
  // Table 0217 has 3, elective; table 0112 has 20, expired.
  const foreign = await built({ priority: sct('3'), hospitalization: { dischargeDisposition: sct('20') } });
  assert.deepEqual([foreign.message.get('PV2-25'), foreign.message.get('PV1-36')], [undefined, undefined]);
  assert.deepEqual(foreign.warnings, [
    'PV1-36: a code of SCT has no place in 2.5.1',
    'PV2-25: a code of SCT has no place in 2.5.1',
  ]);
  const known = await built({
    priority: table('0217', '3'),
    hospitalization: { dischargeDisposition: { coding: [{ code: 'X9' }] }, admitSource: sct('7') },
  });
  assert.deepEqual([known.message.get('PV2-25'), known.message.get('PV1-36')], ['3', 'X9']);
  // Since 2.7 these fields say whose code it is.
  const later = await built({ hospitalization: { admitSource: sct('7') } }, '2.7');
  assert.equal(later.message.part('PV1-14').raw, '7^^SCT');
});

test('a length keeps its digits', async () => {
  const { message } = await built(parseJson('{"length":{"value":2.50,"code":"d"}}').exact as JsonObject);
  assert.equal(message.get('PV2-11'), '2.50');
});

test('a visit that begins, ends or is taken back has its event', async () => {
  const { builder } = wantedMessage('ADT');
  const cases: [before: string | undefined, status: string, event: string][] = [
    [undefined, 'planned', 'A05'],
    ['planned', 'in-progress', 'A01'],
    ['planned', 'cancelled', 'A38'],
    ['planned', 'entered-in-error', 'A38'],
    ['cancelled', 'cancelled', 'A11'],
    ['cancelled announced', 'cancelled', 'A38'],
    ['cancelled announced', 'in-progress', 'A01'],
    ['cancelled announced', 'planned', 'A05'],
    ['in-progress', 'cancelled', 'A11'],
    ['cancelled', 'in-progress', 'A01'],
    ['in-progress', 'finished', 'A03'],
    ['finished', 'in-progress', 'A13'],
  ];
  for (const [state, status, event] of cases) {
    const visit = { resourceType: 'Encounter', id: 'v', status, class: { code: 'IMP' } } as unknown as Resource;
    assert.equal(builder.eventOf(visit, { state }), event, `${state} → ${status}`);
  }
  const states: [before: string, status: string, state: string][] = [
    ['planned', 'cancelled', 'cancelled announced'],
    ['cancelled announced', 'entered-in-error', 'entered-in-error announced'],
    ['cancelled announced', 'in-progress', 'in-progress'],
    ['in-progress', 'cancelled', 'cancelled'],
  ];
  for (const [before, status, state] of states)
    assert.equal(builder.stateOf!({ resourceType: 'Encounter', status }, { state: before }), state);
  const graph = createGraph();
  graph.add({ resourceType: 'Patient', id: '1', identifier: [{ system: 'urn:id:HOSP', value: '1' }] });
  const visit = { resourceType: 'Encounter', id: 'v', status: 'cancelled', class: { code: 'IMP' } };
  const focus = graph.add({ ...visit, subject: { reference: 'Patient/1' } } as unknown as Resource);
  const common = { wanted: wantedMessage('ADT'), focus, graph, target: buildTarget({}), controlId: '1', nowMs: 0 };
  const { message } = await buildFrom({ ...common, told: { state: 'planned' } });
  assert.equal(message.part('MSH-9').raw, 'ADT^A38^ADT_A38');
});

test('of a visit that has ended PV1-3 is where the patient was last, and PV1-6 the place before', async () => {
  const at = (display: string, status: string): JsonObject => ({ location: { display }, status });
  const places = async (status: string, ...location: JsonObject[]) => {
    const { message } = await built({ status, location });
    return ['PV1-3.9', 'PV1-6.9', 'PV1-42.9'].map((path) => message.get(path));
  };
  const [ward, icu] = [at('WARD', 'completed'), at('ICU', 'completed')];
  assert.deepEqual(await places('finished', ward, icu), ['ICU', 'WARD', undefined]);
  assert.deepEqual(await places('finished', ward), ['WARD', undefined, undefined]);
  assert.deepEqual(await places('finished', ward, at('ICU', 'active')), ['ICU', 'WARD', undefined]);
  const left = (place: JsonObject, end: string): JsonObject => ({ ...place, period: { end } });
  const latestFirst = [left(icu, '2026-01-03'), left(ward, '2026-01-02')];
  assert.deepEqual(await places('finished', ...latestFirst), ['ICU', 'WARD', undefined]);
  // Between two places, and after an admission that was none, the patient is nowhere.
  assert.deepEqual(await places('in-progress', ward, at('ICU', 'planned')), ['ICU', 'WARD', undefined]);
  assert.deepEqual(await places('cancelled', ward), [undefined, 'WARD', undefined]);
});

test('who has no field in PV1 is told', async () => {
  const both = await built({ participant: [participant('ATND', 'A'), participant('PPRF', 'B')] });
  assert.deepEqual(both.warnings, ['Encounter.participant of type PPRF has no place in the message']);
  assert.equal(both.message.part('PV1-7').raw, '^A');
  const alone = await built({ participant: [participant('PPRF', 'B')], partOf: { reference: 'Encounter/2' } });
  assert.equal(alone.message.part('PV1-7').raw, '^B');
  assert.deepEqual(alone.warnings, ['Encounter.partOf has no place in the message']);
});

test('who attended before comes after who attends now', async () => {
  const former = { ...participant('ATND', 'A'), period: { start: '2026-02-01', end: '2026-02-02' } };
  const present = { ...participant('ATND', 'B'), period: { start: '2026-02-02', end: '2026-02-05' } };
  const visit = { participant: [former, present] };
  const attending = async (more: JsonObject, now: string): Promise<string> => {
    const { message } = await built({ ...visit, ...more }, '2.5.1', Date.parse(now));
    return message.part('PV1-7').raw;
  };
  assert.equal(await attending({}, '2026-02-03'), '^B~^A');
  assert.equal(await attending({ period: { end: '2026-02-05' } }, '2026-03-01'), '^B~^A');
  assert.equal(await attending({}, '2026-02-01'), '^A~^B');
});

test('what a patient is no longer, and whom it is linked to, is told', async () => {
  const graph = createGraph();
  const identifier = [{ system: 'urn:id:HOSP', value: '1' }];
  const link = [{ type: 'replaced-by', other: { reference: 'Patient/2' } }];
  const patient = { resourceType: 'Patient', id: '1', identifier, active: false, link };
  const focus = graph.add(patient as unknown as Resource);
  const target = buildTarget({});
  const { warnings } = await buildFrom({
    ...{ wanted: wantedMessage('ADT^A31'), focus, graph, target, controlId: '1', nowMs: 0 },
  });
  assert.deepEqual(warnings, [
    'Patient.active false has no place in the message',
    'Patient.link has no place in the message',
  ]);
});

test('which diagnosis is the principal one, and when it was recorded, is told', async () => {
  const graph = createGraph();
  graph.add({ resourceType: 'Patient', id: '1', identifier: [{ system: 'urn:id:HOSP', value: '1' }] });
  const of = { subject: { reference: 'Patient/1' } };
  for (const id of ['a', 'b'])
    graph.add({ resourceType: 'Condition', id, code: { text: id }, recordedDate: '2026-01-31', ...of });
  const diagnosis = [
    { condition: { reference: 'Condition/a' }, rank: 2 },
    { condition: { reference: 'Condition/b' }, rank: 1, use: { coding: [{ code: 'DD' }] } },
  ];
  const visit = { resourceType: 'Encounter', id: 'v', status: 'in-progress', class: { code: 'IMP' }, diagnosis, ...of };
  const focus = graph.add(visit as unknown as Resource);
  const common = { wanted: wantedMessage('ADT^A08'), focus, graph, target: buildTarget({}), controlId: '1', nowMs: 0 };
  const { message } = await buildFrom(common);
  assert.deepEqual(
    message.all('DG1').map((dg1) => [6, 15, 19].map((field) => dg1.field(field).text)),
    [
      ['W', '2', '20260131'],
      ['F', '1', '20260131'],
    ],
  );
});

test('who made a diagnosis is told, where it is a clinician', async () => {
  const graph = createGraph();
  const identifier = [{ system: 'urn:id:HOSP', value: '1' }];
  const of = { subject: { reference: 'Patient/1' } };
  graph.add({ resourceType: 'Patient', id: '1', identifier, name: [{ family: 'Test' }] } as unknown as Resource);
  const doctor = { identifier: [{ system: 'urn:id:HOSP', value: '7' }], name: [{ family: 'Doc', given: ['Dora'] }] };
  graph.add({ resourceType: 'Practitioner', id: 'd', ...doctor } as unknown as Resource);
  const asserters: JsonObject[] = [
    { reference: 'Practitioner/d' },
    { display: 'Rita Roe' },
    { reference: 'Patient/1' },
    { reference: 'https://other.example/RelatedPerson/2', display: 'Mum' },
  ];
  const diagnosis = asserters.map((asserter, index) => {
    graph.add({
      resourceType: 'Condition',
      id: `c${index}`,
      code: { text: 'K' },
      asserter,
      ...of,
    } as unknown as Resource);
    return { condition: { reference: `Condition/c${index}` } };
  });
  const visit = { resourceType: 'Encounter', id: 'v', status: 'in-progress', class: { code: 'IMP' }, diagnosis, ...of };
  const focus = graph.add(visit as unknown as Resource);
  const common = { wanted: wantedMessage('ADT^A08'), focus, graph, target: buildTarget({}), controlId: '1', nowMs: 0 };
  const { message, warnings } = await buildFrom(common);
  assert.deepEqual(
    message.all('DG1').map((dg1) => [1, 2, 3].map((component) => dg1.field(16).component(component).text)),
    [
      ['7', 'Doc', 'Dora'],
      [undefined, 'Rita Roe', undefined],
      [undefined, undefined, undefined],
      [undefined, undefined, undefined],
    ],
  );
  assert.deepEqual(warnings, [
    'Condition.asserter, a Patient, has no place in DG1',
    'Condition.asserter, a RelatedPerson, has no place in DG1',
  ]);
});

test('what is refuted or entered in error is no diagnosis of the visit, nor the reason of an order', async () => {
  const graph = createGraph();
  const identifier = [{ system: 'urn:id:HOSP', value: '1' }];
  graph.add({ resourceType: 'Patient', id: '1', identifier } as unknown as Resource);
  const of = { subject: { reference: 'Patient/1' } };
  const statuses = ['refuted', 'provisional', 'entered-in-error', undefined];
  for (const status of statuses) {
    const verificationStatus = { coding: [{ code: status }] };
    const more = status === undefined ? {} : { verificationStatus };
    graph.add({
      resourceType: 'Condition',
      id: `${status}`,
      code: { text: `${status}` },
      ...of,
      ...more,
    } as unknown as Resource);
  }
  const conditions = statuses.map((status) => ({ reference: `Condition/${status}` }));
  const visit = { resourceType: 'Encounter', id: 'v', status: 'in-progress', class: { code: 'IMP' }, ...of };
  const order = {
    resourceType: 'ServiceRequest',
    id: 's',
    status: 'active',
    intent: 'order',
    code: { text: 'K' },
    ...of,
  };
  const cases: [type: string, focus: JsonObject][] = [
    ['ADT^A01', { ...visit, diagnosis: conditions.map((condition) => ({ condition })) }],
    ['OML^O21', { ...order, reasonReference: conditions }],
  ];
  for (const [type, focus] of cases) {
    const whole = graph.add(focus as unknown as Resource);
    const common = { graph, target: buildTarget({}), controlId: '1', nowMs: 0 };
    const { message, warnings } = await buildFrom({ wanted: wantedMessage(type), focus: whole, ...common });
    assert.deepEqual(
      message.all('DG1').map((dg1) => [dg1.field(1).text, dg1.field(3).component(2).text]),
      [
        ['1', 'provisional'],
        ['2', 'undefined'],
      ],
    );
    assert.deepEqual(warnings, [
      'A Condition that is refuted has no place in DG1',
      'A Condition that is entered-in-error has no place in DG1',
    ]);
  }
});
