// https://hl7.org/fhir/R4/xml.html
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CerebraError } from '#platform';
import { random } from '#platform/testing';
import { loadDefinitions } from '../definitions.ts';
import { parseJson, stringify } from '../json.ts';
import { createXmlCodec } from './codec.ts';

const { read, write } = createXmlCodec(await loadDefinitions());

const ns = 'xmlns="http://hl7.org/fhir"';
const xhtml = 'xmlns="http://www.w3.org/1999/xhtml"';
const patient = (content: string): string => `<Patient ${ns}>${content}</Patient>`;

describe('XML is read as', () => {
  const cases: [string, string, object][] = [
    ['a resource without content', patient(''), { resourceType: 'Patient' }],
    [
      'primitives by their types',
      `<Observation ${ns}><valueQuantity><value value="1.5"/></valueQuantity></Observation>`,
      { resourceType: 'Observation', valueQuantity: { value: 1.5 } },
    ],
    ['booleans', patient('<active value="false"/>'), { resourceType: 'Patient', active: false }],
    [
      'whole numbers, and numbers that are text',
      `<Patient ${ns}><multipleBirthInteger value="3"/><birthDate value="1970"/></Patient>`,
      { resourceType: 'Patient', multipleBirthInteger: 3, birthDate: '1970' },
    ],
    [
      'ids of elements, not of resources, as attributes',
      patient('<id value="p1"/><name id="n1"><family id="f1" value="Doe"/></name>'),
      { resourceType: 'Patient', id: 'p1', name: [{ id: 'n1', family: 'Doe', _family: { id: 'f1' } }] },
    ],
    [
      'a primitive with an extension, with and without a value',
      patient(
        '<birthDate value="1970-03-30"><extension url="http://e.x/t"><valueString value="a"/></extension></birthDate>' +
          '<gender><extension url="http://e.x/u"><valueCode value="b"/></extension></gender>',
      ),
      {
        resourceType: 'Patient',
        birthDate: '1970-03-30',
        _birthDate: { extension: [{ url: 'http://e.x/t', valueString: 'a' }] },
        _gender: { extension: [{ url: 'http://e.x/u', valueCode: 'b' }] },
      },
    ],
    [
      'a repeating primitive as two arrays of one length',
      `<CodeSystem ${ns}><contact><name value="x"/></contact><jurisdiction><text value="a"/></jurisdiction></CodeSystem>`,
      { resourceType: 'CodeSystem', contact: [{ name: 'x' }], jurisdiction: [{ text: 'a' }] },
    ],
    [
      'its values and extensions side by side',
      patient(
        '<name><given value="A"/><given id="i"><extension url="u"><valueCode value="x"/></extension></given><given value="C"/></name>',
      ),
      {
        resourceType: 'Patient',
        name: [
          {
            given: ['A', null, 'C'],
            _given: [null, { id: 'i', extension: [{ url: 'u', valueCode: 'x' }] }, null],
          },
        ],
      },
    ],
    [
      'a repeating primitive without any value as its extensions alone',
      patient('<name><given><extension url="u"><valueCode value="x"/></extension></given></name>'),
      { resourceType: 'Patient', name: [{ _given: [{ extension: [{ url: 'u', valueCode: 'x' }] }] }] },
    ],
    [
      'contained resources, and resources in a Bundle',
      `<Bundle ${ns}><entry><resource><Patient><contained><Organization><id value="o"/></Organization></contained><contained><Basic/></contained></Patient></resource></entry></Bundle>`,
      {
        resourceType: 'Bundle',
        entry: [
          {
            resource: {
              resourceType: 'Patient',
              contained: [{ resourceType: 'Organization', id: 'o' }, { resourceType: 'Basic' }],
            },
          },
        ],
      },
    ],
    [
      'elements that borrow the content of others',
      `<Questionnaire ${ns}><item><linkId value="1"/><item><linkId value="1.1"/></item></item></Questionnaire>`,
      { resourceType: 'Questionnaire', item: [{ linkId: '1', item: [{ linkId: '1.1' }] }] },
    ],
    [
      'references to characters, whatever their form',
      patient('<name><family value="&#x41;&#66;&amp;&lt;&gt;&quot;&apos;&#10;&#x1F600;"/></name>'),
      { resourceType: 'Patient', name: [{ family: 'AB&<>"\'\n\u{1f600}' }] },
    ],
    [
      'a document with byte order mark, declaration, comments, instructions and white space',
      `\ufeff<?xml version="1.0" encoding="utf-8"?>\n<!-- a --><?xml-stylesheet href="x"?>\n<Patient ${ns}\n xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir fhir-all.xsd">\r\n\t<!-- b --><active\n value = 'true' ><!-- c --></active >\n</Patient>\n<!-- d -->\n`,
      { resourceType: 'Patient', active: true },
    ],
    [
      'elements with a prefix',
      '<f:Patient xmlns:f="http://hl7.org/fhir"><f:name><f:family value="A"/></f:name></f:Patient>',
      { resourceType: 'Patient', name: [{ family: 'A' }] },
    ],
    [
      'elements in another order than the definition, each list in its own',
      patient(
        '<birthDate value="1970"/><name><family value="A"/></name><active value="true"/><name><family value="B"/></name>',
      ),
      { resourceType: 'Patient', birthDate: '1970', name: [{ family: 'A' }, { family: 'B' }], active: true },
    ],
  ];
  for (const [name, xml, expected] of cases) {
    test(name, async () => assert.deepEqual(await read(xml), expected));
  }
});

