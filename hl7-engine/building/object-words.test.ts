// A resource's word may be the name of something that every JavaScript object has: it is an unknown word like any other.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Json, JsonObject, Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { buildFrom, wantedMessage } from './build.ts';
import { createGraph } from './graph.ts';
import { buildTarget } from './target.ts';

const pairs = [
  ['constructor', 'zonstructor'],
  ['__proto__', '__zroto__'],
  ['toString', 'zoString'],
] as const;

const coded = (system: string, code: string): JsonObject => ({ coding: [{ system, code, display: 'Words' }] });

const patient = {
  ...{ resourceType: 'Patient', id: 'p', gender: 'female', birthDate: '1980-01-01' },
  identifier: [{ system: 'urn:id:HOSP', value: '1' }],
  name: [{ use: 'official', family: 'Test', given: ['Ada'] }],
  address: [{ use: 'home', type: 'postal', line: ['1 St'], city: 'Town' }],
  telecom: [{ system: 'phone', use: 'home', value: '5' }],
};
const place = { resourceType: 'Location', id: 'l', name: 'W', physicalType: coded('urn:x', 'wa') };
const result = {
  ...{ resourceType: 'Observation', id: 'o', status: 'final', subject: { reference: 'Patient/p' } },
  code: coded('http://loinc.org', '2823-3'),
  dataAbsentReason: coded('http://terminology.hl7.org/CodeSystem/data-absent-reason', 'not-asked'),
  referenceRange: [
    { low: { value: 3 }, appliesTo: [coded('urn:x', 'male')], age: { low: { value: 18, code: 'a', unit: 'years' } } },
  ],
  note: [{ authorString: 'Laboratory', text: 'Words' }],
};
const messages: Readonly<Record<string, readonly object[]>> = {
  ORU: [result, patient],
  'ADT^A08': [
    {
      ...{ resourceType: 'Encounter', id: 'e', status: 'in-progress', subject: { reference: 'Patient/p' } },
      class: { code: 'IMP' },
      location: [{ location: { reference: 'Location/l' } }],
      diagnosis: [{ condition: { reference: 'Condition/c' }, use: coded('urn:x', 'AD') }],
    },
    patient,
    place,
    { resourceType: 'Condition', id: 'c', subject: { reference: 'Patient/p' }, code: coded('urn:x', 'I10') },
  ],
  OML: [
    {
      ...{ resourceType: 'ServiceRequest', id: 's', status: 'active', intent: 'order', priority: 'stat' },
      ...{ subject: { reference: 'Patient/p' }, code: coded('urn:x', 'CBC') },
      identifier: [{ system: 'urn:id:LAB', value: '1' }],
      occurrenceTiming: { repeat: { frequency: 1, period: 2, periodUnit: 'h', duration: 5, durationUnit: 'd' } },
    },
    patient,
  ],
  'SIU^S14': [
    {
      ...{ resourceType: 'Appointment', id: 'a', status: 'booked', start: '2026-01-01T08:00:00Z' },
      end: '2026-01-01T08:30:00Z',
      participant: [
        { actor: { reference: 'Patient/p' }, status: 'accepted' },
        { actor: { reference: 'Location/l' }, status: 'accepted' },
      ],
    },
    patient,
    place,
  ],
};

const steering = new Set(['resourceType', 'id', 'reference']);

/** The value once for each text in it, that one replaced by the word. */
function* replaced(value: Json, word: string): Generator<Json> {
  if (typeof value === 'string') yield word;
  else if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) for (const other of replaced(item, word)) yield value.with(at, other);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      if (steering.has(name)) continue;
      for (const other of replaced(item as Json, word)) yield { ...value, [name]: other } as Json;
    }
  }
}

async function built(type: string, resources: readonly object[], word: string): Promise<string> {
  const graph = createGraph();
  const [focus] = resources.map((one) => graph.add(structuredClone(one) as Resource));
  const said = async (version: string): Promise<string> => {
    const target = { ...buildTarget({}), version };
    const request = { wanted: wantedMessage(type), focus: focus!, graph, target, controlId: '1', nowMs: 0 };
    const { message, warnings } = await buildFrom(request);
    return [message.raw.toString('utf8'), ...warnings].join('\r');
  };
  try {
    const text = `${await said('2.5.1')}\r${await said('2.4')}`;
    assert.doesNotMatch(text, /\[object|function |native code/);
    return text.replaceAll(new RegExp(word, 'gi'), '<word>');
  } catch (error) {
    assert.ok(error instanceof CerebraError, String(error));
    return `${error.code} ${error.message}`.replaceAll(word, '<word>');
  }
}

for (const [type, resources] of Object.entries(messages)) {
  test(`${type}: what every object has is an unknown word wherever it stands`, async () => {
    for (const [at, resource] of resources.entries()) {
      for (const [word, neutral] of pairs) {
        const others = replaced(resource as Json, neutral);
        for (const one of replaced(resource as Json, word)) {
          const expected = await built(type, resources.with(at, others.next().value as object), neutral);
          const found = await built(type, resources.with(at, one as object), word);
          assert.equal(found, expected, JSON.stringify(one));
        }
      }
    }
  });
}

test('a value that is called valueOf has no place', async () => {
  const { dataAbsentReason: _reason, ...rest } = result;
  const text = await built('ORU', [{ ...rest, valueOf: 'x' }, patient], 'none');
  assert.match(text, /Observation\.valueOf has no place in OBX-5/);
});
