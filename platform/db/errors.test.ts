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
    [databaseError(failure('57P04')), true, false],
    [databaseError(failure('53200')), true, false],
    [databaseError(failure('28P01')), true, false],
    [databaseError(failure('28000')), true, false],
    [databaseError(failure('3D000')), true, false],
    [databaseError(failure('53100')), true, false],
    [databaseError(failure('58030')), true, false],
    [databaseError(failure('25006')), true, false],
    [new CerebraError('unavailable', 'away'), true, false],
    [new CerebraError('version-conflict', 'changed'), false, false],
    [new TypeError('ours'), false, false],
    [undefined, false, false],
  ];
  for (const [error, passing, race] of cases) {
    assert.deepEqual([isPassing(error), isWriteRace(error)], [passing, race], String((error as Error)?.message));
  }
});

it('says what keeps a database that answers from storing', () => {
  const told = ['53100', '58030', '25006'].map((code) => databaseError(failure(code)) as CerebraError);
  assert.deepEqual(
    told.map(({ status, message }) => [status, message]),
    [
      [503, 'The disk of the database is full: nothing can be stored until its operator makes room'],
      [503, 'The disk of the database has a fault: its operator finds it in the log of PostgreSQL'],
      [503, 'The database takes no changes: it is a standby, or set to read-only by its operator'],
    ],
  );
});

it('says nothing of the reason to who asks: the log does', () => {
  const told = databaseError(failure('28P01')) as CerebraError;
  assert.deepEqual([told.status, told.message], [503, 'The database is not available']);
});
