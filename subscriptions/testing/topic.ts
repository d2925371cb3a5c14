// Subscriptions to a topic, and what makes events of it.
import type { JsonObject, Resource } from '#fhir-model';
import { type Received, waitFor } from '#platform/testing';
import { type Rig, waitForState } from './rig.ts';

export const guide = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition';

/** Of the topics that every server has the one that needs no search: made, another status, deleted. */
export const appointmentTopic = 'urn:cerebra:topic:appointment';

export interface AskedTopic {
  type?: string;
  content?: string;
  payload?: string;
  maxCount?: number;
  heartbeatSeconds?: number;
  timeoutSeconds?: number;
  rest?: JsonObject;
}

export function topicSubscription(id: string, endpoint: string, asked: AskedTopic = {}): Resource & { id: string } {
  const { type = 'rest-hook', content = 'full-resource', payload = 'application/fhir+json' } = asked;
  const extension = [
    ...(asked.maxCount ? [{ url: `${guide}/backport-max-count`, valuePositiveInt: asked.maxCount }] : []),
    ...(asked.heartbeatSeconds
      ? [{ url: `${guide}/backport-heartbeat-period`, valueUnsignedInt: asked.heartbeatSeconds }]
      : []),
    ...(asked.timeoutSeconds ? [{ url: `${guide}/backport-timeout`, valueUnsignedInt: asked.timeoutSeconds }] : []),
  ];
  return {
    ...{ resourceType: 'Subscription', id, status: 'requested', reason: 'test', criteria: appointmentTopic },
    channel: {
      ...{ type, payload, ...(endpoint === '' ? {} : { endpoint }) },
      _payload: { extension: [{ url: `${guide}/backport-payload-content`, valueCode: content }] },
      ...(extension.length > 0 ? { extension } : {}),
    },
    ...asked.rest,
  };
}

export const appointment = (id: string, status = 'booked', rest: JsonObject = {}): Resource & { id: string } => ({
  ...{ resourceType: 'Appointment', id, status },
  participant: [{ status: 'accepted', actor: { reference: 'Patient/p' } }],
  ...rest,
});

interface Part {
  name: string;
  valueString?: string;
  valueReference?: { reference: string };
}

/** The events that a notification tells, by number. */
export function eventNumbers(bundle: Resource): number[] {
  return parameters(bundle)
    .filter(({ name }) => name === 'notification-event')
    .map(({ part }) => Number((part as unknown as Part[]).find(({ name }) => name === 'event-number')!.valueString));
}

const parameters = (bundle: Resource): (JsonObject & { name: string })[] =>
  (bundle.entry as { resource: { parameter: (JsonObject & { name: string })[] } }[])[0]!.resource.parameter;

/** A parameter of the status, but for its name. */
export function statusPart(bundle: Resource, name: string): unknown {
  const found = parameters(bundle).find((one) => one.name === name);
  return found && Object.entries(found).find(([key]) => key !== 'name')?.[1];
}

/** The notifications that a receiver was sent. */
export const bundles = (received: readonly Received[]): Resource[] =>
  received.map(({ body }) => JSON.parse(body) as Resource);

export const typeOf = (bundle: Resource): unknown => statusPart(bundle, 'type');

export const ofType = (received: readonly Received[], type: string): Resource[] =>
  bundles(received).filter((one) => typeOf(one) === type);

/** The numbers of the events of each notification that has any. */
export const events = (received: readonly Received[]): number[][] =>
  ofType(received, 'event-notification').map(eventNumbers);

export async function activate({ db, store }: Rig, one: Resource & { id: string }): Promise<void> {
  await store.put(one);
  await waitForState(db, one.id, 'active');
}

/** Waits until so many events of the Subscription have ended. */
export const allDone = ({ db }: Rig, id: string, last: number) =>
  waitFor(
    async () =>
      (await db.query({ text: 'select 1 from subscriber where id = $1 and done_number >= $2' }, [id, last])).length > 0,
    `delivery ${last} of ${id}`,
  );
