// The ids of resources that come without one: https://hl7.org/fhir/R4/bundle.html#bundle-unique
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertStoreSound } from '../testing.ts';
import { createRig, observation, patient } from './testing/rig.ts';

test('a fullUrl that gives no id names another resource in each file, the same one at each load of a file', async (t) => {
  const rig = await createRig(t);
  const post = (fullUrl: string, resource: object) => ({ fullUrl, resource, request: { method: 'POST', url: '' } });
  const write = (name: string, family: string) =>
    rig.file(
      name,
      JSON.stringify({
        ...{ resourceType: 'Bundle', type: 'transaction' },
        entry: [
          post('urn:oid:1.2.3', patient(undefined, family)),
          post('urn:oid:4', observation(undefined, 'urn:oid:1.2.3')),
        ],
      }),
    );
  await write('a.json', 'Abel');
  await write('b.json', 'Babel');
  for (const again of [false, true]) {
    const { faults } = await rig.load([rig.folder], { again });
    assert.deepEqual(faults, []);
    const found = await rig.db.query<{ family: string }>({
      text: `select p.body::jsonb #>> '{name,0,family}' as family from r_observation o
        join r_patient p on o.body::jsonb #>> '{subject,reference}' = 'Patient/' || p.id order by 1`,
    });
    assert.deepEqual(
      found.map(({ family }) => family),
      ['Abel', 'Babel'],
    );
    assert.deepEqual([await rig.count('Patient'), await rig.count('Observation')], [2, 2]);
  }
  await assertStoreSound(rig.core.store);
});
