// Loads that broke off within a system: how much of it is committed, and going on from there. docs/adr/0023-loads-that-go-on.md
import type { Db, Queryable, Statement } from '#platform';
import { holdSystem, lostSystem, NOW, removeSystem, UNFINISHED, unhurried } from './system-tables.ts';
import type { ConceptTable } from './tables.ts';

/** Tables whose rows are written while the release is read. */
export const streamed = ['concept', 'concept_designation', 'concept_property'] as const satisfies ConceptTable[];
export type Streamed = (typeof streamed)[number];

/** The same mark is read to the same rows in the same order. */
export interface Mark {
  /** Of the files, the options and the program. */
  files: string;
  /** Which of the systems in them. */
  ordinal: number;
}

const isSame = (a: Mark, b: Mark): boolean => a.files === b.files && a.ordinal === b.ordinal;

/** code_system.progress: what is committed together with the rows that it counts. */
export interface Progress {
  mark: Mark;
  /** How many processes have written it so far: whoever takes it up counts on, and who wrote before may not any more. */
  attempt: number;
  rows: Record<Streamed, number>;
  /** Code of the last concept, to compare with what is read anew. */
  lastCode: string;
}

export const newProgress = (mark: Mark): Progress => ({
  ...{ mark, attempt: 1, lastCode: '' },
  rows: { concept: 0, concept_designation: 0, concept_property: 0 },
});

const NOTE: Statement = {
  text: `update code_system set progress = $3::jsonb || ${NOW}
    where cs = $1 and state = 'loading' and (progress->>'attempt')::int = $2 returning cs`,
};
/**
 * First in the transaction of the rows that it counts: whoever takes the load up waits for that transaction's end. Throws
 * `internal` when somebody has.
 */
export async function noteProgress(tx: Queryable, cs: number, progress: Progress): Promise<void> {
  const noted = await tx.query(NOTE, [cs, progress.attempt, JSON.stringify(progress)]);
  if (noted.length === 0) throw lostSystem(cs);
}

const OF_RELEASE: Statement = {
  text: `select cs, progress->'mark' as mark from code_system where url = $1 and version = $2 and ${UNFINISHED} order by cs desc`,
};
const TAKE: Statement = {
  text: `update code_system
    set progress = progress || jsonb_build_object('attempt', (progress->>'attempt')::int + 1) || ${NOW}
    where cs = $1 and ${UNFINISHED} returning progress`,
};

interface Left {
  cs: number;
  mark: Mark;
}

interface Release {
  url: string;
  version: string;
}

export interface TakenUp {
  cs: number;
  progress: Progress;
  release(): Promise<void>;
}

/** Waits until what the process before still had under way has ended. */
async function take(db: Db, cs: number): Promise<TakenUp | undefined> {
  const release = await holdSystem(db, cs);
  if (!release) return undefined;
  try {
    const [row] = await db.tx(async (tx) => {
      await unhurried(tx);
      return tx.query<{ progress: Progress }>(TAKE, [cs]);
    });
    if (row) return { cs, progress: row.progress, release };
  } catch (error) {
    await release();
    throw error;
  }
  await release();
  return undefined;
}

/** The load of that release which broke off, unless another process has taken it up. */
export async function takeUp(db: Db, { url, version }: Release, mark: Mark): Promise<TakenUp | undefined> {
  const left = await db.query<Left>(OF_RELEASE, [url, version]);
  for (const each of left) {
    const taken = isSame(each.mark, mark) ? await take(db, each.cs) : undefined;
    if (taken) return taken;
  }
  return undefined;
}

/**
 * What broken loads of that release have left, but for what somebody is writing; with a mark only those of other files, or of
 * another program.
 */
export async function removeUnfinished(db: Db, { url, version }: Release, mark?: Mark): Promise<void> {
  const left = await db.query<Left>(OF_RELEASE, [url, version]);
  // What can't be removed now goes in some days.
  for (const each of left) {
    if (mark === undefined || each.mark.files !== mark.files) await removeSystem(db, each.cs).catch(() => undefined);
  }
}
