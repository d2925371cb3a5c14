// Where resources come from: one Provenance a message. https://hl7.org/fhir/R4/provenance.html,
// https://hl7.org/fhir/uv/v2mappings/ (MSH[Provenance-Source], EVN[Provenance])
import type { JsonObject, TransactionEntry } from '#fhir-model';
import { absent, type Mapping } from './context.ts';
import { derivedId } from './derived-id.ts';
import type { Group } from './structure/group.ts';
import { applyTable, type SegmentTable } from './table/table.ts';
import { evnProvenance, mshProvenance, orcProvenance, pidProvenance } from './tables/provenance.ts';

/** Of `entity.what.identifier`: its value is the message's number in the journal. */
const messageSystem = 'urn:cerebra:hl7v2-message';

/**
 * Adds the Provenance of all that the message writes; it targets what is only found, too, since that is known only in the
 * transaction. Its id is derived from the message's, so that the same message again replaces it.
 */
export function addProvenance(mapping: Mapping, root: Group): void {
  if (mapping.entries.length === 0) return;
  const resource = originOf(mapping, root);
  const id = derivedId('Provenance', [mapping.messageKey]);
  const target = [...new Set(mapping.entries.filter(({ method }) => method !== 'DELETE').map(referenceTo))];
  if (target.length === 0) return;
  mapping.add({
    method: 'PUT',
    url: `Provenance/${id}`,
    resource: {
      ...resource,
      resourceType: 'Provenance',
      id,
      target: target.map((reference) => ({ reference })),
      ...(resource.recorded === undefined && { _recorded: absent }),
      agent: agentsOf(mapping, resource),
      entity: [{ role: 'source', what: source(mapping) }],
    },
  });
}

const tables: Readonly<Record<string, SegmentTable>> = { EVN: evnProvenance, PID: pidProvenance, ORC: orcProvenance };

/** What the message's segments say of where it comes from; MSH last, where others say nothing. */
function originOf(mapping: Mapping, root: Group): JsonObject {
  const resource: JsonObject = {};
  const { segments } = mapping.message;
  for (const segment of segments) {
    const table = tables[segment.name];
    if (table !== undefined) applyTable(table, { segment, group: root, mapping }, resource);
  }
  applyTable(mshProvenance, { segment: segments[0]!, group: root, mapping }, resource);
  return resource;
}

/** Each once: the orders of a message mostly have the same people. */
function agentsOf(mapping: Mapping, { agent }: JsonObject): JsonObject[] {
  if (!Array.isArray(agent)) return [{ who: { display: mapping.facility } }];
  return [...new Map((agent as JsonObject[]).map((one) => [JSON.stringify(one), one])).values()];
}

function referenceTo({ fullUrl, method, url }: TransactionEntry): string {
  return method === 'PUT' && !url.includes('?') ? url : fullUrl!;
}

function source({ message, messageKey }: Mapping): JsonObject {
  const type = message.part('MSH-9');
  const names = [type.component(1).text, type.component(2).text].filter((name) => name !== undefined);
  const display = [names.join('^'), message.get('MSH-10')]
    .filter((word) => word !== undefined && word !== '')
    .join(' ');
  return { identifier: { system: messageSystem, value: messageKey }, display };
}
