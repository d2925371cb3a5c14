// Where resources come from: one Provenance a message. https://hl7.org/fhir/R4/provenance.html,
// https://hl7.org/fhir/uv/v2mappings/ (MSH[Provenance-Source], EVN[Provenance])
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { ownValue } from '#platform';
import { absent, type Mapping } from './context.ts';
import { derivedId } from './derived-id.ts';
import type { Group } from './structure/group.ts';
import { applyTable, type SegmentTable } from './table/table.ts';
import { evnProvenance, mshProvenance, orcProvenance, pidProvenance, schProvenance } from './tables/provenance.ts';

/** Of `entity.what.identifier`: its value is the message's number in the journal. */
const messageSystem = 'urn:cerebra:hl7v2-message';

/**
 * Adds the Provenance of all that the message writes. Its id is derived from the message's: the message processed once more
 * adds to it what it writes then.
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
    merge: withFormerTargets,
    prune: withoutIdle,
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

type Target = JsonObject & { reference: string };

/** Of what the message only names, and was there, it is not the source. A message that writes nothing keeps what it names. */
function withoutIdle(resource: Resource, idle: ReadonlySet<string>): Resource {
  const target = (resource.target as Target[]).filter(({ reference }) => !idle.has(reference));
  return target.length === 0 ? resource : { ...resource, target };
}

function withFormerTargets(existing: Resource | undefined, incoming: Resource): Resource {
  if (existing === undefined) return incoming;
  const targets = [...(existing.target as Target[]), ...(incoming.target as Target[])];
  return { ...incoming, target: [...new Map(targets.map((target) => [target.reference, target])).values()] };
}

const tables: Readonly<Record<string, SegmentTable>> = {
  ...{ EVN: evnProvenance, PID: pidProvenance, ORC: orcProvenance, SCH: schProvenance },
};

/** What the message's segments say of where it comes from; MSH last, where others say nothing. */
function originOf(mapping: Mapping, root: Group): JsonObject {
  const resource: JsonObject = {};
  const { segments } = mapping.message;
  for (const segment of segments) {
    const table = ownValue(tables, segment.name);
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
