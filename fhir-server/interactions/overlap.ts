// "If any resource identities (including resolved identities from conditional update/delete) overlap, the transaction
// SHALL fail": https://hl7.org/fhir/R4/http.html#trules. Criteria were looked up before anything was written; here, whether
// they match what another entry has created.
import { CerebraError } from '#platform';
import { type DecidingTokens, decidingTokens } from '../search/by-token.ts';
import type { Caller, Core } from './core.ts';
import { at } from './entries.ts';
import { nameOf } from './ground.ts';
import { type Resolved, writes } from './resolve.ts';
import { matchCriteria } from './search.ts';

/** What the criteria of entries look for, and what is created. */
export interface Overlap {
  /** Entries whose criteria are to be looked at, with the tokens that decide, if some do. */
  conditional: [Resolved, DecidingTokens | undefined][];
  /** Token → the entries that create a resource with it; of the tokens that decide. */
  owners: Map<string, Resolved[]>;
  /** `Type/id` → the entry that creates it. */
  creators: Map<string, Resolved>;
}

export function overlapOf(resolved: Resolved[]): Overlap {
  const conditional: Overlap['conditional'] = [];
  const owners = new Map<string, Resolved[]>();
  for (const one of resolved) {
    if (!one.criteria || one.method === 'DELETE' || one.handsOver || !writes(one)) continue;
    const deciding = decidingTokens(one.criteria);
    conditional.push([one, deciding]);
    for (const token of deciding?.tokens ?? []) owners.set(token, []);
  }
  return { conditional, owners, creators: new Map() };
}

/** Takes note of a resource that is created, with the index tokens that it has. */
export function noteCreated({ conditional, owners, creators }: Overlap, one: Resolved, tokens: Iterable<string>): void {
  if (conditional.length === 0) return;
  creators.set(nameOf(one), one);
  if (owners.size === 0) return;
  for (const token of tokens) owners.get(token)?.push(one);
}

/** Creates come before updates: what an update has created is none of a conditional create's business. */
const canOverlap = (one: Resolved, creator: Resolved): boolean =>
  creator.index !== one.index && (one.method !== 'POST' || creator.method === 'POST');

/** How many of the creators are none of a conditional create's business, and how many are there, by type. */
function countsOf({ creators }: Overlap): Map<string, { all: number; posts: number }> {
  const counts = new Map<string, { all: number; posts: number }>();
  for (const { type, method } of creators.values()) {
    const { all, posts } = counts.get(type) ?? { all: 0, posts: 0 };
    counts.set(type, { all: all + 1, posts: posts + (method === 'POST' ? 1 : 0) });
  }
  return counts;
}

function refuse(one: Resolved, twin: Resolved | undefined): void {
  if (!twin) return;
  const text = `The criteria of ${at(one.index)} also match what ${at(twin.index)} creates: make the two one entry`;
  throw new CerebraError('invalid', text, { expression: [at(one.index, '.request'), at(twin.index)] });
}

/** Whether what `creator` creates has all of the tokens, or any of them. */
function has({ owners }: Overlap, creator: Resolved, { of, tokens }: DecidingTokens): boolean {
  const owned = (token: string): boolean => owners.get(token)!.includes(creator);
  return of === 'all' ? tokens.every(owned) : tokens.some(owned);
}

/** Throws when the criteria of an entry that writes match a resource that another entry has created. */
export async function assertNoTwins(core: Core, caller: Caller, overlap: Overlap): Promise<void> {
  const { conditional, owners, creators } = overlap;
  if (conditional.length === 0 || creators.size === 0) return;
  const counts = countsOf(overlap);
  const searches = conditional.map(async ([one, deciding]) => {
    if (deciding !== undefined) {
      const owning = deciding.tokens.flatMap((token) => owners.get(token)!);
      return refuse(
        one,
        owning.find((creator) => canOverlap(one, creator) && has(overlap, creator, deciding)),
      );
    }
    const { all, posts } = counts.get(one.type) ?? { all: 0, posts: 0 };
    const relevant = one.method === 'POST' ? posts : all;
    if (relevant - (creators.get(nameOf(one)) === one ? 1 : 0) === 0) return;
    // Its own, one more, and those that it has nothing to do with.
    const found = await matchCriteria(core, one.criteria!, caller, 2 + all - relevant);
    const twins = found.map((match) => creators.get(nameOf(match)));
    refuse(
      one,
      twins.find((twin) => twin && canOverlap(one, twin)),
    );
  });
  await Promise.all(searches);
}
