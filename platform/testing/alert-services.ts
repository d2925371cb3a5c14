// Doubles of the services that messages go to. Each checks what its vendor documents and answers as it does; what it takes is
// kept. The pages are named where the messages are made: subscriptions/escalation/templates.
import { createHmac } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { type Received, startReceiver } from './receiver.ts';

type Json = Record<string, unknown>;

/** An answer of the service: its status and text. */
interface Answer {
  status: number;
  text: string;
  headers?: Record<string, string>;
}

export interface Vendor<T> {
  url: string;
  /** What was taken, in order. */
  taken: T[];
  /** All requests, refused ones too. */
  received: Received[];
  /** Answers the next requests instead; undefined: the connection is cut. */
  fail: (Answer | undefined)[];
}

async function startVendor<T>(
  t: TestContext,
  check: (request: Received) => { taken: T; answer: Answer } | { answer: Answer },
): Promise<Vendor<T>> {
  const receiver = await startReceiver(t);
  const vendor: Vendor<T> = { url: receiver.url, taken: [], received: receiver.received, fail: [] };
  receiver.answer = (request, response) => {
    if (vendor.fail.length > 0) {
      const failure = vendor.fail.shift();
      if (failure) send(response, failure);
      else response.destroy();
      return undefined;
    }
    const checked = check(request);
    if ('taken' in checked) vendor.taken.push(checked.taken);
    send(response, checked.answer);
    return undefined;
  };
  return vendor;
}

function send(response: ServerResponse, { status, text, headers = {} }: Answer): void {
  response.writeHead(status, headers);
  response.end(text);
}

const isJson = ({ headers }: Received): boolean => /^application\/json\b/.test(headers['content-type'] ?? '');

