// The patch cases of the FHIR test cases: https://github.com/FHIR/fhir-test-cases
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { suites } from './testing/conformance.ts';

const CASES: Record<string, number> = { 'patch/fhirpath': 33, 'patch/json': 16, 'patch/xml': 33 };

describe('patch suites', () => {
  for (const suite of suites) {
    test(suite.title, { skip: suite.absent() ?? false }, async () => {
      const results = await Array.fromAsync(suite.run({ faultsOf: async () => [] }));
      assert.deepEqual(
        results.filter(({ outcome }) => outcome === 'failed'),
        [],
      );
      assert.equal(results.length, CASES[suite.name]);
    });
  }
});
