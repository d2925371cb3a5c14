// Which of several matches a conditional entry means, as in-process callers say (TransactionEntry.choose): a feed knows that
// one patient has been merged into another, or whom two of its numbers belong to.
import { parseJson, parseReference, type Resource, type StoredVersion, type TransactionEntry } from '#fhir-model';
import { readCurrent } from '../store/read.ts';
import type { Caller, Core } from './core.ts';
import { at, type Plan } from './entries.ts';
import { type Matches, several } from './links.ts';

/** An entry that chooses is given so many matches at most. */
export const MATCHES_TO_CHOOSE = 10;

/** A resource that was merged into one that was merged …: so many are followed. */
const FOLLOWED_MAX = 10;

export interface Chosen {
  found: StoredVersion | undefined;
  idle: boolean;
  /** fullUrl of the entry that stands for it. */
  as: string | undefined;
  /** That another entry creates what its criteria match is meant. */
  handsOver: boolean;
}

/** Entry index → what it means, of the entries that choose. `matches` has what the criteria match, by their key. */
export async function chooseEach(
  core: Core,
  caller: Caller,
  plans: readonly Plan[],
  matches: Matches,
): Promise<Map<number, Chosen>> {
  const chosen = new Map<number, Chosen>();
  for (const plan of plans) {
    const { choose } = plan.entry;
    if (choose === undefined || plan.criteriaKey === undefined) continue;
    chosen.set(plan.index, await chooseOne(core, caller, plan, choose, matches.get(plan.criteriaKey)!));
  }
  return chosen;
}

async function chooseOne(
  core: Core,
  caller: Caller,
  plan: Plan,
  choose: NonNullable<TransactionEntry['choose']>,
  matches: StoredVersion[],
): Promise<Chosen> {
  let from = matches;
  for (let followed = 0; followed <= FOLLOWED_MAX; followed++) {
    const resources = from.map(({ body }) => parseJson(body).exact as Resource);
    const { match, follow, idle = false, as, handsOver = false } = choose(resources);
    if (follow === undefined) return { found: match && from[resources.indexOf(match)], idle, as, handsOver };
    from = await readFollowed(core, caller, plan, follow);
  }
  throw several(at(plan.index, '.request'));
}

/** Empty where it is not there any more. */
async function readFollowed(
  core: Core,
  { db, scope }: Caller,
  plan: Plan,
  reference: string,
): Promise<StoredVersion[]> {
  const parsed = parseReference(reference, core.baseUrl);
  if (parsed.kind !== 'local' || parsed.type !== plan.type) return [];
  const found = await readCurrent(db, parsed.type, parsed.id, scope);
  return found === undefined || found.deleted ? [] : [found];
}
