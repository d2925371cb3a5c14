// Messages against the standard: structure by the abstract syntax, segments and types by the version's dictionary. HL7 v2.9 chapter 2
import type { GroupElement } from '../mapping/structure/grammar.ts';
import { structures } from '../mapping/structure/structures.ts';
import { type Dictionary, type FieldDefinition, loadDictionary } from '../message/dictionary.ts';
import type { Hl7Message } from '../message/message.ts';
import { structureNameOf } from '../message/v2xml/structure-name.ts';
import { tableHas } from './code-tables.ts';
import { checkSegment } from './content.ts';
import type { Finding } from './finding.ts';
import { valueFault } from './lexical.ts';
import {
  type DynamicType,
  type ElementModel,
  found,
  type GroupPlace,
  groupPlace,
  type SegmentModel,
  type Severities,
  sinkTo,
  type TypeModel,
  type Usage,
  unknownType,
} from './model.ts';
import { type SegmentNode, textOf } from './node.ts';
import { checkCounts, sequence } from './sequence.ts';

/** Receivers pass over what they don't expect (chapter 2.8): more than is known is no error. */
const severities: Severities = {
  tooLong: 'error',
  surplus: 'warning',
  unknownSegment: 'error',
  zSegment: undefined,
  withdrawn: 'warning',
};

export interface StandardValidator {
  /** All that is wrong with the message by the tables of its version. */
  check(message: Hl7Message): Finding[];
}

/** Models of segments and types are made when a message first has them: 3,000 of all versions are never asked for. */
function createStandardValidator(dictionary: Dictionary): StandardValidator {
  const versions = new Map<string, VersionModels>();
  const modelsOf = (version: string): VersionModels => {
    const known = versions.get(version) ?? createModels(dictionary, version);
    versions.set(version, known);
    return known;
  };
  return {
    check(message) {
      const findings: Finding[] = [];
      const sink = sinkTo(findings, severities);
      const version = dictionary.nearest(message.get('MSH-12'));
      const models = modelsOf(version);
      const reading = { delimiters: message.delimiters, ...message.coding };
      const name = structureOf(message);
      const place = places.get(name ?? '');
      const { root, segments } = sequence(place ?? anyOrder, message.segments, reading, sink);
      if (place === undefined) findings.splice(0, findings.length, unchecked(name));
      else checkCounts(root, sink);
      for (const node of segments) checkKnown(node, models, version, sink.add);
      for (const node of segments) {
        const model = models.segment(node.segment.name);
        if (model !== undefined) checkSegment(node, model, sink);
      }
      return findings;
    },
  };
}

/** Throws CerebraError `unavailable` where the dictionary can't be loaded. */
export const loadStandardValidator = async (): Promise<StandardValidator> =>
  createStandardValidator(await loadDictionary());

/** For messages whose structure is not known: their segments are looked at one by one. */
const anyOrder: GroupPlace = groupPlace({
  ...{ name: 'message', id: '', usage: 'R', min: 1, max: 1, rules: [] },
  children: [],
});

function unchecked(name: string | undefined): Finding {
  const text = `the structure ${name ?? 'of this message'} is not known: order and groups of its segments are not checked`;
  return {
    severity: 'information',
    rule: 'unchecked',
    condition: '200',
    location: { segment: 'MSH', sequence: 1, field: 9 },
    text,
  };
}

/** MSH-9.3 where that is known, else what the event says: many senders name the event there. */
function structureOf(message: Hl7Message): string | undefined {
  const named = structureNameOf(message);
  if (named !== undefined && places.has(named)) return named;
  const [code, event] = [message.get('MSH-9.1'), message.get('MSH-9.2')];
  const own = structureNameOf({ ...message, get: (path) => (path === 'MSH-9.3' ? undefined : message.get(path)) });
  return [own, `${code}_${event}`].find((name) => places.has(name ?? '')) ?? named;
}

const places: ReadonlyMap<string, GroupPlace> = new Map(
  [...structures].map(([name, element]) => [name, placeOfGroup(element)]),
);

function placeOfGroup(element: GroupElement): GroupPlace {
  const { name, required, repeats } = element;
  const counts = (isRequired: boolean, mayRepeat: boolean) => ({
    usage: isRequired ? ('R' as const) : ('O' as const),
    min: isRequired ? 1 : 0,
    max: mayRepeat ? Number.POSITIVE_INFINITY : 1,
  });
  const children = element.elements.map((one) =>
    one.kind === 'group'
      ? placeOfGroup(one)
      : { kind: 'segment' as const, name: one.name, model: undefined, ...counts(one.required, one.repeats) },
  );
  const own = counts(required, repeats);
  // Optional in the standard; the grammar needs its PID to tell a prior result from the next order.
  if (name === 'PATIENT_PRIOR') own.min = 0;
  return groupPlace({ name, id: name, children, rules: [], ...own });
}

function checkKnown(node: SegmentNode, models: VersionModels, version: string, add: (finding: Finding) => void): void {
  const { name } = node.segment;
  if (!/^[A-Y][A-Z0-9]{2}$/.test(name) || models.segment(name) !== undefined) return;
  const text = `version ${version} has no such segment`;
  add({ severity: 'warning', rule: 'structure', condition: '100', location: node.location, text });
}

