// Who takes part in an appointment, and what older versions ask for.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import { loadStandardValidator } from '../validation/standard.ts';
import { buildFrom, wantedMessage } from './build.ts';
import { createGraph } from './graph.ts';
import type { Told } from './messages/message.ts';
import { buildTarget } from './target.ts';

const patient = (id: string, more: JsonObject = {}): Resource =>
  ({ resourceType: 'Patient', id, identifier: [{ system: 'urn:id:HOSP', value: id }], ...more }) as unknown as Resource;
const actor = (reference: string, more: JsonObject = {}): JsonObject => ({
  actor: { reference, ...more },
  status: 'accepted',
});

async function built(participant: JsonObject[], version = '2.5.1', more: JsonObject = {}, told?: Told) {
  const graph = createGraph();
  for (const id of ['1', '2']) graph.add(patient(id));
  const focus = graph.add({
    ...{ resourceType: 'Appointment', id: 'a', status: 'booked', start: '2026-03-01T10:00:00Z', participant },
    ...more,
  } as unknown as Resource);
  const target = { ...buildTarget({}), version };
  return buildFrom({ wanted: wantedMessage('SIU'), focus, graph, target, controlId: '1', nowMs: 0, told });
}

test('an appointment of several patients names each', async () => {
  const { message, warnings } = await built([actor('Patient/1'), actor('Patient/2'), actor('Patient/9')]);
  assert.deepEqual(
    message.all('PID').map((pid) => [pid.field(1).text, pid.field(3).text]),
    [
      ['1', '1'],
      ['2', '2'],
    ],
  );
  assert.deepEqual(warnings, ['A Patient who takes part is not known here: left out']);
});

test('an appointment of nobody who is known is none', async () => {
  for (const participant of [[actor('Patient/9')], [actor('Practitioner/1')]]) {
    await assert.rejects(built(participant), (error: unknown) => isCerebraError(error, 'business-rule'));
  }
});

test('what no segment takes is told', async () => {
  const { warnings } = await built([actor('Patient/1'), actor('RelatedPerson/1')], '2.5.1', {
    patientInstruction: 'fast',
  });
  assert.deepEqual(warnings, [
    'Appointment.patientInstruction has no place in the message',
    'A RelatedPerson who takes part has no place in the message',
  ]);
});

for (const version of ['2.3', '2.3.1', '2.4', '2.5.1', '2.8']) {
  test(`required fields in ${version}`, async () => {
    const doctor = actor('Practitioner/1', { display: 'Dr X' });
    const place = actor('Location/1', { display: 'Room' });
    const { message } = await built([actor('Patient/1'), doctor, place], version);
    const findings = (await loadStandardValidator()).check(message);
    assert.deepEqual(
      findings
        .filter(({ severity }) => severity === 'error')
        .map(({ location, text }) => `${location.segment}: ${text}`),
      [],
    );
  });
}

test('what was cancelled or deleted and is booked after all is a new appointment', async () => {
  const { builder } = wantedMessage('SIU');
  const at = (status: string, start = '2026-03-01T10:00:00Z'): Resource =>
    ({ resourceType: 'Appointment', id: 'a', status, start }) as unknown as Resource;
  const cases: [before: string, after: Resource, event: string][] = [
    ['booked', at('booked'), 'S14'],
    ['booked', at('booked', '2026-03-02T10:00:00Z'), 'S13'],
    ['booked', at('cancelled'), 'S15'],
    ['cancelled', at('booked'), 'S12'],
    ['cancelled', at('booked', '2026-03-02T10:00:00Z'), 'S12'],
    ['entered-in-error', at('booked'), 'S12'],
    ['noshow', at('fulfilled'), 'S14'],
  ];
  for (const [before, after, event] of cases) {
    const told = { state: builder.stateOf!(at(before)) };
    assert.equal(builder.eventOf(after, told), event, `${before} → ${String(after.status)}`);
  }
});

test('segments of what the receiver was told of are updates, those of what is new are not', async () => {
  const { builder } = wantedMessage('SIU');
  const serviceType = [{ coding: [{ system: 'urn:s', code: 'MRI' }] }];
  const who = [actor('Patient/1'), actor('Practitioner/1', { display: 'Dr X' })];
  const room = actor('Location/1', { display: 'Room' });
  const start = '2026-03-01T10:00:00Z';
  const before = { resourceType: 'Appointment', id: 'a', status: 'booked', start, participant: who, serviceType };
  const kept = builder.stateOf!(before as unknown as Resource);
  const actions = async (told: Told | undefined, more: JsonObject = {}): Promise<unknown[]> => {
    const { message } = await built([...who, room], '2.5.1', { serviceType, ...more }, told);
    return ['MSH-9.2', 'RGS-2', 'AIS-2', 'AIP-2', 'AIL-2'].map((field) => message.get(field));
  };
  assert.deepEqual(await actions({ state: undefined }), ['S12', 'A', 'A', 'A', 'A']);
  assert.deepEqual(await actions({ state: kept }), ['S14', 'U', 'U', 'U', 'A']);
  assert.deepEqual(await actions({ state: kept }, { start: '2026-03-02T10:00:00Z' }), ['S13', 'U', 'U', 'U', 'A']);
  assert.deepEqual(await actions({ state: kept }, { status: 'cancelled' }), ['S15', 'U', 'U', 'U', 'A']);
  // As it was kept before there was a list.
  assert.deepEqual(await actions({ state: `booked ${start} ` }), ['S14', 'U', 'U', 'U', 'U']);
  const cancelled = builder.stateOf!({ ...before, status: 'cancelled' } as unknown as Resource);
  assert.deepEqual(await actions({ state: cancelled }), ['S12', 'A', 'A', 'A', 'A']);
});
