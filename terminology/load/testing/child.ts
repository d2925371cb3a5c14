// A load in a process of its own, to be killed: its arguments are the database's connection as JSON, the file, and the moment
// at which it stands still, having said so.
import { writeSync } from 'node:fs';
import { type Connection, connectDb } from '#platform';
import { testLog } from '#platform/testing';
import { load } from './rig.ts';

const [connection = '', name = '', moment = ''] = process.argv.slice(2);
const db = connectDb({ ...(JSON.parse(connection) as Connection), poolMax: 8, log: testLog() });

function standStill(): void {
  writeSync(1, 'still\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

await load(db, name, {
  onProgress: ({ concepts }) => {
    if (moment === 'reading' && concepts > 0) standStill();
  },
  onIndexing: () => {
    if (moment === 'indexing') standStill();
  },
});
await db.close();
