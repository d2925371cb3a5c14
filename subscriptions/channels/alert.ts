// The channel of alert rules: what happened is judged in this process, in the order of the stream, with the resources as they
// were then, and what is found is settled in one transaction.
import {
  type AccessScope,
  type ChangeFeed,
  parseJson,
  type Resource,
  type ResourceReader,
  type VersionKey,
} from '#fhir-model';
import { type Db, isCerebraError, type Log } from '#platform';
import { acknowledgeBy, acknowledgmentSubscriber } from '../alerts/acknowledgments.ts';
import type { RuleSet } from '../alerts/rule-set.ts';
import { evaluate } from '../alerts/rules/evaluate.ts';
import { type Found, type Happening, subjectOf } from '../alerts/rules/happening.ts';
import { createMemory } from '../alerts/rules/memory.ts';
import { createLookups } from '../alerts/rules/query.ts';
import type { ReadyRule } from '../alerts/rules/ready.ts';
import { remembers } from '../alerts/rules/rule.ts';
import type { AlertKeeper } from '../alerts/state/alerts.ts';
import { alertOfPart } from '../alerts/state/resources.ts';
import { remembered } from '../alerts/state/rows.ts';
import type { Channel, ChannelResult } from '../dispatch/deliver.ts';
import type { Claim, Delivery } from '../dispatch/deliveries.ts';
import { alertOfMessage } from '../escalation/answered.ts';
import { loggedFault, ownFaultOf } from './fault.ts';

export interface AlertChannelOptions {
  db: Db;
  feed: ChangeFeed;
  reader: ResourceReader;
  scope: AccessScope;
  /** Our own FHIR base. */
  baseUrl: string | undefined;
  rules: Pick<RuleSet, 'ready'>;
  alerts: AlertKeeper;
  leaseMs: number;
  log: Log;
}

/** Changes that are judged at once, at most: what they ask of the database is asked once for all of them. */
const changesAtOnce = 200;
/**
 * Of the lease: what has been judged by then is settled, and the lease prolonged. Rules that look back ask the store for each
 * change; where that is slow, all of a batch would take longer than the lease, another would begin it anew, and none would end.
 */
const shareOfLease = 1 / 4;
/**
 * Texts of the changes that are judged at once, with what they replaced, about. Documents may have megabytes each, and 200 of them,
 * parsed, would be more than a server has. They are read in growing parts, so that small ones cost two statements more at most.
 */
const charactersMax = 8 * 1024 * 1024;
const firstPart = 16;
const growth = 4;
// 5 attempts keep the other alerts waiting for 15 s at the default backoff of 1 s.
const attemptsMax = 5;

/**
 * A delivery that the store refuses for what it says (4xx) is set aside as failed: an Observation that can't be handled
 * must not keep the alerts of all other patients waiting. Nor must one that fails for an unknown reason, after five
 * attempts. While the store can't be reached nothing is set aside before the retry limits.
 */
export function createAlertChannel(options: AlertChannelOptions): Channel {
  const { log } = options;
  /** By subscriber, how many it gets through in its share of the lease, where that is fewer. */
  const paces = new Map<string, number>();
  const run = async (claim: Claim, deliveries: readonly Delivery[]): Promise<ChannelResult> => {
    try {
      const told = await judge(options, claim, deliveries);
      const pace = told < deliveries.length ? told : 2 * Math.max(told, paces.get(claim.id) ?? changesAtOnce);
      if (pace < changesAtOnce) paces.set(claim.id, pace);
      else paces.delete(claim.id);
      return { ok: true, told };
    } catch (err) {
      const about = { alert: claim.id, number: String(deliveries[0]!.number) };
      const fault = ownFaultOf(err);
      // Two at work for a moment, or somebody at the same alert: the next attempt settles it.
      if (isPassing(err)) log.info({ ...about, ...loggedFault(fault) }, 'a change will be judged again');
      else log.error({ ...about, ...(isRefused(err) ? loggedFault(fault) : { err }) }, 'alert could not be raised');
      const hopeless = isRefused(err) || (!isPassing(err) && claim.attempts + 1 >= attemptsMax);
      return { ok: false, ...fault, permanent: hopeless };
    }
  };
  return {
    onExhausted: 'park',
    many: { atOnce: ({ id }) => paces.get(id) ?? changesAtOnce, deliver: run },
    deliver: (claim, delivery) => run(claim, [delivery]),
    batchDeliveries: changesAtOnce,
  };
}

/** Yields how many of them it got through. */
async function judge(options: AlertChannelOptions, claim: Claim, deliveries: readonly Delivery[]): Promise<number> {
  const untilMs = performance.now() + options.leaseMs * shareOfLease;
  if (claim.id === acknowledgmentSubscriber) return acknowledge(options, deliveries, untilMs);
  const ready = await options.rules.ready(claim.endpoint);
  // Its text was removed together with its history: there is nothing to judge by.
  if (!ready) return deliveries.length;
  const { told: all, read } = await happeningsOf(options, deliveries);
  const memory = await memoryOf(
    options,
    ready,
    all.map(({ happening }) => happening),
  );
  const { reader, scope, log } = options;
  const ports = { lookups: createLookups(reader, scope), earlier: options, log };
  const found: Found[] = [];
  let judged = 0;
  for (const { happening } of all) {
    found.push(...(await evaluate(ready, happening, memory, ports)));
    judged++;
    if (performance.now() > untilMs) break;
  }
  await options.alerts.apply(ready.rule.id, ready.rule, found, { memory: memory.takeChanges() });
  return judged === all.length ? read : deliveries.indexOf(all[judged]!.delivery);
}

