// What the XML form needs of each type: its elements in order, what is an attribute, what is a primitive.
// https://hl7.org/fhir/R4/xml.html
import { jsonNames } from '../choice-names.ts';
import type { Definitions, ElementDefinition, TypeDefinition } from '../definitions.ts';

export const fhirNamespace = 'http://hl7.org/fhir';
export const xhtmlNamespace = 'http://www.w3.org/1999/xhtml';

/** How an element's content is written: `resource` holds one resource, `xhtml` is Narrative.div. */
export type ContentKind = 'string' | 'number' | 'boolean' | 'complex' | 'resource' | 'xhtml';

export interface XmlElement {
  /** The name in XML and JSON alike; of a choice with its type: `valueQuantity`. */
  readonly name: string;
  /** Its primitive's or complex type's name; `Resource` for any resource. */
  readonly type: string;
  /** Rises in the order of the definition. */
  readonly order: number;
  readonly array: boolean;
  readonly kind: ContentKind;
}

export interface XmlType {
  readonly name: string;
  readonly resource: boolean;
  readonly elements: ReadonlyMap<string, XmlElement>;
  /** Attributes of the tag besides `value`: `id` of an element, `url` of an Extension. None of a resource. */
  readonly attributes: readonly string[];
}

export interface XmlModel {
  /** Throws for a name that is none of R4's types. */
  type(name: string): XmlType;
  isResourceType(name: string): boolean;
}

const numbers = new Set(['decimal', 'integer', 'unsignedInt', 'positiveInt']);

function kindOf(definitions: Definitions, type: string): ContentKind {
  if (type === 'Resource') return 'resource';
  if (type === 'xhtml') return 'xhtml';
  if (definitions.type(type)?.kind !== 'primitive') return 'complex';
  if (numbers.has(type)) return 'number';
  return type === 'boolean' ? 'boolean' : 'string';
}

/** The id of a resource is an element, any other id is an attribute; so is an extension's url. */
function isAttribute(owner: TypeDefinition, element: ElementDefinition): boolean {
  return (owner.kind !== 'resource' && element.name === 'id') || (owner.name === 'Extension' && element.name === 'url');
}

function compile(definitions: Definitions, owner: TypeDefinition): XmlType {
  const elements = new Map<string, XmlElement>();
  const attributes: string[] = [];
  for (const element of owner.elements) {
    if (isAttribute(owner, element)) {
      attributes.push(element.name);
      continue;
    }
    const order = elements.size;
    for (const [name, type] of jsonNames(element)) {
      elements.set(name, { name, type, order, array: element.array, kind: kindOf(definitions, type) });
    }
  }
  return { name: owner.name, resource: owner.kind === 'resource', elements, attributes };
}

/** Types are compiled when they are first met. */
export function createXmlModel(definitions: Definitions): XmlModel {
  const compiled = new Map<string, XmlType>();
  return {
    isResourceType: definitions.isResourceType,
    type(name) {
      const known = compiled.get(name);
      if (known !== undefined) return known;
      const definition = definitions.type(name);
      if (definition === undefined) throw new Error(`R4 has no type ${name}`);
      const type = compile(definitions, definition);
      compiled.set(name, type);
      return type;
    },
  };
}
