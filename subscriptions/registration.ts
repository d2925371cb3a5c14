// What a Subscription resource asks for, checked: https://hl7.org/fhir/R4/subscription.html
import type { JsonObject, MessageChannel, Resource, SearchParameters } from '#fhir-model';
import { CerebraError, type Egress, isCerebraError, isLoopback } from '#platform';
import { readMailbox, readMailHeader } from './channels/mail-address.ts';
import type { NotificationContent } from './channels/notification/bundle.ts';
import { attachedType, essenceOf } from './channels/payload.ts';
import { parseCriteria } from './match/criteria.ts';
import type { StoredCriteria } from './match/stored.ts';
import type { FocusFilter } from './topics/compile.ts';
import { channelTypeOf, isSecure, readTopicRegistration } from './topics/subscription.ts';

export type ChannelName = 'rest-hook' | 'websocket' | 'email' | 'message' | 'kafka' | 'alert' | 'score';

/** One listener on the change stream. */
export interface Registration {
  /** Subscription.id, or `alert:` and the rule's name. */
  id: string;
  channel: ChannelName;
  /** `Type?name=value&…` */
  criteria: string;
  /** Base or target URL of a rest-hook or of FHIR messages, `mailto:` of an email. */
  endpoint: string;
  /** Whose requests are counted: `host:port` of a rest-hook or of FHIR messages, `smtp:`, `kafka:`, or '' for nobody's. */
  host: string;
  /** MIME type of the body; '' sends none. */
  payload: string;
  /** `Name: value` lines. */
  header: string[];
  /** Signs what a rest-hook or a FHIR message sends; '' for none. */
  secret: string;
  /** Instant after which nothing matches, milliseconds since 1970 UTC. */
  endsMs?: number;
  /** Of a Subscription to a topic; its `criteria` are the topic's URL then. */
  topic?: TopicRegistration;
}

/** https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription.html */
export interface TopicRegistration {
  /** Canonical URL of the topic. */
  url: string;
  content: NotificationContent;
  /** `Encounter?patient=Patient/1` */
  filters: string[];
  /** Events in one notification, at most. */
  maxCount: number;
  /** After so long without a notification a heartbeat is sent; 0: never. */
  heartbeatSeconds: number;
  /** How long the receiver may take; 0: as long as the server allows. */
  timeoutSeconds: number;
}

export interface RegistrationRules {
  parameters: SearchParameters;
  resourceTypes: readonly string[];
  /** Our own FHIR base: absolute references below it count as local. */
  baseUrl?: string;
  /** Where this server listens, `http://127.0.0.1:8080`, whatever it is called from outside. */
  rootUrl?: string;
  egress: Egress;
  /** A mail server is configured. */
  email: boolean;
  /** There are brokers of Kafka. */
  kafka?: boolean;
  /** Where messages go; without it there are none. */
  messages?: Pick<MessageChannel, 'refuse'> | undefined;
  /** The topics there are; without it there are none. */
  topics?: {
    /** What the filters ask, by type of the focus. Throws CerebraError that names the element at fault. */
    filtersOf(topic: Pick<TopicRegistration, 'url' | 'filters'>): ReadonlyMap<string, FocusFilter>;
    /** What its triggers ask of the database. Throws CerebraError when there is no such topic. */
    storedOf(topic: Pick<TopicRegistration, 'url'>): readonly StoredCriteria[];
  };
  /** Whole resources of topics go where nobody can listen only, unless told: https, loopback, our own web sockets. */
  fullResource?: 'secure' | 'any';
}

const textLengthMax = 8_192;
const headerLinesMax = 20;

/**
 * The registration a Subscription describes. Throws CerebraError whose message is fit for Subscription.error: it names
 * the element at fault and never repeats a header's value.
 */
export function readRegistration(subscription: Resource, rules: RegistrationRules): Registration {
  const channel = (subscription.channel ?? {}) as Record<string, unknown>;
  const type = channelTypeOf(channel as JsonObject) as ChannelName;
  const read = Object.hasOwn(channels, type) ? channels[type] : undefined;
  if (!read) {
    const known = Object.keys(channels).join(', ');
    throw new CerebraError('unsupported', `Subscription.channel.type: supported are ${known}`);
  }
  const criteria = text(subscription.criteria);
  const topic = readTopicRegistration(subscription);
  if (!topic) parseCriteria(criteria, rules);
  else if (rules.topics) rules.topics.filtersOf(topic);
  else throw new CerebraError('unsupported', 'Subscription.criteria: there are no topics here');
  const endsMs = instant(subscription.end);
  const target = read({ subscription, channel, rules, topic });
  if (topic && rules.fullResource !== 'any') assertSecure(topic, type, target.endpoint);
  return {
    ...{ id: subscription.id ?? '', channel: type, criteria, host: '', secret: '' },
    ...target,
    ...(endsMs === undefined ? {} : { endsMs }),
    ...(topic ? { topic } : {}),
  };
}

