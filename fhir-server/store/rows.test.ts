// What is stored beside a resource, and its finished text.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  compileExtractor,
  createSearchParameters,
  familyPartsKey,
  type JsonObject,
  loadDefinitions,
  parseJson,
  type Resource,
} from '#fhir-model';
import { bodyText } from './body.ts';
import { indexRows } from './index-rows.ts';
import { codeToken, token } from './tokens.ts';

const definitions = await loadDefinitions();
const parameters = createSearchParameters(definitions.searchParameters, definitions.resourceTypes, definitions);
const rowsOf = (resource: JsonObject) =>
  indexRows(
    compileExtractor(parameters.list(resource.resourceType as string), { baseUrl: 'http://here' })(
      resource as Resource,
    ),
  );
const paramOf = (type: string, code: string) => parameters.get(type, code)!;
const keyOf = (type: string, code: string): number => paramOf(type, code).key;

describe('index rows', () => {
  test('a string stands once as written, also where it folds to the same', () => {
    const rows = rowsOf({ resourceType: 'Patient', name: [{ family: 'Smith', text: 'SMITH' }, { family: 'Smith' }] });
    const family = keyOf('Patient', 'family');
    const of = (param: number) =>
      rows.stringParams.flatMap((key, i) => (key === param ? [[rows.stringValues[i], rows.stringExacts[i]]] : []));
    assert.deepEqual(of(family), [['smith', 'Smith']]);
    assert.deepEqual(of(keyOf('Patient', 'name')).sort(), [
      ['smith', 'SMITH'],
      ['smith', 'Smith'],
    ]);
  });

  test('the parts of a family name stand under a number of their own, once', () => {
    const name = { text: 'van der Berg', given: ['Mary Jane'] };
    const rows = rowsOf({
      resourceType: 'Patient',
      name: [{ ...name, family: 'van der Berg' }, { family: 'VAN DER BERG' }, { family: 'Ng-Berg' }, { family: 'Ng' }],
    });
    const of = (param: number) =>
      rows.stringParams
        .flatMap((key, i) => (key === param ? [`${rows.stringValues[i]} ${rows.stringExacts[i] ?? '-'}`] : []))
        .sort();
    const wholes = ['ng Ng', 'ng berg Ng-Berg', 'van der berg VAN DER BERG', 'van der berg van der Berg'];
    assert.deepEqual(of(keyOf('Patient', 'family')), wholes);
    assert.deepEqual(of(keyOf('Patient', 'name')), ['mary jane Mary Jane', ...wholes]);
    assert.deepEqual(of(keyOf('Patient', 'given')), ['mary jane Mary Jane']);
    const parts = ['berg -', 'der berg -'];
    assert.deepEqual(of(familyPartsKey(paramOf('Patient', 'family'))), parts);
    assert.deepEqual(of(familyPartsKey(paramOf('Patient', 'name'))), parts);
    assert.equal(rows.stringValues.length, 4 + 5 + 1 + 2 + 2);
  });

  test('a code with a bar is another than a system with one', () => {
    const of = (system: string, value: string) =>
      rowsOf({ resourceType: 'Patient', identifier: [{ system, value }] }).tokens;
    const [a, b] = [of('http://a|b', 'c'), of('http://a', 'b|c')];
    assert.equal(a.difference(b).size, 3, 'the pair, the system, the code');
  });

  test('references here are rows, each once; those to elsewhere and to one version are tokens', () => {
    const rows = rowsOf({
      resourceType: 'Observation',
      performer: [
        { reference: 'Patient/1' },
        { reference: 'http://here/Patient/1' },
        { reference: 'Patient/1/_history/2' },
        { reference: 'http://else/Patient/1' },
      ],
    });
    assert.deepEqual(rows.referenceParams, [keyOf('Observation', 'performer')]);
    const performer = paramOf('Observation', 'performer');
    const urls = ['Patient/1/_history/2', 'http://else/Patient/1'];
    assert.deepEqual(rows.tokens, new Set(urls.map((url) => token.url(performer, url))));
    assert.deepEqual(rows.facts, new Set([token.present(performer)]));
  });

  test('a code is found by one token, whether there is one told by facts', () => {
    const coding = [{ system: 'http://loinc.org', code: '8867-4' }];
    const rows = rowsOf({ resourceType: 'Observation', status: 'final', code: { coding } });
    const [status, code] = [paramOf('Observation', 'status'), paramOf('Observation', 'code')];
    assert.deepEqual(
      rows.tokens,
      new Set([token.anySystem(status, 'final'), codeToken(code, 'http://loinc.org', '8867-4')]),
    );
    assert.ok(
      rows.facts.isSupersetOf(
        new Set([token.present(status), token.present(code), token.anyCode(code, 'http://loinc.org')]),
      ),
    );
    assert.deepEqual(rows.termKinds, ['k', 'k']);
  });

  test('of UCUM codes the case counts, though terms have them in lower case', () => {
    const of = (code: string) => ({ coding: [{ system: 'http://unitsofmeasure.org', code }] });
    const rows = rowsOf({ resourceType: 'Observation', category: [of('mm'), of('Mm')] });
    assert.deepEqual(rows.termValues, ['mm', 'mm']);
    assert.deepEqual(new Set(rows.termTokens), rows.tokens);
    assert.equal(rows.tokens.size, 2);
  });

  test('a profile is a token and a term', () => {
    const profile = 'http://hl7.org/fhir/StructureDefinition/vitalsigns';
    const rows = rowsOf({ resourceType: 'Patient', meta: { profile: [profile] } });
    assert.deepEqual([rows.termKinds, rows.termValues, rows.stringValues], [['p'], [profile], []]);
  });

  test('50,000 members take no longer than 50,000 rows need', () => {
    const member = Array.from({ length: 50_000 }, (_, i) => ({
      entity: { reference: `Patient/${i % 40_000}` },
      period: { start: '2020-01-01' },
    }));
    assert.equal(rowsOf({ resourceType: 'Group', member }).referenceParams.length, 40_000);
  });

  test('a Timing is one row, from its first to its last', () => {
    const effectiveTiming = {
      event: ['2020-03-01', '2020-01-01'],
      repeat: { boundsPeriod: { start: '2019', end: '2020-02' } },
    };
    const rows = rowsOf({ resourceType: 'Observation', effectiveTiming });
    assert.deepEqual(rows.dateLows, [String(Date.UTC(2019, 0, 1))]);
    assert.deepEqual(rows.dateHighs, [String(Date.UTC(2020, 2, 2) - 1)]);
  });
});

