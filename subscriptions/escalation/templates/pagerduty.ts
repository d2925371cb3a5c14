// PagerDuty's Events API v2: https://developer.pagerduty.com/docs/send-alert-event. Events of one alert have one dedup_key: a
// repetition is no second incident, and the end finds its beginning.
import type { Severity } from '../../alerts/seams.ts';
import type { EndpointOf } from '../endpoints.ts';
import { headline, type Notice, type NoticeKind, shorten } from '../notice.ts';
import type { Outgoing } from '../post.ts';

const summaryCharactersMax = 1_024;

const severities: Record<Severity, string> = {
  ...{ critical: 'critical', high: 'error', moderate: 'warning', low: 'info', info: 'info' },
};

const actions: Record<NoticeKind, 'trigger' | 'acknowledge' | 'resolve'> = {
  ...{ alert: 'trigger', acknowledged: 'acknowledge', cleared: 'resolve', closed: 'resolve' },
};

/** At most 255 characters: an Alert.id has 64. */
const dedupKey = ({ alert }: Pick<Notice, 'alert'>): string => `cerebra/${alert}`;

export function pagerDutyEvent(notice: Notice, { url, routingKey }: EndpointOf<'pagerduty'>): Outgoing {
  const action = actions[notice.kind];
  const event = { routing_key: routingKey, dedup_key: dedupKey(notice), event_action: action };
  const body = action === 'trigger' ? { ...event, ...triggered(notice) } : event;
  return { url, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
}

function triggered(notice: Notice) {
  const { link, detail, severity, source, rule, step, raisedMs } = notice;
  const details = { step, ...(detail === undefined ? {} : { detail }) };
  return {
    client: 'Cerebra',
    ...(link === undefined ? {} : { client_url: link, links: [{ href: link, text: 'Open to acknowledge' }] }),
    payload: {
      summary: shorten(headline(notice), summaryCharactersMax),
      source,
      severity: severities[severity],
      timestamp: new Date(raisedMs).toISOString(),
      class: rule,
      custom_details: details,
    },
  };
}
