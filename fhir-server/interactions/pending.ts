// Conditional references to what the transaction itself changes: https://hl7.org/fhir/R4/http.html#trules, step 5, comes
// after the writes. So these are made, asked, taken back, and made again with the references put in.
import type { SearchQuery } from '#fhir-model';
import type { Tx } from '#platform';
import type { Caller, Core } from './core.ts';
import type { Lookup, Matches } from './links.ts';
import { matchEach } from './match-each.ts';
import { type Resolved, writes } from './resolve.ts';

/** Parameters that look at the resource itself and at no other. */
const isOfItself = (name: string): boolean =>
  /^(?:[a-z][^.]*|_(?:id|lastUpdated|tag|profile|security|source))$/.test(name);

const looksElsewhere = ({ used }: SearchQuery): boolean =>
  used.some(([name]) => !isOfItself(name.split(':')[0]!) || name.includes('.'));

/** What of the entries can matter for the criteria; undefined when none does. */
function concerned(pending: ReadonlyMap<string, Lookup>, resolved: Resolved[]) {
  const queries = [...pending.values()].map(({ query }) => query);
  const types = new Set(queries.map(({ type }) => type));
  const all = queries.some(looksElsewhere);
  const wanted = (one: Resolved) => all || types.has(one.type);
  return resolved.some((one) => writes(one) && wanted(one)) ? wanted : undefined;
}

const search = (core: Core, caller: Caller, pending: ReadonlyMap<string, Lookup>): Promise<Matches> =>
  matchEach(core, new Map([...pending].map(([key, { query }]) => [key, query])), caller);

/** What each pending reference matches once `write` has written. Leaves the database as it was. */
export async function pendingMatches(
  core: Core,
  tx: Tx,
  caller: Caller,
  pending: ReadonlyMap<string, Lookup>,
  resolved: Resolved[],
  write: (wanted: (one: Resolved) => boolean) => Promise<unknown>,
): Promise<Matches> {
  if (pending.size === 0) return new Map();
  const wanted = concerned(pending, resolved);
  if (!wanted) return search(core, caller, pending);
  await tx.query({ text: 'savepoint before_pending' });
  await write(wanted);
  const matches = await search(core, caller, pending);
  await tx.query({ text: 'rollback to savepoint before_pending' });
  return matches;
}
