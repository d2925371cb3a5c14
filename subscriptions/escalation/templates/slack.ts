// Slack's incoming webhooks: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, in blocks
// (https://docs.slack.dev/reference/block-kit/blocks): a header takes 150 characters, a section 3,000, a message 50 blocks.
import type { EndpointOf } from '../endpoints.ts';
import { digestHead, headline, itemsOf, type Notice, type NoticeItem, shorten } from '../notice.ts';
import type { Outgoing } from '../post.ts';

const headerCharactersMax = 150;
const sectionCharactersMax = 3_000;
const contextCharactersMax = 2_000;
const blocksMax = 50;

/** action_id of the button. */
export const acknowledgeAction = 'cerebra-acknowledge';

/** https://docs.slack.dev/messaging/formatting-message-text#escaping */
export const escaped = (text: string): string =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

export function slackMessage(notice: Notice, { url, signingSecret }: EndpointOf<'slack'>): Outgoing {
  const isDigest = notice.others.length > 0;
  const head = isDigest ? digestHead(notice) : headline(notice);
  const sections = isDigest
    ? itemsOf(notice).map((item) => ({ item, text: line(item, notice) }))
    : [{ item: notice, text: single(notice) }];
  const blocks = [
    { type: 'header', text: { type: 'plain_text', text: shorten(head, headerCharactersMax), emoji: false } },
    ...sections
      .filter(({ text }) => text !== '')
      .slice(0, blocksMax - 2)
      .map(({ item, text }) => ({
        ...{ type: 'section', text: { type: 'mrkdwn', text, verbatim: true } },
        ...(signingSecret === undefined ? {} : buttonOf(item)),
      })),
    { type: 'context', elements: [{ type: 'mrkdwn', text: shorten(footer(notice), contextCharactersMax) }] },
  ];
  // The link is there beside the button, which needs an app that takes interactions.
  const body = { text: escaped(shorten(head, sectionCharactersMax)), unfurl_links: false, unfurl_media: false, blocks };
  return { url, headers: { 'Content-Type': 'application/json; charset=utf-8' }, body: JSON.stringify(body) };
}

const linkTo = ({ link }: NoticeItem): string => (link === undefined ? '' : `<${link}|Open to acknowledge>`);

/** https://docs.slack.dev/reference/block-kit/block-elements/button-element: its value is the token of the link. */
const buttonOf = ({ link }: NoticeItem) =>
  link === undefined
    ? {}
    : {
        accessory: {
          ...{ type: 'button', action_id: acknowledgeAction, value: link.slice(link.lastIndexOf('/') + 1) },
          ...{ text: { type: 'plain_text', text: 'Acknowledge', emoji: false }, style: 'primary' },
        },
      };

/** The link is never cut. */
function single(notice: Notice): string {
  const link = linkTo(notice);
  const room = sectionCharactersMax - link.length - 1;
  return [notice.detail === undefined ? '' : shorten(escaped(notice.detail), room), link]
    .filter((part) => part !== '')
    .join('\n');
}

function line(item: NoticeItem, { kind }: Notice): string {
  const link = linkTo(item);
  return `${shorten(escaped(headline({ ...item, kind })), sectionCharactersMax - link.length - 1)}\n${link}`;
}

const footer = ({ step, source, raisedMs, more }: Notice): string =>
  [
    escaped(step),
    `raised ${new Date(raisedMs).toISOString()}`,
    escaped(source),
    more > 0 ? `${more} more are not listed` : '',
  ]
    .filter((part) => part !== '')
    .join(' · ');