async function memoryOf({ db }: AlertChannelOptions, { rule }: ReadyRule, happenings: readonly Happening[]) {
  if (!remembers(rule)) return createMemory();
  const subjects = new Set(
    happenings.flatMap(({ resource, previous }) =>
      [resource, previous].flatMap((one) => (one ? [subjectOf(rule, one, previous)] : [])),
    ),
  );
  return createMemory(await remembered(db, rule.id, [...subjects]));
}

interface Told {
  delivery: Delivery;
  happening: Happening;
}

/** The next ones, as many as are not too large together. */
async function happeningsOf(
  { db, feed }: AlertChannelOptions,
  deliveries: readonly Delivery[],
): Promise<{ told: Told[]; read: number }> {
  const told: Told[] = [];
  let read = 0;
  let characters = 0;
  for (let part = firstPart; read < deliveries.length && characters < charactersMax; part *= growth) {
    const fit = read === 0 ? part : Math.ceil((charactersMax - characters) / Math.max(1, characters / read));
    const some = deliveries.slice(read, read + Math.min(part, fit));
    const texts = await bodies(feed, db, some.flatMap(versionsOf));
    told.push(...some.flatMap((one) => toldOf(one, texts.of)));
    characters += texts.characters;
    read += some.length;
  }
  return { told, read };
}

const versionsOf = (one: Delivery): VersionKey[] => [
  one,
  { ...one, version: one.version - 1 },
  ...(one.again ? [{ ...one, version: one.version + 1 }] : []),
];

/** With the resources as they were; nothing where an operator repeats one although a newer version has been judged. */
function toldOf(one: Delivery, bodyOf: Texts['of']): Told[] {
  const { type, id, version, op } = one;
  if (one.again && bodyOf(type, id, version + 1)) return [];
  const resource = op === 'delete' ? undefined : bodyOf(type, id, version);
  const previous = bodyOf(type, id, version - 1);
  // Its history was removed meanwhile.
  if (op !== 'delete' && !resource) return [];
  const happening: Happening = {
    ...{ type, id, version, op, xid: one.change_xid, seq: one.change_seq, updatedMs: one.changed_at },
    ...(resource ? { resource } : {}),
    ...(previous ? { previous } : {}),
  };
  return [{ delivery: one, happening }];
}

interface Texts {
  of(type: string, id: string, version: number): Resource | undefined;
  characters: number;
}

async function bodies(feed: ChangeFeed, db: Db, versions: readonly VersionKey[]): Promise<Texts> {
  const wanted = versions.filter(({ version }) => version > 0).map(({ type, id, version }) => ({ type, id, version }));
  const texts = wanted.length === 0 ? [] : await feed.bodies(db, wanted);
  const found = new Map(wanted.map(({ type, id, version }, i) => [`${type}/${id}/${version}`, texts[i]!]));
  return {
    of(type, id, version) {
      const text = found.get(`${type}/${id}/${version}`);
      return text ? (parseJson(text).exact as Resource) : undefined;
    },
    characters: texts.reduce((sum, text) => sum + text.length, 0),
  };
}

/** Yields how many of them it got through: those that are not too large together, within the time. */
async function acknowledge(options: AlertChannelOptions, deliveries: readonly Delivery[], untilMs: number) {
  const { db, reader, scope, baseUrl, alerts } = options;
  const current = async (type: string, id: string) => {
    const stored = await reader.read(type, id, scope);
    return stored && !stored.deleted ? (parseJson(stored.body).exact as Resource) : undefined;
  };
  const alertOf = async (type: string, id: string) => {
    const found = await current(type, id);
    if (!found) return undefined;
    const alert = alertOfPart(found);
    if (alert === undefined) return alertOfMessage(db, found);
    // It has been told anew since, or there is nothing to acknowledge.
    return type === 'Communication' && found.status === 'completed' ? undefined : alert;
  };
  const statusOf = async (type: string, id: string) => (await current(type, id))?.status;
  const { told, read } = await happeningsOf(options, deliveries);
  for (const { delivery, happening } of told) {
    const { type, id, op, updatedMs, resource, previous } = happening;
    if (type === 'Patient' && op === 'delete') await alerts.endAll(`Patient/${id}`, updatedMs);
    if (resource) await acknowledgeBy(resource, previous, { baseUrl, alerts, alertOf, statusOf });
    if (performance.now() > untilMs) return deliveries.indexOf(delivery) + 1;
  }
  return read;
}

/** The store is out of reach, or somebody changed the same resource: that passes. */
const isPassing = (error: unknown): boolean => isCerebraError(error) && [409, 412, 503].includes(error.status);

const isRefused = (error: unknown): boolean =>
  isCerebraError(error) && error.status < 500 && error.status !== 409 && error.status !== 412;
