// Patch documents of the three kinds: https://hl7.org/fhir/R4/http.html#patch
import type { Chance } from './chance.ts';
import { makeSpoilt } from './resources.ts';
import { bodyOf, type FuzzRequest, headersOf, REFUSED } from './shape.ts';

const POINTERS = '/name/0/family /name/0 /name/- /active /status /gender /birthDate /meta/tag /extension/0'.split(' ');
const WRONG_POINTERS = ['', '/', '/id', '/nothing/0', '/__proto__/x', '/name/01', '/text', 'x', '/~2', '/resourceType'];
const VALUES = [
  null,
  'x',
  {},
  [],
  [{ family: 'y' }],
  { family: 'z' },
  true,
  5,
  'male',
  '2000-01-01',
  { text: 'a\u0000' },
];

const pointer = (chance: Chance): string => chance.one(chance.once(6) ? WRONG_POINTERS : POINTERS);

function jsonPatch(chance: Chance): unknown {
  const { one } = chance;
  return chance.some(3, () => ({
    op: one(chance.once(12) ? ['x', '', null] : ['add', 'add', 'remove', 'replace', 'replace', 'move', 'copy', 'test']),
    path: pointer(chance),
    ...(chance.once(2) ? { from: pointer(chance) } : {}),
    ...(chance.once(8) ? {} : { value: one(VALUES) }),
  }));
}

const mergePatch = (chance: Chance): unknown =>
  chance.one([
    () => makeSpoilt(chance),
    () => ({ name: null, text: null }),
    () => ({ active: chance.one([null, true, false, 'x']), text: null }),
    () => ({ name: [{ family: 'merged' }], text: null }),
    () => ({ meta: { tag: [{ code: 'm' }] } }),
    () => chance.one([[], null, 5, {}]),
  ])();

const PATHS = [
  'Patient',
  'Patient.name',
  'Patient.name[0]',
  'Patient.name[0].given[1]',
  'Patient.birthDate',
  'Patient.text',
];
const WRONG_PATHS = ['Patient.name.', '(', 'x', 'Patient.id', '%resource', 'Patient.name.first().repeat(given)', "'"];
const FHIRPATH_VALUES = [
  { valueDate: '2000' },
  { valueString: 'x' },
  { valueHumanName: { family: 'f' } },
  { valueCode: 'male' },
  {},
];

/** Parameters with operations on a Patient. */
export function fhirpathPatch(chance: Chance): unknown {
  const { one, some } = chance;
  const parts = () => [
    { name: 'type', valueCode: one(['add', 'insert', 'delete', 'replace', 'move', ...some(1, () => 'x')]) },
    { name: 'path', valueString: one(chance.once(6) ? WRONG_PATHS : PATHS) },
    ...some(1, () => ({ name: 'name', valueString: one(['birthDate', 'name', 'gender', '__proto__']) })),
    ...some(1, () => ({ name: 'value', ...one(FHIRPATH_VALUES) })),
    ...some(2, () => ({ name: one(['index', 'source', 'destination']), valueInteger: one([0, 1, -1, 2147483647]) })),
  ];
  const operation = () => ({ name: chance.once(12) ? 'x' : 'operation', part: parts() });
  return { resourceType: 'Parameters', parameter: [operation(), ...some(1, operation)] };
}

export function makePatch(chance: Chance): FuzzRequest {
  const type = chance.once(6) ? chance.one(['Observation', 'Encounter', 'Nope']) : 'Patient';
  const path = `${type}/f${chance.below(20)}${chance.once(20) ? '?name=x' : ''}`;
  const documents: [string, () => unknown][] = [
    ['application/json-patch+json', () => jsonPatch(chance)],
    ['application/merge-patch+json', () => mergePatch(chance)],
    ['application/fhir+json', () => fhirpathPatch(chance)],
  ];
  const [format, make] = chance.once(20) ? (['text/plain', () => ({})] as const) : chance.one(documents);
  const headers = { ...headersOf(chance), 'Content-Type': format };
  return { method: 'PATCH', path, headers, body: bodyOf(make(), chance), allowed: [200, 204, ...REFUSED] };
}
