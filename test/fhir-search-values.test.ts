// Modifiers, composites, units and special parameters over HTTP: https://hl7.org/fhir/R4/search.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { put } from './bundle-entries.ts';
import { assertOutcome, type Client, createClient, ids } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;

const LOINC = 'http://loinc.org';
const UCUM = 'http://unitsofmeasure.org';
const quantity = (value: number, code: string) => ({ value, unit: code, system: UCUM, code });
const coded = (code: string, display?: string) => ({
  coding: [{ system: LOINC, code, ...(display === undefined ? {} : { display }) }],
});
const pressure = (id: string, systolic: number, diastolic: number) =>
  put('Observation', id, {
    status: 'final',
    code: coded('85354-9', 'Blood pressure panel'),
    subject: { reference: 'Patient/p1', display: 'Eve Testperson' },
    component: [
      { code: coded('8480-6'), valueQuantity: quantity(systolic, 'mm[Hg]') },
      { code: coded('8462-4'), valueQuantity: quantity(diastolic, 'mm[Hg]') },
    ],
  });

before(async () => {
  server = await startTestServer();
  fhir = createClient(server.fhirBaseUrl);
  const reply = await fhir('POST', '', {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      put('Patient', 'p1', {
        text: {
          status: 'generated',
          div: '<div xmlns="http://www.w3.org/1999/xhtml">Allergic to <b>pénicillin</b></div>',
        },
        identifier: [
          {
            type: { coding: [{ system: 'http://t', code: 'MR' }], text: 'Hospital number' },
            system: 'http://mrn',
            value: 'a1',
          },
        ],
        name: [{ family: 'Überwasser', given: ['Änne'] }],
      }),
      put('Patient', 'p2', { identifier: [{ system: 'http://mrn', value: 'A1' }], name: [{ family: 'Wassermann' }] }),
      put('Practitioner', 'dr', { name: [{ family: 'Carreno-Quinones' }, { family: 'van der Berg' }] }),
      pressure('bp1', 150, 90),
      pressure('bp2', 120, 140),
      put('Observation', 'w1', { status: 'final', code: { text: 'Weight' }, valueQuantity: quantity(5, 'g') }),
      put('Observation', 'w2', { status: 'final', code: { text: 'Weight' }, valueQuantity: quantity(5000, 'mg') }),
      put('Location', 'berlin', { name: 'Berlin', position: { longitude: 13.405, latitude: 52.52 } }),
      put('Location', 'potsdam', {
        name: 'Potsdam',
        position: { longitude: 13.064, latitude: 52.4 },
        partOf: { reference: 'Location/berlin' },
      }),
      put('ValueSet', 'vitals', {
        url: 'http://vs/vitals',
        status: 'active',
        compose: { include: [{ system: LOINC, concept: [{ code: '85354-9' }] }] },
      }),
    ],
  });
  assert.equal(reply.status, 200, reply.text.slice(0, 500));
});
after(() => server.stop());

const find = async (search: string): Promise<string[]> => {
  const reply = await fhir('GET', search);
  assert.equal(reply.status, 200, reply.text.slice(0, 300));
  return ids(reply).sort();
};

