// The button of a message in Slack acknowledges its alert: https://docs.slack.dev/reference/interaction-payloads/block_actions-payload,
// signed: https://docs.slack.dev/authentication/verifying-requests-from-slack
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Json, JsonObject } from '#fhir-model';
import { type AdminRequest, type AdminResponse, type AdminRoute, CerebraError, type Log } from '#platform';
import { textOf } from '../alerts/rules/extensions.ts';
import {
  type AnswersOptions,
  answer,
  formOf,
  isOpen,
  isSuperseded,
  messageById,
  nameOf,
  worseText,
} from './answers.ts';
import type { Links } from './link.ts';
import { type Poster, post } from './post.ts';
import { acknowledgeAction, escaped } from './templates/slack.ts';

export interface SlackButtonOptions extends AnswersOptions, Poster {
  log: Log;
}

/** Older requests may have been recorded by somebody and played back. */
const ageMsMax = 5 * 60_000;

/** HMAC-SHA256 under the app's signing secret of `v0:{X-Slack-Request-Timestamp}:{body}`, in hexadecimal after `v0=`. */
export function isSignedBySlack(
  body: Buffer,
  headers: Readonly<Record<string, string | undefined>>,
  secret: string,
): boolean {
  const timestamp = headers['x-slack-request-timestamp'] ?? '';
  const [, hex] = /^v0=([0-9a-f]{64})$/.exec(headers['x-slack-signature'] ?? '') ?? [];
  if (hex === undefined || !/^\d{1,12}$/.test(timestamp)) return false;
  const expected = createHmac('sha256', secret).update(`v0:${timestamp}:`).update(body).digest();
  return timingSafeEqual(Buffer.from(hex, 'hex'), expected);
}

export const slackButtonRoute = (options: SlackButtonOptions, links: () => Promise<Links>): AdminRoute => ({
  ...{ method: 'POST', path: '/alerts/interactions/:endpoint', isOpen: true },
  summary: 'Takes what is clicked in messages from Slack, signed by it',
  handle: async (request) => takeInteraction(options, await links(), request),
});

async function takeInteraction(
  options: SlackButtonOptions,
  links: Links,
  { params, headers = {}, body }: AdminRequest,
): Promise<AdminResponse> {
  const endpoint = options.endpoints.get(params.endpoint ?? '');
  if (endpoint?.template !== 'slack' || endpoint.signingSecret === undefined) {
    throw new CerebraError('not-found', 'There is no such endpoint for interactions');
  }
  const form = formOf(body);
  if (!isSignedBySlack(body, headers, endpoint.signingSecret)) {
    throw new CerebraError(
      'forbidden',
      'The signature is not that of Slack: see signingSecret in ALERT_ENDPOINTS, and the signing secret of the app',
    );
  }
  const click = clickOf(form.get('payload') ?? '');
  // Slack tells of whatever is clicked in the app's messages; what is not our button needs no answer.
  if (click) {
    const sentMs = Number(headers['x-slack-request-timestamp']) * 1_000;
    const text = await acknowledgeBy(options, links, { ...click, channel: endpoint.name, sentMs });
    void tell(options, click.responseUrl, text);
  }
  return { status: 200, text: { type: 'text/plain; charset=utf-8', text: '' } };
}

interface Click {
  token: string;
  user: string;
  responseUrl: string;
}

const objectIn = (value: Json | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

function clickOf(text: string): Click | undefined {
  const { type, actions, user, response_url: responseUrl } = payloadOf(text);
  const action = (Array.isArray(actions) ? actions : [])
    .map(objectIn)
    .find(({ action_id }) => action_id === acknowledgeAction);
  if (type !== 'block_actions' || !action) return undefined;
  const { id, username, name } = objectIn(user);
  const who = nameOf(`${textOf(username) || textOf(name)} (${textOf(id)})`);
  return { token: textOf(action.value), user: who, responseUrl: textOf(responseUrl) };
}

function payloadOf(text: string): JsonObject {
  try {
    return objectIn(JSON.parse(text) as Json);
  } catch {
    throw new CerebraError('invalid', 'payload is not JSON');
  }
}

const overText = 'Not open any more: somebody has taken care of it, or it is over.';

const renewedText = 'It has been told anew since: acknowledge it by the newest message.';

/** What the one who clicked is told. The clock of the database decides how old the request is. */
async function acknowledgeBy(
  options: SlackButtonOptions,
  links: Links,
  { token, user, channel, sentMs }: Click & { channel: string; sentMs: number },
): Promise<string> {
  const read = links.read(token);
  const message = read && (await messageById(options.db, read.messageId));
  if (!message || message.channel !== channel) return 'There is no such alert any more.';
  if (Math.abs(message.nowMs - sentMs) > ageMsMax) {
    throw new CerebraError('forbidden', 'The request is older than five minutes, or the clock of this server is wrong');
  }
  if (message.nowMs > read.untilMs) return 'The button has expired.';
  if (!isOpen(message)) return message.renewed ? renewedText : overText;
  if (isSuperseded(message, message.number)) return worseText(message);
  const done = await answer(options, message, { way: 'button', name: user }, `by the button of a message, as ${user}`);
  return done ? `Acknowledged: ${message.facts.title}. Nobody else is called.` : overText;
}

/** Only to the one who clicked. Slack waits three seconds for its answer, so that nothing waits for this. */
async function tell({ log, ...poster }: SlackButtonOptions, url: string, text: string): Promise<void> {
  if (url === '') return;
  const body = JSON.stringify({ response_type: 'ephemeral', replace_original: false, text: escaped(text) });
  const headers = { 'Content-Type': 'application/json; charset=utf-8' };
  const result = await post({ url, headers, body }, poster);
  if ('ok' in result || result.status >= 300) log.warn('Slack does not take the answer to a button');
}