for (const digits of [
  '1.00',
  '-0.0',
  '1E3',
  '1.50e-7',
  '12345678901234567890',
  '0.1000000000000000055',
  '72.5',
  '-4',
]) {
  test(`the decimal ${digits} keeps its digits`, async () => {
    const tree = await read(
      `<Observation ${ns}><valueQuantity><value value="${digits}"/></valueQuantity></Observation>`,
    );
    const json = `{"resourceType":"Observation","valueQuantity":{"value":${digits}}}`;
    assert.equal(stringify(tree), json);
    assert.deepEqual(tree, parseJson(json).exact);
  });
}

describe('a narrative', () => {
  const document = (div: string, root = ns): string =>
    `<Patient ${root}><text><status value="generated"/>${div}</text></Patient>`;
  const divOf = async (xml: string) => ((await read(xml)).text as { div: string }).div;

  const verbatim = [
    `<div ${xhtml}>plain</div>`,
    `<div ${xhtml}/>`,
    `<div\n  ${xhtml}\r\n lang='en'  ><p>a&#160;b &amp; c &lt; d</p><br/><br />\n<!-- a <b> --></div >`,
    `<div ${xhtml}><p ${xhtml}>again</p></div>`,
    `<div id="x" ${xhtml}><div><div>deep</div></div>\u{1f600} ü</div>`,
  ];
  for (const div of verbatim) {
    test(`stays byte for byte: ${JSON.stringify(div)}`, async () => assert.equal(await divOf(document(div)), div));
  }

  test('whose namespace is declared outside stands on its own afterwards', async () => {
    const xml = document(
      '<h:div><h:p title="a&quot;b">x &amp; y</h:p><h:br/></h:div>',
      `${ns} xmlns:h="http://www.w3.org/1999/xhtml"`,
    );
    assert.equal(await divOf(xml), `<div ${xhtml}><p title="a&quot;b">x &amp; y</p><br/></div>`);
  });

  test('has its CDATA as text, and no processing instructions', async () => {
    const xml = document(`<div ${xhtml}>a<![CDATA[<b> & ]]>c<?php x ?><!-- <![CDATA[ --></div>`);
    assert.equal(await divOf(xml), `<div ${xhtml}>a&lt;b&gt; &amp; c<!-- <![CDATA[ --></div>`);
  });

  test('is found at its place in a long document, whatever is cut between', async () => {
    const entry = (n: number) =>
      `<entry><resource><Basic><text><status value="generated"/><div ${xhtml}>\u{1f600}\r\n${n}</div></text></Basic></resource></entry>`;
    const entries = Array.from({ length: 3000 }, (_, n) => n);
    const bundle = await read(`<Bundle ${ns}>${entries.map(entry).join('\r\n')}</Bundle>`);
    const divs = (bundle.entry as { resource: { text: { div: string } } }[]).map(({ resource }) => resource.text.div);
    assert.deepEqual(
      divs,
      entries.map((n) => `<div ${xhtml}>\u{1f600}\r\n${n}</div>`),
    );
  });

  const refused: [string, string, RegExp][] = [
    ['without a namespace', '<div>x</div>', /<div> must be of the namespace/],
    ['with elements of FHIR', `<div ${xhtml}><p xmlns="http://hl7.org/fhir">x</p></div>`, /<p> is not XHTML/],
    [
      'with elements of another namespace',
      `<div ${xhtml}><svg xmlns="http://www.w3.org/2000/svg"/></div>`,
      /<svg> is not XHTML/,
    ],
    ['twice', `<div ${xhtml}>a</div><div ${xhtml}>b</div>`, /div must not be repeated/],
    ['with entities of HTML', `<div ${xhtml}>a&nbsp;b</div>`, /undefined entity/],
    ['nested too deeply', `<div ${xhtml}>${'<b>'.repeat(250)}${'</b>'.repeat(250)}</div>`, /deeper than 200 levels/],
  ];
  for (const [name, div, message] of refused) {
    test(`is refused ${name}`, async () => {
      await assert.rejects(read(document(div)), (error: CerebraError) => {
        assert.match(error.message, message);
        assert.deepEqual(error.issues[0]?.expression, ['Patient.text']);
        return true;
      });
    });
  }
});

