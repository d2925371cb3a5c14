// Conditional references, however they are written: https://hl7.org/fhir/R4/http.html#trules
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { EntryResult, Resource } from '#fhir-model';
import type { CerebraError } from '#platform';
import { testDatabase } from '#platform/testing';
import { createReader } from '../ports.ts';
import { everything, testCore } from '../testing.ts';
import type { Core } from './core.ts';
import { transaction } from './transaction.ts';

let core: Core;

before(async () => {
  core = await testCore(await testDatabase());
});

const create = (resource: Resource): Promise<EntryResult[]> =>
  transaction(core, [{ method: 'POST', url: resource.resourceType, resource }], { scope: everything });

const about = (reference: string): Promise<EntryResult[]> =>
  create({ resourceType: 'Observation', status: 'final', code: { text: 't' }, subject: { reference } });

describe('a conditional reference', () => {
  test('may have a slash before its type, as the url of an entry may', async () => {
    const [patient] = await create({ resourceType: 'Patient', identifier: [{ system: 'urn:c', value: '1' }] });
    for (const slash of ['', '/']) {
      const [made] = await about(`${slash}Patient?identifier=urn:c|1`);
      const stored = await createReader(core).read('Observation', made!.id, everything);
      assert.deepEqual((JSON.parse(stored!.body) as Resource).subject, { reference: `Patient/${patient!.id}` });
    }
  });

  test('without criteria is refused, not stored as a link to nothing', async () => {
    for (const reference of ['Patient?', '/Patient?']) {
      await assert.rejects(about(reference), ({ code, issues }: CerebraError) => {
        assert.equal(code, 'invalid');
        assert.deepEqual(issues[0]!.expression, ['Bundle.entry[0].resource.subject.reference']);
        return true;
      });
    }
  });
});
