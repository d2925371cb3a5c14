// Real resources: no false alarm on Synthea's bundles, nor on the valid cases of HL7's validator suite.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type JsonObject, loadDefinitions, parseJson, type Resource } from '#fhir-model';
import { createStructureValidator } from './structure.ts';

const corpus = process.env.CORPUS_DIR ?? fileURLToPath(new URL('../../../shared/corpus', import.meta.url));
const skip = existsSync(corpus) ? false : `no corpus at ${corpus}`;
const validator = createStructureValidator(await loadDefinitions());

function read(file: string): Resource {
  return parseJson(readFileSync(file, 'utf8')).exact as Resource;
}

test('all Synthea bundles are valid', { skip }, () => {
  const folder = join(corpus, 'synthea');
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  assert.equal(files.length, 78);
  for (const file of files) assert.deepEqual(validator.validate(read(join(folder, file))), [], file);
});

interface ValidatorCase {
  name: string;
  file: string;
  expect?: { errorCount?: number };
}

test("HL7's validator cases: no false alarm, and what structure alone can catch is caught", { skip }, () => {
  const folder = join(corpus, 'validator');
  const cases = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as ValidatorCase[];
  let caught = 0;
  for (const { name, file, expect } of cases) {
    const path = join(folder, 'files', file);
    if (!file.endsWith('.json') || !existsSync(path) || name.startsWith('cdshooks')) continue;
    const { issues, parsed } = attempt(path);
    if ((expect?.errorCount ?? 0) === 0) assert.deepEqual(issues, [], name);
    else if (!parsed || issues.length > 0) caught++;
  }
  assert.equal(caught, 17);
});

function attempt(path: string): { issues: JsonObject[]; parsed: boolean } {
  try {
    return { issues: validator.validate(read(path)) as unknown as JsonObject[], parsed: true };
  } catch {
    return { issues: [], parsed: false };
  }
}
