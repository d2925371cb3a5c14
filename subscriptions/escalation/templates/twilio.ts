// Short messages over Twilio's Messages resource, or whoever speaks it: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
import type { EndpointOf } from '../endpoints.ts';
import { digestHead, headline, itemsOf, type Notice, type NoticeItem, shorten } from '../notice.ts';
import type { Outgoing } from '../post.ts';
import { statusUrlOf } from '../reply.ts';

const bodyCharactersMax = 1_600;
/** Of a title, so that a message stays one of few segments. */
const titleCharactersMax = 200;

export function twilioMessage(notice: Notice, endpoint: EndpointOf<'twilio'>): Outgoing {
  const { url, accountSid, authToken, from, messagingServiceSid, to, name } = endpoint;
  // Twilio refuses a message whose StatusCallback has no public name (error 21609), as that of a server tried out at home.
  const replyUrl = endpoint.replyUrl ?? (notice.replies && `${notice.replies}${name}`);
  const form = new URLSearchParams({
    To: to ?? notice.address,
    ...(from === undefined ? { MessagingServiceSid: messagingServiceSid! } : { From: from }),
    Body: text(notice),
    ...(replyUrl === undefined ? {} : { StatusCallback: statusUrlOf(replyUrl, notice.id) }),
  });
  return {
    url: `${url.replace(/\/+$/, '')}/2010-04-01/Accounts/${accountSid}/Messages.json`,
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded; charset=UTF-8',
      Authorization: `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`,
      Accept: 'application/json',
    },
    body: form.toString(),
  };
}

function text(notice: Notice): string {
  if (notice.others.length > 0) return digest(notice);
  const end = [notice.link, notice.kind === 'alert' ? `Reply ACK ${notice.code}` : ''].filter(Boolean).join('\n');
  const detail = notice.detail === undefined ? '' : `\n${notice.detail}`;
  const head = shorten(headline(notice), titleCharactersMax) + detail;
  return end === '' ? shorten(head, bodyCharactersMax) : `${shorten(head, bodyCharactersMax - end.length - 1)}\n${end}`;
}

/** As many lines as fit, each with the digits of its reply; then how many there are beyond. */
function digest(notice: Notice): string {
  const lines = [digestHead(notice)];
  const items = itemsOf(notice);
  let length = lines[0]!.length;
  for (const [index, item] of items.entries()) {
    const next = line(item, notice);
    const left = items.length - index - 1 + notice.more;
    if (length + next.length + 1 > bodyCharactersMax - 40) {
      lines.push(`${left + 1} more are not listed`);
      return lines.join('\n');
    }
    lines.push(next);
    length += next.length + 1;
  }
  if (notice.more > 0) lines.push(`${notice.more} more are not listed`);
  return lines.join('\n');
}

const line = (item: NoticeItem, { kind }: Notice): string =>
  `${shorten(headline({ ...item, kind }), titleCharactersMax)}: ACK ${item.code}`;
