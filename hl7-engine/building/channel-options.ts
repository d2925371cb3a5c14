// What a Subscription with a channel of type message asks for: https://hl7.org/fhir/R4/subscription.html#channels. The endpoint is
// `hl7v2:` and the name of a destination, header lines say which message and what its header holds.
import { CerebraError } from '#platform';
import { charsetLabel } from '../message/names.ts';
import { messageFor, versions, type WantedMessage, wantedMessage } from './build.ts';
import type { BuildTarget } from './building.ts';

/** Subscription.channel.payload. */
export const er7 = 'x-application/hl7-v2+er7';

export interface ChannelOptions {
  destination: string;
  wanted: WantedMessage;
  target: BuildTarget;
}

export interface AskedChannel {
  /** `hl7v2:ris` */
  endpoint: string;
  payload: string;
  /** `Name: value` lines. */
  header: readonly string[];
  /** Resource type of the criteria. */
  type: string;
}

/** `Coding-System: http://example.org/tests 99TEST`: an address and its name. */
const pairForm = /^(\S+)\s+(\S+)$/;
const textForm = /^[\x20-\x7e]{1,180}$/;

interface Draft {
  message: string | undefined;
  target: { -readonly [Name in keyof BuildTarget]: BuildTarget[Name] };
}

type Setter = (draft: Draft, value: string) => void;

const text =
  (name: 'sendingApplication' | 'sendingFacility' | 'receivingApplication' | 'receivingFacility'): Setter =>
  ({ target }, value) => {
    target[name] = value;
  };

function pair(value: string, name: string): [string, string] {
  const [, address, called] = pairForm.exec(value) ?? [];
  if (address === undefined || called === undefined)
    throw fault(`${name} needs an address and the receiver's name for it`);
  return [address, called];
}

const setters: Readonly<Record<string, Setter>> = {
  message(draft, value) {
    draft.message = value;
  },
  version({ target }, value) {
    if (!versions.includes(value)) throw fault(`Version is one of ${versions.join(', ')}`);
    target.version = value;
  },
  charset({ target }, value) {
    if (charsetLabel(value) === undefined) throw fault('Charset is a name of HL7 table 0211 ');
    target.charset = value;
  },
  'processing-id'({ target }, value) {
    if (!/^[PTD]$/.test(value)) throw fault('Processing-Id is P, T or D');
    target.processingId = value;
  },
  'sending-application': text('sendingApplication'),
  'sending-facility': text('sendingFacility'),
  'receiving-application': text('receivingApplication'),
  'receiving-facility': text('receivingFacility'),
  'identifier-system'({ target }, value) {
    const [system, name] = pair(value, 'Identifier-System');
    target.identifierSystems = { [name]: system, ...target.identifierSystems };
  },
  'coding-system'({ target }, value) {
    const [system, name] = pair(value, 'Coding-System');
    target.codingSystems = { ...target.codingSystems, [system]: name };
  },
};

const fault = (words: string): CerebraError => new CerebraError('invalid', `Subscription.channel.header: ${words}`);

/** Throws CerebraError whose message is fit for Subscription.error. */
export function channelOptions(
  asked: AskedChannel,
  defaults: BuildTarget,
  destinations: readonly string[],
): ChannelOptions {
  const destination = /^hl7v2:(.+)$/.exec(asked.endpoint)?.[1] ?? '';
  if (!destinations.includes(destination)) {
    const known = destinations.map((name) => `hl7v2:${name}`).join(', ');
    const there = known === '' ? 'HL7_DESTINATIONS names none' : `there are ${known}`;
    throw new CerebraError('invalid', `Subscription.channel.endpoint is no destination of HL7 messages: ${there}`);
  }
  const essence = asked.payload.split(';')[0]!.trim().toLowerCase();
  if (essence !== er7) {
    throw new CerebraError('unsupported', `Subscription.channel.payload of a message to hl7v2: must be ${er7}`);
  }
  const draft: Draft = { message: undefined, target: { ...defaults } };
  for (const line of asked.header) applyLine(draft, line);
  return { destination, wanted: wantedOf(draft.message, asked.type), target: draft.target };
}

function applyLine(draft: Draft, line: string): void {
  const [, name = '', value = ''] = /^([A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
  const set = Object.hasOwn(setters, name.toLowerCase()) ? setters[name.toLowerCase()] : undefined;
  if (set === undefined) throw fault(`'${name.slice(0, 40)}' is none of ${Object.keys(setters).join(', ')}`);
  if (!textForm.test(value)) throw fault(`${name} has no value, or one of other characters than ASCII`);
  set(draft, value);
}

function wantedOf(message: string | undefined, type: string): WantedMessage {
  const wanted = message === undefined ? messageFor(type) : wantedMessage(message);
  if (wanted === undefined) throw fault(`no HL7 message is made of ${type}`);
  if (wanted.builder.from.includes(type)) return wanted;
  throw fault(`${wanted.builder.code} is made of ${wanted.builder.from.join(' or ')}, the criteria are of ${type}`);
}
