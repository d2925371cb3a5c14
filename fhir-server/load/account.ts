// What a load has done so far: for its progress and its summary.
import { addCounts, type Counts, noCounts } from './checkpoints.ts';
import type { Committed } from './commit.ts';
import type { LoadOptions, LoadSummary } from './options.ts';
import type { Fault, Part } from './types.ts';

export interface Account {
  summary: LoadSummary;
  /** `bytes` of one file are done, in all. */
  fileBytes(file: number, bytes: number): void;
  fileDone(): void;
  /** After the commit. */
  committed(part: Part, committed: Committed): void;
  /** How many ranges of the file have been committed. */
  rangesOf(file: number): number;
  fault(fault: Fault): void;
}

export function createAccount(options: LoadOptions, nameOf: (file: number) => string): Account {
  const summary: LoadSummary = {
    counts: noCounts(),
    types: new Map(),
    files: options.files.length,
    filesKnown: 0,
    unreadable: 0,
    interrupted: false,
  };
  const bytesTotal = options.files.reduce((sum, { bytes }) => sum + bytes, 0);
  const bytesOf = new Map<number, number>();
  const rangesOf = new Map<number, number>();
  let bytesDone = 0;
  let filesDone = 0;
  const tell = (): void => options.onProgress({ bytesTotal, bytesDone, counts: { ...summary.counts }, filesDone });
  const ofType = (type: string): Counts => {
    const counts = summary.types.get(type) ?? noCounts();
    summary.types.set(type, counts);
    return counts;
  };
  const fault = (one: Fault): void => options.onFault({ ...one, name: nameOf(one.file) });
  return {
    summary,
    fault,
    rangesOf: (file) => rangesOf.get(file) ?? 0,
    fileBytes(file, bytes) {
      const before = bytesOf.get(file) ?? 0;
      bytesDone += Math.max(bytes - before, 0);
      bytesOf.set(file, Math.max(bytes, before));
      tell();
    },
    fileDone() {
      filesDone++;
      tell();
    },
    committed({ resources }, { ranges, outcomes, faults }) {
      for (const range of ranges) {
        addCounts(summary.counts, range);
        rangesOf.set(range.file, (rangesOf.get(range.file) ?? 0) + 1);
      }
      outcomes.forEach((outcome, i) => {
        if (outcome) ofType(resources[i]!.type)[outcome]++;
      });
      faults.forEach(fault);
    },
  };
}