describe('finds', () => {
  const cases: [string, string[]][] = [
    ['Practitioner?family=QUIÑONES', ['dr']],
    ['Practitioner?name=berg&_sort=family', ['dr']],
    ['Practitioner?family:exact=Quinones', []],
    [`Observation?value-quantity=5|${UCUM}|g`, ['w1', 'w2']],
    ['Observation?value-quantity=5||g', ['w1']],
    [`Observation?component-code-value-quantity=${LOINC}|8480-6$gt140`, ['bp1']],
    ['Observation?component-code-value-quantity=8462-4$gt130', ['bp2']],
    [`Observation?combo-code-value-quantity=8480-6$lt17|${UCUM}|kPa`, ['bp2']],
    ['Observation?code:text=blood', ['bp1', 'bp2']],
    ['Observation?code:text=weight', ['w1', 'w2']],
    ['Observation?code:code-text=8535', ['bp1', 'bp2']],
    ['Observation?code:in=http://vs/vitals', ['bp1', 'bp2']],
    ['Observation?code:not-in=ValueSet/vitals', ['w1', 'w2']],
    ['Observation?subject:text=testp', ['bp1', 'bp2']],
    ['Patient?identifier=http://mrn|a1', ['p1']],
    ['Patient?identifier:of-type=http://t|MR|a1', ['p1']],
    ['Patient?identifier:text=hospital', ['p1']],
    ['Patient?name:contains=wasser', ['p1', 'p2']],
    ['Patient?name=uberwasser', ['p1']],
    ['Patient?_text=penicillin and allergic', ['p1']],
    ['Patient?_content=wassermann', ['p2']],
    ['Patient?_content=%22http mrn%22', ['p1', 'p2']],
    ['Location?near=52.5|13.4|10|km', ['berlin']],
    ['Location?near=52.5|13.4|30|km', ['berlin', 'potsdam']],
    ['Location?partof:below=Location/berlin', ['potsdam']],
  ];
  for (const [search, expected] of cases) {
    test(search, async () =>
      assert.deepEqual(await find(search.replaceAll('|', '%7C').replaceAll('$', '%24')), expected),
    );
  }

  test('by POST as well', async () => {
    const body = `component-code-value-quantity=${encodeURIComponent('8480-6$gt140')}`;
    const reply = await fhir('POST', 'Observation/_search', body, {
      'Content-Type': 'application/x-www-form-urlencoded',
    });
    assert.deepEqual(ids(reply), ['bp1']);
  });
});

describe('refuses', () => {
  const cases: [string, string, string, RegExp][] = [
    ['Observation?code:in=http://vs/none', 'value', 'code:in', /'http:\/\/vs\/none' is not known here/],
    ['Observation?code:of-type=a|b|c', 'value', 'code:of-type', /:of-type is no modifier of code/],
    [
      'Observation?component-code-value-quantity=8480-6',
      'value',
      'component-code-value-quantity',
      /expected component-code\$component-value-quantity/,
    ],
    ['Location?near=here', 'value', 'near', /expected latitude\|longitude/],
    ['Patient?_text=(a', 'value', '_text', /parenthesis/],
    ['Patient?_content:exact=a', 'value', '_content:exact', /:exact is no modifier of _content/],
    ["Patient?identifier:of-type=';drop table term--|x|", 'value', 'identifier:of-type', /typed identifier/],
  ];
  for (const [search, code, expression, message] of cases) {
    test(search, async () => {
      const issue = assertOutcome(await fhir('GET', search.replaceAll('|', '%7C')), 400, code, expression);
      assert.match(issue.diagnostics, message);
    });
  }
});

test('what looks like SQL or a pattern is text', async () => {
  for (const value of ["'; drop table term; --", '%', '_', '\\\\', "x' | 'y", '!x', '<->', '$99', '🙂'])
    for (const name of [
      'Observation?code:text',
      'Observation?code:code-text',
      'Observation?subject:text',
      'Patient?_text',
      'Patient?_content',
      'Patient?name:contains',
    ]) {
      const reply = await fhir('GET', `${name}=${encodeURIComponent(value)}`);
      assert.ok(
        reply.status === 200 || reply.status === 400,
        `${name}=${value}: ${reply.status} ${reply.text.slice(0, 200)}`,
      );
      if (reply.status === 200) assert.deepEqual(ids(reply), [], `${name}=${value}`);
    }
});

test('the CapabilityStatement tells composite and special parameters', async () => {
  const { json } = await fhir('GET', 'metadata');
  const [rest] = json.rest as unknown as { resource: { type: string; searchParam: JsonObject[] }[] }[];
  const typeOf = (type: string, name: string) =>
    rest?.resource.find((each) => each.type === type)?.searchParam.find((param) => param.name === name)?.type;
  assert.equal(typeOf('Observation', 'component-code-value-quantity'), 'composite');
  assert.equal(typeOf('Location', 'near'), 'special');
  assert.equal(typeOf('Patient', '_text'), 'string');
  assert.equal(typeOf('Binary', '_text'), undefined);
  assert.equal(typeOf('Binary', '_content'), 'string');
});