interface VersionModels {
  /** Undefined for a segment that the version has not. */
  segment(name: string): SegmentModel | undefined;
}

function createModels(dictionary: Dictionary, version: string): VersionModels {
  const segments = new Map<string, SegmentModel>();
  const types = new Map<string, TypeModel>();
  const hasLengths = !/^2\.[789]/.test(version);
  const typeOf = (name: string): TypeModel => {
    const known = types.get(name);
    if (known !== undefined) return known;
    const components = dictionary.componentsOf(version, name);
    if (components === undefined) return unknownType(name);
    // Known before its components are: no type of the standard holds itself, but a table might.
    const model: TypeModel = { ...{ name, fault: undefined, components: [], isOpen: false, rules: [] } };
    types.set(name, model);
    return Object.assign(model, contentOf(name, components));
  };
  const contentOf = (
    name: string,
    components: readonly (FieldDefinition | undefined)[],
  ): Pick<TypeModel, 'components' | 'fault'> => {
    // A component alone is the value itself: older tables have them for text.
    if (components.length <= 1) return { components: [], fault: valueFault(name === 'TS' ? 'DTM' : name) };
    const elements = components.map((component, index) => elementOf(component, name, index + 1));
    if (name === 'TS') elements[0] = { ...elements[0]!, type: primitive('DTM') };
    return { components: elements, fault: undefined };
  };
  const elementOf = (definition: FieldDefinition | undefined, owner: string, number: number): ElementModel => {
    if (definition === undefined) return openElement(`${owner}-${number}`);
    const { name, type, max, table } = definition;
    const usage = slips.has(`${version} ${owner}-${number}`) ? 'O' : usageOf(definition.usage);
    const min = usage === 'R' ? 1 : 0;
    const maxLength = (hasLengths ? definition.length : undefined) ?? Number.POSITIVE_INFINITY;
    const limits = { minLength: 0, maxLength, isWhole: false, constant: undefined };
    // What is there for backward compatibility alone has whatever type it had: newer tables say ST throughout.
    const isOpen = usage === 'B' || usage === 'W';
    const model = isOpen ? unknownType(type) : type === 'ID' && table !== undefined ? coded(table) : typeOf(type);
    return { ...{ name, usage, min, max }, ...limits, type: model };
  };
  return {
    segment(name) {
      const known = segments.get(name);
      if (known !== undefined) return known;
      // What senders make up is not remembered: a name may be as long as a message.
      const fields = dictionary.fieldsOf(version, name);
      if (fields === undefined) return undefined;
      const elements = fields.map((field, index) => elementOf(field, name, index + 1));
      const model = segmentModel(name, elements, typeOf);
      segments.set(name, model);
      return model;
    },
  };
}

/**
 * Required in the dictionary's table of one version, and neither in that version's chapter nor in the versions around it.
 * Its lengths of 2.7 and later are those of earlier versions; there the standard has only lengths that receivers must keep.
 */
const slips: ReadonlySet<string> = new Set(['2.3 NK1-7', '2.3 OBR-27', '2.3 ORC-7', '2.3.1 OBX-4']);

const primitive = (name: string): TypeModel => ({ ...unknownType(name), isOpen: false, fault: valueFault(name) });

const openElement = (name: string): ElementModel => ({
  ...{ name, usage: 'O', min: 0, max: Number.POSITIVE_INFINITY, minLength: 0, maxLength: Number.POSITIVE_INFINITY },
  ...{ isWhole: false, constant: undefined, type: unknownType('') },
});

/** X of the standard's tables: not with this event; others (S, …) say nothing of presence. */
function usageOf(code: string): Usage {
  return code === 'R' || code === 'C' || code === 'B' || code === 'W' ? code : 'O';
}

const codedTypes = new Map<string, TypeModel>();

/** ID: a code of an HL7 table. */
function coded(table: string): TypeModel {
  const known = codedTypes.get(table);
  if (known !== undefined) return known;
  const model = primitive('ID');
  model.rules.push((node, sink) => {
    const code = textOf(node).trim();
    if (code === '' || tableHas(table, code) !== false) return;
    const text = `"${code.slice(0, 20)}" is no code of HL7 table ${table}`;
    found(sink, node.location, { rule: 'table', condition: '103', text });
  });
  codedTypes.set(table, model);
  return model;
}

/** OBX-2: two characters in the tables up to 2.6, which have types of three; it does not repeat, whatever 2.5.1's table says. */
function segmentModel(
  name: string,
  fields: readonly ElementModel[],
  typeOf: (name: string) => TypeModel,
): SegmentModel {
  const isObservation = name === 'OBX' && fields.length >= 5;
  const own = isObservation
    ? fields.map((field, index) =>
        index === 1 ? { ...field, max: 1, maxLength: Math.max(field.maxLength, 3) } : field,
      )
    : fields;
  return { name, fields: own, dynamic: isObservation ? [observationValue(typeOf)] : [], rules: [] };
}

/** OBX-5 has the data type that OBX-2 names. */
function observationValue(typeOf: (name: string) => TypeModel): DynamicType {
  return {
    position: 5,
    typeOf({ segment }) {
      const name = segment.field(2).text;
      return name === undefined ? undefined : typeOf(name);
    },
  };
}
