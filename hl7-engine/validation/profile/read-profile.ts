// Conformance profiles in NIST's XML (Profile.xsd): messages, segments and data types as models.
// https://github.com/usnistgov/v2-validation
import { formFault } from '../lexical.ts';
import {
  type ContextRule,
  type DynamicType,
  type ElementModel,
  type GroupPlace,
  groupPlace,
  type PlaceModel,
  type SegmentModel,
  type TypeModel,
  type Usage,
  unknownType,
} from '../model.ts';
import type { DataNode, SegmentNode } from '../node.ts';
import type { RuleBook } from './constraints.ts';
import { ProfileFault } from './profile-fault.ts';
import { attribute, childOf, childrenOf, type XmlElement } from './read-xml.ts';
import { inlineBinding, type ValueSets } from './value-sets.ts';

export interface MessageModel {
  /** MSH-9.1, MSH-9.2 and the structure: `ORU`, `R01`, `ORU_R01`. */
  code: string;
  event: string;
  structure: string;
  name: string;
  place: GroupPlace;
}

/** The messages of a ConformanceProfile element. Throws ProfileFault naming what refers to nothing or can't be read. */
export function readMessages(profile: XmlElement, rules: RuleBook, valueSets: ValueSets): MessageModel[] {
  const types = readTypes(childOf(profile, 'Datatypes'), rules, valueSets);
  const segments = readSegments(childOf(profile, 'Segments'), types, rules, valueSets);
  const messages = childrenOf(childOf(profile, 'Messages'), 'Message');
  if (messages.length === 0) throw new ProfileFault('the ConformanceProfile', 'has no Message');
  return messages.map((message) => {
    const structure = attribute(message, 'StructID');
    const { Name: name = structure } = message.attributes;
    const id = attribute(message, 'ID');
    const place = groupPlace({
      ...{ name: structure, id, usage: 'R', min: 1, max: 1 },
      children: placesOf(message, structure, segments, rules),
      rules: [...rules.of('Message', id, structure), ...rules.of('Group', id, structure)],
    });
    return { code: attribute(message, 'Type'), event: attribute(message, 'Event'), structure, name, place };
  });
}

type Segments = ReadonlyMap<string, SegmentModel>;

function placesOf(element: XmlElement, path: string, segments: Segments, rules: RuleBook): PlaceModel[] {
  return element.children.map((child) => {
    const counts = { usage: usageOf(child), ...cardinalityOf(child) };
    if (child.name === 'Segment') {
      const ref = attribute(child, 'Ref');
      const model = segments.get(ref);
      if (model === undefined) throw new ProfileFault(whereOf(child), `refers to segment ${ref}, which is not there`);
      return { kind: 'segment', name: model.name, model, ...counts };
    }
    if (child.name !== 'Group') throw new ProfileFault(whereOf(child), 'is neither Segment nor Group');
    const [id, name] = [attribute(child, 'ID'), attribute(child, 'Name')];
    const inner = `${path}.${name}`;
    const children = placesOf(child, inner, segments, rules);
    if (children.length === 0) throw new ProfileFault(whereOf(child), 'is a group of nothing');
    // Contexts are named by the group alone or by its way from the message: VXU_V04.ORDER.
    return groupPlace({
      name,
      id,
      children,
      rules: [...rules.of('Group', id, inner), ...rules.of('Group', '', name)],
      ...counts,
    });
  });
}

const whereOf = ({ name, line }: XmlElement): string => `<${name}> in line ${line}`;

