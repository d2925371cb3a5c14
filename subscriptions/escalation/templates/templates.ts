// How each kind of endpoint is spoken to.
import type { SendResult } from '../../channels/rest-hook.ts';
import type { ContactKind } from '../contact.ts';
import type { Endpoint } from '../endpoints.ts';
import type { Notice } from '../notice.ts';
import { type Answer, type Messages, resultOf } from '../post.ts';
import { jsonMessage } from './json.ts';
import { pagerDutyEvents } from './pagerduty.ts';
import { slackMessage } from './slack.ts';
import { teamsMessage, teamsResult } from './teams.ts';
import { twilioMessage } from './twilio.ts';

export function compose(notice: Notice, endpoint: Endpoint, nowMs: number): Messages {
  switch (endpoint.template) {
    case 'slack':
      return [slackMessage(notice, endpoint)];
    case 'teams':
      return [teamsMessage(notice, endpoint)];
    case 'pagerduty':
      return pagerDutyEvents(notice, endpoint);
    case 'twilio':
      return [twilioMessage(notice, endpoint)];
    case 'json':
      return [jsonMessage(notice, endpoint, nowMs)];
  }
}

export const judge = (answer: Answer, { template }: Endpoint): SendResult =>
  template === 'teams' ? teamsResult(answer) : resultOf(answer);

/** What is needed of each person; undefined where the endpoint itself is told, whoever is on call. */
export function contactKindOf(endpoint: Endpoint): ContactKind | undefined {
  if (endpoint.template === 'twilio') return endpoint.to === undefined ? 'sms' : undefined;
  return endpoint.template === 'json' && endpoint.url === undefined ? 'url' : undefined;
}

/** PagerDuty groups by itself and needs each event; a program reads each message. */
export const takesDigests = (template: Endpoint['template']): boolean =>
  template === 'slack' || template === 'teams' || template === 'twilio';
