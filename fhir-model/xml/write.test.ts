// https://hl7.org/fhir/R4/xml.html
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCerebraError } from '#platform';
import { loadDefinitions } from '../definitions.ts';
import { parseJson } from '../json.ts';
import type { Resource } from '../types.ts';
import { createXmlCodec } from './codec.ts';

const { read, write } = createXmlCodec(await loadDefinitions());

const declaration = '<?xml version="1.0" encoding="UTF-8"?>';
const tree = (value: object): Resource => parseJson(JSON.stringify(value)).exact as Resource;
const content = (value: object): string =>
  write(tree({ resourceType: 'Patient', ...value }), false).slice(
    `${declaration}<Patient xmlns="http://hl7.org/fhir">`.length,
    -'</Patient>'.length,
  );

test('a document: declaration, namespace on the root only', () => {
  const bundle = {
    resourceType: 'Bundle',
    type: 'collection',
    entry: [{ resource: { resourceType: 'Basic', id: 'b' } }],
  };
  assert.equal(
    write(tree(bundle), false),
    `${declaration}<Bundle xmlns="http://hl7.org/fhir"><type value="collection"/><entry><resource><Basic><id value="b"/></Basic></resource></entry></Bundle>`,
  );
  assert.equal(write(tree({ resourceType: 'Patient' }), false), `${declaration}<Patient xmlns="http://hl7.org/fhir"/>`);
});

describe('written are', () => {
  const cases: [string, object, string][] = [
    [
      'elements in the order of the definition, whatever the order of the keys',
      {
        birthDate: '1970',
        name: [{ given: ['A', 'B'], family: 'C', id: 'n' }],
        active: false,
        id: 'p',
        meta: { versionId: '1' },
      },
      '<id value="p"/><meta><versionId value="1"/></meta><active value="false"/><name id="n"><family value="C"/><given value="A"/><given value="B"/></name><birthDate value="1970"/>',
    ],
    [
      'the id and extensions of a primitive inside it',
      {
        birthDate: '1970',
        _birthDate: { id: 'b', extension: [{ url: 'u', valueInteger: 3 }] },
        _gender: { extension: [{ url: 'v', valueBoolean: true }] },
      },
      '<gender><extension url="v"><valueBoolean value="true"/></extension></gender><birthDate id="b" value="1970"><extension url="u"><valueInteger value="3"/></extension></birthDate>',
    ],
    [
      'two arrays of a repeating primitive as one list, also where one is shorter',
      { name: [{ given: ['A', null, 'C'], _given: [null, { id: 'i', extension: [{ url: 'u', valueCode: 'x' }] }] }] },
      '<name><given value="A"/><given id="i"><extension url="u"><valueCode value="x"/></extension></given><given value="C"/></name>',
    ],
    ['an id that is alone with its value', { _gender: { id: 'g' }, gender: 'male' }, '<gender id="g" value="male"/>'],
    [
      'contained resources without a namespace of their own',
      { contained: [{ resourceType: 'Organization', id: 'o', name: 'N' }] },
      '<contained><Organization><id value="o"/><name value="N"/></Organization></contained>',
    ],
    [
      'characters that markup is made of, and white space that a reader would change',
      { name: [{ text: '<a & "b">\'\t\n\r\u00a0ü\u{1f600}' }] },
      '<name><text value="&lt;a &amp; &quot;b&quot;&gt;\'&#9;&#10;&#13;\u00a0ü\u{1f600}"/></name>',
    ],
    [
      'the replacement character for what XML can’t say',
      { name: [{ text: 'a\u0001\u000b\ufffe\ud800b' }] },
      '<name><text value="a\ufffd\ufffd\ufffd\ufffdb"/></name>',
    ],
    [
      'attributes with their quotes',
      { extension: [{ url: 'a"b<', valueUri: 'u' }] },
      '<extension url="a&quot;b&lt;"><valueUri value="u"/></extension>',
    ],
    [
      'names of Object as what they are',
      { name: [{ text: '__proto__' }, { text: 'constructor' }] },
      '<name><text value="__proto__"/></name><name><text value="constructor"/></name>',
    ],
  ];
  for (const [name, value, expected] of cases) {
    test(name, () => assert.equal(content(value), expected));
  }
});

test('decimals have the digits of the JSON', () => {
  const json =
    '{"resourceType":"Observation","component":[{"valueQuantity":{"value":1.00}},{"valueQuantity":{"value":-1.50E-7}},{"valueQuantity":{"value":72.5}}]}';
  const xml = write(parseJson(json).exact as Resource, false);
  assert.deepEqual(
    [...xml.matchAll(/<value value="([^"]*)"/g)].map((match) => match[1]),
    ['1.00', '-1.50E-7', '72.5'],
  );
});

test('pretty: an element a line, the narrative as it is, and read as the same', async () => {
  const patient = tree({
    resourceType: 'Patient',
    text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>a\n b</p></div>' },
    contained: [{ resourceType: 'Basic', id: 'b' }],
    name: [{ family: 'X' }],
  });
  const lines = [
    declaration,
    '<Patient xmlns="http://hl7.org/fhir">',
    '  <text>',
    '    <status value="generated"/>',
    '    <div xmlns="http://www.w3.org/1999/xhtml"><p>a',
    ' b</p></div>',
    '  </text>',
    '  <contained>',
    '    <Basic>',
    '      <id value="b"/>',
    '    </Basic>',
    '  </contained>',
    '  <name>',
    '    <family value="X"/>',
    '  </name>',
    '</Patient>',
  ];
  assert.equal(write(patient, true), lines.join('\n'));
  assert.deepEqual(await read(write(patient, true)), patient);
});

test('every string comes back, but for what XML has no way to say', async () => {
  const all = Array.from({ length: 0x2030 }, (_, code) => String.fromCharCode(code)).join('');
  const back = await read(write({ resourceType: 'Basic', id: all } as Resource, false));
  assert.equal(back.id, all.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '\ufffd'));
});

describe('what is no resource of R4 is a fault of ours, not half a document', () => {
  const cases: [string, object][] = [
    ['unknown element', { nmae: [] }],
    ['unknown _element', { _name: [{}] }],
    ['text for a boolean', { active: 'true' }],
    ['object for text', { gender: { a: 1 } }],
    ['single for a list', { name: { family: 'x' } }],
    ['list for a single', { gender: ['male'] }],
    ['null in a list of objects', { name: [null] }],
    ['text for an object', { maritalStatus: 'M' }],
    ['unknown type inside', { contained: [{ resourceType: 'Nope' }] }],
    ['no type inside', { contained: [{}] }],
    ['number for a narrative', { text: { div: 3 } }],
  ];
  for (const [name, value] of cases) {
    test(name, () =>
      assert.throws(
        () => content(value),
        (error) => isCerebraError(error, 'not-acceptable'),
      ),
    );
  }
});
