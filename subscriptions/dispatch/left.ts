// Who is told of a version because of what it replaced: rules and scores follow what they matched, so that nothing goes on resting
// on a result whose code, say, was corrected to one that they don't listen for. What they have made of the former version is not
// asked: it may be owed to them still. What it said decides, which is read for all updates of a batch in one statement a type.
import { type Change, parseJson, type Resource, type VersionKey } from '#fhir-model';
import type { Matcher } from '../match/matcher.ts';

export interface LeavingOptions {
  matcher: Pick<Matcher, 'followers' | 'mayMatch' | 'matchFollowers'>;
  /** JSON texts of versions; '' for what is deleted, or kept no longer. */
  bodies: (versions: readonly VersionKey[]) => Promise<string[]>;
  onMatchError: (subscriber: string, error: unknown) => void;
}

export interface Leaving {
  /** Whether what the change replaced was read. */
  concerns(change: Change): boolean;
  /** Subscribers that followed what the change replaced, without those that it matches. */
  leftBy(change: Change, matched: readonly string[]): string[];
}

/** `anyType`: what is followed may change with the batch itself. */
export async function readLeaving(
  { matcher, bodies, onMatchError }: LeavingOptions,
  batch: readonly Change[],
  anyType: boolean,
): Promise<Leaving> {
  const isFollowed = new Map<string, boolean>();
  for (const { type } of batch) {
    if (!isFollowed.has(type)) isFollowed.set(type, anyType || matcher.followers(type).length > 0);
  }
  const updates = batch.filter(({ type, version, op }) => op !== 'delete' && version > 1 && isFollowed.get(type));
  const keys = updates.map(({ type, id, version }) => ({ type, id, version: version - 1 }));
  const texts = updates.length === 0 ? [] : await bodies(keys);
  const former = new Map(updates.map((change, i) => [change, texts[i]!]));
  return {
    concerns: (change) => former.has(change),
    leftBy(change, matched) {
      const body = former.get(change) ?? '';
      if (body === '') return [];
      const { type, version, updatedMs } = change;
      const others = new Set(matcher.followers(type)).difference(new Set(matched));
      if (others.size === 0 || !matcher.mayMatch(type, body)) return [];
      const previous = parseJson(body).exact as Resource;
      return matcher.matchFollowers(previous, version - 1, updatedMs, onMatchError).filter((one) => others.has(one));
    },
  };
}
