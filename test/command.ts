// The command line as a program of its own, on a database of its own: what the tests of its commands share.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { loadDefinitions } from '#fhir-model';
import { type Connection, connectDb, type Db } from '#platform';
import { beforeDrop, testConnection, testLog } from '#platform/testing';

const cli = path.join(import.meta.dirname, '../bin/cerebra.ts');

const urlOf = ({ user, host, port, database }: Connection): string =>
  `postgres://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`;

/** A database, and a folder that the command runs in. */
export interface Ground {
  folder: string;
  db: Db;
  environment: NodeJS.ProcessEnv;
}

export async function ground(t: TestContext): Promise<Ground> {
  await loadDefinitions();
  const connection = await testConnection(t);
  const db = connectDb({ ...connection, poolMax: 3, log: testLog() });
  beforeDrop(connection.database, () => db.close());
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-command-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return { folder, db, environment: { ...process.env, DATABASE_URL: urlOf(connection), DATA_DIR: folder } };
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
}

export interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
}

/** `command` and what follows it on the command line. */
export function start({ environment, folder }: Ground, command: string, ...args: string[]): Running {
  const child = spawn(process.execPath, [cli, command, ...args], {
    env: environment,
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, output }));
  return { child, ended };
}

export const run = (where: Ground, command: string, ...args: string[]): Promise<Ended> =>
  start(where, command, ...args).ended;

export const countOf = async (db: Db, table: string): Promise<number> =>
  Number((await db.query<{ n: bigint }>({ text: `select count(*) as n from ${table}` }))[0]!.n);
