// What a delivery sends. The body is fetched when it is sent, or a moment before: the current version as long as it still meets
// the criteria, else the very version that did: what no longer meets the criteria is not shown to a subscriber who asked only
// for what does. So a receiver that is behind sees an older version after a newer one only where the resource has stopped
// meeting the criteria, or was deleted, in between; the last one it is sent is the last that met them.
import { type AccessScope, type ChangeFeed, parseJson, type Resource, type ResourceReader } from '#fhir-model';
import type { Db } from '#platform';
import type { Claim, Delivery } from '../dispatch/deliveries.ts';
import { parseCriteria, testOf } from '../match/criteria.ts';
import type { StoredSearch } from '../match/stored.ts';
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
  search: StoredSearch;
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
  if (current && !current.deleted) {
    if (current.version === delivery.version) return current.body;
    if (current.version > delivery.version && (await meets(options, current.body, claim.criteria))) return current.body;
  }
  return versionOf(options, delivery);
}

async function versionOf({ db, feed }: ContentOptions, { type, id, version }: Delivery): Promise<string | undefined> {
  const [text] = await feed.bodies(db, [{ type, id, version }]);
  return text === '' ? undefined : text;
}

async function meets({ rules, search }: ContentOptions, body: string, criteria: string): Promise<boolean> {
  const { query, stored } = parseCriteria(criteria, rules);
  const resource = parseJson(body).exact as Resource;
  if (!testOf(query, rules)(resource)) return false;
  return stored === '' || (await search(query.type, stored, [resource.id ?? ''])).size === 1;
}
