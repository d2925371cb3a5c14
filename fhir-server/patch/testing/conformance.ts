// The patch cases of the FHIR test cases: https://github.com/FHIR/fhir-test-cases
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createXmlCodec, type Json, loadDefinitions, stringify } from '#fhir-model';
import { isCerebraError } from '#platform';
import { attempt, type ConformanceResult, type ConformanceSuite, corpusAbsent, corpusFolder } from '#platform/testing';
import { applyJsonPatch, parseJsonPatch } from '../json-patch.ts';
import { patched, refusal } from '../testing.ts';

interface XmlCase {
  name: string;
  text: string;
}

const read = (file: string): string =>
  readFileSync(path.join(corpusFolder('patch'), file), 'utf8').replaceAll('\r\n', '\n');

const xmlCases = (file: string): XmlCase[] =>
  [...read(file).matchAll(/<case name="([^"]*)"[\s\S]*?<\/case>/g)].map(([text, name = '']) => ({ name, text }));

/** In the text of XHTML a quotation mark may be written either way. */
const treeOf = (json: string) => JSON.parse(json.replaceAll('&quot;', '\\"'));

async function runFhirPath({ text }: XmlCase): Promise<void> {
  const codec = createXmlCodec(await loadDefinitions());
  const part = async (name: string): Promise<string | undefined> => {
    const match = new RegExp(`<${name}>\\s*([\\s\\S]*?)\\s*</${name}>`).exec(text);
    return match?.[1] && stringify(await codec.read(match[1]));
  };
  const input = (await part('input'))!;
  const diff = (await part('diff'))!;
  const output = await part('output');
  if (output === undefined) assert.match(await refusal('fhirpath-patch', input, diff), /^422 processing Parameters/);
  else assert.deepEqual(treeOf(await patched('fhirpath-patch', input, diff)), treeOf(output));
}

async function* fhirPathResults(): AsyncGenerator<ConformanceResult> {
  for (const one of xmlCases('fhir-patch-tests.xml')) yield await attempt(one.name, () => runFhirPath(one));
}

interface JsonCase {
  comment: string;
  doc: Json;
  patch: Json;
  expected?: Json;
  error?: string;
}

function runJson({ doc, patch, expected, error }: JsonCase): void {
  const run = () => applyJsonPatch(doc, parseJsonPatch(patch));
  if (error === undefined) assert.deepEqual(run(), expected);
  else assert.throws(run, (thrown) => isCerebraError(thrown, 'patch-failed'));
}

async function* jsonResults(): AsyncGenerator<ConformanceResult> {
  for (const one of JSON.parse(read('json-patch-tests.json')) as JsonCase[]) {
    yield await attempt(one.comment, () => runJson(one));
  }
}

async function* xmlResults(): AsyncGenerator<ConformanceResult> {
  for (const { name } of xmlCases('xml-patch-tests.xml')) {
    yield { name, outcome: 'passed over', why: 'XML Patch is not offered: JSON Patch and FHIRPath Patch are' };
  }
}

const absent = () => corpusAbsent('patch');

export const suites: ConformanceSuite[] = [
  { name: 'patch/fhirpath', title: 'FHIRPath Patch', absent, run: fhirPathResults },
  { name: 'patch/json', title: 'JSON Patch', absent, run: jsonResults },
  { name: 'patch/xml', title: 'XML Patch', absent, run: xmlResults },
];