/** https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/payloads.html#full-resource */
function assertSecure({ content }: TopicRegistration, type: ChannelName, endpoint: string): void {
  if (content !== 'full-resource' || isSecure(type, endpoint)) return;
  const text = 'whole resources go over https, a web socket or within this machine only (SUBSCRIPTION_FULL_RESOURCE)';
  throw new CerebraError('business-rule', `Subscription.channel.payload.extension: ${text}; ask for id-only`);
}

interface Asked {
  subscription: Resource;
  channel: Record<string, unknown>;
  rules: RegistrationRules;
  topic: TopicRegistration | undefined;
}

type Target = Pick<Registration, 'endpoint' | 'payload' | 'header'> & Partial<Pick<Registration, 'host' | 'secret'>>;

/** What clients may ask for, by Subscription.channel.type. https://hl7.org/fhir/R4/valueset-subscription-channel-type.html */
const channels: Partial<Record<ChannelName, (asked: Asked) => Target>> = {
  'rest-hook': readHook,
  // A ping says that there is something; where it goes and with what is the client's own doing.
  websocket: ({ channel, topic }) => ({
    ...{ endpoint: '', header: [] },
    payload: topic ? readPayload(channel, hookPayloads) : '',
  }),
  email: ({ channel, rules, topic }) => {
    if (!rules.email) {
      throw new CerebraError(
        'unsupported',
        'Subscription.channel.type: this server sends no email, since its SMTP_URL and SMTP_FROM are not set',
      );
    }
    readMailbox(text(channel.endpoint));
    const header = readMailHeader(linesOf(channel.header));
    const payload = readPayload(channel, mailPayloads);
    if (topic && /;\s*attach\b/i.test(payload) && attachedType(payload) === '') {
      const may = 'application/fhir+json or application/fhir+xml';
      throw new CerebraError('unsupported', `Subscription.channel.payload: what is attached may be ${may}`);
    }
    return { endpoint: text(channel.endpoint), host: 'smtp:', payload, header };
  },
  kafka: ({ channel, rules }) => {
    const element = 'Subscription.channel';
    if (!rules.kafka) throw new CerebraError('unsupported', `${element}.type: there is no Kafka here (KAFKA_BROKERS)`);
    const endpoint = text(channel.endpoint);
    if (!/^kafka:[A-Za-z0-9._-]{1,249}$/.test(endpoint)) {
      throw new CerebraError('invalid', `${element}.endpoint: must be kafka: and the name of a topic of Kafka`);
    }
    if (linesOf(channel.header).length > 0) throw new CerebraError('unsupported', `${element}.header: has no effect`);
    return { endpoint, host: 'kafka:', payload: readPayload(channel, hookPayloads), header: [] };
  },
  message: (asked) => (asked.topic ? readMessaging(asked) : readMessages(asked)),
};

function readHook({ subscription, channel, rules }: Asked): Target {
  const endpoint = readEndpoint(text(channel.endpoint), rules);
  return {
    ...{ endpoint, host: new URL(endpoint).host, secret: readSecret(subscription) },
    ...{ payload: readPayload(channel, hookPayloads), header: readHeader(channel.header) },
  };
}

/** Of a topic: FHIR messages to the $process-message of that base. */
function readMessaging(asked: Asked): Target {
  if (/^hl7v2:/i.test(text(asked.channel.endpoint))) {
    const words =
      'HL7v2 messages are made of R4 criteria; a topic is told in FHIR messages, to the base URL of a FHIR server';
    throw new CerebraError('unsupported', `Subscription.channel.endpoint: ${words}`);
  }
  return readHook(asked);
}

