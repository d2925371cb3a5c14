// What a Subscription resource asks for, checked: https://hl7.org/fhir/R4/subscription.html
import { assertMatchable, parseSearch, type Resource, type SearchParameters, type SearchQuery } from '#fhir-model';
import { CerebraError, type Egress, isCerebraError } from '#platform';

export type ChannelName = 'rest-hook' | 'alert';

/** One listener on the change stream. */
export interface Registration {
  /** Subscription.id, or `alert:` and the rule's name. */
  id: string;
  channel: ChannelName;
  /** `Type?name=value&…` */
  criteria: string;
  /** Base or target URL of a rest-hook. */
  endpoint: string;
  /** MIME type of the body; '' sends none. */
  payload: string;
  /** `Name: value` lines. */
  header: string[];
  /** Instant after which nothing matches, milliseconds since 1970 UTC. */
  endsMs?: number;
}

export interface RegistrationRules {
  parameters: SearchParameters;
  resourceTypes: readonly string[];
  /** Our own FHIR base: absolute references below it count as local. */
  baseUrl?: string;
  egress: Egress;
}

const textLengthMax = 8_192;
const headerLinesMax = 20;

/** Criteria as a search that can be decided on one resource alone. Throws CerebraError saying what can't. */
export function parseCriteria(criteria: string, rules: RegistrationRules): SearchQuery {
  if (criteria.length > textLengthMax) {
    throw new CerebraError('too-large', `Subscription.criteria is longer than ${textLengthMax} characters`);
  }
  const [type = '', ...rest] = criteria.replace(/^\//, '').split('?');
  if (!rules.resourceTypes.includes(type)) {
    throw new CerebraError('invalid', 'Subscription.criteria must begin with a resource type', {
      expression: ['Subscription.criteria'],
    });
  }
  const pairs = [...new URLSearchParams(rest.join('?'))] as [string, string][];
  const query = parseSearch(type, pairs, {
    parameters: rules.parameters,
    resourceTypes: rules.resourceTypes,
    strict: true,
    countDefault: 1,
    countMax: 1,
    ...(rules.baseUrl === undefined ? {} : { baseUrl: rules.baseUrl }),
  });
  assertMatchable(query);
  return query;
}

/**
 * The registration a Subscription describes. Throws CerebraError whose message is fit for Subscription.error: it names
 * the element at fault and never repeats a header's value.
 */
export function readRegistration(subscription: Resource, rules: RegistrationRules): Registration {
  const channel = (subscription.channel ?? {}) as Record<string, unknown>;
  if (channel.type !== 'rest-hook') {
    throw new CerebraError('unsupported', "Subscription.channel.type: only 'rest-hook' is supported");
  }
  const criteria = text(subscription.criteria);
  parseCriteria(criteria, rules);
  const endsMs = instant(subscription.end);
  return {
    id: subscription.id ?? '',
    channel: 'rest-hook',
    criteria,
    endpoint: readEndpoint(text(channel.endpoint), rules),
    payload: readPayload(text(channel.payload)),
    header: readHeader(channel.header),
    ...(endsMs === undefined ? {} : { endsMs }),
  };
}

/** The same as a text, or undefined when the Subscription is sound. */
export function registrationProblem(subscription: Resource, rules: RegistrationRules): string | undefined {
  try {
    readRegistration(subscription, rules);
    return undefined;
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

function readEndpoint(endpoint: string, { egress, baseUrl }: RegistrationRules): string {
  const element = 'Subscription.channel.endpoint';
  if (endpoint.length > textLengthMax) throw new CerebraError('too-large', `${element} is too long`);
  // Spaces and control characters are dropped by the URL parser: what was checked would not be what is called.
  if (!URL.canParse(endpoint) || /[\s\p{Cc}]/u.test(endpoint)) {
    throw new CerebraError('invalid', `${element} is not an absolute URL`);
  }
  const refusal = egress.refuseUrl(new URL(endpoint));
  if (refusal) throw new CerebraError('business-rule', `${element}: ${refusal}`);
  // Each notification would be an update that matches again, without end.
  if (baseUrl !== undefined && `${new URL(endpoint).href}/`.startsWith(`${new URL(baseUrl).href}/`)) {
    throw new CerebraError('business-rule', `${element}: the endpoint is this server itself`);
  }
  return endpoint;
}

function readPayload(payload: string): string {
  if (payload === '') return '';
  const essence = payload.split(';')[0]!.trim().toLowerCase();
  if (essence !== 'application/fhir+json' || !/^[\x20-\x7e]{1,100}$/.test(payload)) {
    throw new CerebraError('unsupported', 'Subscription.channel.payload must be absent or application/fhir+json');
  }
  return payload;
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
]);

function readHeader(header: unknown): string[] {
  const lines = Array.isArray(header) ? header.map(text) : [];
  if (lines.length > headerLinesMax) {
    throw new CerebraError('too-large', `Subscription.channel.header has more than ${headerLinesMax} lines`);
  }
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
