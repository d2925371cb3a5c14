// Where resources come from: one Provenance a message. https://hl7.org/fhir/R4/provenance.html,
// https://hl7.org/fhir/uv/v2mappings/ (MSH[Provenance-Source], EVN[Provenance])
import type { JsonObject, TransactionEntry } from '#fhir-model';
import { absent, type Mapping } from './context.ts';
import { derivedId } from './derived-id.ts';
import type { Group } from './structure/group.ts';
import { applyTable } from './table/table.ts';
import { evnProvenance, mshProvenance } from './tables/msh-evn.ts';

/** Of `entity.what.identifier`: its value is the message's number in the journal. */
export const messageSystem = 'urn:cerebra:hl7v2-message';

/**
 * Adds the Provenance of all that the message writes; it targets what is only found, too, since that is known only in the
 * transaction. Its id is derived from the message's, so that the same message again replaces it.
 */
export function addProvenance(mapping: Mapping, root: Group): void {
  if (mapping.entries.length === 0) return;
  const { message } = mapping;
  const resource: JsonObject = { resourceType: 'Provenance' };
  const evn = message.segment('EVN');
  if (evn !== undefined) applyTable(evnProvenance, { segment: evn, group: root, mapping }, resource);
  applyTable(mshProvenance, { segment: message.segments[0]!, group: root, mapping }, resource);
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
      agent: resource.agent ?? [{ who: { display: mapping.facility } }],
      entity: [{ role: 'source', what: source(mapping) }],
    },
  });
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
