import assert from 'node:assert/strict';
import { it } from 'node:test';
import { CerebraError } from '../errors.ts';
import { databaseError, isPassing, isWriteRace } from './errors.ts';

const failure = (code: string): Error => Object.assign(new Error('failed'), { code });

it('what passes by itself, and what a second try settles', () => {
  const cases: [error: unknown, passing: boolean, race: boolean][] = [
    [failure('40P01'), true, true],
    [failure('40001'), true, true],
    [failure('23505'), false, true],
    [failure('23503'), false, false],
    [failure('57014'), false, false],
    [databaseError(failure('57014')), true, false],
    [databaseError(failure('57P01')), true, false],
    [databaseError(failure('ECONNREFUSED')), true, false],
    [new CerebraError('unavailable', 'away'), true, false],
    [new CerebraError('version-conflict', 'changed'), false, false],
    [new TypeError('ours'), false, false],
    [undefined, false, false],
  ];
  for (const [error, passing, race] of cases) {
    assert.deepEqual([isPassing(error), isWriteRace(error)], [passing, race], String((error as Error)?.message));
  }
});
