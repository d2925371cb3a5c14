import assert from 'node:assert/strict';
import test from 'node:test';
import { parseMessage } from '../message/message.ts';
import { fieldsOf } from './fields.ts';

const valuesOf = (pid: string) => {
  const message = parseMessage(Buffer.from(`MSH|^~\\&|\rPID|1||${pid}||DOE^JANE`));
  const { shown, more } = fieldsOf(message, (segment, number) =>
    segment === 'PID' && number === 3 ? 'List' : undefined,
  );
  const of3 = shown.filter(({ path }) => path.startsWith('PID-3'));
  return { first: of3[0], last: of3.at(-1), count: of3.length, name: shown.at(-1)?.value, more };
};

test('each value with its place and name; of very many the first, and how many more there are', () => {
  assert.deepEqual(valuesOf('a^^b&c~""'), {
    ...{
      first: { path: 'PID-3[1].1', name: 'List', value: 'a' },
      last: { path: 'PID-3[2]', name: 'List', value: '""' },
    },
    ...{ count: 4, name: 'JANE', more: 0 },
  });
  // More repetitions than a message may have: it is refused, and looked at all the same.
  assert.deepEqual(valuesOf('a~'.repeat(20_000)), {
    ...{
      first: { path: 'PID-3[1]', name: 'List', value: 'a' },
      last: { path: 'PID-3[1000]', name: 'List', value: 'a' },
    },
    ...{ count: 1_000, name: 'JANE', more: 19_001 },
  });
  assert.deepEqual(valuesOf('a^'.repeat(1_000_000)), {
    ...{ first: { path: 'PID-3.1', name: 'List', value: 'a' }, last: { path: 'PID-3.1000', name: 'List', value: 'a' } },
    ...{ count: 1_000, name: 'JANE', more: 999_001 },
  });
});
