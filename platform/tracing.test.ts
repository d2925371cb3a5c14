import assert from 'node:assert/strict';
import { it } from 'node:test';
import { span } from './tracing.ts';

it('yields what the work yields', async () => {
  assert.equal(await span('read', { type: 'Patient' }, async () => 7), 7);
});

it('throws what the work throws', async () => {
  const fault = new Error('x');
  await assert.rejects(
    span('read', {}, async () => {
      throw fault;
    }),
    fault,
  );
});
