// `cerebra load`: files of resources into the store, fast, resumable, nothing lost and nothing twice.
import type { Core } from '../interactions/core.ts';
import { type Account, createAccount } from './account.ts';
import { type Checkpoint, finishFile, forgetCheckpoint, openCheckpoint, registerFile } from './checkpoints.ts';
import { chunksOf, lineSource } from './chunks.ts';
import { type Committing, createCommitting } from './committing.ts';
import { contentOf, FileFault, type InputFile, readWhole } from './files.ts';
import { holdFiles } from './hold.ts';
import type { LoadOptions, LoadSummary } from './options.ts';
import { PART_RESOURCES_MAX } from './parts.ts';
import { refreshStatistics } from './statistics.ts';
import type { Source } from './types.ts';

const CHUNK_BYTES_MAX = 4 * 1024 * 1024;
/** A file of JSON is parsed at once. */
const JSON_BYTES_MAX = 256 * 1024 * 1024;
/** How often a file is taken up again because what it refers to came later. */
const ROUNDS_MAX = 3;
/** Fewer change little in PostgreSQL's statistics. */
const STATISTICS_RESOURCES_MIN = 1000;

interface OpenFile {
  input: InputFile;
  checkpoint: Checkpoint;
}

interface Run {
  options: LoadOptions;
  account: Account;
  committing: Committing;
}

/** A file that can't be read, or not to its end: told, and left unfinished. */
function unreadable({ account }: Run, { checkpoint }: OpenFile, diagnostics: string): void {
  account.summary.unreadable++;
  account.fault({
    file: checkpoint.file,
    resources: 0,
    issues: [{ severity: 'error', code: 'incomplete', diagnostics }],
  });
}

/** True when all of it was read. */
async function readLines(run: Run, open: OpenFile): Promise<boolean> {
  const { options, account, committing } = run;
  const { file, ranges } = open.checkpoint;
  const limits = { linesMax: PART_RESOURCES_MAX, bytesMax: CHUNK_BYTES_MAX, lineBytesMax: options.lineBytesMax };
  let bytesRead = 0;
  const content = contentOf(open.input, (bytes) => {
    bytesRead = bytes;
  });
  try {
    for await (const chunk of chunksOf(content, limits, ranges)) {
      const at = open.input.gzip ? bytesRead : chunk.to;
      await committing.submit([lineSource(file, chunk)], () => account.fileBytes(file, at));
      if (committing.isStopped()) return false;
    }
    return true;
  } catch (error) {
    if (!(error instanceof FileFault)) throw error;
    unreadable(run, open, `The file can't be read: ${error.message}`);
    return false;
  }
}

async function jsonSource({ input, checkpoint }: OpenFile, postponable: boolean): Promise<Source> {
  const bytes = await readWhole(input, JSON_BYTES_MAX);
  return {
    ...{ file: checkpoint.file, kind: 'json', from: 0, to: 0, line: 1, postponable },
    bytes: bytes ?? new Uint8Array(0),
    tooLong: bytes === undefined,
    done: checkpoint.ranges.map(({ from, to }) => [from, to] as const),
  };
}

/**
 * A PostgreSQL that crashes and comes back while the load waits for it may have lost what it had taken in the last second, since COMMIT
 * did not wait for the disk (write.ts), and with it the record: then the file is not finished, and the next load brings that.
 */
async function finish(run: Run, open: OpenFile): Promise<void> {
  const { options, account } = run;
  const { checkpoint, input } = open;
  const ranges = checkpoint.ranges.length + account.rangesOf(checkpoint.file);
  if (!(await finishFile(options.db, checkpoint.file, ranges))) {
    unreadable(
      run,
      open,
      'PostgreSQL has lost parts of the file that it had taken, as in a crash: load the file again',
    );
    return;
  }
  account.fileBytes(checkpoint.file, input.bytes);
  account.fileDone();
}

async function loadLines(run: Run, open: OpenFile): Promise<void> {
  const whole = await readLines(run, open);
  await run.committing.settled();
  if (whole) await finish(run, open);
}

