// Whose a message is: what is another patient's, or means something else than it seems to, becomes no part of it; numbers and names
// that are in use go before those that were.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { Hl7Message } from '../message/message.ts';
import { buildFrom, wantedMessage } from './build.ts';
import { type GatherOptions, gather } from './gather.ts';
import { createGraph } from './graph.ts';
import { buildTarget } from './target.ts';

const patient = (id: string, more: JsonObject = {}): Resource => ({
  ...{ resourceType: 'Patient', id, identifier: [{ system: 'urn:id:HOSP', value: id }] },
  ...more,
});
const of = (id: string): JsonObject => ({ subject: { reference: `Patient/${id}` } });
const observation = (more: JsonObject): Resource => ({
  ...{ resourceType: 'Observation', id: 'o', status: 'final', code: { text: 'K' }, valueInteger: 5 },
  ...more,
});
const report = (more: JsonObject): Resource => ({
  ...{ resourceType: 'DiagnosticReport', id: 'r', status: 'final', code: { text: 'Panel' } },
  ...{ result: [{ reference: 'Observation/o' }], ...more },
});

async function built(type: string, focus: Resource, ...others: Resource[]) {
  const graph = createGraph();
  for (const other of others) graph.add(other);
  const wanted = wantedMessage(type);
  return buildFrom({ wanted, focus: graph.add(focus), graph, target: buildTarget({}), controlId: '1', nowMs: 0 });
}

const refusal =
  (words: RegExp) =>
  (error: unknown): boolean =>
    isCerebraError(error, 'business-rule') && words.test(error.message);

const both = [patient('1'), patient('2')];

