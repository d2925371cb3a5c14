// The finished JSON text of a resource version: https://hl7.org/fhir/R4/resource.html#Meta
import { type Meta, type Resource, stringify } from '#fhir-model';

/**
 * The text of a version, split where its number stands. The number of an update is known only once the row is locked,
 * so SQL puts it in: `prefix || version || suffix`.
 */
export interface BodyText {
  prefix: string;
  suffix: string;
}

/**
 * `resource` with `id` and `updatedMs` put in; meta.versionId and meta.lastUpdated of the client are ignored, as
 * https://hl7.org/fhir/R4/http.html#create has it. Key order: resourceType, id, meta, the rest as it came.
 */
export function bodyText(resource: Resource, id: string, updatedMs: number): BodyText {
  const { resourceType, id: _id, meta, ...rest } = resource;
  const { versionId: _version, lastUpdated: _updated, ...otherMeta } = (meta ?? {}) as Meta;
  const head = `{"resourceType":"${resourceType}","id":"${id}","meta":{"versionId":"`;
  const updated = `","lastUpdated":"${new Date(updatedMs).toISOString()}"`;
  const metaText = stringify(otherMeta);
  const restText = stringify(rest);
  const afterMeta = metaText === '{}' ? '}' : `,${metaText.slice(1)}`;
  const afterRest = restText === '{}' ? '}' : `,${restText.slice(1)}`;
  return { prefix: head, suffix: updated + afterMeta + afterRest };
}
