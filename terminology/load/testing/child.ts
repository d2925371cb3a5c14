// A load in a process of its own, to be killed: its arguments are the database's connection as JSON, the file, and where it
// stands still, having said so: `read:<concepts>` or the beginning of a statement.
import { writeSync } from 'node:fs';
import { type Connection, connectDb, type Db, type Tx } from '#platform';
import { testLog } from '#platform/testing';
import { load } from './rig.ts';

const [connection = '', name = '', moment = ''] = process.argv.slice(2);
const db = connectDb({ ...(JSON.parse(connection) as Connection), poolMax: 8, log: testLog() });
const concepts = /^read:(\d+)$/.exec(moment)?.[1];

function standStill(): void {
  writeSync(1, 'still\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

const seen = (text: string): void => {
  if (text.startsWith(moment)) standStill();
};
/** Stands still before that statement, in the middle of its transaction. */
const watched = (tx: Tx): Tx => ({
  ...tx,
  query: (statement, values) => {
    seen(statement.text);
    return tx.query(statement, values);
  },
  copy: (text, data) => {
    seen(text);
    return tx.copy(text, data);
  },
});
const watchedDb: Db = { ...db, tx: (work) => db.tx((tx) => work(watched(tx))) };

await load(watchedDb, name, {
  onProgress: (progress) => {
    if (concepts !== undefined && progress.concepts >= Number(concepts)) standStill();
  },
});
await db.close();
