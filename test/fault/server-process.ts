// `cerebra start` as a process of its own, so that it can be signalled and killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { type Connection, connectDb, type Db } from '#platform';
import { beforeDrop, createDataFolder, testLog, waitFor } from '#platform/testing';

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Program {
  child: ChildProcess;
  /** Standard output and error so far. */
  output(): string;
  ended: Promise<Ending>;
}

export interface ServerProcess extends Program {
  fhirBaseUrl: string;
  rootUrl: string;
  mllpPort: number;
  mqttPort: number;
}

export type Environment = Record<string, string>;

const root = path.join(import.meta.dirname, '../..');
const freePorts: Environment = { PORT: '0', MLLP_PORT: '0', MQTT_PORT: '0' };
/** Nothing of the surroundings but what programs need. */
const surroundings = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'NODE_COMPILE_CACHE'];
const given = Object.fromEntries(
  surroundings.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
);

const running = new Map<ChildProcess, { environment: Environment; ended: Promise<Ending> }>();
process.once('exit', () => {
  for (const child of running.keys()) child.kill('SIGKILL');
});

/** Hooks run in the order of registration, and what a program runs on was there before it: it would start its PostgreSQL again. */
async function killThose(isMeant: (environment: Environment) => boolean): Promise<void> {
  const meant = [...running].filter(([, { environment }]) => isMeant(environment));
  await Promise.all(meant.map(([child, { ended }]) => killProgram({ child, ended })));
}

/** A program with the server's environment; killed when the test ends, if it still runs. */
export function runProgram(t: TestContext, command: string[], environment: Environment, group = false): Program {
  const child = spawn(command[0]!, command.slice(1), {
    cwd: root,
    env: { ...given, ...freePorts, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: group,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const ended = once(child, 'close').then(([code, signal]): Ending => {
    running.delete(child);
    return { code, signal };
  });
  running.set(child, { environment, ended });
  t.after(() => killProgram({ child, ended }));
  return { child, output: () => output, ended };
}

async function killProgram({ child, ended }: Pick<Program, 'child' | 'ended'>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await ended;
}

/** Whether the server dispatches changes, as far as it has said. */
export const dispatches = ({ output }: Pick<Program, 'output'>): boolean =>
  output()
    .match(/"(?:dispatching changes|another server dispatches now)"/g)
    ?.at(-1) === '"dispatching changes"';

const serverCommand = [process.execPath, path.join(root, 'bin/cerebra.ts'), 'start'];

export const runServer = (t: TestContext, environment: Environment): Program =>
  runProgram(t, serverCommand, environment);

/** Waits for the table that says where everything is. Throws, with what the program said, when it ends before. */
export async function startProcess(
  t: TestContext,
  environment: Environment,
  command = serverCommand,
  group = false,
): Promise<ServerProcess> {
  const program = runProgram(t, command, environment, group);
  const ready = Promise.withResolvers<void>();
  program.child.stdout!.on('data', () => program.output().includes('\n  Access  ') && ready.resolve());
  await Promise.race([
    ready.promise,
    program.ended.then(({ code, signal }) => {
      throw new Error(`the server ended (${code ?? signal}) before it was ready:\n${program.output()}`);
    }),
  ]);
  const fhirBaseUrl = row(program, 'FHIR R4');
  const portOf = (name: string) => Number(row(program, name).split(':').at(-1));
  return {
    ...program,
    ...{ fhirBaseUrl, rootUrl: new URL(fhirBaseUrl).origin },
    ...{ mllpPort: portOf('HL7v2 MLLP'), mqttPort: portOf('MQTT') },
  };
}

/** The second column of the ready table. */
function row({ output }: Program, name: string): string {
  const found = new RegExp(`^  ${name} +(\\S+)`, 'm').exec(output());
  if (!found) throw new Error(`the ready table has no row ${name}:\n${output()}`);
  return found[1]!;
}

/** Runs the server until it ends by itself: for starts that are refused. */
export async function refusedStart(t: TestContext, environment: Environment): Promise<Ending & { output: string }> {
  const program = runServer(t, environment);
  const ending = await program.ended;
  return { ...ending, output: program.output() };
}

export async function signal({ child, ended }: Program, name: NodeJS.Signals): Promise<Ending> {
  child.kill(name);
  return ended;
}

/** A data folder of the test's own; what runs on it is killed, and it goes, when the test ends. */
export async function dataFolder(t: TestContext): Promise<string> {
  const folder = createDataFolder('cerebra-fault-');
  // Started as root, PostgreSQL runs under another account, which has to come through.
  await chmod(folder, 0o711);
  const dataDir = path.join(folder, 'data');
  t.after(async () => {
    await killThose(({ DATA_DIR }) => DATA_DIR === dataDir);
    await killPostgres(dataDir);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return dataDir;
}

/** Lines of postmaster.pid: https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/utils/pidfile.h */
async function postmasterFile(dataDir: string): Promise<string[] | undefined> {
  const text = await readFile(path.join(dataDir, 'postgres/data/postmaster.pid'), 'utf8').catch(() => undefined);
  return text?.split('\n');
}

export async function postmasterPid(dataDir: string): Promise<number | undefined> {
  const lines = await postmasterFile(dataDir);
  return lines && Number(lines[0]);
}

async function killPostgres(dataDir: string): Promise<void> {
  const pid = await postmasterPid(dataDir);
  if (pid === undefined || !(await isPostgresOf(pid, dataDir))) return;
  process.kill(pid, 'SIGKILL');
  await waitFor(async () => !(await isPostgresOf(pid, dataDir)), 'PostgreSQL to be gone');
}

async function isPostgresOf(pid: number, dataDir: string): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.includes(dataDir);
}

/** A pool of our own on the embedded database, past the server. */
export async function embeddedDb(dataDir: string): Promise<Db> {
  const lines = await postmasterFile(dataDir);
  const connection = { host: lines![4]!, port: Number(lines![3]), user: 'cerebra', database: 'cerebra' };
  return connectDb({ ...connection, poolMax: 2, log: testLog(), applicationName: 'cerebra-test' });
}

/** DATABASE_URL of a test's database; what was started with it is killed before the database is dropped. */
export function databaseUrl({ host, port, user, password, database }: Connection): string {
  const parameters = new URLSearchParams({ host, port: String(port), user });
  if (password) parameters.set('password', password);
  const url = `postgres:///${database}?${parameters}`;
  beforeDrop(database, () => killThose(({ DATABASE_URL }) => DATABASE_URL === url));
  return url;
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.trim().split(' ').filter(Boolean).map(Number);
}

export async function isWorker(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes('workers/worker.ts');
}

/** The HTTP workers of `start --workers`. */
export async function workersOf({ child }: Pick<Program, 'child'>): Promise<number[]> {
  const children = await childrenOf(child.pid!);
  const marks = await Promise.all(children.map(isWorker));
  return children.filter((_, i) => marks[i]);
}
