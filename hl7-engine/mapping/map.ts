// Which message becomes what: MSH-9 to one of the families' maps. https://hl7.org/fhir/uv/v2mappings/message_maps.html
import type { Hl7Message, Segment } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { warnOfPlaceless } from './clinical/notes.ts';
import { type Arrival, createMapping, type Mapped, type MappingConfig } from './context.ts';
import { applyExtensions } from './extend.ts';
import { codeOf, type MessageMap } from './message-map.ts';
import { admissionMaps } from './messages/admission.ts';
import { clinicalMaps } from './messages/clinical.ts';
import { managementMaps } from './messages/management.ts';
import { addProvenance } from './provenance.ts';
import { grouped } from './structure/structures.ts';

/** Every family's maps. */
export const messageMaps: readonly MessageMap[] = [...admissionMaps, ...clinicalMaps, ...managementMaps];

const byType = new Map(
  messageMaps.flatMap((map) => map.events.map((event) => [`${codeOf(map)}^${event}`, map] as const)),
);

const byCode = new Map<string, MessageMap[]>();
for (const map of messageMaps) byCode.set(codeOf(map), [...(byCode.get(codeOf(map)) ?? []), map]);

/** MSH-9 of the messages that are mapped, as `ORU^R01`. */
export const supportedTypes: ReadonlySet<string> = new Set(byType.keys());

// They say nothing of the patient: software, continuation, batches.
const technical = new Set('MSH SFT UAC DSC CTI FTS BTS FHS BHS ARV'.split(' '));

/**
 * The transaction of a message. `arrival`: its key alone where nothing is stored.
 * Throws Refusal AR for an unsupported type or event, AE for content that cannot be mapped.
 */
export function mapMessage(message: Hl7Message, arrival: string | Arrival, config: MappingConfig): Mapped {
  const { map, event } = mapOf(message);
  const arrived = typeof arrival === 'string' ? { messageKey: arrival } : arrival;
  const mapping = createMapping(message, arrived, config, event);
  const { root, warnings } = grouped(message, structureOf(message, map, event));
  for (const warning of warnings) mapping.warnings.add(warning);
  const { extensions = [] } = config;
  const reads = extensions.length === 0 ? map.reads : [...map.reads, ...extensions.map(({ segment }) => segment)];
  noteUnread(message.segments, reads, (text) => mapping.warnings.add(text));
  map.run(mapping, root);
  if (extensions.length > 0) applyExtensions(mapping, root, extensions);
  // Notes that a site has rows for have the place that these give them.
  if (map.reads.includes('NTE') && !extensions.some(({ segment }) => segment === 'NTE')) warnOfPlaceless(mapping);
  addProvenance(mapping, root);
  return mapping.finish();
}

/** MSH-9.1 and MSH-9.2; where the event is left out, of MSH-9.3 or EVN-1, else what such a message means by default. */
function mapOf(message: Hl7Message): { map: MessageMap; event: string } {
  const type = message.part('MSH-9');
  const code = type.component(1).text ?? '';
  const sent = type.component(2).text ?? type.component(3).text?.split('_')[1] ?? message.get('EVN-1');
  const family = byCode.get(code);
  if (family === undefined) throw unsupported('200', 'Unsupported message type');
  const event = sent ?? family.find(({ defaultEvent }) => defaultEvent !== undefined)?.defaultEvent ?? '';
  const map = byType.get(`${code}^${event}`) ?? family.find(({ anyEvent }) => anyEvent);
  if (map === undefined) throw unsupported('201', 'Unsupported message type: unsupported event code');
  return { map, event };
}

/** Why no map takes the message, by its type alone; undefined where one does. */
export function typeFault(message: Hl7Message): Refusal | undefined {
  try {
    mapOf(message);
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

function unsupported(condition: '200' | '201', text: string): Refusal {
  return new Refusal('AR', condition, text, { location: { segment: 'MSH', field: 9 } });
}

/** MSH-9.3 counts only if the map takes it: senders of old name none or a wrong one. Else the event's own, else the first. */
function structureOf(message: Hl7Message, map: MessageMap, event: string): string {
  const { structures } = map;
  const [first] = structures;
  if (structures.length === 1) return first;
  const named = message.part('MSH-9').component(3).text;
  const own = `${codeOf(map)}_${event}`;
  return structures.find((name) => name === named) ?? structures.find((name) => name === own) ?? first;
}

/** Nothing is lost silently: what no map reads is told, by its name alone. */
function noteUnread(segments: readonly Segment[], reads: readonly string[], warn: (text: string) => void): void {
  for (const { name, raw } of segments) {
    if (reads.includes(name) || technical.has(name) || (name === '' && raw.trim() === '')) continue;
    warn(/^[A-Z][A-Z0-9]{2}$/.test(name) ? `${name}: segment not mapped` : 'A line that is no segment');
  }
}