function usageOf(element: XmlElement): Usage {
  const usage = attribute(element, 'Usage');
  if (usage === 'CE' || /^C\(/.test(usage)) return 'C';
  if (!/^(?:R|RE|O|C|X|W|B)$/.test(usage))
    throw new ProfileFault(whereOf(element), `has the usage ${usage.slice(0, 20)}`);
  return usage as Usage;
}

function cardinalityOf(element: XmlElement): { min: number; max: number } {
  return { min: count(element, 'Min', 0), max: count(element, 'Max', Number.POSITIVE_INFINITY) };
}

/** `NA` and nothing say nothing, `*` is no limit. */
function count(element: XmlElement, name: string, otherwise: number): number {
  const text = element.attributes[name];
  if (text === undefined || text === '' || text === 'NA') return otherwise;
  if (text === '*') return Number.POSITIVE_INFINITY;
  if (!/^\d{1,9}$/.test(text)) throw new ProfileFault(whereOf(element), `has ${name}="${text.slice(0, 20)}"`);
  return Number(text);
}

type Types = ReadonlyMap<string, TypeModel>;

function readTypes(element: XmlElement | undefined, rules: RuleBook, valueSets: ValueSets): Types {
  const types = new Map<string, TypeModel>();
  const definitions = childrenOf(element, 'Datatype');
  for (const definition of definitions) {
    const [id, name] = [attribute(definition, 'ID'), attribute(definition, 'Name')];
    const isPrimitive = childrenOf(definition, 'Component').length === 0;
    const isOpen = isPrimitive && /^var/i.test(name);
    const fault = isPrimitive ? formFault(name) : undefined;
    types.set(id, { ...unknownType(name), isOpen, fault });
  }
  for (const definition of definitions) {
    const [id, name] = [attribute(definition, 'ID'), attribute(definition, 'Name')];
    const model = types.get(id)!;
    const components = childrenOf(definition, 'Component');
    const elements = components.map((component) => elementOf(component, types));
    model.rules.push(...rulesOf<DataNode>(components, elements, valueSets), ...rules.of('Datatype', id, name));
    Object.assign(model, { components: elements });
  }
  return types;
}

function rulesOf<N extends DataNode | SegmentNode>(
  definitions: readonly XmlElement[],
  elements: readonly ElementModel[],
  valueSets: ValueSets,
): ContextRule<N>[] {
  return definitions.flatMap((definition, index) => {
    const isPrimitive = elements[index]!.type.components.length === 0 && !isComposite(elements[index]!.type);
    return inlineBinding(definition, index + 1, isPrimitive, valueSets) as ContextRule<N>[];
  });
}

/** Known by its name alone while its components are still to be read. */
const isComposite = ({ name }: TypeModel): boolean => /^(?:CE|CF|CNE|CWE|EI|HD|CX|XAD|XCN|XON|XPN|XTN|PL)$/.test(name);

function elementOf(element: XmlElement, types: Types): ElementModel {
  const typeId = attribute(element, 'Datatype');
  const type = types.get(typeId);
  if (type === undefined) throw new ProfileFault(whereOf(element), `refers to data type ${typeId}, which is not there`);
  const { Name: name = '', ConfLength: conformanceLength = '', ConstantValue: constant } = element.attributes;
  return {
    ...{ name, usage: usageOf(element), type, constant: constant || undefined },
    ...cardinalityOf(element),
    minLength: count(element, 'MinLength', 0),
    maxLength: count(element, 'MaxLength', Number.POSITIVE_INFINITY),
    isWhole: conformanceLength.endsWith('='),
  };
}

function readSegments(element: XmlElement | undefined, types: Types, rules: RuleBook, valueSets: ValueSets): Segments {
  const segments = new Map<string, SegmentModel>();
  for (const definition of childrenOf(element, 'Segment')) {
    const [id, name] = [attribute(definition, 'ID'), attribute(definition, 'Name')];
    const fields = childrenOf(definition, 'Field');
    const elements = fields.map((field) => elementOf(field, types));
    segments.set(id, {
      ...{ name, fields: elements },
      dynamic: childrenOf(childOf(definition, 'DynamicMapping'), 'Mapping').map((mapping) =>
        dynamicType(mapping, types),
      ),
      rules: [...rulesOf<SegmentNode>(fields, elements, valueSets), ...rules.of('Segment', id, name)],
    });
  }
  return segments;
}

/** The data type of the field at Position, by the values at Reference and SecondReference (`2`, `3.1`). */
function dynamicType(mapping: XmlElement, types: Types): DynamicType {
  const position = count(mapping, 'Position', 0);
  const first = referenceOf(attribute(mapping, 'Reference'), mapping);
  const { SecondReference: secondText } = mapping.attributes;
  const second = secondText === undefined || secondText === '' ? undefined : referenceOf(secondText, mapping);
  const cases = new Map<string, TypeModel>();
  for (const one of childrenOf(mapping, 'Case')) {
    const typeId = attribute(one, 'Datatype');
    const type = types.get(typeId);
    if (type === undefined) throw new ProfileFault(whereOf(one), `refers to data type ${typeId}, which is not there`);
    cases.set(keyOf(attribute(one, 'Value'), one.attributes.SecondValue), type);
  }
  const typeOf = (segment: SegmentNode): TypeModel | undefined => {
    const value = first(segment);
    if (value === undefined) return undefined;
    return cases.get(keyOf(value, second?.(segment))) ?? cases.get(keyOf(value, undefined));
  };
  return {
    ...{ position, typeOf },
    fault(segment) {
      const value = first(segment);
      if (value === undefined || segment.segment.field(position).isEmpty || typeOf(segment) !== undefined)
        return undefined;
      const field = Number.parseInt(attribute(mapping, 'Reference'), 10);
      return { field, text: `"${value.slice(0, 20)}" is no data type that the profile has for field ${position}` };
    },
  };
}

const keyOf = (first: string, second: string | undefined): string => `${first}\n${second ?? ''}`;

function referenceOf(text: string, mapping: XmlElement): (node: SegmentNode) => string | undefined {
  if (!/^\d{1,3}(?:\.\d{1,3})?$/.test(text))
    throw new ProfileFault(whereOf(mapping), `has the reference ${text.slice(0, 20)}`);
  const [field, component] = text.split('.').map(Number);
  return ({ segment }) => {
    const part = segment.field(field!);
    return (component === undefined ? part : part.component(component)).text;
  };
}
