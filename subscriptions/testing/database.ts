// One database a test file, emptied for each of its tests: cloning one takes up to 1.5 s.
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';

let shared: Promise<Db> | undefined;

/** The file’s database without changes and what the test store keeps; `emptying` are statements for the rest. */
export async function emptyDatabase(emptying: string): Promise<Db> {
  shared ??= testDatabase();
  const db = await shared;
  await db.query({ text: `drop table if exists test_version; truncate change; ${emptying}` });
  return db;
}