function objectOf(request: Received): Json | undefined {
  try {
    const value: unknown = JSON.parse(request.body);
    return typeof value === 'object' && value !== null ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const objects = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

export interface SlackButton {
  type: string;
  action_id: string;
  value: string;
  text: { type: string; text: string };
}
export interface SlackBlock {
  type: string;
  text?: { type: string; text: string };
  elements?: { type: string; text: string }[];
  accessory?: SlackButton;
}
export type SlackMessage = { text: string; blocks: SlackBlock[] };

const slackFault = (message: Json): string | undefined => {
  if (textOf(message.text) === '') return 'no_text';
  const blocks = objects(message.blocks);
  if (blocks.length === 0 || blocks.length > 50) return 'invalid_blocks';
  return blocks.every(isSlackBlock) ? undefined : 'invalid_blocks';
};

function isSlackBlock({ type, text, elements, accessory }: Json): boolean {
  const { type: kind, text: words } = (text ?? {}) as Json;
  const length = textOf(words).length;
  if (type === 'header') return kind === 'plain_text' && length > 0 && length <= 150;
  if (type === 'section') {
    return (
      kind === 'mrkdwn' && length > 0 && length <= 3_000 && (accessory === undefined || isButton(accessory as Json))
    );
  }
  const parts = objects(elements);
  return (
    type === 'context' && parts.length > 0 && parts.length <= 10 && parts.every((part) => textOf(part.text) !== '')
  );
}

/** https://docs.slack.dev/reference/block-kit/block-elements/button-element */
function isButton({ type, action_id, value, text, style }: Json): boolean {
  const { type: kind, text: words } = (text ?? {}) as Json;
  const [id, label, hidden] = [textOf(action_id).length, textOf(words).length, textOf(value).length];
  return (
    type === 'button' &&
    kind === 'plain_text' &&
    label > 0 &&
    label <= 75 &&
    id > 0 &&
    id <= 255 &&
    hidden <= 2_000 &&
    (style === undefined || style === 'primary' || style === 'danger')
  );
}

export interface SlackClick {
  secret: string;
  message: SlackMessage;
  /** When it is sent, seconds since 1970 UTC. */
  atSeconds: number;
  user: { id: string; username: string; name: string; team_id: string };
  responseUrl: string;
}

/** What Slack posts when somebody clicks the first button of a message: a form with a JSON text, signed with its time. */
export function slackClick({ secret, message, atSeconds, user, responseUrl }: SlackClick) {
  const button = message.blocks.find(({ accessory }) => accessory)!.accessory!;
  const payload = {
    ...{ type: 'block_actions', api_app_id: 'A0', team: { id: user.team_id, domain: 'example' }, user, message },
    ...{ container: { type: 'message', is_ephemeral: false }, trigger_id: '1.2.3', response_url: responseUrl },
    actions: [{ ...button, block_id: 'b', action_ts: `${atSeconds}.000100` }],
  };
  const body = new URLSearchParams({ payload: JSON.stringify(payload) }).toString();
  const mac = createHmac('sha256', secret).update(`v0:${atSeconds}:${body}`).digest('hex');
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'x-slack-request-timestamp': String(atSeconds),
    'x-slack-signature': `v0=${mac}`,
  };
  return { headers, body };
}

/** A channel's incoming webhook: answers `ok` in plain text. */
export const startSlack = (t: TestContext): Promise<Vendor<SlackMessage>> =>
  startVendor(t, (request) => {
    const message = request.method === 'POST' && isJson(request) ? objectOf(request) : undefined;
    const fault = message === undefined ? 'invalid_payload' : slackFault(message);
    if (fault !== undefined) return { answer: { status: 400, text: fault } };
    return { taken: message as unknown as SlackMessage, answer: { status: 200, text: 'ok' } };
  });

export interface PagerDutyEvent {
  routing_key: string;
  dedup_key: string;
  event_action: string;
  payload?: { summary: string; severity: string; source: string; timestamp: string; custom_details: Json };
  links?: { href: string; text: string }[];
}

function pagerDutyErrors(event: Json): string[] {
  const errors: string[] = [];
  if (textOf(event.routing_key).length !== 32)
    errors.push("Length of 'routing_key' is incorrect (should be 32 characters)");
  const action = textOf(event.event_action);
  if (!['trigger', 'acknowledge', 'resolve'].includes(action)) errors.push("'event_action' is invalid");
  const key = textOf(event.dedup_key);
  if (key.length > 255 || (action !== 'trigger' && key === '')) errors.push("'dedup_key' is invalid");
  if (action !== 'trigger') return errors;
  const { summary, source, severity, timestamp } = (event.payload ?? {}) as Json;
  if (textOf(summary) === '' || textOf(summary).length > 1_024) errors.push("'payload.summary' is missing or too long");
  if (textOf(source) === '') errors.push("'payload.source' is missing or blank");
  if (!['critical', 'error', 'warning', 'info'].includes(textOf(severity)))
    errors.push("'payload.severity' is invalid");
  if (Number.isNaN(Date.parse(textOf(timestamp)))) errors.push("'payload.timestamp' is invalid");
  if (objects(event.links).some(({ href }) => !URL.canParse(textOf(href)))) errors.push("'links' is invalid");
  return errors;
}

export interface PagerDuty extends Vendor<PagerDutyEvent> {
  /** By dedup_key: triggered | acknowledged | resolved. */
  incidents: Map<string, string>;
}

/** Events API v2: 202, and what became of the incident of that dedup_key. */
export async function startPagerDuty(t: TestContext): Promise<PagerDuty> {
  const incidents = new Map<string, string>();
  const vendor = await startVendor<PagerDutyEvent>(t, (request) => {
    const event = request.method === 'POST' && isJson(request) ? objectOf(request) : undefined;
    const errors = event === undefined ? ['not JSON'] : pagerDutyErrors(event);
    if (request.body.length > 512 * 1_024) return { answer: { status: 413, text: '' } };
    if (errors.length > 0) {
      const text = JSON.stringify({ status: 'invalid event', message: 'Event object is invalid', errors });
      return { answer: { status: 400, text } };
    }
    const taken = event as unknown as PagerDutyEvent;
    applyEvent(incidents, taken);
    const text = JSON.stringify({ status: 'success', message: 'Event processed', dedup_key: taken.dedup_key });
    return { taken, answer: { status: 202, text } };
  });
  return Object.assign(vendor, { incidents });
}

/** An acknowledge or resolve of what is not open is dropped; a trigger after a resolve opens it anew. */
function applyEvent(incidents: Map<string, string>, { dedup_key: key, event_action: action }: PagerDutyEvent): void {
  const state = incidents.get(key);
  const isUnder = state === 'triggered' || state === 'acknowledged';
  if (action === 'trigger' && !isUnder) incidents.set(key, 'triggered');
  if (action === 'acknowledge' && isUnder) incidents.set(key, 'acknowledged');
  if (action === 'resolve' && isUnder) incidents.set(key, 'resolved');
}

export interface TeamsMessage {
  type: string;
  attachments: { contentType: string; content: Json }[];
}

const cardElements = new Set(['RichTextBlock', 'ActionSet', 'TextBlock', 'FactSet', 'Container']);

function isTeamsMessage(message: Json): boolean {
  const attachments = objects(message.attachments);
  if (message.type !== 'message' || attachments.length !== 1) return false;
  const { contentType, content } = attachments[0]!;
  const { type, version, body, actions } = (content ?? {}) as Json;
  return (
    contentType === 'application/vnd.microsoft.card.adaptive' &&
    type === 'AdaptiveCard' &&
    /^1\.\d$/.test(textOf(version)) &&
    objects(body).length > 0 &&
    objects(body).every((element) => cardElements.has(textOf(element.type))) &&
    objects(actions).every((action) => action.type === 'Action.OpenUrl' && URL.canParse(textOf(action.url)))
  );
}

/** A webhook of the Workflows app. */
export const startTeams = (t: TestContext): Promise<Vendor<TeamsMessage>> =>
  startVendor(t, (request) => {
    if (Buffer.byteLength(request.body) > 28 * 1_024) return { answer: { status: 413, text: 'RequestEntityTooLarge' } };
    const message = request.method === 'POST' && isJson(request) ? objectOf(request) : undefined;
    if (message === undefined || !isTeamsMessage(message)) return { answer: { status: 400, text: 'Bad payload' } };
    return { taken: message as unknown as TeamsMessage, answer: { status: 202, text: '' } };
  });

export interface ShortMessage {
  To: string;
  From: string | null;
  Body: string;
}

export const twilioAccount = { sid: `AC${'0'.repeat(31)}1`, token: 'a test token', number: '+15550199' };

const twilioError = (code: number, message: string): { answer: Answer } => ({
  answer: { status: 400, text: JSON.stringify({ code, message, more_info: '', status: 400 }) },
});

/** The Messages resource of one account: 201, or 400 with a code of https://www.twilio.com/docs/api/errors. */
export const startTwilio = (t: TestContext): Promise<Vendor<ShortMessage>> =>
  startVendor(t, (request) => {
    const { sid, token, number } = twilioAccount;
    const given = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString();
    if (given !== `${sid}:${token}`) return { answer: { status: 401, text: '{"code":20003}' } };
    if (!request.path.endsWith(`/2010-04-01/Accounts/${sid}/Messages.json`))
      return { answer: { status: 404, text: '' } };
    if (!/^application\/x-www-form-urlencoded\b/.test(request.headers['content-type'] ?? '')) {
      return twilioError(21604, "A 'To' phone number is required.");
    }
    const form = new URLSearchParams(request.body);
    const [to, from, body] = [form.get('To') ?? '', form.get('From'), form.get('Body') ?? ''];
    if (!/^\+[1-9]\d{6,14}$/.test(to)) return twilioError(21211, "Invalid 'To' Phone Number");
    if (from !== number) return twilioError(21606, "The 'From' phone number is not valid");
    if (body === '' || body.length > 1_600)
      return twilioError(21617, 'The message body exceeds the 1600 character limit');
    const text = JSON.stringify({ sid: `SM${'0'.repeat(32)}`, status: 'queued', to, from, num_segments: '1' });
    return { taken: { To: to, From: from, Body: body }, answer: { status: 201, text } };
  });
