// What a Subscription to a topic asks for, checked:
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription.html, and what the guide has servers
// reject: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/conformance.html#must-support
import { backportGuide, type Json, type JsonObject, objectsOf, type Resource } from '#fhir-model';
import { CerebraError, isLoopback } from '#platform';
import { notificationContents } from '../channels/notification/bundle.ts';
import type { TopicRegistration } from '../registration.ts';
import { filtersMax } from './compile.ts';
import { isTopicUrl } from './topic.ts';

const extensions = `${backportGuide}/StructureDefinition/`;
const subscriptionProfile = `${extensions}backport-subscription`;

const filterLengthMax = 4_096;
/** 31 days */
const secondsMax = 2_678_400;
const eventsMax = 1_000_000;

const refuse = (element: string, text: string): CerebraError => new CerebraError('unsupported', `${element}: ${text}`);

const named = (element: Json | undefined, name: string): JsonObject[] =>
  objectsOf((element as JsonObject | null | undefined)?.extension).filter(({ url }) => url === extensions + name);

/**
 * The topic's part; undefined for a Subscription with R4 criteria. Whether there is that topic, and with these filters, its
 * catalogue says. Throws CerebraError that names the element.
 */
export function readTopicRegistration(subscription: Resource): TopicRegistration | undefined {
  refuseCrossVersion(subscription, 'Subscription', 0);
  const url = typeof subscription.criteria === 'string' ? subscription.criteria : '';
  if (!isTopicUrl(url)) {
    refuseTopicParts(subscription);
    return undefined;
  }
  const channel = (subscription.channel ?? {}) as JsonObject;
  return {
    url,
    content: readContent(channel),
    filters: readFilters(subscription),
    maxCount: number(channel, 'backport-max-count', 'valuePositiveInt', { min: 1, max: eventsMax }) ?? 1,
    heartbeatSeconds:
      number(channel, 'backport-heartbeat-period', 'valueUnsignedInt', { min: 0, max: secondsMax }) ?? 0,
    timeoutSeconds: number(channel, 'backport-timeout', 'valueUnsignedInt', { min: 0, max: secondsMax }) ?? 0,
  };
}

const notificationParts = ['backport-max-count', 'backport-heartbeat-period', 'backport-timeout'];

/** Filters that nothing is filtered by, and contents that nothing is made of, would send what was not asked for. */
function refuseTopicParts(subscription: Resource): void {
  const channel = (subscription.channel ?? {}) as JsonObject;
  const forTopics = (name: string) => `${name} is for topics, and criteria is not the URL of one`;
  if (named(channel._payload, 'backport-payload-content').length > 0) {
    throw refuse('Subscription.channel.payload.extension', forTopics('backport-payload-content'));
  }
  const part = notificationParts.find((name) => named(channel, name).length > 0);
  if (part) throw refuse('Subscription.channel.extension', forTopics(part));
  if (named(subscription._criteria as Json, 'backport-filter-criteria').length > 0) {
    throw refuse('Subscription.criteria.extension', 'filters are for topics, and criteria is not the URL of one');
  }
  if (!claimsGuide(subscription)) return;
  throw refuse('Subscription.criteria', `with the profile ${subscriptionProfile} it is the URL of a topic`);
}

function claimsGuide({ meta }: Resource): boolean {
  const profiles = Array.isArray(meta?.profile) ? meta.profile : [];
  return profiles.some((one) => String(one).split('|')[0] === subscriptionProfile);
}

// The guide has extensions of its own for these: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/conformance.html
const CROSS_VERSION =
  /^http:\/\/hl7\.org\/fhir\/\d\.\d\/StructureDefinition\/extension-Subscription\.(topic|filterBy|channelType|content|contentType|heartbeatPeriod|timeout|maxCount|endpoint|parameter)\b/;
const depthMax = 8;

function refuseCrossVersion(value: Json | undefined, at: string, depth: number): void {
  if (typeof value !== 'object' || value === null || depth > depthMax) return;
  if (Array.isArray(value)) {
    for (const [i, one] of value.entries()) refuseCrossVersion(one, `${at}[${i}]`, depth + 1);
    return;
  }
  const { url } = value as JsonObject;
  if (typeof url === 'string' && CROSS_VERSION.test(url)) {
    throw refuse(at, `${url} is not used with R4: the Subscriptions Backport guide has extensions of its own`);
  }
  for (const [name, one] of Object.entries(value)) {
    refuseCrossVersion(one as Json, `${at}.${name.replace(/^_/, '')}`, depth + 1);
  }
}

