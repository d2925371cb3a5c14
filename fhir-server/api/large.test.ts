import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { Context } from 'koa';
import { isCerebraError } from '#platform';
import { createRooms, holdAnswer } from './large.ts';

const MB = 1024 * 1024;

interface FakeResponse extends EventEmitter {
  destroyed: boolean;
  stalled?: () => void;
}

function fakeContext(destroyed = false): { ctx: Context; res: FakeResponse } {
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
  return { ctx: { res: Object.assign(res, rest) } as unknown as Context, res };
}

const answer = (megabytes: number) => ({ status: 200, body: 'x'.repeat(megabytes * MB) });

test('answers of 256 MB are on their way at once, more are refused until one is taken', () => {
  const rooms = createRooms(1);
  const large = answer(128);
  const [first, second, third] = [fakeContext(), fakeContext(), fakeContext()];
  holdAnswer(first.ctx, rooms, large);
  holdAnswer(second.ctx, rooms, large);
  const refused = (error: unknown) => isCerebraError(error, 'unavailable') && /large answers/.test(error.message);
  assert.throws(() => holdAnswer(third.ctx, rooms, answer(2)), refused);
  holdAnswer(third.ctx, rooms, answer(1));
  first.res.emit('close');
  holdAnswer(third.ctx, rooms, large);
});

test('a client that takes nothing gives up its answer', () => {
  const rooms = createRooms(1);
  const { ctx, res } = fakeContext();
  holdAnswer(ctx, rooms, answer(300));
  assert.throws(() => holdAnswer(fakeContext().ctx, rooms, answer(2)));
  res.stalled?.();
  assert.equal(res.destroyed, true);
  holdAnswer(fakeContext().ctx, rooms, answer(2));
});

test('for a client that has gone nothing is held', () => {
  const rooms = createRooms(1);
  holdAnswer(fakeContext(true).ctx, rooms, answer(300));
  holdAnswer(fakeContext().ctx, rooms, answer(300));
});
