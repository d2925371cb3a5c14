// In a body of any kind what every JavaScript object has is an unknown word, as a value and as a name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differences, inTree, type Place, serveWords } from './object-words.ts';

const { wire, post } = serveWords();

test('in a Bundle', async () => {
  const tree = (type: string) => ({
    ...{ resourceType: 'Bundle', type },
    entry: [
      {
        fullUrl: 'urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7',
        request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=http://example.org/none|1' },
        resource: { resourceType: 'Patient', link: [{ type: 'refer', other: { reference: 'Patient?identifier=1' } }] },
      },
      {
        request: { method: 'PUT', url: 'Patient/p', ifMatch: 'W/"7"' },
        resource: { resourceType: 'Patient', id: 'p' },
      },
      {
        request: {
          method: 'GET',
          url: 'Patient?name=x',
          ifNoneMatch: 'W/"1"',
          ifModifiedSince: '2026-01-01T00:00:00Z',
        },
      },
      { request: { method: 'DELETE', url: 'Basic/x' } },
    ],
  });
  const all = ['batch', 'transaction'].flatMap((type) => inTree(type, tree(type), post('')));
  const criteria = ['WORD=x', 'name:WORD=x', 'link:WORD.name=x', '_has:WORD:x:y=z'].flatMap((text) =>
    ['batch', 'transaction'].map((type): Place => {
      const entry = (ifNoneExist: string, url: string) => ({
        ...{ request: { method: 'POST', url, ifNoneExist }, resource: { resourceType: 'Patient' } },
      });
      return [
        `${type} ${text}`,
        (word) =>
          post('')(
            JSON.stringify({
              ...{ resourceType: 'Bundle', type, entry: [entry(text.replaceAll('WORD', word), 'Patient')] },
            }),
          ),
      ];
    }),
  );
  assert.deepEqual(await differences([...all, ...criteria]), []);
});

test('in a patch', async () => {
  const patch = (type: string) => (body: string) =>
    wire('PATCH', '/Patient/p', { 'Content-Type': type, Prefer: 'return=minimal' }, body);
  const paths = ['/WORD', '/name/WORD', '/name/0/WORD', '/WORD/x', '/meta/WORD/x'];
  const pairs = ['add', 'replace', 'remove', 'test', 'copy', 'move', 'WORD']
    .flatMap((op) =>
      paths.flatMap((path) => [
        { op, path, value: 'x', from: '/active' },
        { op, path: '/active', value: true, from: path },
      ]),
    )
    .filter(({ op, path }) => op !== 'remove' || path !== '/active');
  const json = pairs.map(
    (one): Place => [
      JSON.stringify(one),
      (word) => patch('application/json-patch+json')(JSON.stringify([one]).replaceAll('WORD', word)),
    ],
  );
  const merge = inTree(
    'merge',
    { name: [{ family: 'x' }], text: { status: 'empty' } },
    patch('application/merge-patch+json'),
  );
  const fhirPath = (path: string, name = 'active') => ({
    resourceType: 'Parameters',
    parameter: [
      {
        name: 'operation',
        part: [
          { name: 'type', valueCode: 'add' },
          { name: 'path', valueString: path },
          { name: 'name', valueString: name },
          { name: 'value', valueBoolean: true },
        ],
      },
    ],
  });
  const fhir = [
    ...inTree('FHIRPath', fhirPath('Patient'), patch('application/fhir+json')),
    ...[
      'Patient.WORD',
      'Patient.name.WORD',
      'Patient.name.WORD()',
      "Patient.name.where(WORD = 'x')",
      'WORD',
      '%WORD',
    ].map(
      (path): Place => [
        path,
        (word) => patch('application/fhir+json')(JSON.stringify(fhirPath(path.replace('WORD', word)))),
      ],
    ),
  ];
  assert.deepEqual(await differences([...json, ...merge, ...fhir]), []);
});

