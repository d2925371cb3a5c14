// ConceptMap/$translate: https://hl7.org/fhir/R4/conceptmap-operation-translate.html
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { assertOutcome, type Reply } from './client.ts';
import { serveTests } from './server.ts';
import { answer, assertRefused, COLOURS, inUrl, parameters, writeColours } from './value-sets.ts';

const fhir = serveTests();

describe('$translate', () => {
  before(async () => {
    await writeColours(fhir);
  });

  const PAINT = 'http://example.org/cs/paint';
  const MAP = 'http://example.org/cm/';
  const element = (code: string, ...target: JsonObject[]): JsonObject => ({ code, target });
  const to = (code: string, equivalence: string, more: JsonObject = {}): JsonObject => ({
    code,
    equivalence,
    ...more,
  });
  const group = (elements: JsonObject[], more: JsonObject = {}): JsonObject => ({
    ...{ source: COLOURS, target: PAINT, element: elements, ...more },
  });
  const conceptMap = (name: string, ...groups: JsonObject[]): JsonObject => ({
    ...{ resourceType: 'ConceptMap', url: MAP + name, version: '1', status: 'active', group: groups },
  });
  const dependsOn = [
    { property: 'http://example.org/surface', system: 'http://example.org/cs/surface', value: 'wood' },
  ];
  const product = [{ property: 'http://example.org/tin', system: 'http://example.org/cs/tin', value: 'small' }];
  const maps = [
    conceptMap(
      'paint',
      group([
        element(
          'red',
          to('p-red', 'equivalent', { display: 'Paint red' }),
          to('p-pink', 'wider', { comment: 'faded' }),
        ),
        element('blue', { equivalence: 'unmatched' }),
        element('puce', to('p-wood', 'equal', { dependsOn, product })),
      ]),
    ),
    conceptMap('provided', group([], { unmapped: { mode: 'provided' }, element: [element('blue', to('x', 'equal'))] })),
    conceptMap(
      'fixed',
      group([element('blue', to('x', 'equal'))], { unmapped: { mode: 'fixed', code: 'any', display: 'Any' } }),
    ),
    conceptMap(
      'other',
      group([element('blue', to('x', 'equal'))], { unmapped: { mode: 'other-map', url: `${MAP}paint` } }),
    ),
    conceptMap(
      'round',
      group([element('blue', to('x', 'equal'))], { unmapped: { mode: 'other-map', url: `${MAP}round` } }),
    ),
    conceptMap(
      'lost',
      group([element('blue', to('x', 'equal'))], { unmapped: { mode: 'other-map', url: `${MAP}none` } }),
    ),
  ];
  let paintId = '';
  before(async () => {
    for (const map of maps) {
      const reply = await fhir('POST', 'ConceptMap', map);
      assert.equal(reply.status, 201, reply.text);
      paintId ||= String(reply.json.id);
    }
  });

  const translate = (query: Record<string, string>) => fhir('GET', `ConceptMap/$translate?${inUrl(query)}`);
  /** equivalence, code and map of each match. */
  const matches = (reply: Reply): unknown[][] => {
    assert.equal(reply.status, 200, reply.text);
    const list = (reply.json.parameter as JsonObject[]).filter(({ name }) => name === 'match');
    return list.map(({ part }) => {
      const parts = part as JsonObject[];
      const value = (name: string) => parts.find((each) => each.name === name);
      const concept = value('concept')?.valueCoding as JsonObject | undefined;
      return [value('equivalence')?.valueCode, concept?.code, value('source')?.valueUri];
    });
  };

  test('by map, by instance, posted, and by what stored maps lead to', async () => {
    const expected = [
      ['equivalent', 'p-red', `${MAP}paint|1`],
      ['wider', 'p-pink', `${MAP}paint|1`],
    ];
    const red = { system: COLOURS, code: 'red' };
    const reply = await translate({ url: `${MAP}paint`, ...red });
    assert.equal(answer(reply).result, true);
    assert.deepEqual(matches(reply), expected);
    assert.deepEqual(matches(await translate({ url: `${MAP}paint`, conceptMapVersion: '1', ...red })), expected);
    assert.deepEqual(matches(await fhir('GET', `ConceptMap/${paintId}/$translate?${inUrl(red)}`)), expected);
    const posted = parameters({ name: 'conceptMap', resource: maps[0]! }, { name: 'coding', valueCoding: red });
    assert.deepEqual(matches(await fhir('POST', 'ConceptMap/$translate', posted)), expected);
    const found = matches(await translate({ ...red, targetsystem: PAINT }));
    assert.ok(expected.every((one) => found.some((other) => JSON.stringify(other) === JSON.stringify(one))));
    assert.deepEqual(matches(await translate({ ...red, targetsystem: 'http://example.org/cs/none' })), []);
  });

  test('back, with the equivalence seen from there', async () => {
    const back = { url: `${MAP}paint`, system: PAINT, reverse: 'true' };
    assert.deepEqual(matches(await translate({ ...back, code: 'p-red' })), [['equivalent', 'red', `${MAP}paint|1`]]);
    assert.deepEqual(matches(await translate({ ...back, code: 'p-pink' })), [['narrower', 'red', `${MAP}paint|1`]]);
    assert.deepEqual(matches(await translate({ ...back, code: 'red' })), []);
  });

  test('no counterpart is told as such', async () => {
    const reply = await translate({ url: `${MAP}paint`, system: COLOURS, code: 'blue' });
    assert.equal(answer(reply).result, false);
    assert.deepEqual(matches(reply), [['unmatched', undefined, `${MAP}paint|1`]]);
    const none = answer(await translate({ url: `${MAP}paint`, system: COLOURS, code: 'crimson' }));
    assert.equal(none.result, false);
    assert.match(String(none.message), /has no translation of 'http:\/\/example.org\/cs\/colours#crimson'/);
  });

  test('what a mapping depends on must be given; what it produces is told', async () => {
    const puce = { system: COLOURS, code: 'puce' };
    assert.deepEqual(matches(await translate({ url: `${MAP}paint`, ...puce })), []);
    const surface = { coding: [{ system: 'http://example.org/cs/surface', code: 'wood' }] };
    const dependency = {
      name: 'dependency',
      part: [
        { name: 'element', valueUri: 'http://example.org/surface' },
        { name: 'concept', valueCodeableConcept: surface },
      ],
    };
    const body = parameters(
      { name: 'url', valueUri: `${MAP}paint` },
      { name: 'coding', valueCoding: puce },
      dependency,
    );
    const reply = await fhir('POST', 'ConceptMap/$translate', body);
    assert.deepEqual(matches(reply), [['equal', 'p-wood', `${MAP}paint|1`]]);
    const parts = (reply.json.parameter as JsonObject[]).find(({ name }) => name === 'match')?.part as JsonObject[];
    assert.deepEqual(parts.find(({ name }) => name === 'product')?.part, [
      { name: 'element', valueUri: 'http://example.org/tin' },
      { name: 'concept', valueCoding: { system: 'http://example.org/cs/tin', code: 'small' } },
    ]);
  });

  test('codes that the map does not know: as they are, a fixed one, or by another map', async () => {
    const red = { system: COLOURS, code: 'red' };
    assert.deepEqual(matches(await translate({ url: `${MAP}provided`, ...red })), [
      ['relatedto', 'red', `${MAP}provided|1`],
    ]);
    assert.deepEqual(matches(await translate({ url: `${MAP}fixed`, ...red })), [['relatedto', 'any', `${MAP}fixed|1`]]);
    assert.equal(matches(await translate({ url: `${MAP}other`, ...red }))[0]?.[1], 'p-red');
    assert.deepEqual(matches(await translate({ url: `${MAP}round`, ...red })), []);
    const lost = await translate({ url: `${MAP}lost`, ...red });
    assertOutcome(lost, 400, 'invalid', 'ConceptMap.group.unmapped.url');
  });

  test('a CodeableConcept of more codings than are looked up', async () => {
    const coding = Array.from({ length: 101 }, (_, i) => ({ system: `http://example.org/cs/${i}`, code: 'x' }));
    for (const operation of ['ConceptMap/$translate', 'CodeSystem/$validate-code', 'ValueSet/$validate-code']) {
      const asked = (codings: object[]) =>
        fhir('POST', operation, {
          resourceType: 'Parameters',
          parameter: [
            { name: 'codeableConcept', valueCodeableConcept: { coding: codings } },
            ...(/ValueSet/.test(operation)
              ? [{ name: 'url', valueUri: 'http://hl7.org/fhir/ValueSet/languages' }]
              : []),
            ...(/Map/.test(operation) ? [{ name: 'target', valueUri: 'http://example.org/vs/none' }] : []),
          ],
        });
      assertOutcome(await asked(coding), 400, 'value', 'codeableConcept');
      assert.equal((await asked(coding.slice(1))).status, 200);
    }
  });

  test('requests that say too little, and maps that are not known', async () => {
    assertOutcome(await translate({ url: `${MAP}paint` }), 400, 'required', 'code');
    assertOutcome(await translate({ code: 'red' }), 400, 'required', 'url');
    const unknown = await translate({ url: `${MAP}none`, system: COLOURS, code: 'red' });
    assertRefused(unknown, 404, 'not-found', 'not-found');
    assertOutcome(await fhir('GET', 'ConceptMap/none/$translate?code=x'), 404, 'not-found');
  });

  test('a code without its system is one of the only system that the map goes from', async () => {
    const elements = [element('red', to('p-red', 'equal'))];
    const other = group([element('red', to('p-other', 'equal'))], { source: 'http://example.org/cs/other' });
    const ask = (groups: JsonObject[], ...more: JsonObject[]) =>
      fhir(
        'POST',
        'ConceptMap/$translate',
        parameters({ name: 'conceptMap', resource: conceptMap('alone', ...groups) }, ...more),
      );
    const red = { name: 'code', valueCode: 'red' };
    const expected = [['equal', 'p-red', `${MAP}alone|1`]];
    assert.deepEqual(matches(await ask([group(elements)], red)), expected);
    assertOutcome(await ask([group(elements), other], red), 400, 'required', 'system');
    const told = { name: 'system', valueUri: COLOURS };
    assert.deepEqual(matches(await ask([group(elements), other], red, told)), expected);
    const coding = (more: JsonObject) => ({ name: 'coding', valueCoding: { code: 'red', ...more } });
    assert.deepEqual(matches(await ask([group(elements)], coding({}))), expected);
    assertOutcome(await ask([group(elements), other], coding({})), 400, 'required', 'coding.system');
    assert.deepEqual(matches(await ask([group(elements), other], coding({ system: COLOURS }))), expected);
    const back = [
      { name: 'code', valueCode: 'p-red' },
      { name: 'reverse', valueBoolean: true },
    ];
    assert.deepEqual(matches(await ask([group(elements), other], ...back)), [['equal', 'red', `${MAP}alone|1`]]);
  });
});
