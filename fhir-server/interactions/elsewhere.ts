// What a transaction asks through other connections than its own: what is known of value sets and code systems, and what the
// CapabilityStatement tells, is kept for all callers. As many such transactions as there are connections would wait for each
// other's (60 at once with 20 connections: 48 were refused after 10 s, and nobody else was answered meanwhile). So they come one
// by one; all others, which need no second connection, go on beside them.
import { createSlots, type Db } from '#platform';
import type { Core } from './core.ts';
import { isRead, type Plan } from './entries.ts';

/** More than needs it is harmless. */
const ELSEWHERE = /(?::|%3A)(?:not-in|in|above|below)(?![\w-])|_filter|(?:^|\/)metadata(?:\?|$)/i;

/** Of criteria as they stand in a URL, or in the key of a look-up. */
const asksElsewhere = (text: string): boolean => ELSEWHERE.test(text);

const asks = (plan: Plan): boolean => {
  const { url, ifNoneExist } = plan.entry;
  return (isRead(plan) || plan.criteria !== undefined) && asksElsewhere(ifNoneExist ?? url);
};

type Turns = ReturnType<typeof createSlots>;

const turns = new WeakMap<Db, Turns>();

function turnsOf({ store: { db } }: Core): Turns {
  const known = turns.get(db) ?? createSlots(1);
  turns.set(db, known);
  return known;
}

/** Ends the work of plans whose turn it is not. */
class OutOfTurn extends Error {}

/** Throws where conditional references, which are known only when their transaction has begun, ask elsewhere. */
export function assertTurn(isTurn: boolean, keys: Iterable<string>): void {
  if (isTurn) return;
  for (const key of keys)
    if (asksElsewhere(key)) throw new OutOfTurn('What it refers to is told through other connections');
}

/** Does the work when it is these plans' turn; for nearly all that is at once, and no turn. */
export async function inTurn<T>(core: Core, plans: readonly Plan[], work: (isTurn: boolean) => Promise<T>): Promise<T> {
  if (!plans.some(asks)) {
    try {
      return await work(false);
    } catch (error) {
      if (!(error instanceof OutOfTurn)) throw error;
    }
  }
  const giveBack = await turnsOf(core).take();
  try {
    return await work(true);
  } finally {
    giveBack();
  }
}
