// HL7's own FHIRPath suite for R4 (https://github.com/FHIR/fhir-test-cases): what is compiled here yields what it expects.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { decimalText, isNumber, type JsonObject, loadDefinitions, parseJson } from '#fhir-model';
import { corpusAbsent, corpusFolder } from '#platform/testing';
import { compile } from './compile.ts';
import { bare, Cannot } from './items.ts';
import { parseFhirPath } from './parse.ts';
import { Unsupported } from './tokens.ts';
import { createTypes } from './types.ts';

const types = createTypes(await loadDefinitions());
const skip = corpusAbsent('fhirpath') ?? false;

interface Case {
  name: string;
  input: string | undefined;
  expression: string;
  invalid: boolean;
  predicate: boolean;
  outputs: string[];
}

const entities: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const textOf = (xml: string): string =>
  xml.replace(/&(lt|gt|amp|quot|apos);/g, (_all, name: string) => entities[name] ?? '');
const attribute = (tag: string, name: string): string | undefined => new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];

function readCases(xml: string): Case[] {
  const plain = xml.replace(/<!--.*?-->/gs, '');
  return [...plain.matchAll(/<test\b([^>]*)>(.*?)<\/test>/gs)].map(([, tag = '', content = '']) => {
    const [, expressionTag = '', expression = ''] = /<expression\b([^>]*)>(.*?)<\/expression>/s.exec(content) ?? [];
    return {
      name: attribute(tag, 'name') ?? '',
      input: attribute(tag, 'inputfile'),
      expression: textOf(expression),
      invalid: expressionTag.includes('invalid='),
      predicate: attribute(tag, 'predicate') === 'true',
      outputs: [...content.matchAll(/<output\b[^>]*?(?:\/>|>(.*?)<\/output>)/gs)].map(([, output = '']) =>
        textOf(output),
      ),
    };
  });
}

const inputs = new Map<string, JsonObject>();

function inputOf(name: string | undefined): JsonObject {
  const file = path.join(corpusFolder('fhirpath'), 'inputs', (name ?? '').replace(/\.xml$/, '.json'));
  if (name === undefined || !existsSync(file)) return { resourceType: 'Patient' };
  const known = inputs.get(file) ?? (parseJson(readFileSync(file, 'utf8')).exact as JsonObject);
  inputs.set(file, known);
  return known;
}

function shown(item: unknown): string {
  const value = bare(item);
  return isNumber(value) ? decimalText(value) : typeof value === 'object' ? JSON.stringify(value) : String(value);
}

type Outcome = 'same' | 'unsupported' | 'cannot' | { found: string[] };

function outcome({ input, expression, predicate, outputs }: Case): Outcome {
  const resource = inputOf(input);
  const type = String(resource.resourceType);
  try {
    const compiled = compile({ types, self: type, context: type }, parseFhirPath(expression));
    const frame = { resource, rootResource: resource, context: resource, index: 0, work: 0 };
    const items = compiled.run(resource, frame);
    const found = predicate
      ? [String(items.length > 0 && compiled.truth(resource, frame) !== false)]
      : items.map(shown);
    const wanted = outputs.map((output) => output.replace(/^@T?/, ''));
    const same = found.every((text, at) => text === wanted[at] || (text !== '' && Number(text) === Number(wanted[at])));
    return same && found.length === wanted.length ? 'same' : { found };
  } catch (error) {
    if (error instanceof Unsupported) return 'unsupported';
    if (error instanceof Cannot) return 'cannot';
    throw error;
  }
}

/**
 * `Boolean` is written for `boolean` in invariants of R4 (que-7) and US Core; the suite takes it for System.Boolean, which no
 * element is.
 */
const otherwise = new Set(['testType12']);

test("the FHIRPath suite's expressions yield what it expects", { skip }, () => {
  const cases = readCases(readFileSync(path.join(corpusFolder('fhirpath'), 'tests-fhir-r4.xml'), 'utf8'));
  assert.equal(cases.length, 935);
  const counts = { same: 0, unsupported: 0, cannot: 0 };
  for (const one of cases) {
    const found = outcome(one);
    if (typeof found === 'string') counts[found]++;
    else if (!one.invalid && !otherwise.has(one.name)) {
      assert.deepEqual(found.found, one.outputs, `${one.name}: ${one.expression}`);
    }
  }
  assert.ok(counts.same >= 560, `${counts.same} yield what is expected`);
});
