import assert from 'node:assert/strict';
import test from 'node:test';
import { parseMessage } from '../message/message.ts';
import { partitionsOf } from './partition.ts';

const of = (...lines: string[]) => partitionsOf(parseMessage(Buffer.from(['MSH|^~\\&|', ...lines].join('\r'))));

test('who a message is about, and beside whom: the merged one by each number, the patients of further PIDs', () => {
  assert.deepEqual(of('PID|1||7^^^HOSP~8^^^NAT'), { partition: '7^HOSP' });
  assert.deepEqual(of('PID|1||7^^^HOSP', 'MRG|5^^^HOSP~6^^^A&1.2&ISO~~7^^^HOSP'), {
    partition: '7^HOSP',
    otherPartitions: ['5^HOSP', '6^1.2'],
  });
  assert.deepEqual(of('PID|1||7', 'MRG|5', 'PID|2||8', 'MRG|6', 'PID|3||7'), {
    partition: '7^',
    otherPartitions: ['5^', '8^', '6^'],
  });
  assert.deepEqual(of('PID|1', 'MRG|""', 'ZZZ|9'), { partition: '' });
});

test('of very many patients so many as the queue can lock', () => {
  const { otherPartitions } = of(...Array.from({ length: 5_000 }, (_, index) => `PID|||${index}`));
  assert.equal(otherPartitions?.length, 100);
});
