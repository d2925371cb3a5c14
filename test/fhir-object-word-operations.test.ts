// What operations are given, in the URL or as Parameters: the name of what every JavaScript object has is an unknown word.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceOf } from './object-word-resources.ts';
import { differences, inTree, serveWords, type Tree } from './object-words.ts';

const { get, post } = serveWords();
const gender = 'http://hl7.org/fhir/administrative-gender';
const vs = 'http://hl7.org/fhir/ValueSet/administrative-gender';

/** Of codes, in a system or of one. */
const ofCodes = [
  ...[
    'system=WORD&code=male',
    'system=SYS&code=WORD',
    'system=SYS&code=male&property=WORD',
    'system=SYS&code=male&WORD=x',
  ],
  ...[
    'system=SYS&code=male&version=WORD',
    'system=SYS&code=male&displayLanguage=WORD',
    'system=SYS&code=male&useSupplement=WORD',
  ],
  ...[
    'system=http://loinc.org&code=WORD',
    'system=http://snomed.info/sct&code=WORD',
    'system=http://unitsofmeasure.org&code=WORD',
  ],
  ...['system=urn:iso:std:iso:3166&code=WORD', 'system=urn:ietf:bcp:47&code=WORD', 'system=urn:ietf:bcp:13&code=WORD'],
].flatMap((query) =>
  ['$lookup', '$validate-code'].map(
    (op) => `CodeSystem/${op}?${query.replace('SYS', gender).replace('system', op === '$lookup' ? 'system' : 'url')}`,
  ),
);
const others = [
  ...[
    `CodeSystem/$subsumes?system=${gender}&codeA=WORD&codeB=male`,
    `ValueSet/$expand?url=WORD`,
    `ValueSet/$expand?url=${vs}&filter=WORD`,
  ],
  ...[
    `ValueSet/$expand?url=${vs}&WORD=x`,
    `ValueSet/$expand?url=${vs}&property=WORD`,
    `ValueSet/$expand?url=${vs}&displayLanguage=WORD`,
  ],
  ...[
    `ValueSet/$expand?url=${vs}&exclude-system=WORD`,
    `ValueSet/$expand?url=${vs}&system-version=WORD|1`,
    `ValueSet/$expand?url=${vs}&context=WORD`,
  ],
  ...[
    'ValueSet/$expand?context=WORD.WORD',
    'ValueSet/$expand?context=Patient.WORD',
    'ValueSet/$expand?url=http://snomed.info/sct?fhir_vs=WORD',
  ],
  ...[
    `ValueSet/$validate-code?url=${vs}&code=WORD&system=${gender}`,
    `ValueSet/$validate-code?url=${vs}&code=male&system=WORD`,
  ],
  ...[
    `ConceptMap/$translate?url=WORD&code=x&system=y`,
    `ConceptMap/$translate?code=WORD&system=WORD&target=WORD`,
    'ConceptMap/$translate?code=x&system=y&targetsystem=WORD',
  ],
  ...[
    'Patient/p/$everything?_type=WORD',
    'Patient/p/$everything?WORD=x',
    'Patient/p/$everything?_since=WORD',
    '$meta?WORD=x',
  ],
  ...[
    'Observation/$lastn?patient=WORD',
    'Observation/$lastn?patient=p&code=WORD',
    'Observation/$lastn?patient=p&code=x&WORD=y',
  ],
  ...[
    'Observation/$stats?subject=Patient/p&code=x&system=y&statistic=WORD',
    'DocumentReference/$docref?patient=p&type=WORD',
  ],
  ...[
    'StructureDefinition/$snapshot?url=WORD',
    'Patient/$validate?profile=WORD&mode=WORD',
    'Patient/p/$validate?mode=WORD',
    'Patient/p/$validate?profile=WORD',
  ],
  ...[
    'OperationDefinition/WORD',
    'OperationDefinition/Patient-i-WORD',
    'CodeSystem/WORD',
    'SearchParameter?code=WORD',
    'CompartmentDefinition/WORD',
  ],
];

test('in the URL of an operation', async () => {
  assert.deepEqual(await differences([...ofCodes, ...others].map(get)), []);
});

test('in Parameters', async () => {
  const parameters = (...parts: object[]) => ({ resourceType: 'Parameters', parameter: parts }) as Tree;
  const coding = { name: 'coding', valueCoding: { system: gender, code: 'male' } };
  const patient = { resourceType: 'Patient', name: [{ family: 'x' }], gender: 'male' };
  const [valueSet, conceptMap, definition] = ['ValueSet', 'ConceptMap', 'StructureDefinition'].map(resourceOf);
  const posts: [string, Tree][] = [
    ['CodeSystem/$lookup', parameters(coding, { name: 'property', valueCode: 'x' })],
    ['ValueSet/$expand', parameters({ name: 'valueSet', resource: valueSet }, { name: 'filter', valueString: 'x' })],
    ['ValueSet/$validate-code', parameters({ name: 'url', valueUri: vs }, coding)],
    [
      'ConceptMap/$translate',
      parameters({ name: 'conceptMap', resource: conceptMap }, coding, { name: 'reverse', valueBoolean: true }),
    ],
    ['Patient/$match', parameters({ name: 'resource', resource: patient }, { name: 'count', valueInteger: 1 })],
    ['Patient/p/$meta-delete', parameters({ name: 'meta', valueMeta: { tag: [{ system: 'x', code: 'y' }] } })],
    ['StructureDefinition/$snapshot', parameters({ name: 'definition', resource: definition })],
  ];
  assert.deepEqual(await differences(posts.flatMap(([path, tree]) => inTree(path, tree, post(path)))), []);
});
