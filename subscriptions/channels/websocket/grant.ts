// Table websocket_token: what the tokens of $get-ws-binding-token are good for. A token itself is stored nowhere.
import { hash } from 'node:crypto';
import type { AccessScope } from '#fhir-model';
import type { Queryable, Statement } from '#platform';

export interface Grant {
  /** Subscription.id */
  subscriptions: string[];
  /** Of who asked for the token. */
  scope: AccessScope;
}

const digest = (token: string): Buffer => hash('sha256', token, 'buffer');

const insert: Statement = {
  name: 'websocket_token_insert',
  text: `with old as (delete from websocket_token where hash in (
      select hash from websocket_token where expires_at < to_timestamp($4::float8 / 1000) limit 100 for update skip locked))
    insert into websocket_token (hash, subscriptions, scope, expires_at)
    values ($1, $2, $3, to_timestamp($5::float8 / 1000))`,
};

/** Old ones go with it. */
export async function saveGrant(
  db: Queryable,
  token: string,
  { subscriptions, scope }: Grant,
  { nowMs, untilMs }: { nowMs: number; untilMs: number },
): Promise<void> {
  await db.query(insert, [digest(token), subscriptions, JSON.stringify(scope), nowMs, untilMs]);
}

const find: Statement = {
  name: 'websocket_token_find',
  text: `select subscriptions, scope from websocket_token
    where hash = $1 and expires_at > to_timestamp($2::float8 / 1000)`,
};

/** What a token is good for; undefined when it is none, or has expired. */
export async function findGrant(db: Queryable, token: string, nowMs: number): Promise<Grant | undefined> {
  return (await db.query<Grant>(find, [digest(token), nowMs]))[0];
}
