// What is no FHIR or no XML: https://hl7.org/fhir/R4/xml.html, https://www.w3.org/TR/xml/
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CerebraError } from '#platform';
import { loadDefinitions } from '../definitions.ts';
import { createXmlCodec } from './codec.ts';

const { read } = createXmlCodec(await loadDefinitions());

const ns = 'xmlns="http://hl7.org/fhir"';
const patient = (content: string): string => `<Patient ${ns}>${content}</Patient>`;

async function refusal(xml: string): Promise<{ code: string; message: string; expression: string[] | undefined }> {
  try {
    await read(xml);
  } catch (error) {
    assert.ok(error instanceof CerebraError, String(error));
    return { code: error.code, message: error.message, expression: error.issues[0]?.expression };
  }
  return assert.fail(`was read: ${xml.slice(0, 300)}`);
}

describe('what is no FHIR is refused with its place', () => {
  const cases: [string, string, string, string, string | undefined][] = [
    [
      'unknown element',
      patient('\n  <birthday value="1"/>'),
      'structure',
      'Patient: there is no element <birthday> in Patient, at line 2, column 3',
      'Patient',
    ],
    [
      'unknown element of a nested type',
      patient('<contact><name><famly value="x"/></name></contact>'),
      'structure',
      'Patient.contact[0].name: there is no element <famly> in HumanName, at line 1, column 53',
      'Patient.contact[0].name',
    ],
    [
      'element in a primitive',
      patient('<gender value="male"><value value="x"/></gender>'),
      'structure',
      'Patient.gender: there is no element <value> in code, at line 1, column 59',
      'Patient.gender',
    ],
    [
      'unknown type',
      `<Patiens ${ns}/>`,
      'structure',
      '<Patiens> is not a resource type of FHIR R4, at line 1, column 1',
      undefined,
    ],
    [
      'abstract type',
      `<DomainResource ${ns}/>`,
      'structure',
      '<DomainResource> is not a resource type of FHIR R4, at line 1, column 1',
      undefined,
    ],
    [
      'no namespace',
      '<Patient/>',
      'structure',
      "<Patient> is of no namespace: elements of FHIR are of 'http://hl7.org/fhir' (xmlns on the root element), at line 1, column 1",
      undefined,
    ],
    [
      'another namespace',
      '<Patient xmlns="urn:hl7-org:v3"/>',
      'structure',
      "<Patient> is of the namespace 'urn:hl7-org:v3': elements of FHIR are of 'http://hl7.org/fhir' (xmlns on the root element), at line 1, column 1",
      undefined,
    ],
    [
      'another namespace inside',
      patient('<name xmlns="urn:x"/>'),
      'structure',
      "Patient: <name> is of the namespace 'urn:x': elements of FHIR are of 'http://hl7.org/fhir' (xmlns on the root element), at line 1, column 38",
      'Patient',
    ],
    [
      'unknown attribute',
      patient('<gender code="male"/>'),
      'structure',
      "Patient.gender: attribute 'code' is not known here, at line 1, column 38",
      'Patient.gender',
    ],
    [
      'value of a complex element',
      patient('<name value="x"/>'),
      'structure',
      "Patient.name[0]: attribute 'value' is not known here, at line 1, column 38",
      'Patient.name[0]',
    ],
    [
      'attribute of another namespace',
      patient('<gender xml:lang="en" value="male"/>'),
      'structure',
      "Patient.gender: attribute 'xml:lang' is not known here, at line 1, column 38",
      'Patient.gender',
    ],
    [
      'id attribute of a resource',
      `<Patient ${ns} id="1"/>`,
      'structure',
      "Patient: attribute 'id' is not known here, at line 1, column 1",
      'Patient',
    ],
    [
      'attribute of a holder',
      patient('<contained id="c"><Basic/></contained>'),
      'structure',
      "Patient.contained[0]: attribute 'id' is not known here, at line 1, column 38",
      'Patient.contained[0]',
    ],
    [
      'empty attribute',
      patient('<gender value=""/>'),
      'structure',
      "Patient.gender: attribute 'value' must not be empty, at line 1, column 38",
      'Patient.gender',
    ],
    [
      'text',
      patient('<gender>male</gender>'),
      'structure',
      'Patient.gender: text may stand in a narrative only: values are in the attribute value, at line 1, column 50',
      'Patient.gender',
    ],
    [
      'text that is a no-break space',
      patient('\u00a0'),
      'structure',
      'Patient: text may stand in a narrative only: values are in the attribute value, at line 1, column 39',
      'Patient',
    ],
    [
      'CDATA',
      patient('<![CDATA[x]]>'),
      'structure',
      'Patient: text may stand in a narrative only: values are in the attribute value, at line 1, column 38',
      'Patient',
    ],
    [
      'repeated element',
      patient('<gender value="male"/><active value="true"/><gender value="female"/>'),
      'structure',
      'Patient.gender: must not be repeated, at line 1, column 82',
      'Patient.gender',
    ],
    [
      'repeated element without values',
      patient('<gender><extension url="x"><valueCode value="a"/></extension></gender><gender value="male"/>'),
      'structure',
      'Patient.gender: must not be repeated, at line 1, column 108',
      'Patient.gender',
    ],
    [
      'empty element',
      patient('<name/>'),
      'structure',
      'Patient.name[0]: must not be empty: it needs a value, children or extensions, at line 1, column 38',
      'Patient.name[0]',
    ],
    [
      'only an id',
      patient('<gender id="a"/>'),
      'structure',
      'Patient.gender: must not be empty: it needs a value, children or extensions, at line 1, column 38',
      'Patient.gender',
    ],
    [
      'empty holder',
      patient('<contained></contained>'),
      'structure',
      'Patient.contained[0]: must not be empty: it needs a resource, at line 1, column 49',
      'Patient.contained[0]',
    ],
    [
      'two resources in one holder',
      patient('<contained><Basic/><Basic/></contained>'),
      'structure',
      'Patient.contained[0]: only one resource may stand in here, at line 1, column 57',
      'Patient.contained[0]',
    ],
    [
      'no resource in a holder',
      patient('<contained><name/></contained>'),
      'structure',
      'Patient.contained[0]: <name> is not a resource type of FHIR R4, at line 1, column 49',
      'Patient.contained[0]',
    ],
    [
      'no number',
      patient('<multipleBirthInteger value="one"/>'),
      'invalid',
      "Patient.multipleBirthInteger: 'one' is not a number (integer), at line 1, column 38",
      'Patient.multipleBirthInteger',
    ],
    [
      'number with plus',
      patient('<multipleBirthInteger value="+1"/>'),
      'invalid',
      "Patient.multipleBirthInteger: '+1' is not a number (integer), at line 1, column 38",
      'Patient.multipleBirthInteger',
    ],
    [
      'number with leading zero',
      patient('<multipleBirthInteger value="01"/>'),
      'invalid',
      "Patient.multipleBirthInteger: '01' is not a number (integer), at line 1, column 38",
      'Patient.multipleBirthInteger',
    ],
    [
      'no boolean',
      patient('<active value="1"/>'),
      'invalid',
      "Patient.active: '1' is not true or false (boolean), at line 1, column 38",
      'Patient.active',
    ],
  ];
  for (const [name, xml, code, message, path] of cases) {
    test(name, async () =>
      assert.deepEqual(await refusal(xml), { code, message, expression: path === undefined ? undefined : [path] }),
    );
  }
});

