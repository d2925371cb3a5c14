// ValueSet/$validate-code: https://hl7.org/fhir/R4/valueset-operation-validate-code.html
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { assertOutcome } from './client.ts';
import { serveTests } from './server.ts';
import {
  answer,
  assertRefused,
  COLOURS,
  inUrl,
  issuesOf,
  parameters,
  SET,
  valueSet,
  writeColours,
} from './value-sets.ts';

const fhir = serveTests();

describe('$validate-code', () => {
  let allId = '';
  before(async () => {
    allId = await writeColours(fhir);
  });

  const validate = (query: Record<string, string>) => fhir('GET', `ValueSet/$validate-code?${inUrl(query)}`);

  test('a code, a Coding and a CodeableConcept that are in it', async () => {
    const plain = answer(await validate({ url: `${SET}reds`, system: COLOURS, code: 'crimson' }));
    assert.deepEqual(plain, {
      ...{ result: true, code: 'crimson', system: COLOURS, version: '1.0', display: 'Crimson red' },
    });
    const coding = { system: COLOURS, code: 'red', display: 'Rot' };
    const given = [{ name: 'url', valueUri: `${SET}reds` }];
    const posted = parameters(...given, { name: 'coding', valueCoding: coding });
    assert.equal(answer(await fhir('POST', 'ValueSet/$validate-code', posted)).result, true);
    const concept = { coding: [{ system: COLOURS, code: 'blue' }, coding] };
    const several = parameters(...given, { name: 'codeableConcept', valueCodeableConcept: concept });
    const result = answer(await fhir('POST', 'ValueSet/$validate-code', several));
    assert.deepEqual([result.result, result.code], [true, 'red']);
    assert.deepEqual(issuesOf(result.issues), [
      ['information', 'code-invalid', 'this-code-not-in-vs', 'CodeableConcept.coding[0].code'],
    ]);
    const url = `ValueSet/${allId}/$validate-code?${inUrl({ system: COLOURS, code: 'red' })}`;
    assert.equal(answer(await fhir('GET', url)).result, true);
  });

  test('without system, where the value set leaves no doubt', async () => {
    assert.deepEqual(answer(await validate({ url: `${SET}few`, code: 'red' })).system, COLOURS);
    const { result, issues } = answer(await validate({ url: `${SET}few`, code: 'crimson' }));
    assert.equal(result, false);
    assert.deepEqual(
      issuesOf(issues).map(([, , type]) => type),
      ['not-in-vs', 'cannot-infer'],
    );
  });

  test('what is wrong is told with its place', async () => {
    const cases: [Record<string, string>, [string, string, string, string | undefined][]][] = [
      [{ code: 'blue' }, [['error', 'code-invalid', 'not-in-vs', 'code']]],
      [
        { code: 'none' },
        [
          ['error', 'code-invalid', 'not-in-vs', 'code'],
          ['error', 'code-invalid', 'invalid-code', 'code'],
        ],
      ],
      [{ code: 'red', display: 'Blue' }, [['error', 'invalid', 'invalid-display', 'display']]],
      [
        { code: 'red', display: 'Blue', 'lenient-display-validation': 'true' },
        [['warning', 'invalid', 'invalid-display', 'display']],
      ],
      [{ code: 'red', display: 'red' }, []],
      [
        { code: 'red', system: 'http://example.org/cs/none' },
        [
          ['error', 'code-invalid', 'not-in-vs', 'code'],
          ['error', 'not-found', 'not-found', 'system'],
        ],
      ],
    ];
    for (const [query, expected] of cases) {
      const { result, issues } = answer(await validate({ url: `${SET}reds`, system: COLOURS, ...query }));
      assert.deepEqual(issues === undefined ? [] : issuesOf(issues), expected, JSON.stringify(query));
      assert.equal(result, !expected.some(([severity]) => severity === 'error'), JSON.stringify(query));
    }
  });

  test('abstract and inactive codes', async () => {
    const all = { url: `${SET}all`, system: COLOURS };
    assert.equal(answer(await validate({ ...all, code: 'colour' })).result, true);
    assert.equal(answer(await validate({ ...all, code: 'colour', abstract: 'false' })).result, false);
    const inactive = answer(await validate({ ...all, code: 'puce' }));
    assert.deepEqual([inactive.result, inactive.inactive, inactive.status], [true, true, 'retired']);
    assert.equal(answer(await validate({ ...all, code: 'puce', activeOnly: 'true' })).result, false);
  });

  test('codes that the value set lists of a system that is not known: valid, with a warning', async () => {
    const foreign = { url: `${SET}foreign`, system: 'http://example.org/cs/none' };
    const listed = answer(await validate({ ...foreign, code: 'x' }));
    assert.equal(listed.result, true);
    assert.deepEqual(issuesOf(listed.issues), [['warning', 'not-found', 'not-found', 'system']]);
    assert.equal(answer(await validate({ ...foreign, code: 'y' })).result, false);
  });

  test('a CodeableConcept with a coding of it and one of a system that is not known: valid, with a warning', async () => {
    const judged = async (...coding: JsonObject[]) => {
      const given = parameters(
        { name: 'url', valueUri: `${SET}reds` },
        { name: 'codeableConcept', valueCodeableConcept: { coding } },
      );
      return answer(await fhir('POST', 'ValueSet/$validate-code', given));
    };
    const local = { system: 'http://example.org/cs/none', code: 'x' };
    const both = await judged(local, { system: COLOURS, code: 'red' });
    assert.deepEqual([both.result, both.code, both['x-unknown-system']], [true, 'red', local.system]);
    assert.deepEqual(issuesOf(both.issues), [
      ['information', 'code-invalid', 'this-code-not-in-vs', 'CodeableConcept.coding[0].code'],
      ['warning', 'not-found', 'not-found', 'CodeableConcept.coding[0].system'],
    ]);
    assert.equal((await judged(local)).result, false);
    // A code that its own system does not have is wrong beside any other.
    assert.equal((await judged({ system: COLOURS, code: 'none' }, { system: COLOURS, code: 'red' })).result, false);
  });

  test('requests that say too little or too much', async () => {
    assertOutcome(await validate({ url: `${SET}all` }), 400, 'required', 'code');
    assertRefused(await validate({ url: `${SET}none`, code: 'x' }), 404, 'not-found', 'not-found');
    const both = parameters(
      { name: 'url', valueUri: `${SET}all` },
      { name: 'code', valueCode: 'red' },
      { name: 'coding', valueCoding: { code: 'red' } },
    );
    assertOutcome(await fhir('POST', 'ValueSet/$validate-code', both), 400, 'value', 'code');
    const empty = parameters(
      { name: 'url', valueUri: `${SET}all` },
      { name: 'codeableConcept', valueCodeableConcept: { text: 'x' } },
    );
    assertOutcome(await fhir('POST', 'ValueSet/$validate-code', empty), 400, 'value', 'codeableConcept');
  });

  test('units of measure by their grammar', async () => {
    const units = { url: 'http://unitsofmeasure.org/vs', system: 'http://unitsofmeasure.org' };
    assert.equal(answer(await validate({ ...units, code: 'mg/dL' })).result, true);
    assert.equal(answer(await validate({ ...units, code: 'mg/dLL' })).result, false);
  });

  test('a value set of two versions of one system', async () => {
    const url = 'http://example.org/cs/versioned';
    const system = (version: string, code: string): JsonObject => ({
      ...{ resourceType: 'CodeSystem', url, version, status: 'active', content: 'complete', caseSensitive: true },
      concept: [{ code }, { code: 'both' }],
    });
    const include = [
      { system: url, version: '1', concept: [{ code: 'old' }, { code: 'both' }] },
      { system: url, version: '2' },
    ];
    const given = [
      { name: 'valueSet', resource: valueSet('versions', { include }) },
      { name: 'tx-resource', resource: system('1', 'old') },
      { name: 'tx-resource', resource: system('2', 'new') },
    ];
    const judged = async (coding: JsonObject) => {
      const body = parameters(...given, { name: 'coding', valueCoding: { system: url, ...coding } });
      const { result, version } = answer(await fhir('POST', 'ValueSet/$validate-code', body));
      return [result, version];
    };
    assert.deepEqual(await judged({ code: 'old' }), [true, '1']);
    assert.deepEqual(await judged({ code: 'new' }), [true, '2']);
    assert.deepEqual(await judged({ code: 'new', version: '1' }), [false, '1']);
    assert.deepEqual(await judged({ code: 'both', version: '2' }), [true, '2']);
    assert.deepEqual(await judged({ code: 'both', version: '3' }), [false, '1']);
    const expanded = await fhir('POST', 'ValueSet/$expand', parameters(...given));
    const { contains } = expanded.json.expansion as unknown as { contains: JsonObject[] };
    assert.deepEqual(
      contains.map(({ code, version }) => [code, version]),
      [
        ['old', '1'],
        ['both', '1'],
        ['new', '2'],
        ['both', '2'],
      ],
    );
  });

  test('many at once, as a batch', async () => {
    const entry = ['red', 'blue'].map((code) => ({
      request: {
        method: 'GET',
        url: `ValueSet/$validate-code?${inUrl({ url: `${SET}reds`, system: COLOURS, code })}`,
      },
    }));
    const unknown = {
      request: { method: 'GET', url: `ValueSet/$validate-code?${inUrl({ url: `${SET}none`, code: 'x' })}` },
    };
    const posted = {
      request: { method: 'POST', url: 'ValueSet/$validate-code' },
      resource: parameters({ name: 'url', valueUri: `${SET}few` }, { name: 'code', valueCode: 'red' }),
    };
    const bundle = { resourceType: 'Bundle', type: 'batch', entry: [...entry, posted, unknown] };
    const reply = await fhir('POST', '', bundle);
    assert.equal(reply.status, 200, reply.text);
    const statuses = (reply.json.entry as unknown as { response: { status: string } }[]).map(
      ({ response }) => response.status,
    );
    assert.deepEqual(
      statuses.map((status) => status.slice(0, 3)),
      ['200', '200', '200', '404'],
    );
    const results = (reply.json.entry as unknown as { resource?: { parameter?: JsonObject[] } }[]).map(
      ({ resource }) => resource?.parameter?.find(({ name }) => name === 'result')?.valueBoolean,
    );
    assert.deepEqual(results, [true, false, true, undefined]);
  });
});
