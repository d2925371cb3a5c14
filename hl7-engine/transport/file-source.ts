// Files as a source of messages: one after the other by name, each message as over MLLP, acknowledgments beside the file.
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { CerebraError, createLoop, type FolderLock, type Log, lockFolder } from '#platform';
import { saysAgain } from '../message/ack.ts';
import { Refusal } from '../message/refusal.ts';
import { wideCharset } from '../message/wide.ts';
import { readAnswer } from '../outbound/answer.ts';
import type { HandleMessage, RefuseHead, Source } from '../seams.ts';
import type { FileListenerConfig } from './config.ts';
import { inCharset } from './content.ts';
import { createFolder, type Dropped, type FileIdentity, type Folder } from './folder.ts';
import { createSplitter, type Piece } from './split.ts';
import type { Traffic, WayStatus } from './traffic.ts';
import { type WidePiece, widePieces } from './wide-file.ts';

export interface FileSourceOptions {
  messageBytesMax: number;
  log: Log;
  traffic: Traffic;
  handle: HandleMessage;
  refuse: RefuseHead;
  /** After a fault that may pass; default 5 s. */
  errorMs?: number;
}

export interface FileSourceStatus extends WayStatus {
  folder: string;
  state: 'stopped' | 'watching' | 'reading' | 'failing';
  /** Files that wait, the one in work included. */
  waiting: number;
  filesDone: number;
  /** Moved to the error folder. */
  filesRefused: number;
  /** Why nothing goes on, while that is so. */
  fault?: string;
}

export interface FileSource {
  name: string;
  start(): Promise<void>;
  /** Ends after the message in work; its file stays, and is read from its beginning at the next start. */
  stop(): Promise<void>;
  status(): FileSourceStatus;
}

const defaultErrorMs = 5_000;

interface Reader extends FileSourceOptions {
  config: FileListenerConfig;
  folder: Folder;
  state: FileSourceStatus;
  stopping(): boolean;
}

export function createFileSource(config: FileListenerConfig, options: FileSourceOptions): FileSource {
  const { name, folder } = config;
  const { log, traffic } = options;
  let stopping = false;
  let lock: FolderLock | undefined;
  const state: FileSourceStatus = {
    ...{ ...traffic.counts(), name, kind: 'file', folder },
    ...{ state: 'stopped', waiting: 0, filesDone: 0, filesRefused: 0 },
  };
  const reader: Reader = {
    ...options,
    ...{ config, state, stopping: () => stopping },
    folder: createFolder({ ...config, nowMs: () => performance.now() }),
  };
  const loop = createLoop({
    async work() {
      if (lock === undefined) {
        await reader.folder.prepare();
        lock = await lockFolder(folder, `the drop folder ${folder}`);
      }
      return readNext(reader);
    },
    onError(error) {
      const fault = (error as Error).message;
      // The same fault again every 5 s is told once.
      if (fault !== state.fault) log.error({ err: error, listener: name }, 'HL7 drop folder: nothing is read for now');
      state.state = 'failing';
      state.fault = fault;
    },
    idleMsMin: config.pollMs,
    idleMsMax: config.pollMs,
    errorMs: options.errorMs ?? defaultErrorMs,
  });
  return {
    name,
    async start() {
      stopping = false;
      loop.start();
    },
    async stop() {
      stopping = true;
      await loop.stop();
      await lock?.release();
      lock = undefined;
      state.state = 'stopped';
    },
    status: () => ({ ...state, ...traffic.counts() }),
  };
}

/** Reads the next whole file, if there is one: then there may be more. */
async function readNext(reader: Reader): Promise<boolean> {
  const { state, folder } = reader;
  const { file, waiting } = await folder.first();
  state.waiting = waiting;
  state.state = file === undefined ? 'watching' : 'reading';
  if (file === undefined) {
    delete state.fault;
    return false;
  }
  const outcome = await readFile(reader, file);
  if (outcome === undefined) return false;
  const { messages, refused, faults, ackFile } = outcome;
  const isDone = refused === 0 && faults.length === 0;
  const place = await folder.finish(file, outcome.identity, isDone ? 'done' : 'error', ackFile);
  delete state.fault;
  const about = { listener: state.name, file: place ?? file.name, messages, refused, faults };
  if (place === undefined) {
    reader.log.warn(about, 'HL7 file was removed or replaced while it was read: its messages stand in the journal');
    await rm(ackFile, { force: true });
    return false;
  }
  state.waiting--;
  if (isDone) {
    state.filesDone++;
  } else {
    state.filesRefused++;
    reader.log.warn(about, 'HL7 file with refused messages');
  }
  return !reader.stopping();
}

interface FileOutcome {
  messages: number;
  refused: number;
  /** What is wrong with the file as a whole. */
  faults: string[];
  ackFile: string;
  identity: FileIdentity;
}

