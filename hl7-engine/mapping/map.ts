// Which message type becomes what: MSH-9 -> mapping.
import type { Hl7Message } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { mapAdt } from './adt.ts';
import { createMapping, type Mapped, type Mapping, type MappingConfig } from './context.ts';
import { mapOru } from './oru.ts';

const routes: ReadonlyMap<string, (mapping: Mapping) => void> = new Map([
  ['ORU^R01', mapOru],
  ['ADT^A01', mapAdt],
  ['ADT^A04', mapAdt],
  ['ADT^A08', mapAdt],
]);

/** MSH-9 of the messages that are mapped. */
export const supportedTypes: ReadonlySet<string> = new Set(routes.keys());

const supportedCodes = new Set([...routes.keys()].map((type) => type.slice(0, 3)));

/**
 * The transaction of a message. `messageKey` names the message among all.
 * Throws Refusal AR for an unsupported type or event, AE for content that cannot be mapped.
 */
export function mapMessage(message: Hl7Message, messageKey: string, config: MappingConfig): Mapped {
  const map = routes.get(typeOf(message));
  if (map === undefined) throw unsupported(message);
  const mapping = createMapping(message, messageKey, config);
  map(mapping);
  return { entries: mapping.entries, warnings: [...mapping.warnings] };
}

/** MSH-9 as `ORU^R01`; where the event is left out, of MSH-9.3 or EVN-1. */
function typeOf(message: Hl7Message): string {
  const type = message.part('MSH-9');
  const event = type.component(2).text ?? type.component(3).text?.split('_')[1] ?? message.get('EVN-1');
  return `${type.component(1).text}^${event}`;
}

function unsupported(message: Hl7Message): Refusal {
  const known = supportedCodes.has(message.get('MSH-9.1') ?? '');
  const location = { segment: 'MSH', field: 9 };
  return known
    ? new Refusal('AR', '201', 'Unsupported message type: unsupported event code', { location })
    : new Refusal('AR', '200', 'Unsupported message type', { location });
}