function readMessages({ subscription, channel, rules: { messages } }: Asked): Target {
  const header = linesOf(channel.header);
  const asked = { endpoint: text(channel.endpoint), payload: text(channel.payload), header };
  const type = text(subscription.criteria).replace(/^\//, '').split('?')[0]!;
  const refusal = messages
    ? messages.refuse({ ...asked, type })
    : 'Subscription.channel.type: this server sends no messages';
  if (refusal !== undefined) throw new CerebraError('unsupported', refusal);
  return asked;
}

/** The registration, or why there is none as a text. */
export function registrationOrProblem(subscription: Resource, rules: RegistrationRules): Registration | string {
  try {
    return readRegistration(subscription, rules);
  } catch (error) {
    if (isCerebraError(error)) return error.message;
    throw error;
  }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function instant(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const ms = Date.parse(text(value));
  if (Number.isNaN(ms)) throw new CerebraError('invalid', 'Subscription.end is not an instant');
  return ms;
}

/**
 * The FHIR base, by its public address and where this server listens: each notification would be an update that matches again,
 * without end. And there the operators' endpoints, which a gateway keeps from those who may only register Subscriptions.
 */
function ownUrls({ baseUrl, rootUrl }: RegistrationRules): URL[] {
  if (baseUrl === undefined) return [];
  const base = new URL(baseUrl);
  return rootUrl === undefined ? [base] : [base, new URL(base.pathname, rootUrl), new URL('/admin', rootUrl)];
}

function readEndpoint(endpoint: string, rules: RegistrationRules): string {
  const element = 'Subscription.channel.endpoint';
  if (endpoint.length > textLengthMax) throw new CerebraError('too-large', `${element} is too long`);
  // Spaces and control characters are dropped by the URL parser: what was checked would not be what is called.
  if (!URL.canParse(endpoint) || /[\s\p{Cc}]/u.test(endpoint)) {
    throw new CerebraError('invalid', `${element} is not an absolute URL`);
  }
  const url = new URL(endpoint);
  const refusal = rules.egress.refuseUrl(url);
  if (refusal) throw new CerebraError('business-rule', `${element}: ${refusal}`);
  if (ownUrls(rules).some((own) => isBelow(url, own))) {
    throw new CerebraError('business-rule', `${element}: the endpoint is this server itself`);
  }
  return endpoint;
}

/** Whether the URL leads to the base or below it, by whichever name of the host: a base on loopback has many. */
function isBelow(url: URL, base: URL): boolean {
  const ends = [url, base].map(({ hostname, port, protocol }) => {
    const host = hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
    const isLocal = isLoopback(host) || host.endsWith('.localhost') || /^::ffff:7f[0-9a-f]{2}:/.test(host);
    return `${isLocal ? 'loopback' : host}:${port || protocol}`;
  });
  const ofCode = (text: string) => String.fromCharCode(Number.parseInt(text.slice(1), 16));
  const [path, top] = [url, base].map(
    ({ pathname }) => `${pathname.replace(/%[0-7][0-9a-f]/gi, ofCode).replace(/\/+$/, '')}/`,
  );
  return ends[0] === ends[1] && path!.startsWith(top!);
}

const hookPayloads = ['application/fhir+json', 'application/fhir+xml'];
const mailPayloads = [...hookPayloads, 'text/plain'];

function readPayload(channel: Record<string, unknown>, allowed: readonly string[]): string {
  const payload = text(channel.payload);
  if (payload === '') return '';
  if (!allowed.includes(essenceOf(payload)) || !/^[\x20-\x7e]{1,100}$/.test(payload)) {
    throw new CerebraError('unsupported', `Subscription.channel.payload must be absent, or ${allowed.join(' or ')}`);
  }
  return payload;
}

// Of Subscriptions written for Medplum, whose versions and documents name it in three ways, and our own name for the same.
const secretUrls = new Set([
  'https://medplum.com/fhir/StructureDefinition/subscription-secret',
  'https://www.medplum.com/fhir/StructureDefinition/subscription-secret',
  'https://www.medplum.com/fhir/StructureDefinition-subscriptionSecret',
  'urn:cerebra:subscription-secret',
]);
const secretLengthMax = 1_024;

function readSecret(subscription: Resource): string {
  const extensions = (Array.isArray(subscription.extension) ? subscription.extension : []) as Record<string, unknown>[];
  const found = extensions.filter(({ url }) => secretUrls.has(text(url)));
  // One that has been moved from a name to the next may carry both.
  const [secret = '', other] = new Set(found.map(({ valueString }) => text(valueString)));
  if (found.length > 0 && (other !== undefined || secret === '' || secret.length > secretLengthMax)) {
    const most = `one valueString of up to ${secretLengthMax} characters`;
    throw new CerebraError('invalid', `Subscription.extension: the secret that signs notifications must be ${most}`);
  }
  return secret;
}

// What the server itself sets, or what would change where the message ends or who is asked.
const reservedHeaders = new Set([
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-cerebra-event-number',
  'x-cerebra-subscription',
  'x-signature',
]);

function linesOf(header: unknown): string[] {
  const lines = Array.isArray(header) ? header.map(text) : [];
  if (lines.length > headerLinesMax) {
    throw new CerebraError('too-large', `Subscription.channel.header has more than ${headerLinesMax} lines`);
  }
  return lines;
}

function readHeader(header: unknown): string[] {
  const lines = linesOf(header);
  lines.forEach((line, index) => {
    const [name] = splitHeader(line) ?? [''];
    const element = `Subscription.channel.header[${index}]`;
    if (!name) throw new CerebraError('invalid', `${element} is not of the form 'Name: value'`);
    if (reservedHeaders.has(name.toLowerCase()))
      throw new CerebraError('invalid', `${element}: '${name}' can't be set`);
  });
  return lines;
}

/** `Name: value` taken apart; undefined for anything else, CR and LF included. https://www.rfc-editor.org/rfc/rfc9110#name-field-values */
export function splitHeader(line: string): [string, string] | undefined {
  const match =
    /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/.exec(
      line,
    );
  if (!match || line.length > textLengthMax) return undefined;
  return [match[1]!, match[2] ?? ''];
}
