// The patch cases of the FHIR test cases: https://github.com/FHIR/fhir-test-cases
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createXmlCodec, type Json, loadDefinitions, stringify } from '#fhir-model';
import { isCerebraError } from '#platform';
import { applyJsonPatch, parseJsonPatch } from './json-patch.ts';
import { patched, refusal } from './testing.ts';

const corpus = join(process.env.CORPUS_DIR ?? join(import.meta.dirname, '../../../shared/corpus'), 'patch');
const skip = existsSync(corpus) ? false : `no corpus at ${corpus}`;
const codec = createXmlCodec(await loadDefinitions());

interface FhirPathCase {
  name: string;
  text: string;
}

async function part(text: string, name: string): Promise<string | undefined> {
  const match = new RegExp(`<${name}>\\s*([\\s\\S]*?)\\s*</${name}>`).exec(text);
  return match?.[1] && stringify(await codec.read(match[1]));
}

function fhirPathCases(): FhirPathCase[] {
  const xml = readFileSync(join(corpus, 'fhir-patch-tests.xml'), 'utf8').replaceAll('\r\n', '\n');
  return [...xml.matchAll(/<case name="([^"]*)"[\s\S]*?<\/case>/g)].map(([text, name = '']) => ({
    name,
    text,
  }));
}

interface JsonCase {
  comment: string;
  doc: Json;
  patch: Json;
  expected?: Json;
  error?: string;
}

/** In the text of XHTML a quotation mark may be written either way. */
const treeOf = (json: string) => JSON.parse(json.replaceAll('&quot;', '\\"'));

describe('FHIRPath Patch', { skip }, () => {
  for (const { name, text } of skip ? [] : fhirPathCases()) {
    test(name, async () => {
      const input = (await part(text, 'input'))!;
      const diff = (await part(text, 'diff'))!;
      const output = await part(text, 'output');
      if (output === undefined)
        assert.match(await refusal('fhirpath-patch', input, diff), /^422 processing Parameters/);
      else assert.deepEqual(treeOf(await patched('fhirpath-patch', input, diff)), treeOf(output));
    });
  }

  test('all cases are there', () => {
    assert.equal(fhirPathCases().length, 33);
  });
});

describe('JSON Patch', { skip }, () => {
  const cases: JsonCase[] = skip ? [] : JSON.parse(readFileSync(join(corpus, 'json-patch-tests.json'), 'utf8'));
  for (const { comment, doc, patch, expected, error } of cases) {
    test(comment, () => {
      const run = () => applyJsonPatch(doc, parseJsonPatch(patch));
      if (error === undefined) assert.deepEqual(run(), expected);
      else assert.throws(run, (thrown) => isCerebraError(thrown, 'patch-failed'));
    });
  }
});
