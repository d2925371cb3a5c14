// What was sent to whom, for good: https://hl7.org/fhir/R4/communication.html. Its id is the message's, so that a message that
// had to be sent twice is one Communication. A Subscription to them is the channel `websocket`.
import type { JsonObject, Resource } from '#fhir-model';
import type { Severity } from '../alerts/seams.ts';
import { canHaveFlag } from '../alerts/state/resources.ts';
import { messageSystem } from './answered.ts';
import type { ClaimedMessage, HeldMessage } from './messages.ts';
import { headline } from './notice.ts';

/** Communications of escalation carry it in meta.tag. */
const escalationTag = { system: 'urn:cerebra:alert', code: 'escalation' };

const priorities: Record<Severity, string> = {
  ...{ critical: 'stat', high: 'asap', moderate: 'urgent', low: 'routine', info: 'routine' },
};

const participationMode = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationMode';

type Told = Pick<ClaimedMessage, 'kind' | 'channel' | 'number' | 'step'> & HeldMessage;

/** `error`: why it could not be sent; without it, it was sent at `atMs`. */
export function communicationOf(message: Told, atMs: number, error?: string): Resource & { id: string } {
  const { facts, recipient, channel, alert, run, number, kind, detail, step } = message;
  // The alert of a storm, or of a feed, is about nobody who could have a Flag.
  const flag = canHaveFlag(facts.subject) ? [`Flag/${alert}`] : [];
  const about = [...flag, ...facts.evidence].map((reference) => ({ reference }));
  const subject = /^(Patient|Group)\//.test(facts.subject) ? { subject: { reference: facts.subject } } : {};
  const text = headline({ kind, severity: facts.severity, title: facts.title });
  const said = detail && facts.detail !== '' ? `${text}\n${facts.detail}` : text;
  return {
    resourceType: 'Communication',
    id: message.id,
    meta: { tag: [escalationTag] },
    identifier: [{ system: messageSystem, value: `${alert}|${run}|${number}` }],
    status: error === undefined ? 'completed' : 'not-done',
    ...(error === undefined ? {} : { statusReason: { text: error } }),
    category: [
      {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/communication-category', code: 'alert', display: 'Alert' },
        ],
      },
    ],
    priority: priorities[facts.severity],
    medium: [mediumOf(channel)],
    ...subject,
    topic: { ...(facts.code ? { coding: [{ ...facts.code }] } : {}), text: facts.title },
    ...(about.length > 0 ? { about } : {}),
    ...(facts.encounter === undefined ? {} : { encounter: { reference: facts.encounter } }),
    ...(error === undefined ? { sent: new Date(atMs).toISOString() } : {}),
    recipient: [
      isResource(recipient) ? { reference: recipient } : { display: `${channel}${step === '' ? '' : ` (${step})`}` },
    ],
    payload: [{ contentString: said }],
  };
}

/** A roster is none of Communication.recipient's types; nobody is told as one. */
const isResource = (recipient: string): boolean => /^(CareTeam|Practitioner|PractitionerRole)\//.test(recipient);

function mediumOf(channel: string): JsonObject {
  const coding =
    channel === 'email'
      ? { system: participationMode, code: 'EMAILWRIT', display: 'email' }
      : { system: participationMode, code: 'ELECTRONIC', display: 'electronic data' };
  return { coding: [coding], text: channel };
}
