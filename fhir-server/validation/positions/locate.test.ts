import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { locate, type SourceText } from './locate.ts';

const at = (source: SourceText, ...expressions: string[]): string[] =>
  locate(source, expressions).map(({ line, column }) => `${line}:${column}`);

const json = (text: string, below?: string): SourceText => ({
  format: 'json',
  text,
  ...(below === undefined ? {} : { below }),
});
const xml = (text: string, below?: string): SourceText => ({ ...json(text, below), format: 'xml' });

describe('JSON', () => {
  const text = [
    '{ "resourceType": "Observation",',
    '  "code": { "text": "a \\" } ] , b" },',
    '  "valueQuantity": { "value": 1.0 },',
    '  "_effectiveDateTime": { "extension": [{ "url": "x", "valueCode": "y" }] },',
    '  "component": [ { "code": { "text": "1" } },',
    '    { "code": { "text": "2" },',
    '      "interpretation": [ {"text": "a"}, {"text": "b"} ] } ],',
    '  "note": [ null ] }',
  ].join('\n');

  test('a member is where its name is, an item where it begins', () => {
    assert.deepEqual(at(json(text), 'Observation', 'Observation.code', 'Observation.code.text'), [
      '1:1',
      '2:3',
      '2:13',
    ]);
    assert.deepEqual(at(json(text), 'Observation.component[1]', 'Observation.component[1].code.text'), ['6:5', '6:17']);
    assert.deepEqual(at(json(text), 'Observation.component[1].interpretation[1].text'), ['7:43']);
    assert.deepEqual(at(json(text), 'Observation.component', 'Observation.component.code'), ['5:3', '5:20']);
  });

  test('a choice goes by its element’s name, a primitive’s extensions by the primitive’s', () => {
    for (const path of ['value', 'value[x]', 'value.ofType(Quantity)', 'valueQuantity', '(value as Quantity)'])
      assert.match(at(json(text), `Observation.${path}.value`)[0]!, path.startsWith('(') ? /^1:1$/ : /^3:22$/, path);
    assert.deepEqual(at(json(text), 'Observation.effective.extension[0].value'), ['4:55']);
    assert.deepEqual(at(json(text), "Observation.effective.extension('x').value"), ['4:55']);
  });

  test('what is missing is where it is missing from', () => {
    assert.deepEqual(at(json(text), 'Observation.status', 'Observation.component[1].valueString'), ['1:1', '6:5']);
    assert.deepEqual(at(json(text), 'Observation.component[7].code', 'Observation.code.coding[0].system'), [
      '5:3',
      '2:3',
    ]);
  });

  test('below a place, and behind a byte order mark', () => {
    const wrapped = `\uFEFF{"parameter":[{},{"resource":\n${text}}]}`;
    assert.deepEqual(at(json(wrapped, 'parameter[1].resource'), 'Observation.component[1]'), ['7:5']);
  });

  test('in a Bundle, with the hints that other validators write', () => {
    const bundle = '{"entry":[{"resource":{"name":[{\n"family":1}]}}]}';
    const path = 'Bundle.entry[0].resource/*Patient/p*/.name[0].family';
    assert.deepEqual(at(json(bundle), path, 'Bundle.entry[0].resource.ofType(Patient).name[0].family'), ['2:1', '2:1']);
  });

  test('names with escapes, empty objects and lists, nothing at all', () => {
    assert.deepEqual(at(json('{"\\u0063ode":[],"x":{},\n"y":[{}]}'), 'A.code[0]', 'A.x.y', 'A.y[0]'), [
      '1:2',
      '1:17',
      '2:6',
    ]);
    assert.deepEqual(at(json('{}'), 'A.b'), ['1:1']);
    assert.deepEqual(at(json('[]'), 'A.b'), ['1:1']);
  });
});

describe('XML', () => {
  const text = [
    '<?xml version="1.0"?>',
    '<f:Patient xmlns:f="http://hl7.org/fhir">',
    '  <f:contained><f:Group id="g"><f:active value="true"/></f:Group></f:contained>',
    '  <f:name><f:given value="&lt;"/></f:name>',
    '  <f:name id="n"><!-- <f:given/> --><f:given value="a"/><f:given value="b"/></f:name>',
    '  <f:deceasedBoolean value="x"/>',
    '</f:Patient>',
  ].join('\n');

  test('a place is the tag’s', () => {
    assert.deepEqual(at(xml(text), 'Patient', 'Patient.name[0].given[0]', 'Patient.name[1].given[1]'), [
      '2:1',
      '4:11',
      '5:57',
    ]);
    assert.deepEqual(at(xml(text), 'Patient.name[1].id', 'Patient.deceased', 'Patient.contained[0].active'), [
      '5:3',
      '6:3',
      '3:32',
    ]);
    assert.deepEqual(at(xml(text), 'Patient.gender', 'Patient.name[4]'), ['2:1', '4:3']);
  });

  test('below a place', () => {
    const wrapped = `<Parameters><parameter/><parameter><resource>\n<Patient><gender/></Patient></resource></parameter></Parameters>`;
    assert.deepEqual(at(xml(wrapped, 'parameter[1].resource'), 'Patient.gender'), ['2:10']);
  });
});

test('a large text with many faults takes one pass', () => {
  const items = Array.from({ length: 20_000 }, (_, i) => `{"system":"s${i}","value":"${'x'.repeat(50)}"}`);
  const source = json(`{"identifier":[\n${items.join(',\n')}]}`);
  const wanted = Array.from({ length: 500 }, (_, i) => `Patient.identifier[${i * 40}].value`);
  const found = at(source, ...wanted);
  assert.equal(found[499], `${499 * 40 + 2}:20`);
});