describe('the finished text', () => {
  const text = (json: string, version = 3): string => {
    const { prefix, suffix } = bodyText(parseJson(json).exact as Resource, 'the-id', 1_700_000_000_123);
    return prefix + version + suffix;
  };
  const meta = (rest = '') => `"meta":{"versionId":"3","lastUpdated":"2023-11-14T22:13:20.123Z"${rest}}`;
  const cases: [string, string, string][] = [
    ['nothing but a type', '{"resourceType":"Basic"}', `{"resourceType":"Basic","id":"the-id",${meta()}}`],
    [
      'the id and meta of the client give way',
      '{"id":"x","meta":{"versionId":"9","lastUpdated":"1999"},"resourceType":"Basic"}',
      `{"resourceType":"Basic","id":"the-id",${meta()}}`,
    ],
    [
      'the rest of meta stays',
      '{"resourceType":"Basic","meta":{"tag":[{"code":"t"}]}}',
      `{"resourceType":"Basic","id":"the-id",${meta(',"tag":[{"code":"t"}]')}}`,
    ],
    [
      'order and digits stay',
      '{"resourceType":"Basic","b":1.00,"a":"\\ud800\\u0000","c":1e400}',
      `{"resourceType":"Basic","id":"the-id",${meta()},"b":1.00,"a":"\\ud800\\u0000","c":1e400}`,
    ],
  ];
  for (const [what, given, expected] of cases) {
    test(what, () => {
      assert.equal(text(given), expected);
      JSON.parse(text(given));
    });
  }
});