/** Undefined: stopped half-way, or the file changed meanwhile. It stays; what is in the journal already has no second effect. */
async function readFile(reader: Reader, { name, path: place }: Dropped): Promise<FileOutcome | undefined> {
  const { config } = reader;
  // Dropped names may be of any length: the hash of one fits beside any.
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16);
  const ackFile = path.join(config.folder, `.${hash}.ack`);
  // A link that was put in the file's place since it was looked at is not followed.
  const file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW);
  const acks = await openNew(ackFile).catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  try {
    const before = await file.stat();
    const outcome: FileOutcome = { messages: 0, refused: 0, faults: [], ackFile, identity: before };
    const count = createBatchCount();
    for await (const piece of piecesOf(file, reader.messageBytesMax)) {
      if (reader.stopping()) return undefined;
      if (piece.kind === 'envelope') {
        outcome.faults.push(...count.envelope(piece.raw));
      } else if (piece.kind === 'fault') {
        outcome.faults.push(piece.text);
      } else {
        await take(cutIn(piece, count), reader, name, acks, outcome);
        count.message();
      }
    }
    const after = await file.stat();
    if (after.size !== before.size || after.mtimeMs !== before.mtimeMs) return undefined;
    outcome.faults.push(...count.end());
    if (outcome.messages === 0) outcome.faults.push('The file has no message');
    for (const fault of outcome.faults) await acks.appendFile(`# ${fault}\n`);
    await acks.sync();
    return outcome;
  } finally {
    await acks.close();
    await file.close();
    if (reader.stopping()) await rm(ackFile, { force: true });
  }
}

/** What is there, from a start before or as a link that a sender has put there, is not written through: it goes. */
async function openNew(place: string): Promise<FileHandle> {
  await rm(place, { force: true });
  return open(place, 'wx');
}

async function* piecesOf(file: FileHandle, messageBytesMax: number): AsyncGenerator<Piece | WidePiece> {
  const head = Buffer.alloc(256);
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  const chunks = file.createReadStream({ autoClose: false, start: 0, highWaterMark: 256 * 1024 });
  if (wideCharset(head.subarray(0, bytesRead)) !== undefined) return yield* widePieces(chunks, messageBytesMax);
  const splitter = createSplitter(messageBytesMax);
  for await (const chunk of chunks) yield* splitter.push(chunk as Buffer);
  yield* splitter.end();
}

type MessagePiece = Exclude<Piece | WidePiece, { kind: 'envelope' | 'fault' }>;

/** A batch that ends within a segment has been cut there: what stands in it of a value is another value. */
function cutIn(piece: MessagePiece, batch: BatchCount): MessagePiece {
  if (piece.kind !== 'message' || !piece.isOpen || !batch.isOpen()) return piece;
  const refusal = new Refusal('AE', '207', 'The file ends within this message, and its batch has no end: it was cut');
  return { kind: 'refused', raw: piece.raw, refusal };
}

/** Throws `unavailable` where the message could not be taken for a reason that passes: the file then waits. */
async function take(
  piece: MessagePiece,
  { config, traffic, handle, refuse, messageBytesMax }: Reader,
  file: string,
  acks: FileHandle,
  outcome: FileOutcome,
): Promise<void> {
  const source: Source = { kind: 'file', name: config.name, peer: file };
  const before = outcome.refused;
  const send = async (ack: Buffer): Promise<void> => {
    if (saysAgain(ack)) throw new CerebraError('unavailable', 'The store does not take messages: the file waits');
    if (readAnswer(ack)?.accepted === false) outcome.refused++;
    // `write` alone may write a part of it, where the disk becomes full.
    await acks.appendFile(ack);
  };
  outcome.messages++;
  traffic.frame(piece.kind === 'message' ? 'whole' : 'oversize');
  if (piece.kind === 'message') {
    let isRefused = false;
    await handle(inCharset(piece.raw, config.charset), source, send, () => {
      isRefused = true;
    });
    if (!isRefused || outcome.refused > before) return;
    outcome.refused++;
    outcome.faults.push(`Message ${outcome.messages} was refused, and its sender wants no acknowledgment of that`);
    return;
  }
  if (piece.kind === 'refused') return send(await refuse(piece.raw, source, piece.refusal));
  const text = `The message is larger than ${messageBytesMax} bytes`;
  return send(await refuse(piece.raw, source, new Refusal('AR', '207', text)));
}

interface BatchCount {
  message(): void;
  /** Yields what is wrong: a batch with another number of messages than its BTS-1 tells, a file with another of batches than FTS-1. */
  envelope(line: Buffer): string[];
  /** Within an envelope. */
  isOpen(): boolean;
  /** An envelope that was not closed: the file is cut. */
  end(): string[];
}

function createBatchCount(): BatchCount {
  let messages = 0;
  let batches = 0;
  let isWithin = false;
  const open: string[] = [];
  const closing: Record<string, string> = { BTS: 'BHS', FTS: 'FHS' };
  const begin = (): void => {
    messages = 0;
    batches++;
    isWithin = true;
  };
  return {
    message() {
      // Also without BHS, behind the BTS of another.
      if (!isWithin) begin();
      messages++;
    },
    envelope(line) {
      const text = line.toString('latin1').trim();
      const name = text.slice(0, 3);
      const opening = closing[name];
      if (opening === undefined) {
        isWithin = false;
        if (name === 'BHS') begin();
        open.push(name);
        return [];
      }
      if (open.at(-1) === opening) open.pop();
      if (name === 'BTS' && !isWithin) begin();
      isWithin = false;
      const told = Number(text.split(text[3]!)[1] || Number.NaN);
      if (name === 'BTS' && !Number.isNaN(told) && told !== messages)
        return [`BTS-1 of batch ${batches} tells ${told} messages, the batch has ${messages}`];
      if (name === 'FTS' && !Number.isNaN(told) && told !== batches)
        return [`FTS-1 tells ${told} batches, the file has ${batches}`];
      return [];
    },
    isOpen: () => open.length > 0,
    end: () => open.map((name) => `The file ends within ${name}: ${name === 'BHS' ? 'BTS' : 'FTS'} is missing`),
  };
}
