// What a delivery sends. The body is fetched when it is sent, or a moment before: of the version that was matched and those after
// it the newest one that meets the criteria. What no longer meets them is not shown to a subscriber who asked only for what does,
// and since versions are only added, the newest that met them is never older than the one that was sent before: a receiver that
// is behind never sees an older version after a newer one. Criteria that need the database can't be asked about what was: of
// those it is always the very version.
import {
  type AccessScope,
  type ChangeFeed,
  parseJson,
  type Resource,
  type ResourceReader,
  type StoredVersion,
} from '#fhir-model';
import type { Db } from '#platform';
import type { Claim, Delivery } from '../dispatch/deliveries.ts';
import { parseCriteria, testOf } from '../match/criteria.ts';
import type { RegistrationRules } from '../registration.ts';
import type { OwnerScope } from './notification/notifications.ts';
import type { ReadAhead } from './read-ahead.ts';

export interface ContentOptions {
  db: Db;
  reader: ResourceReader;
  feed: Pick<ChangeFeed, 'bodies'>;
  /** What the server itself may see. */
  scope: AccessScope;
  ownerScope: OwnerScope;
  rules: RegistrationRules;
}

/**
 * JSON text of the resource to send; undefined when neither the version nor a newer one that matches is left, or the owner of
 * the Subscription may not see it.
 */
export async function contentOf(
  options: ContentOptions,
  claim: Claim,
  delivery: Delivery,
  ahead?: ReadAhead,
): Promise<string | undefined> {
  const scope = await options.ownerScope(claim.id);
  const current = await (ahead?.read(claim, delivery, scope) ?? options.reader.read(delivery.type, delivery.id, scope));
  if (!current && scope.kind !== 'everything') return undefined;
  if (current?.version === delivery.version && !current.deleted) return current.body;
  if (current && current.version > delivery.version) {
    const newer = await newerOf(options, claim, delivery, current);
    if (newer !== undefined) return newer;
  }
  return versionOf(options, delivery);
}

/** The newest version after the delivery's that meets the criteria. */
async function newerOf(
  options: ContentOptions,
  claim: Claim,
  delivery: Delivery,
  { body, deleted, version }: StoredVersion,
): Promise<string | undefined> {
  const { query, stored } = parseCriteria(claim.criteria, options.rules);
  if (stored !== '') return undefined;
  const test = testOf(query, options.rules);
  const meets = (text: string): boolean => test(parseJson(text).exact as Resource);
  return !deleted && meets(body) ? body : newestBetween(options, delivery, version, meets);
}

/** Versions that are read in one statement: few, since what is sent late has seldom been changed more than once. */
const versionsAtOnce = 8;

/** The same, of those before this one. */
async function newestBetween(
  { db, feed }: ContentOptions,
  { type, id, version }: Delivery,
  before: number,
  meets: (body: string) => boolean,
): Promise<string | undefined> {
  for (let last = before - 1; last > version; last -= versionsAtOnce) {
    const count = Math.min(versionsAtOnce, last - version);
    const keys = Array.from({ length: count }, (_, at) => ({ type, id, version: last - at }));
    const found = (await feed.bodies(db, keys)).find((body) => body !== '' && meets(body));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function versionOf({ db, feed }: ContentOptions, { type, id, version }: Delivery): Promise<string | undefined> {
  const [text] = await feed.bodies(db, [{ type, id, version }]);
  return text === '' ? undefined : text;
}
