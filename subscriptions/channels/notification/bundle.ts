// A notification as text: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription-notification-r4.html
// and its first entry, .../StructureDefinition-backport-subscription-status-r4.html. Bodies of resources go in as they are
// stored, so that decimals keep their digits.

import type { JsonObject, Resource } from '#fhir-model';
import { backportGuide } from '#fhir-model';
import { interactionOf } from './interaction.ts';

const profile = `${backportGuide}/StructureDefinition`;

/** http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/payloads.html */
export type NotificationContent = 'empty' | 'id-only' | 'full-resource';

export const notificationContents: readonly NotificationContent[] = ['empty', 'id-only', 'full-resource'];

/** https://hl7.org/fhir/R5/valueset-subscription-notification-type.html */
export type NotificationType = 'handshake' | 'heartbeat' | 'event-notification' | 'query-status' | 'query-event';

/** One resource of an event, as one of its versions was. */
export interface NotifiedResource {
  type: string;
  id: string;
  version: number;
  /** What was done to it; of what only comes along nothing was. */
  op: 'create' | 'update' | 'delete' | 'none';
  /** Instant of that version, milliseconds since 1970 UTC. */
  updatedMs: number;
  /** JSON text; '' for a deletion, and where that version is no longer stored. */
  body: string;
}

export interface NotifiedEvent {
  number: bigint;
  /** When it happened, milliseconds since 1970 UTC. */
  timeMs: number;
  /** Undefined where the Subscription's owner may not see it. */
  focus: NotifiedResource | undefined;
  /** What the topic's notificationShape adds. */
  related: readonly NotifiedResource[];
}

/** What a notification says of its Subscription. */
export interface StatusOf {
  /** Subscription.id */
  subscription: string;
  /** Canonical URL; undefined for a Subscription with R4 criteria. */
  topic: string | undefined;
  /** Subscription.status */
  status: string;
  type: NotificationType;
  content: NotificationContent;
  /** Events that there have been, the ones told here included. */
  eventsSinceStart: bigint;
  /** CodeableConcepts. */
  errors?: readonly JsonObject[];
}

export interface BundleOptions {
  /** Our own FHIR base. */
  baseUrl: string;
  /** A UUID: of the Bundle, and of its status entry. */
  id: string;
  nowMs: number;
}

const instant = (ms: number): string => new Date(ms).toISOString();

/** The Parameters resource that stands first in a notification, and that $status yields. */
export function statusParameters(
  of: StatusOf,
  events: readonly NotifiedEvent[],
  { baseUrl, id }: Pick<BundleOptions, 'baseUrl' | 'id'>,
): Resource {
  const withReferences = of.content !== 'empty';
  const reference = (one: NotifiedResource) => ({ valueReference: { reference: `${baseUrl}/${one.type}/${one.id}` } });
  const event = ({ number, timeMs, focus, related }: NotifiedEvent): JsonObject => ({
    name: 'notification-event',
    part: [
      { name: 'event-number', valueString: String(number) },
      { name: 'timestamp', valueInstant: instant(timeMs) },
      ...(withReferences && focus ? [{ name: 'focus', ...reference(focus) }] : []),
      ...(withReferences ? related.map((one) => ({ name: 'additional-context', ...reference(one) })) : []),
    ],
  });
  return {
    resourceType: 'Parameters',
    id,
    meta: { profile: [`${profile}/backport-subscription-status-r4`] },
    parameter: [
      { name: 'subscription', valueReference: { reference: `${baseUrl}/Subscription/${of.subscription}` } },
      // It says what the event was about: with an empty payload that is not told.
      ...(of.topic !== undefined && withReferences ? [{ name: 'topic', valueCanonical: of.topic }] : []),
      { name: 'status', valueCode: of.status },
      { name: 'type', valueCode: of.type },
      { name: 'events-since-subscription-start', valueString: String(of.eventsSinceStart) },
      ...events.map(event),
      ...(of.errors ?? []).map((valueCodeableConcept) => ({ name: 'error', valueCodeableConcept })),
    ],
  } as Resource;
}

/** JSON text of the whole notification. */
export function notificationBundle(of: StatusOf, events: readonly NotifiedEvent[], options: BundleOptions): string {
  const { baseUrl, id, nowMs } = options;
  const status = JSON.stringify(statusParameters(of, events, options));
  const url = `${baseUrl}/Subscription/${of.subscription}/$status`;
  const entries = [
    `{"fullUrl":"urn:uuid:${id}","resource":${status},"request":{"method":"GET","url":${JSON.stringify(url)}},"response":{"status":"200"}}`,
    ...(of.content === 'empty' ? [] : resourcesOf(events).map((one) => entryText(one, of.content, baseUrl))),
  ];
  const meta = `{"profile":["${profile}/backport-subscription-notification-r4"]}`;
  const timestamp = instant(nowMs);
  return `{"resourceType":"Bundle","id":"${id}","meta":${meta},"type":"history","timestamp":"${timestamp}","entry":[${entries.join(',')}]}`;
}

/** Bundle.id of a notification, as `notificationBundle` has written it. */
export const notificationId = (text: string): string => /^\{"resourceType":"Bundle","id":"([^"]+)"/.exec(text)![1]!;

/** The focuses in the order of the events, then what comes along, each version once. */
function resourcesOf(events: readonly NotifiedEvent[]): NotifiedResource[] {
  const found = events.flatMap(({ focus }) => (focus ? [focus] : []));
  const known = new Set(found.map(({ type, id, version }) => `${type}/${id}/${version}`));
  for (const one of events.flatMap(({ related }) => related)) {
    const key = `${one.type}/${one.id}/${one.version}`;
    if (!known.has(key)) found.push(one);
    known.add(key);
  }
  return found;
}

function entryText(one: NotifiedResource, content: NotificationContent, baseUrl: string): string {
  const { type, id, version, updatedMs, body } = one;
  const { method, url, status } = interactionOf(one);
  const fullUrl = JSON.stringify(`${baseUrl}/${type}/${id}`);
  const resource = content === 'full-resource' && body !== '' ? `"resource":${body},` : '';
  const request = JSON.stringify({ method, url });
  const response = JSON.stringify({ status, etag: `W/"${version}"`, lastModified: instant(updatedMs) });
  return `{"fullUrl":${fullUrl},${resource}"request":${request},"response":${response}}`;
}

/** A CodeableConcept of what went wrong with a delivery: https://terminology.hl7.org/CodeSystem-subscription-error.html */
export function deliveryError(text: string): JsonObject {
  const code = codes.find(([pattern]) => pattern.test(text))?.[1];
  const coding = code && [{ system: 'http://terminology.hl7.org/CodeSystem/subscription-error', code }];
  return { ...(coding ? { coding } : {}), text };
}

/** By the texts of channels/rest-hook.ts, channels/message-bundle.ts and platform/endpoint-fault.ts. */
const codes: [RegExp, string][] = [
  [/^The endpoint answered (with HTTP|the message with)/, 'error-response'],
  [/^The endpoint's host name/, 'dns-resolution-error'],
  [/^The endpoint (did not answer|refused|broke off|can not be reached)/, 'no-response'],
];
