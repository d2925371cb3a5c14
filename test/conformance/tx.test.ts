// The terminology cases of https://github.com/HL7/fhir-tx-ecosystem-ig, all suites.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { serveTests } from '../server.ts';
import { runTx, txFolder } from './tx.ts';

const folder = txFolder();
const skip = folder === undefined ? 'the corpus is not there (CORPUS_DIR)' : false;

describe('terminology cases', { skip }, () => {
  const client = serveTests();
  test('pass', async () => {
    const failed: string[] = [];
    let count = 0;
    for await (const { suite, name, passed, why } of runTx(client, folder!, process.env.TX_SUITE)) {
      count++;
      if (!passed) failed.push(`${suite} ${name}: ${why}`);
    }
    assert.ok(count > 0);
    assert.deepEqual(failed, []);
  });
});
