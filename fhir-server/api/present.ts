// Finished JSON text in the format that was asked for. Only what is not plain JSON is parsed: https://hl7.org/fhir/R4/xml.html,
// https://hl7.org/fhir/R4/nd-json.html
import { depthMax, type JsonObject, parseJson, type Resource, stringify, type XmlCodec } from '#fhir-model';
import type { Asked } from './negotiate.ts';

export interface Presented {
  body: string;
  contentType: string;
  /** The pages around, which NDJSON has no place for: https://www.rfc-editor.org/rfc/rfc8288 */
  link?: string;
}

interface Bundle {
  link?: { relation: string; url: string }[];
  entry?: { resource?: JsonObject }[];
}

/** The resources of a Bundle, one a line; of another resource the one line. */
function lines(resource: Resource): { body: string; link?: string } {
  if (resource.resourceType !== 'Bundle') return { body: `${stringify(resource)}\n` };
  const { entry = [], link = [] } = resource as unknown as Bundle;
  const body = entry.map((one) => (one.resource === undefined ? '' : `${stringify(one.resource)}\n`)).join('');
  const links = link.map(({ relation, url }) => `<${url}>; rel="${relation}"`).join(', ');
  return links === '' ? { body } : { body, link: links };
}

/** A stored resource may be as deep as any; Bundles and Parameters go around it. */
const levelsMax = depthMax + 20;

/** `text` is the JSON text of a resource. */
export function present(text: string, { format, pretty, contentType }: Asked, xml: XmlCodec): Presented {
  const resource = parseJson(text, levelsMax).exact as Resource;
  if (format === 'xml') return { body: xml.write(resource, pretty), contentType };
  if (format === 'ndjson') return { ...lines(resource), contentType };
  return { body: JSON.stringify(resource, null, 2), contentType };
}
