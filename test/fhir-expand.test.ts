// ValueSet/$expand: https://hl7.org/fhir/R4/valueset-operation-expand.html
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { random } from '#platform/testing';
import { assertOutcome, type Reply } from './client.ts';
import { serveTests } from './server.ts';
import { assertRefused, COLOURS, inUrl, parameters, reds, SET, valueSet, writeColours } from './value-sets.ts';

const fhir = serveTests();

const expand = (query: Record<string, string>, headers?: Record<string, string>): Promise<Reply> =>
  fhir('GET', `ValueSet/$expand?${inUrl(query)}`, undefined, headers);

interface Contains {
  code: string;
  display?: string;
  abstract?: boolean;
  inactive?: boolean;
  designation?: JsonObject[];
  extension?: JsonObject[];
  contains?: Contains[];
}
interface Expansion {
  total?: number;
  offset?: number;
  identifier: string;
  timestamp: string;
  contains?: Contains[];
  parameter: JsonObject[];
}
const expansionOf = (reply: Reply): Expansion => {
  assert.equal(reply.status, 200, reply.text.slice(0, 500));
  return reply.json.expansion as unknown as Expansion;
};
const flat = (contains: Contains[] = []): Contains[] => contains.flatMap((each) => [each, ...flat(each.contains)]);
const codes = (reply: Reply): string[] => flat(expansionOf(reply).contains).map(({ code }) => code);
const told = (reply: Reply, name: string): unknown[] =>
  expansionOf(reply)
    .parameter.filter((each) => each.name === name)
    .map((each) => Object.entries(each).find(([key]) => key.startsWith('value'))?.[1]);

