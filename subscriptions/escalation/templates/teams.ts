// Microsoft Teams: an Adaptive Card to a webhook of the Workflows app, or to an incoming webhook.
// https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using#send-adaptive-cards-using-an-incoming-webhook
import type { SendResult } from '../../channels/rest-hook.ts';
import type { EndpointOf } from '../endpoints.ts';
import { digestHead, headline, itemsOf, type Notice, type NoticeItem, shorten } from '../notice.ts';
import { type Answer, type Outgoing, resultOf } from '../post.ts';

/** Of the whole message: 28 KB. */
export const messageBytesMax = 28 * 1_024;
const textCharactersMax = 4_000;

type Element = Record<string, unknown>;

export function teamsMessage(notice: Notice, { url }: EndpointOf<'teams'>): Outgoing {
  const items = itemsOf(notice);
  let body = card(notice, items);
  // Characters may have four bytes: what does not fit is counted instead.
  for (let count = items.length; Buffer.byteLength(body) > messageBytesMax && count > 1; ) {
    count = Math.floor(count / 2);
    body = card({ ...notice, more: notice.more + items.length - count }, items.slice(0, count));
  }
  return { url, headers: { 'Content-Type': 'application/json' }, body };
}

// A TextRun shows its text as it is; a TextBlock would read it as Markdown.
const run = (text: string, more: Element = {}): Element => ({
  type: 'RichTextBlock',
  inlines: [{ type: 'TextRun', text: shorten(text, textCharactersMax), ...more }],
});

function card(notice: Notice, items: NoticeItem[]): string {
  const isDigest = notice.others.length > 0;
  const head = isDigest ? digestHead(notice) : headline(notice);
  const footer = [notice.step, `raised ${new Date(notice.raisedMs).toISOString()}`, notice.source];
  if (notice.more > 0) footer.push(`${notice.more} more are not listed`);
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    body: [
      run(head, { weight: 'Bolder', size: 'Large', color: notice.kind === 'alert' ? 'Attention' : 'Good' }),
      ...(isDigest
        ? items.flatMap((item) => listed(item, notice))
        : notice.detail === undefined
          ? []
          : [run(notice.detail)]),
      run(footer.filter((part) => part !== '').join(' · '), { isSubtle: true, size: 'Small' }),
    ],
    actions: isDigest ? [] : openAction(notice),
    msteams: { width: 'Full' },
  };
  const attachment = { contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content };
  return JSON.stringify({ type: 'message', attachments: [attachment] });
}

const openAction = ({ link }: NoticeItem): Element[] =>
  link === undefined ? [] : [{ type: 'Action.OpenUrl', title: 'Open to acknowledge', url: link }];

const listed = (item: NoticeItem, { kind }: Notice): Element[] => [
  run(headline({ ...item, kind })),
  ...(item.link === undefined ? [] : [{ type: 'ActionSet', actions: openAction(item) }]),
];

/** An incoming webhook tells with status 200 that Teams has answered 429: only its text shows it. */
export function teamsResult(answer: Answer): SendResult {
  const inner = /returned HTTP error (\d{3})/.exec(answer.body)?.[1];
  return resultOf(inner === undefined ? answer : { ...answer, status: Number(inner) });
}
