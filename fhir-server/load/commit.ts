// A part committed, through what a database may answer: away for a moment, a deadlock, a value that it can't hold.
import { setTimeout as sleep } from 'node:timers/promises';
import { issuesOf } from '#fhir-model';
import { CerebraError, type Db, isCerebraError, isPassing, isWriteRace, sqlState } from '#platform';
import { savedRanges } from './checkpoints.ts';
import { eachByItself } from './renew.ts';
import type { Fault, Part } from './types.ts';
import { CriteriaMatch, type PartWriter, type Written, writePart } from './write.ts';

const ATTEMPTS_MAX = 6;
/** Doubles with each attempt: 15 s in all. */
const PAUSE_MS = 500;

export interface Committed extends Written {
  faults: Fault[];
}

const UNIQUE_VIOLATION = '23505';

/** Of another kind next time. */
const mayPass = (error: unknown): boolean => isPassing(error) || isWriteRace(error);

/**
 * A value that PostgreSQL can't hold: 22 data exception, 23 integrity constraint violation, 54 program limit exceeded; or a
 * resource that the store does not take.
 */
const isData = (error: unknown): boolean =>
  isCerebraError(error, 'too-large') || (/^(22|23|54)/.test(sqlState(error) ?? '') && !mayPass(error));

const isRangeTaken = (error: unknown): boolean =>
  sqlState(error) === UNIQUE_VIOLATION && (error as { table?: string }).table === 'load_range';

class Trial extends Error {}

/** Why these resources can't be stored; undefined when they can. Nothing is written. */
async function tryOut(db: Db, part: Part, without: ReadonlySet<number>, writer: PartWriter): Promise<unknown> {
  try {
    await db.tx(async (tx) => {
      await writePart(tx, part, without, [], { ...writer, onLocked: () => undefined });
      throw new Trial();
    });
  } catch (error) {
    if (error instanceof Trial) return undefined;
    if (isData(error)) return error;
    throw error;
  }
  return undefined;
}

/** The resources from..to that can't be stored, found by halves. */
async function findBroken(
  db: Db,
  part: Part,
  from: number,
  to: number,
  writer: PartWriter,
): Promise<[number, unknown][]> {
  const others = new Set(part.resources.keys().filter((i) => i < from || i >= to));
  const error = await tryOut(db, part, others, writer);
  if (error === undefined) return [];
  if (to - from === 1) return [[from, error]];
  const middle = (from + to) >> 1;
  return [...(await findBroken(db, part, from, middle, writer)), ...(await findBroken(db, part, middle, to, writer))];
}

function brokenFault(part: Part, index: number, error: unknown): Fault {
  const { type, place } = part.resources[index]!;
  if (isCerebraError(error)) return { ...place, resources: 1, issues: issuesOf(error) };
  const diagnostics = `PostgreSQL can't hold a value of this resource (SQLSTATE ${sqlState(error)})`;
  return {
    ...place,
    resources: 1,
    issues: [{ severity: 'error', code: 'value', diagnostics, expression: [type] }],
  };
}

/** What is wrong with some of a transaction counts for all of it. */
function asOne([first, ...others]: Fault[], resources: number): Fault[] {
  return first ? [{ ...first, issues: [first, ...others].flatMap(({ issues }) => issues), resources }] : [];
}

async function withoutBroken(db: Db, part: Part, writer: PartWriter): Promise<Committed> {
  const broken = await findBroken(db, part, 0, part.resources.length, writer);
  const each = broken.map(([index, error]) => brokenFault(part, index, error));
  const faults = [...part.faults, ...(part.atomic ? asOne(each, part.resources.length) : each)];
  const isWhole = part.atomic && broken.length > 0;
  const indexes = new Set(isWhole ? part.resources.keys() : broken.map(([index]) => index));
  const single = eachByItself(writer.store, part);
  return { ...(await db.tx((tx) => writePart(tx, single, indexes, faults, writer))), faults };
}

/** What an attempt wrote whose COMMIT was not answered; undefined when it wrote nothing. */
async function writtenBefore(db: Db, part: Part): Promise<Committed | undefined> {
  const saved = await savedRanges(db, part.marks);
  if (saved.length < part.marks.length) return undefined;
  const ranges = part.marks.map((mark, i) => ({ ...mark, ...saved[i]! }));
  return { ranges, outcomes: [], faults: part.faults };
}

const otherLoad = (): CerebraError =>
  new CerebraError('config', 'Another load is at work on one of these files: wait until it has ended');

/**
 * Commits the part, once. Throws CriteriaMatch when a conditional create's resource is there by now, and `config` when
 * another load has committed the same piece of a file.
 */
export async function commitPart(db: Db, part: Part, writer: PartWriter): Promise<Committed> {
  for (let attempt = 1; ; attempt++) {
    try {
      return { ...(await db.tx((tx) => writePart(tx, part, new Set(), part.faults, writer))), faults: part.faults };
    } catch (error) {
      if (error instanceof CriteriaMatch) throw error;
      if (isData(error)) return withoutBroken(db, part, writer);
      if (isRangeTaken(error)) {
        const before = attempt > 1 ? await writtenBefore(db, part) : undefined;
        if (before) return before;
        throw otherLoad();
      }
      if (!mayPass(error) || attempt === ATTEMPTS_MAX) throw error;
      await sleep(PAUSE_MS * 2 ** (attempt - 1));
    }
  }
}
