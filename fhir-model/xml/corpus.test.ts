// Every resource of the corpus goes to XML and comes back the same, and what came back makes the same document.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { loadDefinitions } from '../definitions.ts';
import { parseJson } from '../json.ts';
import type { Json, JsonObject, Resource } from '../types.ts';
import { createXmlCodec } from './codec.ts';

const corpus = process.env.CORPUS_DIR ?? path.join(import.meta.dirname, '../../../shared/corpus');
const skip = existsSync(corpus) ? false : 'the corpus is not there (CORPUS_DIR)';
const definitions = await loadDefinitions();
const { read, write } = createXmlCodec(definitions);

const filesOf = (folder: string, ending: string): string[] => {
  const root = path.join(corpus, folder);
  return (readdirSync(root, { recursive: true }) as string[])
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => path.join(root, name));
};

function resourceOf(file: string): Resource | undefined {
  try {
    const { exact } = parseJson(readFileSync(file, 'utf8'));
    const { resourceType } = exact as JsonObject;
    return typeof resourceType === 'string' && definitions.isResourceType(resourceType)
      ? (exact as Resource)
      : undefined;
  } catch {
    return undefined; // cases of what is no JSON
  }
}

/** The two arrays of a repeating primitive are of one length after XML; in JSON one may end early. */
function padded(value: Json): Json {
  if (Array.isArray(value)) return value.map(padded);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) === null) return value;
  const copy: JsonObject = {};
  for (const [name, held] of Object.entries(value)) copy[name] = padded(held ?? null);
  for (const [name, held] of Object.entries(copy)) {
    const values = copy[name.slice(1)];
    if (!name.startsWith('_') || !Array.isArray(held) || !Array.isArray(values)) continue;
    while (held.length < values.length) held.push(null);
    while (values.length < held.length) values.push(null);
  }
  return copy;
}

async function roundTrip(resource: Resource, file: string): Promise<void> {
  const xml = write(resource, false);
  const back = await read(xml);
  assert.deepEqual(back, padded(resource), file);
  assert.equal(write(back, false), xml, file);
}

async function prettyTrip(resource: Resource, file: string): Promise<void> {
  assert.deepEqual(await read(write(resource, true)), padded(resource), file);
}

describe('the corpus in XML', { skip }, () => {
  test('all Synthea bundles', async () => {
    const files = filesOf('synthea', '.json');
    assert.equal(files.length, 78);
    for (const file of files) await roundTrip(resourceOf(file)!, file);
  });

  for (const [folder, least] of [
    ['fhirpath', 10],
    ['tx', 120],
    ['validator', 80],
  ] as const) {
    test(`what is R4 in ${folder}`, async () => {
      let done = 0;
      for (const file of filesOf(folder, '.json')) {
        const resource = resourceOf(file);
        if (resource === undefined || !writable(resource)) continue;
        await roundTrip(resource, file);
        await prettyTrip(resource, file);
        done++;
      }
      assert.ok(done >= least, `${done} of at least ${least}`);
    });
  }

  test('documents of the validator’s cases: XML to JSON to XML', async () => {
    const files = filesOf('validator', '.xml');
    assert.equal(files.length, 5);
    for (const file of files) {
      const resource = await read(readFileSync(file, 'utf8'));
      assert.equal(resource.resourceType, 'StructureDefinition');
      await roundTrip(resource, file);
    }
  });
});

/** Cases with faults in their structure are no R4. */
function writable(resource: Resource): boolean {
  try {
    write(resource, false);
    return true;
  } catch {
    return false;
  }
}