describe('$expand', () => {
  let allId = '';
  before(async () => {
    allId = await writeColours(fhir);
  });

  test('as the system nests its codes, with what is to be known of them', async () => {
    const reply = await expand({ url: `${SET}all` });
    const { contains, total, timestamp, identifier } = expansionOf(reply);
    assert.deepEqual(contains, [
      {
        ...{ system: COLOURS, abstract: true, code: 'colour', display: 'Colour' },
        contains: [
          {
            ...{ system: COLOURS, code: 'red', display: 'Red' },
            contains: [{ system: COLOURS, code: 'crimson', display: 'Crimson red' }],
          },
          { system: COLOURS, code: 'blue', display: 'Blue' },
          {
            extension: [
              {
                url: 'http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.contains.property',
                extension: [
                  { url: 'code', valueCode: 'status' },
                  { url: 'value', valueCode: 'retired' },
                ],
              },
            ],
            ...{ system: COLOURS, inactive: true, code: 'puce', display: 'Puce' },
          },
        ],
      },
    ]);
    assert.equal(total, 5);
    assert.match(identifier, /^urn:uuid:/);
    assert.ok(Date.parse(timestamp) > 0);
    assert.deepEqual(told(reply, 'used-codesystem'), [`${COLOURS}|1.0`]);
    assert.deepEqual([reply.json.url, reply.json.compose], [`${SET}all`, undefined]);
  });

  test('by instance, posted, by URL with version, as an implicit value set', async () => {
    const every = ['colour', 'red', 'crimson', 'blue', 'puce'];
    assert.deepEqual(codes(await fhir('GET', `ValueSet/${allId}/$expand`)), every);
    assert.deepEqual(codes(await expand({ url: `${SET}all|2` })), every);
    assert.deepEqual(codes(await expand({ url: `${SET}all`, valueSetVersion: '2' })), every);
    assert.deepEqual(codes(await expand({ url: `${COLOURS}?fhir_vs=isa/red` })), ['red', 'crimson']);
    const posted = parameters({ name: 'valueSet', resource: valueSet('new', reds) as JsonObject });
    assert.deepEqual(codes(await fhir('POST', 'ValueSet/$expand', posted)), ['red', 'crimson']);
    assert.deepEqual(codes(await fhir('POST', 'ValueSet/$expand', valueSet('bare', reds))), ['red', 'crimson']);
  });

  test('activeOnly, excludeNotForUI, excludeNested, exclude-system', async () => {
    assert.deepEqual(codes(await expand({ url: `${SET}all`, activeOnly: 'true' })), [
      'colour',
      'red',
      'crimson',
      'blue',
    ]);
    const selectable = await expand({ url: `${SET}all`, excludeNotForUI: 'true', excludeNested: 'true' });
    assert.deepEqual(
      expansionOf(selectable).contains?.map(({ code }) => code),
      ['red', 'crimson', 'blue', 'puce'],
    );
    assert.deepEqual(told(selectable, 'excludeNested'), [true]);
    assert.deepEqual(codes(await expand({ url: `${SET}all`, 'exclude-system': COLOURS })), []);
    assert.deepEqual(codes(await expand({ url: `${SET}all`, 'exclude-system': `${COLOURS}|0` })).length, 5);
  });

  test('pages, and only how many there are', async () => {
    const page = await expand({ url: `${SET}all`, offset: '1', count: '2' });
    assert.deepEqual(codes(page), ['red', 'crimson']);
    assert.deepEqual([expansionOf(page).total, expansionOf(page).offset], [5, 1]);
    assert.deepEqual(codes(await expand({ url: `${SET}all`, offset: '9', count: '2' })), []);
    const none = expansionOf(await expand({ url: `${SET}all`, count: '0' }));
    assert.deepEqual([none.total, none.contains], [5, undefined]);
    assertOutcome(await expand({ url: `${SET}all`, count: '-1' }), 400, 'value', 'count');
    assertOutcome(await expand({ url: `${SET}all`, offset: '-1' }), 400, 'value', 'offset');
    assertOutcome(await expand({ url: `${SET}all`, count: 'x' }), 400, 'value', 'count');
  });

  test('filter: beginnings of words, whatever their case and accents, of designations too', async () => {
    const found = async (filter: string) => codes(await expand({ url: `${SET}all`, filter }));
    assert.deepEqual(await found('RED'), ['red', 'crimson']);
    assert.deepEqual(await found('red crim'), ['crimson']);
    assert.deepEqual(await found('blàu'), ['blue']);
    assert.deepEqual(await found('ed'), []);
    assert.deepEqual(codes(await expand({ url: `${SET}few`, filter: 'az' })), ['blue']);
    assertOutcome(await expand({ url: `${SET}all`, filter: 'x'.repeat(201) }), 400, 'value', 'filter');
  });

  test('a list keeps its order and its displays', async () => {
    const { contains } = expansionOf(await expand({ url: `${SET}few` }));
    assert.deepEqual(
      contains?.map(({ code, display }) => [code, display]),
      [
        ['blue', 'Azure'],
        ['red', 'Red'],
      ],
    );
  });

  test('languages, designations, properties and the definition', async () => {
    const german = await expand({ url: `${SET}reds`, displayLanguage: 'de', includeDesignations: 'true' });
    assert.deepEqual(
      flat(expansionOf(german).contains).map(({ code, display }) => [code, display]),
      [
        ['red', 'Rot'],
        ['crimson', 'Crimson red'],
      ],
    );
    assert.equal(expansionOf(german).contains?.[0]?.designation?.[0]?.value, 'Red');
    assert.deepEqual(told(german, 'displayLanguage'), ['de']);
    const byHeader = await expand({ url: `${SET}reds` }, { 'Accept-Language': 'de-AT, en; q=0.5' });
    assert.equal(expansionOf(byHeader).contains?.[0]?.display, 'Rot');
    assertOutcome(await expand({ url: `${SET}reds`, displayLanguage: 'd_e' }), 400, 'value', 'displayLanguage');
    const warm = await expand({ url: `${SET}reds`, property: 'warm', includeDefinition: 'true' });
    assert.deepEqual(expansionOf(warm).contains?.[0]?.extension?.[0]?.extension, [
      { url: 'code', valueCode: 'warm' },
      { url: 'value', valueBoolean: true },
    ]);
    assert.deepEqual(warm.json.compose, reds);
    const parent = await expand({ url: `${SET}reds`, property: 'parent' });
    assert.deepEqual(
      flat(expansionOf(parent).contains).map(
        ({ extension }) => (extension?.[0]?.extension as JsonObject[] | undefined)?.[1],
      ),
      [
        { url: 'value', valueCode: 'colour' },
        { url: 'value', valueCode: 'red' },
      ],
    );
  });

  test('versions that are asked for', async () => {
    const one = { url: `${SET}all`, 'check-system-version': `${COLOURS}|1.0` };
    assert.equal(codes(await expand(one)).length, 5);
    const other = await expand({ url: `${SET}all`, 'check-system-version': `${COLOURS}|2.0` });
    assert.equal(other.status >= 400 && other.status < 500, true, other.text);
    const forced = await expand({ url: `${SET}all`, 'force-system-version': `${COLOURS}|3` });
    assert.match(assertRefused(forced, 404, 'not-found', 'not-found'), /version '3' could not be found/);
  });

  test('what can not be expanded is refused with its reason', async () => {
    assert.match(assertRefused(await expand({ url: `${SET}none` }), 404, 'not-found', 'not-found'), /vs\/none'/);
    assert.match(
      assertRefused(await expand({ url: `${SET}loop` }), 400, 'processing', 'vs-invalid'),
      /includes itself/,
    );
    const elsewhere = await expand({ url: `${SET}elsewhere` });
    assert.match(assertRefused(elsewhere, 404, 'not-found', 'not-found'), /'http:\/\/example.org\/cs\/none'/);
    assertOutcome(await fhir('GET', 'ValueSet/$expand'), 400, 'required', 'url');
    assertOutcome(await fhir('GET', 'ValueSet/none/$expand'), 404, 'not-found');
    assertOutcome(await expand({ url: `${SET}all`, what: '1' }), 400, 'not-supported', 'what');
    // R4 has a CodeSystem of SNOMED CT, without any codes.
    const conditions = await expand({ url: 'http://hl7.org/fhir/ValueSet/condition-code' });
    assert.match(assertRefused(conditions, 404, 'not-found', 'not-found'), /'http:\/\/snomed.info\/sct'/);
    const units = await expand({ url: 'http://unitsofmeasure.org/vs' });
    assert.equal(units.status, 400);
    assertOutcome(units, 400, 'too-costly');
  });

  test('codes of a system that is not known are listed as the value set has them', async () => {
    const reply = await expand({ url: `${SET}foreign` });
    assert.deepEqual(expansionOf(reply).contains, [{ system: 'http://example.org/cs/none', code: 'x', display: 'X' }]);
    assert.deepEqual(told(reply, 'x-unknown-system'), ['http://example.org/cs/none']);
  });

  test('the value set that an element is bound to', async () => {
    const gender = 'http://hl7.org/fhir/StructureDefinition/Patient#Patient.gender';
    assert.deepEqual(codes(await expand({ context: gender })).toSorted(), ['female', 'male', 'other', 'unknown']);
    assert.deepEqual(codes(await expand({ context: 'Patient.gender' })).length, 4);
    assertOutcome(await expand({ context: 'Patient.name' }), 400, 'value', 'context');
    assertOutcome(await expand({ context: 'http://example.org/none#x' }), 400, 'value', 'context');
  });

  test('what can not be worked out is told as it was stored', async () => {
    const contains = [{ system: 'http://example.org/cs/none', code: 'y', display: 'Y' }];
    const expansion = { timestamp: '2024-01-01T00:00:00Z', total: 1, contains };
    const compose = { include: [{ system: 'http://example.org/cs/none' }] };
    const resource = { ...valueSet('stored', compose), expansion };
    const posted = await fhir('POST', 'ValueSet/$expand', parameters({ name: 'valueSet', resource }));
    assert.deepEqual(expansionOf(posted).contains, contains);
    const part = { ...resource, expansion: { ...expansion, total: 2 } };
    const page = await fhir('POST', 'ValueSet/$expand', parameters({ name: 'valueSet', resource: part }));
    assertRefused(page, 404, 'not-found', 'not-found');
  });

  test('whatever a tx-resource holds, the answer is no failure of the server', async () => {
    const wrong: unknown[] = [5, 'x', null, [], {}, [null], [5], [{}], [{ system: 5 }], [{ valueSet: [7, `${SET}w`] }]];
    for (const value of wrong) {
      for (const compose of [value, { include: value }, { include: [{ system: COLOURS, filter: value }] }]) {
        const resource = { resourceType: 'ValueSet', url: `${SET}w`, compose, expansion: value, contained: value };
        const list = [
          { name: 'url', valueUri: `${SET}w` },
          { name: 'tx-resource', resource },
          {
            name: 'tx-resource',
            resource: { resourceType: 'CodeSystem', url: COLOURS, concept: value, property: value },
          },
        ];
        const reply = await fhir('POST', 'ValueSet/$expand', parameters(...(list as JsonObject[])));
        assert.ok(reply.status < 500, `${JSON.stringify(compose)}: ${reply.text.slice(0, 300)}`);
      }
    }
  });

  test('more codes than one answer has: too-costly, which names the limit; page by page they come', async () => {
    const concept = Array.from({ length: 10_001 }, (_, i) => ({ code: `c${i}` }));
    const large = {
      resourceType: 'CodeSystem',
      url: 'http://example.org/cs/large',
      status: 'active',
      content: 'complete',
      concept,
    };
    assert.equal((await fhir('POST', 'CodeSystem', large)).status, 201);
    const url = 'http://example.org/cs/large?fhir_vs';
    assert.match(
      assertRefused(await expand({ url }), 400, 'too-costly', 'too-costly'),
      /10001 codes, more than the 10000/,
    );
    assert.deepEqual(codes(await expand({ url, offset: '9999', count: '5' })), ['c9999', 'c10000']);
    assert.deepEqual(codes(await expand({ url, filter: 'c1000' })), ['c1000', 'c10000']);
  });

  test('regular expressions that take seconds each are given up after a few, all of a request together', async () => {
    const url = 'http://example.org/cs/long';
    const next = random(11);
    const letters = (): string => Array.from({ length: 500 }, () => 'ab'[next(2)]).join('');
    const concept = Array.from({ length: 500 }, (_, i) => ({ code: `c${i}`, display: letters() }));
    const long = { resourceType: 'CodeSystem', url, status: 'active', content: 'complete', concept };
    // As many states as there are sequences of 100 letters.
    const include = Array.from({ length: 100 }, (_, i) => ({
      ...{ system: url, filter: [{ property: 'display', op: 'regex', value: `.*a.{${100 + i}}c` }] },
    }));
    const resource = valueSet('slow', { include });
    const given = parameters({ name: 'valueSet', resource }, { name: 'tx-resource', resource: long as never });
    const text = assertRefused(await fhir('POST', 'ValueSet/$expand', given), 400, 'too-costly', 'too-costly');
    assert.match(text, /take more than the 4000 ms that a request has for them/);
  });

  test('a value set of more code systems than are looked up', async () => {
    const include = Array.from({ length: 1_001 }, (_, i) => ({ system: `http://example.org/cs/${i}` }));
    const given = parameters({ name: 'valueSet', resource: valueSet('systems', { include }) });
    const text = assertRefused(await fhir('POST', 'ValueSet/$expand', given), 400, 'too-costly', 'too-costly');
    assert.match(text, /more than 1000 code systems/);
  });

  test('codes that filters name, after those that are listed', async () => {
    const filter = (property: string, op: string, code: string): JsonObject => ({
      ...{ system: COLOURS, filter: [{ property, op, value: code }] },
    });
    const listed = { system: COLOURS, concept: [{ code: 'puce' }] };
    const cases: [JsonObject[], string[]][] = [
      [[filter('concept', '=', 'red')], ['red']],
      [[filter('code', '=', 'red')], ['red']],
      [[filter('code', 'in', 'red,blue,none')], ['red', 'blue']],
      [[filter('concept', 'in', 'blue, red')], ['blue', 'red']],
      [
        [filter('code', '=', 'blue'), listed],
        ['puce', 'blue'],
      ],
      [[filter('code', '=', 'puce'), listed], ['puce']],
      [[{ ...filter('code', 'in', 'red,blue'), valueSet: [`${SET}reds`] }], ['red']],
    ];
    for (const [include, expected] of cases) {
      const resource = valueSet('own', { include });
      const reply = await fhir('POST', 'ValueSet/$expand', parameters({ name: 'valueSet', resource }));
      assert.deepEqual(codes(reply), expected, JSON.stringify(include));
      assert.equal(expansionOf(reply).total, expected.length);
    }
  });

  test('a newer version counts from its write on', async () => {
    const colder = valueSet('colder', { include: [{ system: COLOURS, concept: [{ code: 'blue' }] }] });
    const { id } = (await fhir('POST', 'ValueSet', colder)).json;
    assert.deepEqual(codes(await expand({ url: `${SET}colder` })), ['blue']);
    const changed = { ...colder, id, compose: reds };
    assert.equal((await fhir('PUT', `ValueSet/${id}`, changed)).status, 200);
    assert.deepEqual(codes(await expand({ url: `${SET}colder` })), ['red', 'crimson']);
  });
});
