// A load in a process of its own, to be killed: its arguments are the database's connection as JSON and the files.
import { type Connection, connectDb } from '#platform';
import { testLog } from '#platform/testing';
import { everything, testCore } from '../../testing.ts';
import { findFiles } from '../files.ts';
import { load } from '../load.ts';

const [connection = '', ...names] = process.argv.slice(2);
const db = connectDb({
  ...(JSON.parse(connection) as Connection),
  ...{ poolMax: 8, log: testLog(), applicationName: 'load' },
});
await load(await testCore(db), {
  ...{ db, scope: everything, existing: 'skip', validate: true, threads: 2, again: false, lineBytesMax: 1_000_000 },
  files: await findFiles(names),
  signal: new AbortController().signal,
  onProgress: () => undefined,
  onFault: (fault) => {
    throw new Error(JSON.stringify(fault));
  },
  onKnown: () => undefined,
  onStatistics: () => undefined,
});
await db.close();
