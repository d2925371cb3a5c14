import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { corpusFolder } from '#platform/testing';
import { loadDictionary } from '../../message/dictionary.ts';
import { corpusMissing } from '../../testing/corpus.ts';
import { conceptMaps } from '../codes/concept-maps.ts';
import { conceptMapsElsewhere } from '../codes/elsewhere.ts';
import { messageMaps } from '../map.ts';
import { structures } from '../structure/structures.ts';
import { allTables } from '../table/table.ts';
import { typesElsewhere } from '../types/elsewhere.ts';
import { dataTypes } from '../types/registry.ts';
import { segmentMapsElsewhere } from './guide-segments.ts';
import { mappingPage } from './page.ts';
import { undecidedFields } from './segments.ts';

/** `PID[Patient]` of the guide's files of a kind. */
function guideMaps(folder: string, form: RegExp): string[] {
  const files = readdirSync(path.join(corpusFolder('v2-to-fhir'), folder));
  return files.flatMap((file) => form.exec(file)?.[1] ?? []).sort();
}

describe('docs/hl7-mapping.md', () => {
  it('is as the tables have it', async () => {
    const page = await readFile(path.join(import.meta.dirname, '../../../docs/hl7-mapping.md'), 'utf8');
    assert.equal(page, await mappingPage(page), 'write it with `node bin/cerebra.ts docs`');
  });

  it('says of every field where it goes or why it does not', async () => {
    assert.deepEqual(undecidedFields(await loadDictionary()), []);
  });

  it('has every data type map of the guide, once', { skip: corpusMissing }, () => {
    const ours = [...Object.values(dataTypes).flatMap(({ guide }) => guide), ...Object.keys(typesElsewhere)];
    assert.deepEqual([...new Set(ours)].sort(), guideMaps('datatypes', /R4_ (.*) - Sheet1\.csv$/));
  });

  it('has every segment map of the guide whose segment a message has, once', { skip: corpusMissing }, () => {
    const taken = messageMaps.flatMap((map) => map.structures);
    const known = new Set(taken.flatMap((name) => [...structures.get(name)!.within]));
    const named = allTables().map(({ segment, target }) => `${segment}[${target}]`);
    const ours = new Set([...named, ...Object.keys(segmentMapsElsewhere)]);
    const wanted = guideMaps('segments', /R4_ ([A-Z][A-Z0-9]{2}\[[^\]]*\])/).filter((name) =>
      known.has(name.slice(0, 3)),
    );
    assert.deepEqual(
      wanted.filter((name) => !ours.has(name)),
      [],
    );
    assert.deepEqual(
      named.filter((name) => Object.hasOwn(segmentMapsElsewhere, name)),
      [],
    );
  });

  it('has every concept map of the guide', { skip: corpusMissing }, () => {
    const ours = new Set([...conceptMaps.keys(), ...Object.keys(conceptMapsElsewhere)]);
    assert.deepEqual(
      guideMaps('codesystems', /Map_ (.*) - Sheet1\.csv$/).filter((name) => !ours.has(name)),
      [],
    );
  });
});