test('a result, a visit, a diagnosis, an order of another patient makes no message', async () => {
  const visit: Resource = { resourceType: 'Encounter', id: 'e', status: 'in-progress', ...of('2') };
  const condition: Resource = { resourceType: 'Condition', id: 'c', code: { text: 'x' }, ...of('2') };
  const request: Resource = {
    ...{ resourceType: 'ServiceRequest', id: 's', status: 'active', intent: 'order', code: { text: 'K' } },
    ...of('2'),
  };
  const to = (name: string): JsonObject => ({ reference: name });
  const cases: [type: string, focus: Resource, other: Resource][] = [
    ['ORU', report(of('1')), observation(of('2'))],
    ['ORU', report({ ...of('1'), basedOn: [to('ServiceRequest/s')] }), request],
    ['ORU', observation({ ...of('1'), encounter: to('Encounter/e') }), visit],
    ['ORU', observation({ ...of('1'), id: 'panel', hasMember: [to('Observation/o')] }), observation(of('2'))],
    ['OML', { ...request, ...of('1'), id: 't', reasonReference: [to('Condition/c')] }, condition],
    ['ADT', { ...visit, ...of('1'), id: 'f', diagnosis: [{ condition: to('Condition/c') }] }, condition],
  ];
  for (const [type, focus, other] of cases) {
    const words = new RegExp(`^${other.resourceType}/${other.id} is another patient's than ${focus.resourceType}:`);
    await assert.rejects(built(type, focus, other, ...both), refusal(words));
    const { message } = await built(type, focus, { ...other, ...of('1') }, ...both);
    assert.equal(message.get('PID-3'), '1');
  }
  // Known by its reference alone.
  await assert.rejects(built('ORU', report(of('1')), observation(of('3')), patient('1')), refusal(/another patient's/));
});

test('a patient who was merged is the one that is left; a specimen may be another’s', async () => {
  const link = (type: string, id: string): JsonObject => ({ link: [{ type, other: { reference: `Patient/${id}` } }] });
  const merged = [patient('1', link('replaces', '2')), patient('2')];
  assert.equal((await built('ORU', report(of('1')), observation(of('2')), ...merged)).message.get('OBX-5'), '5');
  const away = [patient('1'), patient('2', link('replaced-by', '1'))];
  assert.equal((await built('ORU', report(of('1')), observation(of('2')), ...away)).message.get('OBX-5'), '5');
  const alike = [patient('1', link('seealso', '2')), patient('2')];
  await assert.rejects(built('ORU', report(of('1')), observation(of('2')), ...alike), refusal(/another patient's/));
  const specimen: Resource = { resourceType: 'Specimen', id: 'b', ...of('2') };
  const donated = observation({ ...of('1'), specimen: { reference: 'Specimen/b' } });
  assert.equal((await built('ORU', donated, specimen, ...both)).message.get('PID-3'), '1');
});

test('Patient/1 of another server is somebody else, also where Patient/1 of this one is known', async () => {
  const baseUrl = 'https://here.example/fhir';
  const stored = new Map<string, Resource>([
    ['Patient/1', patient('1')],
    ['Encounter/e', { resourceType: 'Encounter', id: 'e', status: 'in-progress', ...of('1') }],
    ['Practitioner/d', { resourceType: 'Practitioner', id: 'd', name: [{ family: 'OURS' }] }],
    ['Observation/o', observation({ subject: { reference: 'https://other.example/fhir/Patient/1' } })],
  ]);
  const reader = {
    read: async (type: string, id: string) => {
      const found = stored.get(`${type}/${id}`);
      return found && { deleted: false, body: JSON.stringify(found) };
    },
  } as unknown as GatherOptions['reader'];
  const sent = async (focus: Resource): Promise<Hl7Message> => {
    const wanted = wantedMessage('ORU');
    const options = { reader, scope: {} as GatherOptions['scope'], types: wanted.builder.reads, baseUrl };
    const found = await gather(focus, options);
    return (await buildFrom({ wanted, ...found, target: buildTarget({}), controlId: '1', nowMs: 0 })).message;
  };
  const visit = { encounter: { reference: 'Encounter/e' } };
  const at = (server: string, more: JsonObject = {}): Resource =>
    observation({ id: 'x', subject: { reference: `${server}Patient/1` }, ...visit, ...more });
  for (const ours of ['', `${baseUrl}/`]) assert.equal((await sent(at(ours))).get('PID-3'), '1');
  await assert.rejects(sent(at('https://other.example/fhir/')), refusal(/leads to no Patient/));
  const member = at('', { hasMember: [{ reference: 'Observation/o' }] });
  await assert.rejects(sent(member), refusal(/another patient's/));
  const performer = [
    { reference: 'https://other.example/fhir/Practitioner/d', display: 'THEIRS' },
    { reference: 'Practitioner/d' },
  ];
  const message = await sent(at('', { performer }));
  assert.deepEqual([message.get('OBX-16.2'), message.get('OBX-16[2].2')], ['THEIRS', 'OURS']);
});

test('nor is what another server has ours where no base is known, as in answers to queries', async () => {
  const doctor = { resourceType: 'Practitioner', id: 'd', name: [{ family: 'OURS' }] };
  const reader = {
    read: async (_type: string, id: string) =>
      id === 'd' ? { deleted: false, body: JSON.stringify(doctor) } : undefined,
  } as unknown as GatherOptions['reader'];
  const theirs = 'https://other.example/fhir/Practitioner/d';
  const seen = patient('1', { generalPractitioner: [{ reference: theirs }, { reference: 'Practitioner/d' }] });
  const { graph } = await gather(seen, { reader, scope: {} as GatherOptions['scope'], types: ['Practitioner'] });
  assert.equal(graph.resolve(theirs), undefined);
  assert.deepEqual(graph.resolve('Practitioner/d')?.name, doctor.name);
});

test('what modifiers say is not left out: no order of what is not to be done', async () => {
  const request = (more: JsonObject): Resource => ({
    ...{
      resourceType: 'ServiceRequest',
      id: 's',
      status: 'active',
      intent: 'order',
      code: { text: 'CBC' },
      ...of('1'),
    },
    ...more,
  });
  await assert.rejects(built('OML', request({ doNotPerform: true }), patient('1')), refusal(/doNotPerform/));
  await assert.rejects(built('ORM', request({ doNotPerform: true }), patient('1')), refusal(/doNotPerform/));
  assert.equal((await built('OML', request({ doNotPerform: false }), patient('1'))).message.get('ORC-1'), 'NW');
  const modifierExtension = [{ url: 'urn:x:not', valueBoolean: true }];
  const words = /^Observation\/o has a modifierExtension/;
  await assert.rejects(built('ORU', report(of('1')), observation({ modifierExtension }), ...both), refusal(words));
  await assert.rejects(built('ORU', observation({ ...of('1'), modifierExtension }), ...both), refusal(words));
});

test('results that are not there, and vaccinations without a date, are told', async () => {
  const told = await built('ORU', report({ ...of('1'), result: [{ reference: 'Observation/gone' }] }), patient('1'));
  assert.deepEqual(told.warnings, ['A result that is referred to is not known here: it is left out']);
  const vaccination: Resource = {
    ...{ resourceType: 'Immunization', id: 'i', status: 'completed', vaccineCode: { text: 'x' } },
    ...{ patient: { reference: 'Patient/1' }, occurrenceString: 'last year' },
  };
  const { warnings } = await built('VXU', vaccination, patient('1'));
  assert.deepEqual(warnings, ['Immunization.occurrenceString has no place in RXA-3']);
});

test('numbers, names and addresses that are no more in use come last, old telephone numbers not at all', async () => {
  const number = (value: string, use?: string): JsonObject => ({
    ...{ system: 'urn:id:HOSP', value },
    ...(use === undefined ? {} : { use }),
  });
  const whole = patient('1', {
    identifier: [number('OLD', 'old'), number('NOW'), number('TOO', 'secondary')],
    name: [
      { use: 'maiden', family: 'BORN' },
      { use: 'old', family: 'WAS' },
      { use: 'usual', family: 'IS' },
    ],
    address: [
      { use: 'old', city: 'THEN' },
      { use: 'home', city: 'HERE' },
    ],
    telecom: [
      { system: 'phone', value: '1', use: 'old' },
      { system: 'phone', value: '2', use: 'home' },
    ],
  });
  const visit: Resource = {
    ...{ resourceType: 'Encounter', id: 'e', status: 'in-progress', ...of('1') },
    identifier: [number('V-OLD', 'old'), number('V-NOW')],
  };
  const { message, warnings } = await built('ADT^A08', visit, whole);
  const all = (field: string): (string | undefined)[] => [1, 2, 3].map((at) => message.get(`${field}[${at}].1`));
  assert.deepEqual(all('PID-3'), ['NOW', 'TOO', 'OLD']);
  assert.deepEqual(all('PID-5'), ['IS', 'BORN', 'WAS']);
  assert.deepEqual([message.get('PID-11.3'), message.get('PID-11[2].3')], ['HERE', 'THEN']);
  assert.deepEqual(all('PID-13'), ['2', undefined, undefined]);
  assert.deepEqual([message.get('PV1-19.1'), message.get('PV1-50.1')], ['V-NOW', 'V-OLD']);
  assert.deepEqual(warnings, ['A telecom of use old has no place in XTN']);
});

test('where a field takes one number or name of a person or an organization it is one in use', async () => {
  const ssn = 'http://hl7.org/fhir/sid/us-ssn';
  const [was, is] = [
    { use: 'old', system: 'urn:id:H', value: 'WAS' },
    { system: 'urn:id:H', value: 'IS' },
  ];
  const whole = patient('1', {
    identifier: [
      { system: 'urn:id:HOSP', value: '1' },
      { use: 'old', system: ssn, value: '111' },
      { system: ssn, value: '222' },
    ],
  });
  const doctor: Resource = {
    ...{ resourceType: 'Practitioner', id: 'd', identifier: [was, is] },
    name: [
      { use: 'maiden', family: 'BORN' },
      { use: 'official', family: 'NOW' },
    ],
  };
  const laboratory: Resource = { resourceType: 'Organization', id: 'l', name: 'LAB', identifier: [was, is] };
  const performer = [{ reference: 'Practitioner/d' }, { reference: 'Organization/l' }];
  const { message } = await built('ORU', observation({ ...of('1'), performer }), whole, doctor, laboratory);
  assert.equal(message.get('PID-19'), '222');
  assert.deepEqual([message.get('OBX-16.1'), message.get('OBX-16.2'), message.get('OBX-23.10')], ['IS', 'NOW', 'IS']);
  const whom = { reference: 'Patient/1' };
  for (const [type, focus, place] of [
    ['SIU', { resourceType: 'Appointment', status: 'booked', participant: [{ actor: whom }] }, 'SCH-2'],
    ['VXU', { resourceType: 'Immunization', status: 'completed', patient: whom }, 'ORC-3'],
    ['OML', { resourceType: 'ServiceRequest', status: 'active', code: { text: 'K' }, ...of('1') }, 'ORC-2'],
    ['ORU', report({ ...of('1'), result: [] }), 'OBR-3'],
  ] as [string, JsonObject, string][]) {
    const numbered = { ...focus, id: 'n', identifier: [was, is] } as unknown as Resource;
    assert.equal((await built(type, numbered, whole)).message.get(place), 'IS', place);
  }
  const gone = patient('1', {
    identifier: [
      { system: 'urn:id:HOSP', value: '1' },
      { use: 'old', system: ssn, value: '111' },
    ],
  });
  assert.equal((await built('ORU', observation(of('1')), gone)).message.get('PID-19'), undefined);
});

test('an order that is part of another names it, as it is stored', async () => {
  const order = { status: 'active', intent: 'order', code: { text: 'K' }, ...of('1') };
  const stored = new Map<string, Resource>([
    ['Patient/1', patient('1')],
    ['ServiceRequest/p', { ...order, resourceType: 'ServiceRequest', id: 'p', identifier: [{ value: 'P1' }] }],
  ]);
  const reader = {
    read: async (type: string, id: string) => {
      const found = stored.get(`${type}/${id}`);
      return found && { deleted: false, body: JSON.stringify(found) };
    },
  } as unknown as GatherOptions['reader'];
  const child: Resource = {
    ...{ ...order, resourceType: 'ServiceRequest', id: 'c' },
    basedOn: [{ reference: 'ServiceRequest/p' }],
  };
  for (const type of ['OML', 'ORM']) {
    const wanted = wantedMessage(type);
    const options = { reader, scope: {} as GatherOptions['scope'], types: wanted.builder.reads };
    const found = await gather(child, options);
    const { message } = await buildFrom({ wanted, ...found, target: buildTarget({}), controlId: '1', nowMs: 0 });
    assert.equal(message.get('ORC-8'), 'P1');
  }
});