/** Several small files in one job: a transaction each would take 2 ms a resource. */
async function loadJson(run: Run, files: OpenFile[], postponable: boolean): Promise<OpenFile[]> {
  const { committing } = run;
  const read: OpenFile[] = [];
  let sources: Source[] = [];
  let bytes = 0;
  const submit = async (): Promise<void> => {
    if (sources.length > 0) await committing.submit(sources, () => undefined);
    sources = [];
    bytes = 0;
  };
  for (const open of files) {
    if (committing.isStopped()) break;
    try {
      const source = await jsonSource(open, postponable);
      sources.push(source);
      bytes += source.bytes.length;
      read.push(open);
    } catch (error) {
      if (!(error instanceof FileFault)) throw error;
      unreadable(run, open, `The file can't be read: ${error.message}`);
    }
    if (bytes >= CHUNK_BYTES_MAX || sources.length >= PART_RESOURCES_MAX) await submit();
  }
  await submit();
  await committing.settled();
  const postponed = committing.takePostponed();
  for (const open of read) if (!postponed.has(open.checkpoint.file)) await finish(run, open);
  return read.filter(({ checkpoint }) => postponed.has(checkpoint.file));
}

/** Some at a time, so that finished files are known as such before the end. */
const JSON_FILES_AT_ONCE = 1000;

async function loadAllJson(run: Run, files: OpenFile[]): Promise<void> {
  let left = files;
  for (let round = 1; round <= ROUNDS_MAX && left.length > 0 && !run.committing.isStopped(); round++) {
    const again: OpenFile[] = [];
    for (let i = 0; i < left.length; i += JSON_FILES_AT_ONCE) {
      again.push(...(await loadJson(run, left.slice(i, i + JSON_FILES_AT_ONCE), round === 1)));
    }
    left = again;
  }
  if (run.committing.isStopped()) return;
  for (const open of left) unreadable(run, open, 'Others create what it would create at the same time: load it again');
}

interface Registered {
  input: InputFile;
  file: number;
}

/** The files still to be loaded, in order. */
async function openFiles({ db, again, onKnown }: LoadOptions, registered: Registered[]): Promise<OpenFile[]> {
  const open: OpenFile[] = [];
  for (const { input, file } of registered) {
    if (again) await forgetCheckpoint(db, file);
    const checkpoint = await openCheckpoint(db, file);
    if (checkpoint.finished || checkpoint.ranges.length > 0) onKnown(input, checkpoint);
    if (!checkpoint.finished) open.push({ input, checkpoint });
  }
  return open;
}

function firstProgress(account: Account, open: OpenFile[]): void {
  for (const { checkpoint, input } of open) {
    const done = checkpoint.ranges.reduce((sum, { from, to }) => sum + to - from, 0);
    account.fileBytes(checkpoint.file, input.kind === 'lines' && !input.gzip ? done : 0);
  }
}

async function loadFiles(run: Run, open: OpenFile[]): Promise<void> {
  for (const one of open.filter(({ input }) => input.kind === 'lines')) {
    if (!run.committing.isStopped()) await loadLines(run, one);
  }
  await loadAllJson(
    run,
    open.filter(({ input }) => input.kind === 'json'),
  );
}

async function loadHeld(core: Core, options: LoadOptions, registered: Registered[]): Promise<LoadSummary> {
  const open = await openFiles(options, registered);
  const names = new Map(registered.map(({ file, input }) => [file, input.name]));
  const inputs = open.map(({ input }) => input);
  const account = createAccount({ ...options, files: inputs }, (file) => names.get(file)!);
  firstProgress(account, open);
  const committing = await createCommitting(core, options, account);
  try {
    await loadFiles({ options, account, committing }, open);
  } finally {
    await committing.close();
  }
  const files = registered.length;
  return { ...account.summary, files, filesKnown: files - open.length, interrupted: options.signal.aborted };
}

/**
 * Loads the files. What is wrong with single resources is told through `onFault` and counted; it throws when it can't go
 * on. A load that was broken off, killed too, goes on where the last commit was. It takes seven connections at most.
 */
export async function load(core: Core, options: LoadOptions): Promise<LoadSummary> {
  const { db, files } = options;
  const registered: Registered[] = [];
  for (const input of files) registered.push({ input, file: await registerFile(db, input) });
  const numbers = registered.map(({ file }) => file);
  const summary = await holdFiles(db, numbers, () => loadHeld(core, options, registered));
  const touched = summary.counts.created + summary.counts.updated;
  if (touched >= STATISTICS_RESOURCES_MIN && !summary.interrupted) {
    options.onStatistics();
    await refreshStatistics(db, summary.types.keys());
  }
  return summary;
}