describe('what is no XML is refused with its place', () => {
  const lol = Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join('');
  const cases: [string, string, RegExp][] = [
    ['nothing', ' ', /line 1, column 2: document must contain a root element/],
    ['JSON', '{"resourceType":"Patient"}', /line 1, column \d+: text data outside of root node/],
    ['an open tag at the end', `<Patient ${ns}>\n<name>`, /line 2, column 7: unclosed tag: name/],
    [
      'a tag that closes another',
      patient('<name><family value="x"/></contact>'),
      /line 1, column 73: unexpected close tag/,
    ],
    ['a second root', `${patient('')}<Basic ${ns}/>`, /documents may contain only one root/],
    ['text after the root', `${patient('')}x`, /text data outside of root node/],
    ['a repeated attribute', patient('<gender value="male" value="female"/>'), /column 75: duplicate attribute: value/],
    [
      'a repeated attribute by namespace',
      `<Patient ${ns} xmlns:a="u" xmlns:b="u" a:x="1" b:x="2"/>`,
      /duplicate attribute: \{u\}x/,
    ],
    ['an attribute without quotes', patient('<gender value=male/>'), /unquoted attribute value/],
    ['< in an attribute', patient('<gender value="<"/>'), /line 1, column 54: disallowed character/],
    ['an unbound prefix', patient('<x:name/>'), /unbound namespace prefix: "x"/],
    ['NUL', patient('<gender value="a\0b"/>'), /disallowed character/],
    ['a reference to NUL', patient('<gender value="&#0;"/>'), /malformed character entity/],
    ['a reference to a control character', patient('<gender value="&#1;"/>'), /malformed character entity/],
    [
      'a control character of XML 1.1',
      `<?xml version="1.1"?>${patient('<gender value="&#1;"/>')}`,
      /malformed character entity/,
    ],
    ['a reference to a surrogate', patient('<gender value="&#xd800;"/>'), /malformed character entity/],
    ['an unknown entity', patient('<gender value="&male;"/>'), /undefined entity/],
    ['an entity of the prototype', patient('<gender value="&constructor;"/>'), /undefined entity/],
    [
      'a document type',
      `<!DOCTYPE Patient SYSTEM "http://e.x/p.dtd">${patient('')}`,
      /document type declaration \(DTD\) is not allowed/,
    ],
    [
      'an external entity',
      `<!DOCTYPE Patient [<!ENTITY x SYSTEM "file:///etc/passwd">]>${patient('<gender value="&x;"/>')}`,
      /document type declaration/,
    ],
    [
      'a billion laughs',
      `<!DOCTYPE Patient [<!ENTITY l0 "lol">${lol}]>${patient('<gender value="&l9;"/>')}`,
      /document type declaration/,
    ],
    [
      'a document type that never ends',
      `<!DOCTYPE Patient [${'<!ENTITY a "b">'.repeat(10_000)}`,
      /document must contain a root element/,
    ],
    [
      'another encoding',
      `<?xml version="1.0" encoding="ISO-8859-1"?>${patient('')}`,
      /the encoding 'ISO-8859-1' is declared, FHIR is UTF-8/,
    ],
    [
      'a declaration that is not at the start',
      ` <?xml version="1.0"?>${patient('')}`,
      /an XML declaration must be at the start/,
    ],
    ['a comment that never ends', patient('<!-- '), /unclosed tag: Patient|unexpected end/],
    ['-- in a comment', patient('<!-- a -- b -->'), /malformed comment/],
  ];
  for (const [name, xml, message] of cases) {
    test(name, async () => {
      const fault = await refusal(xml);
      assert.equal(fault.code, 'invalid-xml');
      assert.match(fault.message, message);
      assert.match(fault.message, /line \d+, column \d+/);
      assert.ok(fault.message.length < 300, fault.message);
    });
  }

  test('attributes without end are refused at the first too many', async () => {
    const many = Array.from({ length: 100_000 }, (_, n) => ` a${n}="1"`).join('');
    assert.match((await refusal(patient(`<name${many}/>`))).message, /column 842: a tag has over 100 attributes$/);
  });

  test('depth 100,000 is refused at level 101, in both ways to nest', async () => {
    const extensions = patient('<extension url="a">'.repeat(100_000));
    assert.match((await refusal(extensions)).message, /Nested deeper than 100 levels, at line 1, column \d+/);
    const resources = `<Bundle ${ns}>${'<entry><resource><Bundle>'.repeat(100_000)}`;
    assert.match((await refusal(resources)).message, /Nested deeper than 100 levels/);
  });

  test('a message is short, however long the name', async () => {
    assert.ok((await refusal(patient(`<${'x'.repeat(100_000)}/>`))).message.length < 300);
    assert.ok((await refusal(patient(`<name ${'x'.repeat(100_000)}="1"/>`))).message.length < 300);
    assert.ok((await refusal(patient(`<${'x'.repeat(100_000)}:a/>`))).message.length < 300);
  });
});