test('in a query of GraphQL', async () => {
  const queries = [
    ...['{WORD}', '{WORD{id}}', '{Patient(id:WORD){id}}', '{Patient(WORD:"p"){id}}', '{Patient(id:"p"){WORD}}'],
    ...['{Patient(id:"p"){name{WORD}}}', '{Patient(id:"p"){name(WORD:"x"){family}}}', '{Patient(id:"p"){id @WORD}}'],
    ...[
      '{Patient(id:"p"){... on WORD{id}}}',
      '{Patient(id:"p"){...WORD}}',
      '{PatientList(WORD:"x"){id}}',
      '{WORDList{id}}',
    ],
    ...['{Patient(id:"p"){WORD:id}}', 'query WORD{Patient(id:"p"){id}}', 'query($WORD:id){Patient(id:$WORD){id}}'],
    ...['query($a:WORD){Patient(id:$a){id}}', '{__type(name:"WORD"){name}}', '{__schema{WORD}}', 'mutation{WORD{id}}'],
    ...[
      'mutation{PatientCreate(res:{WORD:"x"}){id}}',
      'mutation{WORDCreate(res:{}){id}}',
      '{Patient(id:"p"){name @slice(path:"WORD"){family}}}',
    ],
    ...[
      '{Patient(id:"p"){name(fhirpath:"WORD"){family}}}',
      '{Patient(id:"p"){WORDList(x:"y"){id}}}',
      '{WORDConnection{count}}',
    ],
    ...['{Patient(id:"p"){resourceType WORD @skip(if:true)}}', '{PatientList(_sort:"WORD",name:"WORD"){id}}'],
  ];
  const all = queries.flatMap((text) =>
    ['$graphql', 'Patient/p/$graphql', 'Patient/$graphql'].map(
      (path): Place => [
        `${path} ${text}`,
        (word) =>
          post(path, { 'Content-Type': 'application/json' })(JSON.stringify({ query: text.replaceAll('WORD', word) })),
      ],
    ),
  );
  const envelope = { query: '{Patient(id:"p"){id}}', operationName: 'x', variables: { a: 'b' } };
  all.push(...inTree('graphql', envelope, post('$graphql', { 'Content-Type': 'application/json' })));
  assert.deepEqual(await differences(all), []);
});

test('in XML', async () => {
  const texts = [
    ...[
      '<WORD xmlns="http://hl7.org/fhir"/>',
      '<Patient xmlns="WORD"/>',
      '<Patient xmlns="http://hl7.org/fhir"><WORD value="x"/></Patient>',
    ],
    ...['<Patient xmlns="http://hl7.org/fhir"><name WORD="x"><family value="&WORD;"/></name></Patient>'],
    ...['<Patient xmlns="http://hl7.org/fhir"><name WORD="x"><family value="x"/></name></Patient>'],
    ...['<Patient xmlns="http://hl7.org/fhir"><name id="x" WORD:a="x"><family value="x"/></name></Patient>'],
    ...['<WORD:Patient xmlns:WORD="http://hl7.org/fhir"><WORD:active value="true"/></WORD:Patient>'],
    ...[
      '<WORD:Patient xmlns="http://hl7.org/fhir"/>',
      '<Patient xmlns="http://hl7.org/fhir"><active WORD="true"/></Patient>',
    ],
    ...['<Patient xmlns="http://hl7.org/fhir" xmlns:WORD="http://a" WORD:x="y"><active value="true"/></Patient>'],
    ...[
      '<div>&WORD;</div>',
      '<WORD/>',
      '<p WORD="x">a</p>',
      '<p xmlns:WORD="x" WORD:a="b"/>',
      '<p>&WORD;</p>',
      '<p style="WORD">a</p>',
    ].map(
      (part) =>
        `<Patient xmlns="http://hl7.org/fhir"><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">a${part}</div></text></Patient>`,
    ),
  ];
  const all = texts.flatMap((text) =>
    ['Patient', '$validate'].map(
      (path): Place => [
        `${path} ${text}`,
        (word) => post(path, { 'Content-Type': 'application/fhir+xml' })(text.replaceAll('WORD', word)),
      ],
    ),
  );
  assert.deepEqual(await differences(all), []);
});
