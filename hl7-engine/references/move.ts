// References that follow a patient who was merged, or a visit that was moved, in the transaction of the message, and those that A37
// takes back: Mapped.moves. What is more than one transaction is to change is left to a run.
import type {
  AccessScope,
  EntryResult,
  MovedReferences,
  ReferenceMover,
  ResourceWriter,
  TransactionEntry,
} from '#fhir-model';
import type { Tx } from '#platform';
import type { PatientMove } from '../mapping/context.ts';
import { recordMoved, takeBack } from './record.ts';
import { addRun, cancelRun, isAwaited } from './runs.ts';

export type MovingWriter = ResourceWriter & ReferenceMover;

/** So many resources are changed in one transaction: what holds its locks for seconds holds up others. */
export const RESOURCES_MAX = 1000;

/** The patients of one move by their ids. */
interface Between {
  from: string;
  to: string;
  about: string | undefined;
}

interface Within {
  writer: ReferenceMover;
  tx: Tx;
  scope: AccessScope;
}

/** What the entries were written as. Yields whether a run was left to do. */
export async function moveReferences(
  within: Within,
  { entries, moves }: { entries: readonly TransactionEntry[]; moves: readonly PatientMove[] },
  results: readonly EntryResult[],
): Promise<boolean> {
  let left = false;
  for (const move of moves) {
    const between = betweenOf(move, entries, results);
    if (between === undefined) continue;
    const more =
      move.back === undefined ? await moveAhead(within, between) : await moveBack(within, between, move.back);
    left ||= more;
  }
  return left;
}

/** Undefined where there is nothing to move: what is merged is unknown, or was merged before. */
function betweenOf(
  { from, to, about }: PatientMove,
  entries: readonly TransactionEntry[],
  results: readonly EntryResult[],
): Between | undefined {
  const resultOf = (name: string): EntryResult | undefined =>
    results[entries.findIndex(({ fullUrl, url }) => fullUrl === name || url === name)];
  const [source, target] = [resultOf(from), resultOf(to)];
  if (source === undefined || target === undefined || source.id === '' || source.id === target.id) return undefined;
  if (about === undefined) return { from: source.id, to: target.id, about: undefined };
  const visit = resultOf(about);
  if (visit === undefined || visit.id === '') return undefined;
  return { from: source.id, to: target.id, about: `${visit.type}/${visit.id}` };
}

async function moveAhead(within: Within, between: Between): Promise<boolean> {
  const { tx } = within;
  const { from, to } = between;
  if (between.about === undefined) await cancelRun(tx, { kind: 'unmerge', from: to, to: from });
  // Work on one of the two that is left would be overtaken.
  const more = (await isAwaited(tx, [from, to])) || (await movePortion(within, between)).more;
  if (more) await addRun(tx, { kind: 'merge', ...between });
  // A result that came at the same moment may have found the patient as it was, and be written only now.
  await addRun(tx, { kind: 'merge', ...between, sweep: true });
  return more;
}

/** One transaction's share of a merge. */
export async function movePortion(
  { writer, tx, scope }: Within,
  { from, to, about }: Between,
  countLeft = false,
): Promise<MovedReferences> {
  const move = { from, to, ...(about === undefined ? {} : { about }), resourcesMax: RESOURCES_MAX, countLeft };
  const moved = await writer.moveReferences(tx, move, scope);
  if (about === undefined) await recordMoved(tx, { merged: from, survivor: to }, moved.moved);
  return moved;
}

/** So many resources are named in a warning. */
const NAMED_MAX = 10;

async function moveBack(
  { writer, tx, scope }: Within,
  { from: survivor, to: merged }: Between,
  { wasMerged, warn }: NonNullable<PatientMove['back']>,
): Promise<boolean> {
  const cancelled = await cancelRun(tx, { kind: 'merge', from: merged, to: survivor });
  if (await isAwaited(tx, [merged, survivor])) {
    await addRun(tx, { kind: 'unmerge', from: survivor, to: merged });
    return true;
  }
  const { kept, restored, left } = await takeBack(writer, tx, scope, { merged, survivor }, RESOURCES_MAX);
  if (left > 0) await addRun(tx, { kind: 'unmerge', from: survivor, to: merged });
  if (kept.length > 0) warn(keptText(kept));
  if (kept.length + restored + left === 0 && !cancelled && wasMerged()) {
    warn('A37: no reference is known to have been moved with the merge; all stay where they are');
  }
  return left > 0;
}

function keptText(kept: readonly string[]): string {
  const names = kept.slice(0, NAMED_MAX).join(', ');
  const more = kept.length > NAMED_MAX ? ` and ${kept.length - NAMED_MAX} more` : '';
  return `A37: changed since the merge, so left with the other patient: ${names}${more}`;
}
