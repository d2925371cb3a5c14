import assert from 'node:assert/strict';
import test from 'node:test';
import { parseMessage } from './message.ts';
import { buildResponse } from './response.ts';

const options = { controlId: 'CB1', nowMs: Date.UTC(2026, 0, 31), enhanced: false };
const answerTo = (msh3: string): string => {
  const raw = `MSH|^~\\&|${msh3}|FAC|RCV||20260131||QBP^Q22|Q1|P|2.5\r`;
  return buildResponse(parseMessage(Buffer.from(raw)), { type: ['RSP', 'K22', 'RSP_K21'], segments: [] }, options)
    .toString()
    .split('|')[4]!;
};

test('the sender’s name comes back as it was, also one with very many parts', () => {
  assert.equal(answerTo('A&1.2&ISO^""^c\\T\\d~E'), 'A&1.2&ISO^""^c\\T\\d~E');
  const many = Array.from({ length: 300_000 }, () => 'a').join('^');
  assert.equal(answerTo(many) === many, true);
});
