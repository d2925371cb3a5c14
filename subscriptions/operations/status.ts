// Subscription/$status: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-status.html
import {
  all,
  backportGuide,
  type JsonObject,
  type OperationAnswer,
  type OperationRequest,
  type OperationSpec,
  parseJson,
  type Resource,
} from '#fhir-model';
import { CerebraError, uuidv7 } from '#platform';
import { deliveryError, statusParameters } from '../channels/notification/bundle.ts';
import { contentOf, findSubscribers, readSubscription, type Subscriber } from './asked.ts';
import type { OperationParts } from './parts.ts';

const statuses = ['requested', 'active', 'error', 'off'];
/** Subscriptions in one answer; more, and they are to be asked for by id. */
const subscriptionsMax = 1_000;
const pageMax = 200;

export const statusOperation = (parts: OperationParts): OperationSpec => ({
  name: 'status',
  title: 'Status of Subscriptions',
  description: 'How Subscriptions stand: their status, how many events there have been, and the last error',
  url: `${backportGuide}/OperationDefinition/backport-subscription-status`,
  type: ['Subscription'],
  ...{ system: false, typeLevel: true, instanceLevel: true, affectsState: false },
  parameters: [
    {
      ...{ name: 'id', use: 'in', min: 0, max: '*', type: 'id' },
      documentation: 'At type level: of these Subscriptions only. Without it, of all that the caller may see',
    },
    {
      ...{ name: 'status', use: 'in', min: 0, max: '*', type: 'code' },
      documentation: 'At type level: of those with one of these values of Subscription.status only',
    },
    {
      ...{ name: 'return', use: 'out', min: 1, max: '1', type: 'Bundle' },
      documentation: 'A searchset of Parameters, one for each Subscription',
    },
  ],
  run: (request) => run(parts, request),
});

async function run(parts: OperationParts, request: OperationRequest): Promise<OperationAnswer> {
  const found = request.id
    ? [await readSubscription(parts.reader(), request.id, request.scope)]
    : await findAll(parts, request);
  const subscribers = await findSubscribers(
    parts.db,
    found.map(({ id }) => id ?? ''),
  );
  const entry = found.map((subscription) => entryOf(parts, subscription, subscribers.get(subscription.id ?? '')));
  const self = `${parts.baseUrl}/Subscription/${request.id ? `${request.id}/` : ''}$status${queryOf(request)}`;
  const resource = {
    ...{ resourceType: 'Bundle', id: uuidv7(parts.clock.now()), type: 'searchset', total: entry.length },
    link: [{ relation: 'self', url: self }],
    ...(entry.length > 0 ? { entry } : {}),
  } as Resource;
  return { resource };
}

function queryOf({ id, input }: OperationRequest): string {
  if (id) return '';
  const pairs = ['id', 'status'].flatMap((name) => all<string>(input, name).map((value) => [name, value]));
  return pairs.length > 0 ? `?${new URLSearchParams(pairs)}` : '';
}

function entryOf({ baseUrl, clock }: OperationParts, subscription: Resource, subscriber: Subscriber | undefined) {
  const id = uuidv7(clock.now());
  const status = String(subscription.status);
  const failed = subscriber?.error ?? (typeof subscription.error === 'string' ? subscription.error : undefined);
  const errors: JsonObject[] = status === 'error' && failed !== undefined ? [deliveryError(failed)] : [];
  const about = {
    subscription: subscription.id ?? '',
    topic: subscriber?.topic?.url,
    content: contentOf(subscriber),
    eventsSinceStart: subscriber?.last_number ?? 0n,
  };
  const resource = statusParameters({ ...about, status, type: 'query-status', errors }, [], { baseUrl, id });
  return { fullUrl: `urn:uuid:${id}`, resource, search: { mode: 'match' } };
}

/** Those that the caller may see, by id. */
async function findAll({ reader }: OperationParts, { input, scope }: OperationRequest): Promise<Resource[]> {
  const ids = [...new Set(all<string>(input, 'id').map((id) => id.replace(/^Subscription\//, '')))];
  const wanted = new Set(all<string>(input, 'status'));
  for (const status of wanted) {
    if (statuses.includes(status)) continue;
    throw new CerebraError('invalid-parameter', `status must be one of ${statuses.join(', ')}, not '${status}'`, {
      expression: ['status'],
    });
  }
  if (ids.length > subscriptionsMax) throw tooMany();
  const query = new URLSearchParams({ _count: String(pageMax), _sort: '_id', _total: 'none' });
  if (ids.length > 0) query.set('_id', ids.join(','));
  if (wanted.size > 0) query.set('status', [...wanted].join(','));
  const found: Resource[] = [];
  for (let cursor: string | undefined, more = true; more; ) {
    if (cursor !== undefined) query.set('_cursor', cursor);
    const page = await reader().search('Subscription', query.toString(), scope);
    found.push(...page.resources.map(({ body }) => parseJson(body).exact as Resource));
    if (found.length > subscriptionsMax) throw tooMany();
    cursor = page.nextCursor;
    more = cursor !== undefined;
  }
  return found;
}

const tooMany = () =>
  new CerebraError(
    'too-costly',
    `These are more than ${subscriptionsMax} Subscriptions: name them by id, or by status`,
    {
      expression: ['id'],
    },
  );
