// PagerDuty's Events API v2: https://developer.pagerduty.com/docs/send-alert-event. Events of one alert have one dedup_key until it
// gets worse: a repetition is no second incident, and the end finds its beginning.
import type { Severity } from '../../alerts/seams.ts';
import type { EndpointOf } from '../endpoints.ts';
import { headline, type Notice, type NoticeKind, shorten } from '../notice.ts';
import type { Messages, Outgoing } from '../post.ts';

const summaryCharactersMax = 1_024;

const severities: Record<Severity, string> = {
  ...{ critical: 'critical', high: 'error', moderate: 'warning', low: 'info', info: 'info' },
};

const actions: Record<NoticeKind, 'trigger' | 'acknowledge' | 'resolve'> = {
  ...{ alert: 'trigger', acknowledged: 'acknowledge', cleared: 'resolve', closed: 'resolve' },
};

/** Beyond these the first is taken again. */
const incidentsMax = 4;

/** At most 255 characters: an Alert.id has 64. */
const dedupKey = (alert: string, nth: number): string => `cerebra/${alert}${nth === 0 ? '' : `/${nth}`}`;

/**
 * Of an incident that is open PagerDuty takes note of further events, and calls nobody: what got worse since, or calls anew after the
 * end of its chain, is an incident of its own, and ends the former ones once it is there. An event about one that is over, or never
 * was, is dropped.
 */
export function pagerDutyEvents(notice: Notice, { url, routingKey }: EndpointOf<'pagerduty'>): Messages {
  const { alert, kind, risen = 0 } = notice;
  const current = risen % incidentsMax;
  const former = Array.from({ length: Math.min(risen + 1, incidentsMax) }, (_, nth) => nth).filter(
    (nth) => nth !== current,
  );
  const event = (nth: number, action: (typeof actions)[NoticeKind], more: object = {}): Outgoing => {
    const body = { routing_key: routingKey, dedup_key: dedupKey(alert, nth), event_action: action, ...more };
    return { url, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  };
  if (kind === 'alert')
    return [event(current, 'trigger', triggered(notice)), ...former.map((nth) => event(nth, 'resolve'))];
  return [event(current, actions[kind]), ...former.map((nth) => event(nth, actions[kind]))];
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
