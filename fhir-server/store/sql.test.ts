import assert from 'node:assert/strict';
import { test } from 'node:test';
import { named } from './sql.ts';

test('names that differ at their ends alone stay different within the 63 bytes that PostgreSQL looks at', () => {
  const long = 'history_count_MedicinalProductUndesirableEffect_id_at_only_newer';
  const names = [long, `${long}_patients`, `${long}_practitioners`].map((name) => named(name, () => name));
  assert.deepEqual(
    names.map(({ text }) => text),
    [long, `${long}_patients`, `${long}_practitioners`],
  );
  assert.equal(new Set(names.map(({ name }) => name!.slice(0, 63))).size, 3);
  for (const { name } of names) assert.ok(name!.length <= 63, name);
  assert.equal(named('read_Patient', () => 'select 1').name, 'read_Patient');
  assert.equal(
    named(long, () => 'another'),
    names[0],
  );
});
