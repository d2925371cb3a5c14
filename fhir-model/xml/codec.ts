// The XML form of resources: https://hl7.org/fhir/R4/xml.html
import type { Definitions } from '../definitions.ts';
import { createXmlModel } from './model.ts';
import { createXmlReader, type XmlReader } from './read.ts';
import { createXmlWriter, type XmlWriter } from './write.ts';

export interface XmlCodec {
  /** A document as a resource's tree. Throws CerebraError with line, column and element path. */
  readonly read: XmlReader;
  /** A resource's tree as a document. */
  readonly write: XmlWriter;
}

/** Types are prepared as they come. */
export function createXmlCodec(definitions: Definitions): XmlCodec {
  const model = createXmlModel(definitions);
  return { read: createXmlReader(model), write: createXmlWriter(model) };
}