test('what XML lets through at the greatest depth, JSON lets through as well', async () => {
  // Per level of XML an array and an object.
  const nested = (levels: number): string =>
    levels === 0 ? '' : `<extension url="a">${nested(levels - 1)}</extension>`;
  const deepest = await read(patient(nested(49)));
  assert.deepEqual(parseJson(stringify(deepest)).value, deepest);
  await assert.rejects(read(patient(nested(50))), /Nested deeper than 100 levels/);
  const companion = '<gender value="a"><extension url="u"><valueCode value="v"/></extension></gender>';
  const withCompanion = await read(patient(companion));
  assert.deepEqual(parseJson(stringify(withCompanion)).value, withCompanion);
  assert.equal((await read(write(withCompanion, false))).gender, 'a');
});

test('others get their turn while a long document is read', async () => {
  const long = `<Bundle ${ns}>${'<entry><fullUrl value="urn:uuid:1"/></entry>'.repeat(20_000)}</Bundle>`;
  let turns = 0;
  const count = (): void => {
    turns++;
    handle = setImmediate(count);
  };
  let handle = setImmediate(count);
  const bundle = await read(long);
  clearImmediate(handle);
  assert.equal((bundle.entry as unknown[]).length, 20_000);
  assert.ok(turns >= Math.floor(long.length / 65_536), `${turns} turns`);
});

test('whatever is done to a document, it is read or refused with its place, and what is read can be written', async () => {
  const next = random(42);
  const document =
    `<Bundle ${ns}><type value="collection"/><entry><resource><Patient><id value="p"/><text><status value="generated"/><div ${xhtml}>a<br/>&#160;</div></text>` +
    '<contained><Basic><id value="b"/></Basic></contained><extension url="u"><valueDecimal value="1.0"/></extension><active value="true"/>' +
    '<name id="n"><given value="A"><extension url="u"><valueCode value="c"/></extension></given><given value="B"/></name><multipleBirthInteger value="2"/></Patient></resource></entry></Bundle>';
  const parts = [...new Set(document.match(/<[^>]*>|"[^"]*"|[^<>"]+/g))];
  parts.push(
    '<',
    '>',
    '"',
    '/',
    '&',
    '&amp;',
    ' ',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?x?>',
    '\0',
    'xmlns=""',
    '<!DOCTYPE x>',
  );
  let wellFormed = 0;
  for (let round = 0; round < 5000; round++) {
    let text = document;
    for (let edits = 1 + next(3); edits > 0; edits--) {
      const at = next(text.length);
      const removed = next(3) === 0 ? 0 : next(20);
      text = text.slice(0, at) + (next(3) === 0 ? '' : parts[next(parts.length)]) + text.slice(at + removed);
    }
    try {
      const tree = await read(text);
      wellFormed++;
      assert.deepEqual(await read(write(tree, next(2) === 0)), tree, text);
    } catch (error) {
      assert.ok(error instanceof CerebraError && error.code !== 'internal', `${text}: ${(error as Error).stack}`);
      assert.match(error.message, /line 1, column \d+/);
    }
  }
  assert.ok(wellFormed > 100, `${wellFormed} were read`);
});
