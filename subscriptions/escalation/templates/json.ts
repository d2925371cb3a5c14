// Any other receiver: JSON, signed as rest-hooks of Subscriptions are.
import { createHmac } from 'node:crypto';
import type { EndpointOf } from '../endpoints.ts';
import { headline, type Notice } from '../notice.ts';
import type { Outgoing } from '../post.ts';

/** `sentMs`: in the signed body, so that a receiver can tell a message that is played back. */
export function jsonMessage(notice: Notice, endpoint: EndpointOf<'json'>, sentMs: number): Outgoing {
  const { id, kind, alert, rule, severity, title, step, raisedMs, link, detail, others, more } = notice;
  const body = JSON.stringify({
    ...{ id, kind, alert, rule, severity, title, step, text: headline(notice) },
    ...{ raised: new Date(raisedMs).toISOString(), sent: new Date(sentMs).toISOString() },
    ...{ ...(link === undefined ? {} : { link }), ...(detail === undefined ? {} : { detail }) },
    ...(others.length === 0
      ? {}
      : { others: others.map((item) => ({ title: item.title, severity: item.severity })), more }),
  });
  return {
    url: endpoint.url ?? notice.address,
    headers: {
      ...endpoint.headers,
      'Content-Type': 'application/json',
      'X-Cerebra-Message': id,
      ...(endpoint.secret === undefined
        ? {}
        : { 'X-Signature': createHmac('sha256', endpoint.secret).update(body).digest('hex') }),
    },
    body,
  };
}
