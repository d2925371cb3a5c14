// Which segments a message has: those of its structure in its version, and none that says nothing.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { buildFrom, wantedMessage } from './build.ts';
import { createGraph } from './graph.ts';
import { buildTarget } from './target.ts';

const patient: Resource = {
  ...{ resourceType: 'Patient', id: '1', identifier: [{ system: 'urn:id:HOSP', value: '1' }] },
  contact: [{ name: { family: 'MUM' } }],
  generalPractitioner: [{ display: 'GP' }],
} as unknown as Resource;
const subject: JsonObject = { subject: { reference: 'Patient/1' } };
const specimen = {
  ...{ resourceType: 'Specimen', id: 'sp', identifier: [{ system: 'urn:id:LAB', value: 'S1' }] },
  ...{ type: { coding: [{ code: 'BLD' }] }, ...subject },
} as unknown as Resource;

const foci: Readonly<Record<string, JsonObject>> = {
  Encounter: { status: 'cancelled', class: { code: 'IMP' }, ...subject },
  Observation: { status: 'final', code: { text: 'K' }, valueInteger: 4, ...subject },
  ServiceRequest: {
    ...{ status: 'active', intent: 'order', code: { text: 'K' }, ...subject, priority: 'stat' },
    ...{ occurrenceDateTime: '2026-03-01', specimen: [{ reference: 'Specimen/sp' }] },
  },
  Appointment: {
    ...{ status: 'booked', start: '2026-03-01T10:00:00Z' },
    participant: [{ actor: { reference: 'Patient/1' }, status: 'accepted' }],
  },
};

async function built(type: string, resourceType: string, version: string) {
  const graph = createGraph();
  graph.add(patient);
  graph.add(specimen);
  const focus = graph.add({ resourceType, id: 'x', ...foci[resourceType] } as Resource);
  const target = { ...buildTarget({}), version };
  return buildFrom({ wanted: wantedMessage(type), focus, graph, target, controlId: '1', nowMs: 0 });
}

const cases: [type: string, from: string, version: string, segments: string, warnings: RegExp[]][] = [
  ['ADT^A11', 'Encounter', '2.5.1', 'MSH EVN PID PD1 PV1', [/^NK1: not in ADT_A09 of 2\.5\.1$/]],
  ['ADT^A03', 'Encounter', '2.4', 'MSH EVN PID PD1 PV1', [/^NK1: not in ADT_A03 of 2\.4$/]],
  ['ADT^A03', 'Encounter', '2.5.1', 'MSH EVN PID PD1 NK1 PV1', []],
  ['ORU', 'Observation', '2.3', 'MSH PID PD1 OBR OBX', [/^NK1: not in ORU_R01 of 2\.3$/]],
  ['ORU', 'Observation', '2.5.1', 'MSH PID PD1 NK1 OBR OBX', []],
  ['ORU', 'Observation', '2.8', 'MSH PID NK1 OBR OBX', [/^PD1-4: not in 2\.8$/]],
  ['SIU', 'Appointment', '2.5.1', 'MSH SCH TQ1 PID PD1 RGS', [/^NK1: not in SIU_S12 of 2\.5\.1$/]],
  ['SIU', 'Appointment', '2.3', 'MSH SCH PID RGS', [/^PD1: not in/, /^NK1: not in/]],
  ['OML', 'ServiceRequest', '2.5.1', 'MSH PID PD1 NK1 ORC TQ1 OBR SPM', []],
  ['OML', 'ServiceRequest', '2.4', 'MSH PID PD1 ORC OBR', [/^Specimen\.identifier has no place/, /^NK1: not in/]],
  ['ORM', 'ServiceRequest', '2.5.1', 'MSH PID PD1 ORC OBR', [/^Specimen\.identifier has no place/, /^NK1: not in/]],
  // The dictionary has no ORM after 2.6: what later versions know is kept.
  ['ORM', 'ServiceRequest', '2.8', 'MSH PID NK1 ORC TQ1 OBR SPM', [/^PD1-4: not in 2\.8$/]],
];

for (const [type, from, version, segments, expected] of cases) {
  test(`${type} in ${version}`, async () => {
    const { message, warnings } = await built(type, from, version);
    assert.equal(
      message.segments
        .map(({ name }) => name)
        .join(' ')
        .trim(),
      segments,
    );
    assert.deepEqual(
      expected.map((form) => warnings.some((warning) => form.test(warning))),
      expected.map(() => true),
      warnings.join('\n'),
    );
  });
}

test('an ORM^O01 says in its own fields how urgent it is, when, and of what specimen', async () => {
  const { message } = await built('ORM', 'ServiceRequest', '2.5.1');
  const places = ['ORC-7.4', 'ORC-7.6', 'OBR-5', 'OBR-6', 'OBR-15.1', 'OBR-27.6'];
  assert.deepEqual(
    places.map((place) => message.get(place)),
    ['20260301', 'S', 'S', '20260301', 'BLD', 'S'],
  );
});
