// Resources that are stored under another id than an entry has, as in-process callers say (TransactionEntry.alias): a feed that derives
// ids from a patient's number derives others after a merge.
import { parseJson, type Resource, type StoredVersion, type TransactionEntry } from '#fhir-model';
import type { Tx } from '#platform';
import { resourceKey } from '../store/layout.ts';
import { lockAll } from '../store/locks.ts';
import { readEach } from '../store/read.ts';
import type { Caller } from './core.ts';
import type { Plan } from './entries.ts';

export interface StandIns {
  /** Entry index → the id that stands for the entry's own. */
  ids: ReadonlyMap<number, string>;
  /** Whether any entry has another name. */
  asked: boolean;
}

interface Asked {
  plan: Plan & { id: string };
  others: string[];
  /** Its own id is something else's. */
  taken: boolean;
}

/** Entries of which that was found out: their transaction is tried again. */
const taken = new WeakSet<TransactionEntry>();

export const isTaken = (entry: TransactionEntry): boolean => taken.has(entry);

/** Whether what is stored is what the entry is about; if not, that is known to the next attempt. */
export function fits({ entry }: Plan, stored: Resource): boolean {
  if (entry.alias === undefined || entry.alias.fits(stored)) return true;
  taken.add(entry);
  return false;
}

/** As PostgreSQL tells of a lost race: the transaction is tried again. */
export const misfit = ({ entry }: Plan): Error =>
  Object.assign(new Error(`${entry.url} is something else's`), { code: '40001' });

function askedOf(plans: readonly Plan[]): Asked[] {
  return plans.flatMap((plan) => {
    const { alias } = plan.entry;
    const { id } = plan;
    if (alias === undefined || id === undefined || plan.criteriaKey !== undefined || plan.method !== 'PUT') return [];
    const isOthers = isTaken(plan.entry);
    const all = isOthers ? [...alias.ids(), alias.instead()] : alias.ids();
    const others = [...new Set(all)].filter((other) => other !== id);
    return others.length === 0 ? [] : [{ plan: { ...plan, id }, others, taken: isOthers }];
  });
}

/** All names of one thing are locked: of two transactions with different ones the second finds what the first has created. */
export async function standIns(tx: Tx, { scope }: Caller, plans: readonly Plan[]): Promise<StandIns> {
  const asked = askedOf(plans);
  const ids = new Map<number, string>();
  if (asked.length === 0) return { ids, asked: false };
  const names = ({ plan, others }: Asked): string[] => [plan.id, ...others];
  await lockAll(
    tx,
    'resource',
    asked.flatMap((one) => names(one).map((id) => resourceKey(one.plan.type, id))),
  );
  for (const [type, group] of Map.groupBy(asked, ({ plan }) => plan.type)) {
    const all = [...new Set(group.flatMap(names))];
    const found = await readEach(
      tx,
      all.map((id) => ({ type, id, scope })),
    );
    const stored = new Map(all.flatMap((id, at) => (isStored(found[at]) ? [[id, found[at]] as const] : [])));
    for (const { plan, others, taken: isOthers } of group) {
      if (!isOthers && stored.has(plan.id)) continue;
      const other = others.find((id) => {
        const version = stored.get(id);
        return version !== undefined && plan.entry.alias!.fits(parseJson(version.body).exact as Resource);
      });
      if (other !== undefined) ids.set(plan.index, other);
      else if (isOthers) ids.set(plan.index, plan.entry.alias!.instead());
    }
  }
  return { ids, asked: true };
}

const isStored = (version: StoredVersion | undefined): version is StoredVersion =>
  version !== undefined && !version.deleted;
