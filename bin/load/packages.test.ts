// What `cerebra load-ig` takes and tells.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FhirServer, InstallSummary } from '#fhir-server';
import { isCerebraError, readConfig } from '#platform';
import type { FhirParts } from '../fhir.ts';
import { meaningsOf } from '../meanings.ts';
import { packageText, storing } from './packages.ts';
import { packageArguments } from './packages-options.ts';

test('arguments', () => {
  assert.deepEqual(packageArguments(['a.tgz', 'b#1.0.0']), {
    ...{ names: ['a.tgz', 'b#1.0.0'], registry: undefined, examples: false, again: false, alone: false },
  });
  const all = ['--registry', 'http://x.example', '--examples', '--again', '--no-dependencies', 'a'];
  assert.deepEqual(packageArguments(all), {
    ...{ names: ['a'], registry: 'http://x.example', examples: true, again: true, alone: true },
  });
  assert.equal(packageArguments(['--help']), undefined);
  for (const [args, text] of [
    [[], 'Which packages?'],
    [['--nonsense', 'x'], "Unknown option '--nonsense'"],
    [['--registry'], "Option '--registry <value>' argument missing"],
  ] as const) {
    assert.throws(
      () => packageArguments([...args]),
      (error) => isCerebraError(error, 'config') && error.message.startsWith(text) && /\nUsage: /.test(error.message),
    );
  }
});

test('a package in one line', () => {
  const summary: InstallSummary = {
    ...{ name: 'test.guide', version: '1.0.0', outcome: 'installed', created: 1, present: 0, examples: 0 },
    ...{ faults: [], missing: [], unindexed: [] },
  };
  assert.equal(packageText(summary), 'test.guide#1.0.0: 1 resource stored');
  const fault = { file: 'package/a.json', issues: [] };
  const missing = [
    { name: 'a', version: '1.0.0' },
    { name: 'b', version: '2.x' },
  ];
  assert.equal(
    packageText({ ...summary, created: 1200, examples: 34, present: 5, faults: [fault], missing }),
    'test.guide#1.0.0: 1,234 resources stored, 5 there already, 1 refused; not here: a#1.0.0, b#2.x',
  );
  assert.equal(
    packageText({ ...summary, outcome: 'present', missing: missing.slice(0, 1) }),
    'test.guide#1.0.0: installed already; --again loads it; not here: a#1.0.0',
  );
});

test('rules and topics of a package are checked as those that come by HTTP', () => {
  const parts = { config: readConfig({}) } as FhirParts;
  const found = { baseUrl: 'http://127.0.0.1/fhir/R4', resourceTypes: [], server: () => ({}) as FhirServer };
  const [ofPackages, ofHttp] = [storing(parts, found).meanings!, meaningsOf(parts, found)];
  assert.deepEqual(Object.keys(ofPackages).sort(), Object.keys(ofHttp).sort());
  const rule = {
    resourceType: 'PlanDefinition',
    status: 'active',
    type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/plan-definition-type', code: 'eca-rule' }] },
    extension: [{ url: 'urn:cerebra:alert:kind', valueCode: 'no-such-kind' }],
  };
  const issues = ofPackages.PlanDefinition!.validate(rule);
  assert.equal(issues.length > 0, true);
  assert.deepEqual(issues, ofHttp.PlanDefinition!.validate(rule));
});
