// _summary and _elements on resource texts.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDefinitions } from './definitions.ts';
import { parseJson, stringify } from './json.ts';
import { isElement, type Subset, subsetText } from './subset.ts';
import type { Resource } from './types.ts';

const definitions = await loadDefinitions();
const TAG = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };

const observation = `{"resourceType":"Observation","id":"o","meta":{"versionId":"1","tag":[{"code":"t"}]},"language":"en",
  "text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">{[,\\\\</div>"},
  "contained":[{"resourceType":"Patient","id":"p"}],"modifierExtension":[{"url":"http://m","valueDecimal":1.10}],
  "status":"final","_status":{"id":"s"},
  "code":{"id":"c","coding":[{"system":"http://loinc.org","code":"1","userSelected":true}],"text":"a \\"b\\", {c}"},
  "subject":{"reference":"#p"},"effectiveDateTime":"2020","_effectiveDateTime":{"extension":[{"url":"x","valueDecimal":1.00}]},
  "valueQuantity":{"value":1.00,"unit":"mg","extension":[{"url":"x","valueBoolean":true}]},
  "note":[{"text":"n"}],
  "component":[ {"code":{"text":"a"},"valueInteger":1,"interpretation":[{"text":"x"}]} , {"code":{"text":"b"}} ]}`;

const subset = (text: string, asked: Subset): Resource =>
  parseJson(subsetText(text, asked, definitions)).exact as Resource;
const names = (text: string, asked: Subset): string[] => Object.keys(subset(text, asked));

describe('_summary', () => {
  test('true: what is marked, in datatypes and nested elements too', () => {
    const part = subsetText(observation, { summary: 'true' }, definitions);
    assert.equal(
      part,
      '{"resourceType":"Observation","id":"o","meta":{"versionId":"1","tag":[{"code":"t"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]},' +
        '"modifierExtension":[{"url":"http://m","valueDecimal":1.10}],"status":"final","_status":{"id":"s"},' +
        '"code":{"coding":[{"system":"http://loinc.org","code":"1","userSelected":true}],"text":"a \\"b\\", {c}"},' +
        '"subject":{"reference":"#p"},"effectiveDateTime":"2020","_effectiveDateTime":{"extension":[{"url":"x","valueDecimal":1.00}]},' +
        '"valueQuantity":{"value":1.00,"unit":"mg"},' +
        '"component":[{"code":{"text":"a"},"valueInteger":1},{"code":{"text":"b"}}]}',
    );
  });

  test('true: resources in a Bundle stay whole', () => {
    const bundle = `{"resourceType":"Bundle","type":"collection","entry":[{"resource":${observation}}]}`;
    const part = subset(bundle, { summary: 'true' }) as unknown as { entry: { resource: object }[] };
    assert.deepEqual(part.entry[0]!.resource, parseJson(observation).exact);
  });

  test('true: of an Attachment not the data', () => {
    const text =
      '{"resourceType":"DocumentReference","id":"d","status":"current","content":[{"attachment":{"contentType":"text/plain","data":"QQ==","title":"t"}}]}';
    assert.deepEqual(subset(text, { summary: 'true' }).content, [
      { attachment: { contentType: 'text/plain', title: 't' } },
    ]);
  });

  test('text: text, id, meta, mandatory elements of the root and what changes their meaning', () => {
    assert.deepEqual(names(observation, { summary: 'text' }), [
      ...['resourceType', 'id', 'meta', 'text', 'modifierExtension', 'status', '_status', 'code'],
    ]);
  });

  test('data: all but text', () => {
    const all = Object.keys(parseJson(observation).exact as object);
    assert.deepEqual(
      names(observation, { summary: 'data' }),
      all.filter((name) => name !== 'text'),
    );
  });
});

describe('_elements', () => {
  test('those named, mandatory ones and modifiers; a choice by its stem or with its type', () => {
    const always = ['resourceType', 'id', 'meta', 'modifierExtension', 'status', '_status', 'code'];
    assert.deepEqual(names(observation, { elements: ['note'] }), [...always, 'note']);
    assert.deepEqual(names(observation, { elements: ['value'] }), [...always, 'valueQuantity']);
    assert.deepEqual(names(observation, { elements: ['valueQuantity'] }), [...always, 'valueQuantity']);
    assert.deepEqual(names(observation, { elements: ['valueString', 'nothing'] }), always);
    assert.deepEqual(names(observation, { elements: ['effective'] }), [
      ...always,
      'effectiveDateTime',
      '_effectiveDateTime',
    ]);
  });

  test('are whole', () => {
    const part = subsetText(observation, { elements: ['value', 'component'] }, definitions);
    assert.match(part, /"valueQuantity":\{"value":1\.00,"unit":"mg","extension":/);
    assert.deepEqual(
      (parseJson(part).exact as Resource).component,
      (parseJson(observation).exact as Resource).component,
    );
  });

  test('known by the definitions', () => {
    const type = definitions.type('Observation')!;
    for (const name of ['resourceType', 'id', 'value', 'valueQuantity', 'component']) assert.ok(isElement(type, name));
    for (const name of ['values', 'valuePatient', 'birthDate', '__proto__']) assert.ok(!isElement(type, name));
  });
});

describe('SUBSETTED', () => {
  test('is added to meta, once, also where there is no meta', () => {
    const without = '{"resourceType":"Patient"}';
    assert.deepEqual(subset(without, { summary: 'data' }), { resourceType: 'Patient', meta: { tag: [TAG] } });
    const twice = subsetText(
      subsetText(observation, { summary: 'true' }, definitions),
      { summary: 'true' },
      definitions,
    );
    assert.deepEqual((parseJson(twice).exact as Resource).meta!.tag, [{ code: 't' }, TAG]);
  });
});

test('every type has a summary, and it keeps what is mandatory', () => {
  for (const type of definitions.resourceTypes) {
    const mandatory = definitions.type(type)!.elements.filter((element) => element.min > 0 && !element.choice);
    const resource = { resourceType: type, id: 'x', ...Object.fromEntries(mandatory.map(({ name }) => [name, 'v'])) };
    for (const summary of ['true', 'text'] as const) {
      const part = subset(stringify(resource), { summary });
      assert.deepEqual(part, { ...resource, meta: { tag: [TAG] } }, `${type} ${summary}`);
    }
  }
});
