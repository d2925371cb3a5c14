// US Core as it is published: https://hl7.org/fhir/us/core/
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { corpusAbsent, corpusFolder, testDatabase } from '#platform/testing';
import { everything, testCore } from '../testing.ts';
import { loadPackages } from './load.ts';

const skip = corpusAbsent('us-core') ?? false;

describe('US Core', { skip }, () => {
  test('3.1.1, 6.1.0 and 7.0.0 stand side by side', async (t) => {
    const core = await testCore(await testDatabase(t));
    const options = { scope: everything, examples: false, again: false, alone: false };
    const summaries = await loadPackages(core, [corpusFolder('us-core')], options);
    assert.deepEqual(
      summaries.map(({ version, faults, unindexed }) => ({ version, faults, unindexed })),
      ['3.1.1', '6.1.0', '7.0.0'].map((version) => ({ version, faults: [], unindexed: [] })),
    );
    const custom = ['Patient', 'Condition', 'Goal', 'CareTeam', 'Encounter'].flatMap((type) =>
      core.parameters
        .list(type)
        .filter((param) => param.custom)
        .map((param) => `${type}.${param.code}`),
    );
    assert.deepEqual(custom.sort(), [
      ...['CareTeam.role', 'Condition.asserted-date', 'Encounter.discharge-disposition', 'Goal.description'],
      ...['Patient.ethnicity', 'Patient.gender-identity', 'Patient.race'],
    ]);
    const url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient';
    const { canonicals } = core;
    assert.equal((await canonicals.find('StructureDefinition', url))?.version, '7.0.0');
    assert.equal((await canonicals.find('StructureDefinition', `${url}|6.1`))?.id, 'us-core-patient-6.1.0');
    assert.deepEqual(await canonicals.versions('StructureDefinition', url), ['7.0.0', '6.1.0', '3.1.1']);
    await core.packages.refresh();
    assert.equal(core.packages.guides.length, 3);
    assert.ok(core.packages.profilesOf('Patient').includes(`${url}|6.1.0`));
    assert.deepEqual(
      summaries.map(({ missing }) => missing.some(({ name }) => name === 'us.nlm.vsac')),
      [false, true, true],
    );
  });
});