/** Whether it is the guide's, or means to be: by its criteria, its profile or one of the extensions. */
export const asksOfTopics = (subscription: Resource): boolean =>
  isTopicUrl(String(subscription.criteria)) || claimsGuide(subscription) || hasTopicExtension(subscription, 0);

function hasTopicExtension(value: Json | undefined, depth: number): boolean {
  if (typeof value !== 'object' || value === null || depth > depthMax) return false;
  if (Array.isArray(value)) return value.some((one) => hasTopicExtension(one, depth + 1));
  const { url } = value as JsonObject;
  if (typeof url === 'string' && (url.startsWith(extensions) || CROSS_VERSION.test(url))) return true;
  return Object.values(value).some((one) => hasTopicExtension(one as Json, depth + 1));
}

function readContent(channel: JsonObject): TopicRegistration['content'] {
  const element = 'Subscription.channel.payload';
  if (typeof channel.payload !== 'string') throw refuse(element, 'a Subscription to a topic needs one');
  const found = named(channel._payload, 'backport-payload-content');
  const content = notificationContents.find((one) => one === found[0]?.valueCode);
  if (found.length === 1 && content) return content;
  throw refuse(
    `${element}.extension`,
    `backport-payload-content must be there once: ${notificationContents.join(', ')}`,
  );
}

function readFilters(subscription: Resource): string[] {
  const element = 'Subscription.criteria.extension';
  const found = named(subscription._criteria as Json, 'backport-filter-criteria').map(({ valueString }) => valueString);
  if (found.length > filtersMax) throw refuse(element, `${filtersMax} filters are the most`);
  return found.map((filter, i) => {
    if (typeof filter === 'string' && filter !== '' && filter.length <= filterLengthMax) return filter;
    throw refuse(`${element}[${i}]`, `a filter is a valueString of up to ${filterLengthMax} characters`);
  });
}

interface Range {
  min: number;
  max: number;
}

function number(channel: JsonObject, name: string, choice: string, { min, max }: Range): number | undefined {
  const found = named(channel, name);
  if (found.length === 0) return undefined;
  const value = found[0]![choice];
  if (found.length === 1 && Number.isInteger(value) && Number(value) >= min && Number(value) <= max)
    return Number(value);
  throw refuse('Subscription.channel.extension', `${name} must be there once, as ${choice} from ${min} to ${max}`);
}

/** Whether nobody on the way can read what such a channel carries. */
export function isSecure(type: string, endpoint: string): boolean {
  if (type === 'email') return false;
  if (!['rest-hook', 'message'].includes(type) || !URL.canParse(endpoint)) return true;
  const { protocol, hostname } = new URL(endpoint);
  return protocol === 'https:' || isLoopback(hostname.replace(/^\[|\]$/g, ''));
}

const channelSystems = new Set<unknown>([
  'http://terminology.hl7.org/CodeSystem/subscription-channel-type',
  'http://hl7.org/fhir/subscription-channel-type',
  // Of channels that FHIR does not have.
  'urn:cerebra:subscription-channel-type',
]);

/** Subscription.channel.type, or what its extension names instead. Throws for a channel of a system that is not known. */
export function channelTypeOf(channel: JsonObject): string {
  const own = typeof channel.type === 'string' ? channel.type : '';
  const found = named(channel._type, 'backport-channel-type');
  if (found.length === 0) return own;
  const { system, code } = (found[0]!.valueCoding ?? {}) as JsonObject;
  if (found.length === 1 && typeof code === 'string' && channelSystems.has(system)) return code;
  const text = `there is no channel ${String(code).slice(0, 60)} of ${String(system).slice(0, 200)} here`;
  throw refuse('Subscription.channel.type.extension', text);
}

/** Whether that is its channel, whichever element names it. */
export function isOfChannel(channel: JsonObject | undefined, type: string): boolean {
  try {
    return channelTypeOf(channel ?? {}) === type;
  } catch {
    // One that is not known is none of ours.
    return false;
  }
}
