// What a client says on a web socket: R4's `bind [id]` (https://hl7.org/fhir/R4/subscription.html#websocket) and the guide's
// `bind-with-token [token]` (http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets).
import { setTimeout as pause } from 'node:timers/promises';
import { type AccessScope, type JsonObject, parseJson, type Resource, type ResourceReader } from '#fhir-model';
import type { Clock, Db, Log } from '#platform';
import { isOfChannel } from '../../topics/subscription.ts';
import type { Binding, Connection } from './connection.ts';
import { findGrant } from './grant.ts';
import type { Seen } from './seen.ts';
import { type BoundSubscriber, findBound, type TopicEvents } from './topic-events.ts';

export interface CommandOptions {
  db: Db;
  reader: ResourceReader;
  scope: AccessScope;
  clock: Clock;
  log: Log;
  limits: { bindingsMax: number };
  /** By Subscription.id */
  bound: Map<string, Map<Connection, Binding>>;
  seen: Pick<Seen, 'look' | 'remember'>;
  topics: TopicEvents;
  unbind(connection: Connection, binding: Binding): void;
}

const commandForm = /^(bind|unbind)\s+(?:Subscription\/)?([A-Za-z0-9\-.]{1,64})$/;
const tokenForm = /^bind-with-token:?\s+([A-Za-z0-9_-]{1,200})$/;
const forms = "Commands are 'bind' or 'unbind', a space and the id of a Subscription, or 'bind-with-token' and a token";

export function createCommands(options: CommandOptions) {
  const { log } = options;
  return async (connection: Connection, text: string): Promise<void> => {
    const token = tokenForm.exec(text.trim())?.[1];
    const [, verb, id] = commandForm.exec(text.trim()) ?? [];
    try {
      if (token !== undefined) await bindWithToken(options, connection, token);
      else if (id === undefined) connection.say(`error ${forms}`);
      else if (verb === 'unbind') unbindOne(options, connection, id);
      else await bindOne(options, connection, id, undefined);
    } catch (err) {
      log.warn({ err, subscription: id }, 'a web socket could not be bound');
      connection.say(`error ${id ?? ''}${id ? ' ' : ''}The server can't tell at the moment: try again`);
    }
  };
}

function unbindOne({ unbind }: CommandOptions, connection: Connection, id: string): void {
  const known = connection.bindings.get(id);
  if (known) unbind(connection, known);
  connection.say(known ? `unbound ${id}` : `error ${id} It was not bound`);
}

async function bindWithToken(options: CommandOptions, connection: Connection, token: string): Promise<void> {
  const grant = await findGrant(options.db, token, options.clock.now());
  if (!grant) {
    connection.say('error The token is none, or has expired: $get-ws-binding-token gives another');
    return;
  }
  for (const id of grant.subscriptions) await bindOne(options, connection, id, grant.scope);
}

/** `granted`: the scope of the token; undefined without one. */
async function bindOne(
  options: CommandOptions,
  connection: Connection,
  id: string,
  granted: AccessScope | undefined,
): Promise<void> {
  const { bindingsMax } = options.limits;
  const known = connection.bindings.get(id);
  if (known?.topic) {
    if (granted) known.topic.scope = granted;
    return options.topics.handshake(connection, known);
  }
  if (known) return connection.say(`bound ${id}`);
  if (connection.bindings.size >= bindingsMax) {
    return connection.say(`error ${id} A connection may bind ${bindingsMax} Subscriptions`);
  }
  await bind(options, connection, id, granted);
}

/** Why it can't be bound. One that was just requested, or is about to be checked, can. */
export async function bindingProblem(
  reader: ResourceReader,
  scope: AccessScope,
  id: string,
): Promise<string | undefined> {
  const stored = await reader.read('Subscription', id, scope);
  if (!stored || stored.deleted) return 'There is no such Subscription, or it is not yours';
  const { status, channel } = parseJson(stored.body).exact as Resource & { channel?: JsonObject };
  if (!isOfChannel(channel, 'websocket')) return 'Its channel is not websocket';
  if (status === 'active' || status === 'requested') return undefined;
  return `It is not active: its status is ${String(status)}`;
}

async function bind(
  options: CommandOptions,
  connection: Connection,
  id: string,
  granted: AccessScope | undefined,
): Promise<void> {
  const { bound, seen, reader, topics, unbind } = options;
  // Its last commands may have waited while it went.
  if (!connection.isOpen()) return;
  const listeners = bound.get(id) ?? new Map<Connection, Binding>();
  const binding: Binding = { id, bound: false, sent: 0n, confirmed: 0n, shared: false, version: 0 };
  // Before it is asked what there has been: nothing falls between the two.
  bound.set(id, listeners.set(connection, binding));
  connection.bindings.set(id, binding);
  try {
    const scope = granted ?? options.scope;
    const problem = (await bindingProblem(reader, scope, id)) ?? (await prepare(options, connection, binding, granted));
    if (problem !== undefined) {
      unbind(connection, binding);
      return connection.say(`error ${id} ${problem}`);
    }
    const { seen: last, done } = await seen.look(id);
    const told = binding.sent > done ? binding.sent : done;
    if (listeners.size > 1) for (const each of listeners.values()) each.shared = true;
    if (binding.topic) {
      if (told > binding.topic.target) binding.topic.target = told;
      Object.assign(binding, { sent: last, confirmed: last });
      binding.topic.remembered = last;
      await topics.handshake(connection, binding);
      binding.bound = true;
      return topics.tell(connection, binding);
    }
    Object.assign(binding, { bound: true, sent: told, confirmed: last < told ? last : told });
  } catch (error) {
    unbind(connection, binding);
    throw error;
  }
  connection.say(`bound ${id}`);
  if (binding.sent > binding.confirmed) connection.say(`ping ${id}`);
  connection.probe();
}

const activationMs = { most: 5_000, step: 50 };

/** Makes it a binding of a topic where the Subscription is to one. Yields why that can't be. */
async function prepare(
  { db }: CommandOptions,
  connection: Connection,
  binding: Binding,
  granted: AccessScope | undefined,
): Promise<string | undefined> {
  if (granted === undefined) {
    const found = await findBound(db, binding.id);
    binding.version = found?.version ?? 0;
    return found?.topic ? 'It is to a topic: it is bound with a token of $get-ws-binding-token' : undefined;
  }
  const row = await activated(db, connection, binding.id);
  if (row === undefined) return 'It is not active yet: try again';
  binding.version = row.version;
  if (row.topic === null) return undefined;
  const target = binding.sent;
  const { topic, payload } = row;
  binding.topic = {
    ...{ topic, payload, scope: granted, target, remembered: 0n },
    ...{ isTelling: false, toldMs: performance.now() },
  };
  return undefined;
}

/** One that was just requested is active within milliseconds; what it is to is known only then. */
async function activated(db: Db, connection: Connection, id: string): Promise<BoundSubscriber | undefined> {
  for (let waitedMs = 0; waitedMs <= activationMs.most && connection.isOpen(); waitedMs += activationMs.step) {
    const row = await findBound(db, id);
    if (row?.state === 'active') return row;
    await pause(activationMs.step);
  }
  return undefined;
}
