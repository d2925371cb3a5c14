// What a load is told, and what it tells.
import type { AccessScope } from '#fhir-model';
import type { Db } from '#platform';
import type { Checkpoint, Counts } from './checkpoints.ts';
import type { InputFile } from './files.ts';
import type { Fault } from './types.ts';

export interface LoadProgress {
  /** Of the files themselves, packed ones as they are. */
  bytesTotal: number;
  bytesDone: number;
  /** Of this run. */
  counts: Counts;
  /** A file is done. */
  filesDone: number;
}

export interface LoadFault extends Fault {
  /** The file as it was named. */
  name: string;
}

export interface LoadOptions {
  db: Db;
  files: readonly InputFile[];
  scope: AccessScope;
  /** What becomes of a resource whose id is there: it stays, or gets a new version if it differs. */
  existing: 'skip' | 'update';
  validate: boolean;
  threads: number;
  /** Files that are loaded already, or in part, are loaded from their start. */
  again: boolean;
  lineBytesMax: number;
  /** Stops it between two transactions; the same load goes on from there. */
  signal: AbortSignal;
  onProgress(progress: LoadProgress): void;
  onFault(fault: LoadFault): void;
  /** A file that an earlier load has come to, with what it did. */
  onKnown(file: InputFile, checkpoint: Checkpoint): void;
  onStatistics(): void;
}

export interface LoadSummary {
  counts: Counts;
  /** Resource type → what became of its resources. */
  types: Map<string, Counts>;
  files: number;
  /** Loaded by an earlier run. */
  filesKnown: number;
  /** Faults that are not of one resource: a file can't be read. */
  unreadable: number;
  interrupted: boolean;
}
