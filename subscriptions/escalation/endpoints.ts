// Where messages go beside mail and web sockets: ALERT_ENDPOINTS. Keys and passwords stand in variables or files of their own
// and are called by name.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { CerebraError, ownValue } from '#platform';
import { isMailAddress } from '../channels/mail-address.ts';
import { contactKindOf } from './templates/templates.ts';

/** `{"env": "PAGER_KEY"}` or `{"file": "/run/secrets/pager"}` */
const secret = z.union([z.strictObject({ env: z.string().min(1) }), z.strictObject({ file: z.string().min(1) })]);
const httpUrl = z.url({ protocol: /^https?$/ });
/** Of Slack and Teams the URL is the secret. */
const url = z.union([httpUrl, secret]);
const e164 = z.string().regex(/^\+[1-9]\d{6,14}$/, 'a number in E.164 form such as +15550100');
const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
  .refine((text) => text !== 'email' && text !== 'websocket', 'email and websocket are there already');

const templates = [
  z.strictObject({
    ...{ name, template: z.literal('slack'), url },
    /** Of an app with interactivity: its messages have a button. */
    signingSecret: secret.optional(),
  }),
  z.strictObject({ name, template: z.literal('teams'), url }),
  z.strictObject({
    ...{ name, template: z.literal('pagerduty') },
    url: url.default('https://events.pagerduty.com/v2/enqueue'),
    routingKey: secret,
  }),
  z
    .strictObject({
      ...{ name, template: z.literal('twilio') },
      /** Without `/2010-04-01/…`. */
      url: httpUrl.default('https://api.twilio.com'),
      accountSid: z.union([z.string().regex(/^AC[0-9a-fA-F]{32}$/), secret]),
      authToken: secret,
      from: e164.optional(),
      messagingServiceSid: z
        .string()
        .regex(/^MG[0-9a-fA-F]{32}$/)
        .optional(),
      /** A fixed number, instead of those of the people on call. */
      to: e164.optional(),
      /** Where Twilio posts replies to, if not `alerts/replies/{name}` below the server's own URL. */
      replyUrl: httpUrl.optional(),
    })
    .refine(
      ({ from, messagingServiceSid }) => (from === undefined) !== (messagingServiceSid === undefined),
      'from or messagingServiceSid',
    ),
  z.strictObject({
    ...{ name, template: z.literal('json') },
    /** Without it the url of the people on call. */
    url: url.optional(),
    secret: secret.optional(),
    headers: z.record(z.string().regex(/^[A-Za-z0-9-]{1,100}$/), z.string().regex(/^[\x20-\x7e]{1,8000}$/)).default({}),
  }),
  /** No channel: where replies to mails come in. */
  z.strictObject({
    ...{ name, template: z.literal('mail-replies') },
    /** Its left side gets 49 characters more, of 64. https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.1 */
    address: z
      .string()
      .refine(isMailAddress, 'an address such as alerts@in.example.org')
      .refine((text) => /^[^+@]{1,15}@/.test(text), 'at most 15 characters before the @, and no +'),
    secret,
  }),
] as const;

const endpoint = z.discriminatedUnion('template', templates, {
  error: ({ code }) =>
    code === 'invalid_union' ? 'must be slack, teams, pagerduty, twilio, json or mail-replies' : undefined,
});

type Given = z.output<typeof endpoint>;
type Secret = z.output<typeof secret>;
/** A secret becomes its text. */
type Text<T> = T extends Secret ? string : T;
type Resolved<T> = T extends unknown ? { [K in keyof T]: K extends 'headers' ? T[K] : Text<T[K]> } : never;

/** With its secrets read. */
export type AnyEndpoint = Resolved<Given>;
/** Where replies to mails come in. */
export type MailReplies = Extract<AnyEndpoint, { template: 'mail-replies' }>;
/** What messages go to. */
export type Endpoint = Exclude<AnyEndpoint, MailReplies>;
export type EndpointOf<T extends Endpoint['template']> = Extract<Endpoint, { template: T }>;

const endpoints = z
  .array(endpoint)
  .max(200)
  .refine((list) => new Set(list.map((one) => one.name)).size === list.length, 'two endpoints have one name')
  .refine((list) => list.filter(({ template }) => template === 'mail-replies').length < 2, 'two have mail-replies');

/**
 * ALERT_ENDPOINTS: a JSON array, or the path of a file that holds one. Throws CerebraError `config` that names each fault by
 * its path and repeats no value.
 */
export function readEndpoints(
  text: string | undefined,
  environment: Record<string, string | undefined>,
): AnyEndpoint[] {
  return checked(text).map((given) => resolved(given, environment));
}

/** Names of those that messages go to: no secret is read. `personal`: of those that have no address of their own. */
export const endpointNames = (text: string | undefined, which: 'all' | 'personal' = 'all'): Set<string> =>
  new Set(
    checked(text)
      .filter(({ template }) => template !== 'mail-replies')
      .filter((one) => which === 'all' || contactKindOf(one as Endpoint) !== undefined)
      .map(({ name }) => name),
  );

function checked(text: string | undefined): Given[] {
  if (text === undefined || text.trim() === '') return [];
  const parsed = endpoints.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the list'}: ${message}`);
  throw new CerebraError('config', `ALERT_ENDPOINTS: ${faults.join('; ')}`);
}

function jsonOf(text: string): unknown {
  // What is JSON but no list is no name of a file either: it may hold a secret, which the message would repeat.
  const inline = /^\s*[[{"]/.test(text);
  try {
    return JSON.parse(inline ? text : readFileSync(text, 'utf8'));
  } catch (error) {
    // A syntax error of JSON repeats what stands there.
    const what = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read';
    throw new CerebraError('config', `ALERT_ENDPOINTS ${inline ? '' : `(${text}) `}${what}`);
  }
}

function resolved(given: Given, environment: Record<string, string | undefined>): AnyEndpoint {
  const entries = Object.entries(given).map(([key, value]) => [
    key,
    key !== 'headers' && typeof value === 'object'
      ? secretOf(value as Secret, `${given.name}.${key}`, environment)
      : value,
  ]);
  const endpoint = Object.fromEntries(entries) as AnyEndpoint;
  const isUrl = !('url' in endpoint) || endpoint.url === undefined || httpUrl.safeParse(endpoint.url).success;
  if (!isUrl) throw new CerebraError('config', `ALERT_ENDPOINTS: ${given.name}.url is not an http: or https: URL`);
  return endpoint;
}

function secretOf(secret: Secret, path: string, environment: Record<string, string | undefined>): string {
  const value = 'env' in secret ? ownValue(environment, secret.env) : fileText(secret.file, path);
  if (value) return value;
  const source = 'env' in secret ? `the variable ${secret.env} is not set` : `${secret.file} is empty`;
  throw new CerebraError('config', `ALERT_ENDPOINTS: ${path}: ${source}`);
}

function fileText(file: string, path: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new CerebraError('config', `ALERT_ENDPOINTS: ${path}: ${file} cannot be read`, { cause });
  }
}
