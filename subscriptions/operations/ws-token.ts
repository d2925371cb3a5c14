// Subscription/$get-ws-binding-token: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-get-ws-binding-token.html
// What a web socket binds with is no access token: it is good for these Subscriptions, for binding, for some minutes. Any
// server of the database takes it.
import { randomBytes } from 'node:crypto';
import {
  type AccessScope,
  all,
  backportGuide,
  type JsonObject,
  type OperationAnswer,
  type OperationRequest,
  type OperationSpec,
  parametersOf,
  parseJson,
  type Resource,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { saveGrant } from '../channels/websocket/grant.ts';
import { isOfChannel } from '../topics/subscription.ts';
import { readSubscription } from './asked.ts';
import type { OperationParts } from './parts.ts';

/** A connection may bind so many by default (WEBSOCKET_BINDINGS_MAX); a token for more could not be used. */
const subscriptionsMax = 100;
const tokenMs = 10 * 60_000;
const tokenBytes = 32;

export const webSocketTokenOperation = (parts: OperationParts): OperationSpec => ({
  name: 'get-ws-binding-token',
  title: 'Token to bind a web socket',
  description: 'A token with which a web socket is told of these Subscriptions: bind-with-token and the token',
  url: `${backportGuide}/OperationDefinition/backport-subscription-get-ws-binding-token`,
  type: ['Subscription'],
  // It writes down what it gives out; what is stored of FHIR stays as it is, and the guide has it so.
  ...{ system: false, typeLevel: true, instanceLevel: true, affectsState: false },
  parameters: [
    {
      ...{ name: 'id', use: 'in', min: 0, max: '*', type: 'id' },
      documentation: 'At type level: the Subscriptions. Without it, all with channel websocket that the caller may see',
    },
    { ...{ name: 'token', use: 'out', min: 1, max: '1', type: 'string' }, documentation: 'To bind with' },
    {
      ...{ name: 'expiration', use: 'out', min: 1, max: '1', type: 'dateTime' },
      documentation: 'Until when it is good',
    },
    {
      ...{ name: 'subscription', use: 'out', min: 0, max: '*', type: 'string' },
      documentation: 'Ids of the Subscriptions that it is good for',
    },
    { ...{ name: 'websocket-url', use: 'out', min: 1, max: '1', type: 'url' }, documentation: 'Where to connect' },
  ],
  run: (request) => run(parts, request),
});

async function run(parts: OperationParts, request: OperationRequest): Promise<OperationAnswer> {
  const ids = await idsOf(parts, request);
  const token = randomBytes(tokenBytes).toString('base64url');
  const nowMs = parts.clock.now();
  const untilMs = nowMs + tokenMs;
  await saveGrant(parts.db, token, { subscriptions: ids, scope: request.scope }, { nowMs, untilMs });
  const resource = parametersOf([
    { name: 'token', valueString: token },
    { name: 'expiration', valueDateTime: new Date(untilMs).toISOString() },
    ...ids.map((id) => ({ name: 'subscription', valueString: id })),
    { name: 'websocket-url', valueUrl: parts.webSocketUrl },
  ]);
  // https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.5: it is a secret.
  return { resource, headers: { 'Cache-Control': 'no-store' } };
}

async function idsOf(parts: OperationParts, { id, input, scope }: OperationRequest): Promise<string[]> {
  const named = id ? [id] : [...new Set(all<string>(input, 'id').map((each) => each.replace(/^Subscription\//, '')))];
  if (named.length > subscriptionsMax) throw tooMany();
  if (named.length === 0) return allOf(parts, scope);
  for (const one of named) assertBindable(await readSubscription(parts.reader(), one, scope));
  return named;
}

/** Throws CerebraError `business-rule`. */
function assertBindable({ id, status, channel }: Resource & { channel?: JsonObject }): void {
  const problem = !isOfChannel(channel, 'websocket')
    ? 'its channel is not websocket'
    : status === 'active' || status === 'requested'
      ? undefined
      : `its status is ${String(status)}: it must be requested anew`;
  if (problem !== undefined) throw new CerebraError('business-rule', `Subscription/${id} can't be bound: ${problem}`);
}

async function allOf({ reader }: OperationParts, scope: AccessScope): Promise<string[]> {
  const query = `type=websocket&status=active,requested&_count=${subscriptionsMax + 1}&_sort=_id&_total=none`;
  const { resources, nextCursor } = await reader().search('Subscription', query, scope);
  if (resources.length > subscriptionsMax || nextCursor !== undefined) throw tooMany();
  if (resources.length > 0) return resources.map(({ body }) => String((parseJson(body).exact as Resource).id));
  throw new CerebraError('not-found', 'There is no Subscription with channel websocket that is requested or active');
}

const tooMany = () =>
  new CerebraError('too-costly', `A token is good for ${subscriptionsMax} Subscriptions at most: name them by id`, {
    expression: ['id'],
  });
