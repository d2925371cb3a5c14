// What a load has to say: what was refused, as it happens, and a summary.
import type { Checkpoint, Counts, InputFile, LoadFault, LoadSummary } from '#fhir-server';
import { count, duration, many, table } from './text.ts';

/** Lines about what was refused on the terminal; the errors file of `load` has all. */
const TOLD_MAX = 100;
const ISSUES_TOLD_MAX = 3;

const placeOf = ({ name, line, entry }: LoadFault): string =>
  name + (line === undefined ? '' : `:${line}`) + (entry === undefined ? '' : ` entry ${entry}`);

/** `patients.ndjson:17: Patient.gender: 'x' is not one of …` */
export function faultText(fault: LoadFault): string {
  const told = fault.issues.slice(0, ISSUES_TOLD_MAX).map(({ diagnostics, expression: [at = ''] = [] }) =>
    // Validation begins its texts with the path.
    at === '' || diagnostics.startsWith(at) ? diagnostics : `${at}: ${diagnostics}`,
  );
  const more = fault.issues.length - told.length;
  return `${placeOf(fault)}: ${told.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

/** One record of the errors file. */
export function faultRecord({ name, line, entry, resources, issues }: LoadFault): string {
  return JSON.stringify({ file: name, line, entry, resources, issues });
}

export interface FaultTeller<Fault> {
  tell(fault: Fault): void;
  /** How many were not told. */
  untold(): number;
}

export function createFaultTeller<Fault>(
  say: (line: string) => void,
  textOf: (fault: Fault) => string,
): FaultTeller<Fault> {
  let told = 0;
  return {
    tell(fault) {
      if (++told <= TOLD_MAX) say(textOf(fault));
    },
    untold: () => Math.max(told - TOLD_MAX, 0),
  };
}

export function knownText({ name }: InputFile, { finished, counts }: Checkpoint): string {
  const { created, updated, present, refused } = counts;
  const loaded = many(created + updated + present, 'resource') + (refused > 0 ? `, ${count(refused)} refused` : '');
  return finished
    ? `${name}: loaded already (${loaded}); --again loads it from its start`
    : `${name}: goes on after ${loaded}`;
}

const cells = ({ created, updated, present }: Counts): string[] => [created, updated, present].map(count);

/** By type, then what it was in all. */
export function summaryText(summary: LoadSummary, seconds: number, bytes: number): string {
  const { counts, types, files, filesKnown } = summary;
  const rows = [...types].sort(([a], [b]) => (a < b ? -1 : 1)).map(([type, each]) => [type, ...cells(each)]);
  const all = counts.created + counts.updated + counts.present;
  const rate = count(all / Math.max(seconds, 0.001));
  const lines = [
    table(['', 'created', 'updated', 'there already'], [...rows, ['all', ...cells(counts)]]),
    '',
    `${many(files, 'file')}${filesKnown > 0 ? `, ${count(filesKnown)} of them loaded before` : ''}; ${many(all, 'resource')}, ${(bytes / 1e6).toFixed(1)} MB in ${duration(seconds)}: ${rate} resources/s, ${(bytes / 1e6 / Math.max(seconds, 0.001)).toFixed(1)} MB/s`,
  ];
  if (counts.refused > 0) lines.push(`${many(counts.refused, 'resource')} refused`);
  if (summary.unreadable > 0) lines.push(`${many(summary.unreadable, 'file')} not loaded, or not to the end`);
  if (summary.interrupted) lines.push('It was broken off: the same command goes on from here');
  return lines.join('\n');
}
