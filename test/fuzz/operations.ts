// Operations with arguments that fit and that don't: https://hl7.org/fhir/R4/operations.html
import type { Chance } from './chance.ts';
import { makeSpoilt } from './resources.ts';
import { bodyOf, type FuzzRequest, headersOf, REFUSED } from './shape.ts';

const CALLS = (
  'Patient/f1/$everything Patient/$everything Encounter/f1/$everything Patient/f1/$meta Patient/$meta $meta Patient/f2/$meta-add ' +
  'Patient/f2/$meta-delete Observation/$lastn Observation/$stats Composition/f1/$document DocumentReference/$docref $convert ' +
  '$graphql Patient/f1/$graphql Patient/$match Patient/$member-match Patient/$merge Patient/f1/_history/1/$meta $expunge'
).split(' ');
const WRONG_CALLS = [
  '$nothing',
  '$',
  'Patient/$__proto__',
  'Nope/$meta',
  'Patient/f1/$lastn',
  'Patient/a%00/$everything',
];

const ARGUMENTS: Record<string, string[]> = {
  start: ['2020', '2020-01-01', 'x'],
  end: ['2021', ''],
  _since: ['2020-01-01T00:00:00Z', 'x'],
  _type: ['Observation', 'Observation,Encounter', 'Nope'],
  _count: ['1', '1000000000', '-1', 'x'],
  patient: ['f1', 'Patient/f1', '\u0000'],
  subject: ['Patient/f1', 'x y'],
  code: ['8867-4', 'http://loinc.org|8867-4'],
  category: ['vital-signs'],
  max: ['1', '3', '0', '1e9'],
  coding: ['http://loinc.org|8867-4', '|'],
  statistic: ['average', 'median', 'regression', 'x'],
  duration: ['1', '1e9', '-5'],
  query: [
    ...[
      '{Patient(id:"f1"){id name{family given}}}',
      '{PatientList(name:"test"){id}}',
      '{id}',
      '{',
      '{a{b{c}}}',
      '{__schema{x}}',
    ],
    ...[
      '{Patient(id:"a\\u0000"){id}}',
      '{ObservationConnection(_count:1){count edges{resource{id}}}}',
      '{Patient(id:"f1"){__proto__}}',
    ],
  ],
  id: ['f1', 'x'],
  nothing: ['x'],
};

const VALUES = [
  { valueString: 'x' },
  { valueInteger: -1 },
  { valueMeta: { tag: [{ code: 'z' }] } },
  { valueCoding: { code: '8867-4' } },
  {},
];

const argument = (chance: Chance): string => {
  const name = chance.one(Object.keys(ARGUMENTS));
  return `${name}=${encodeURIComponent(chance.one(ARGUMENTS[name]!))}`;
};

export function makeOperation(chance: Chance): FuzzRequest {
  const { one } = chance;
  const call = one(chance.once(8) ? WRONG_CALLS : CALLS);
  const given: string[] = chance.once(2) ? chance.some(3, () => argument(chance)) : [];
  if (/lastn/.test(call)) given.push('patient=f1', 'code=8867-4');
  if (/stats/.test(call)) given.push('subject=Patient/f1', 'coding=http://loinc.org|8867-4', 'statistic=average');
  if (/graphql/.test(call)) given.push(`query=${encodeURIComponent(one(ARGUMENTS.query!))}`);
  const path = given.length === 0 ? call : `${call}?${given.join('&')}`;
  // Introspection of $graphql is told to be missing, $expunge to be forbidden.
  const allowed = [200, 201, 202, 403, 501, ...REFUSED];
  const headers = headersOf(chance);
  if (!chance.once(3)) return { method: 'GET', path, headers, allowed };
  const parameter = () => ({
    name: one([...Object.keys(ARGUMENTS), 'meta', 'meta', 'resource', 'count', 'limit']),
    ...one([...VALUES, { resource: makeSpoilt(chance) }]),
  });
  const tree = { resourceType: 'Parameters', parameter: [parameter(), ...chance.some(2, parameter)] };
  return { method: 'POST', path, headers, body: bodyOf(chance.once(4) ? makeSpoilt(chance) : tree, chance), allowed };
}
