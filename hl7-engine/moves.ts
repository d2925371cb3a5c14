// References that follow a patient who was merged, or a visit that was moved, in the transaction of the message: Mapped.moves
import type {
  AccessScope,
  EntryResult,
  ReferenceMove,
  ReferenceMover,
  ResourceWriter,
  TransactionEntry,
} from '#fhir-model';
import type { Tx } from '#platform';
import type { PatientMove } from './mapping/context.ts';

export type MovingWriter = ResourceWriter & ReferenceMover;

/** So many resources are changed in the transaction of the message: what holds its locks for seconds holds up others. */
const resourcesMax = 1000;
/** Of a survivor that the message itself creates nothing can be moved ahead. */
const newResourcesMax = 1_000_000;

/** More refers to a patient than one transaction is to change: nothing was written. */
export class ManyReferences extends Error {
  readonly move: ReferenceMove;

  constructor(move: ReferenceMove) {
    super('More resources refer to a patient than one transaction changes');
    this.name = 'ManyReferences';
    this.move = move;
  }
}

/** What the entries were written as. Throws ManyReferences. */
export async function moveReferences(
  writer: ReferenceMover,
  tx: Tx,
  scope: AccessScope,
  { entries, moves }: { entries: readonly TransactionEntry[]; moves: readonly PatientMove[] },
  results: readonly EntryResult[],
): Promise<void> {
  const resultOf = (name: string): EntryResult | undefined =>
    results[entries.findIndex(({ fullUrl, url }) => fullUrl === name || url === name)];
  for (const { from, to, about } of moves) {
    const [source, target] = [resultOf(from), resultOf(to)];
    // What is merged is unknown, or was merged before.
    if (source === undefined || target === undefined || source.id === '' || source.id === target.id) continue;
    const visit = about === undefined ? undefined : resultOf(about);
    if (about !== undefined && (visit === undefined || visit.id === '')) continue;
    const move: ReferenceMove = {
      ...{ from: source.id, to: target.id },
      ...(visit === undefined ? {} : { about: `${visit.type}/${visit.id}` }),
      resourcesMax: target.op === 'create' ? newResourcesMax : resourcesMax,
    };
    const { more } = await writer.moveReferences(tx, move, scope);
    if (more) throw new ManyReferences(move);
  }
}

/**
 * Moves all but the last, some at a time in transactions of their own, before the one that merges. Killed half-way, the
 * message has no outcome yet: taken up again, it goes on from there.
 */
export async function moveAhead(writer: MovingWriter, scope: AccessScope, move: ReferenceMove): Promise<number> {
  let count = 0;
  for (let more = true; more; ) {
    await writer.transaction([], {
      scope,
      within: async (tx) => {
        const moved = await writer.moveReferences(tx, move, scope);
        count += moved.count;
        more = moved.more && moved.count > 0;
      },
    });
  }
  return count;
}
