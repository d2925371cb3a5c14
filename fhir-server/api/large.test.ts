import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { isCerebraError } from '#platform';
import { createRooms, holdAnswer } from './large.ts';

const MB = 1024 * 1024;

interface FakeResponse extends EventEmitter {
  destroyed: boolean;
  stalled?: () => void;
}

function fakeResponse(destroyed = false): ServerResponse & FakeResponse {
  const res: FakeResponse = Object.assign(new EventEmitter(), { destroyed });
  const rest = {
    setTimeout(_ms: number, stalled: () => void) {
      res.stalled = stalled;
    },
    destroy() {
      res.destroyed = true;
      res.emit('close');
    },
  };
  return Object.assign(res, rest) as unknown as ServerResponse & FakeResponse;
}

const repeatable = { isRepeatable: true };
const answer = (megabytes: number) => ({ status: 200, body: 'x'.repeat(megabytes * MB) });

test('answers of 256 MB are on their way at once, more are refused until one is taken', () => {
  const rooms = createRooms(1);
  const large = answer(128);
  const [first, second, third] = [fakeResponse(), fakeResponse(), fakeResponse()];
  holdAnswer(first, rooms, large, repeatable);
  holdAnswer(second, rooms, large, repeatable);
  const refused = (error: unknown) => isCerebraError(error, 'unavailable') && /large answers/.test(error.message);
  assert.throws(() => holdAnswer(third, rooms, answer(2), repeatable), refused);
  holdAnswer(third, rooms, answer(1), repeatable);
  first.emit('close');
  holdAnswer(third, rooms, large, repeatable);
});

test('a client that takes nothing gives up its answer', () => {
  const rooms = createRooms(1);
  const res = fakeResponse();
  holdAnswer(res, rooms, answer(300), repeatable);
  assert.throws(() => holdAnswer(fakeResponse(), rooms, answer(2), repeatable));
  res.stalled?.();
  assert.equal(res.destroyed, true);
  holdAnswer(fakeResponse(), rooms, answer(2), repeatable);
});

test('for a client that has gone nothing is held', () => {
  const rooms = createRooms(1);
  holdAnswer(fakeResponse(true), rooms, answer(300), repeatable);
  holdAnswer(fakeResponse(), rooms, answer(300), repeatable);
});

test('what a write has done is told whatever is on its way, and counts: searches are refused meanwhile', () => {
  const rooms = createRooms(1);
  const writes = [1, 2, 3].map(() => fakeResponse());
  for (const res of writes) holdAnswer(res, rooms, answer(128), { isRepeatable: false });
  const search = () => holdAnswer(fakeResponse(), rooms, answer(2), repeatable);
  assert.throws(search, { code: 'unavailable', status: 503 });
  writes[0]!.emit('close');
  assert.throws(search, { code: 'unavailable' });
  writes[1]!.stalled?.();
  assert.equal(writes[1]!.destroyed, true);
  search();
});
