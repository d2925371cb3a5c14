// From resources to a message: which message, its header, and what its version has of it. HL7 v2.9 chapter 2.14.9 (MSH)
import type { Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { buildMessage, type SegmentValue } from '../message/build.ts';
import { type Dictionary, loadDictionary, type StructureNode } from '../message/dictionary.ts';
import type { Hl7Message } from '../message/message.ts';
import { type Building, type BuildTarget, since } from './building.ts';
import { fitted } from './fit.ts';
import type { Graph } from './graph.ts';
import { adt } from './messages/adt.ts';
import type { MessageBuilder, Told } from './messages/message.ts';
import { oml, orm } from './messages/order.ts';
import { oru } from './messages/oru.ts';
import { siu } from './messages/siu.ts';
import { vxu } from './messages/vxu.ts';
import { dtmOf } from './types/time.ts';
import { checkTold, watched } from './whose.ts';

const builders: readonly MessageBuilder[] = [adt, oru, oml, orm, siu, vxu];

/** MSH-9 as it is asked for: the event may be left to what has become of the resource. */
export interface WantedMessage {
  builder: MessageBuilder;
  event: string | undefined;
}

/** `ADT^A08`, `ADT`: what can be built. */
export const buildableTypes: readonly string[] = builders.flatMap(({ code, structures }) =>
  Object.keys(structures).map((event) => `${code}^${event}`),
);

/** Throws CerebraError `unsupported` for a message that is not built. */
export function wantedMessage(type: string): WantedMessage {
  const [code = '', event] = type.trim().toUpperCase().split('^');
  const builder = builders.find((one) => one.code === code);
  if (builder === undefined || (event !== undefined && event !== '' && !Object.hasOwn(builder.structures, event))) {
    const text = `No message ${type.slice(0, 40)} is made of resources: there are ${buildableTypes.join(', ')}, and each of them without its event`;
    throw new CerebraError('unsupported', text);
  }
  return { builder, event: event === '' ? undefined : event };
}

/** The message that a type of resource becomes where none is asked for. */
export const messageFor = (type: string): WantedMessage | undefined => {
  const builder = builders.find(({ from }) => from.includes(type));
  return builder && { builder, event: undefined };
};

/** From 2.3 to 2.8.2, as MSH-12 has them. */
export const versions: readonly string[] = [
  '2.3',
  '2.3.1',
  '2.4',
  '2.5',
  '2.5.1',
  '2.6',
  '2.7',
  '2.7.1',
  '2.8',
  '2.8.1',
  '2.8.2',
];

export interface BuildRequest {
  wanted: WantedMessage;
  focus: Resource;
  graph: Graph;
  target: BuildTarget;
  /** MSH-10: 20 characters at most until 2.6. */
  controlId: string;
  /** MSH-7, milliseconds since 1970 UTC. */
  nowMs: number;
  told?: Told | undefined;
}

export interface Built {
  message: Hl7Message;
  /** What the resources say and the message does not, by its place and without values. */
  warnings: string[];
  /** What of the graph was looked at for it, without the focus. */
  used: ReadonlySet<Resource>;
}

/** Undefined for a structure that the version has not: OML came with 2.4, ORM went with 2.7. */
function segmentNames(dictionary: Dictionary, version: string, structure: string): ReadonlySet<string> | undefined {
  const nodes = dictionary.structureOf(dictionary.nearest(version), structure);
  const names = (node: StructureNode): string[] => node.children?.flatMap(names) ?? node.name.split(',');
  return nodes && new Set(nodes.flatMap(names));
}

/** Without those that receivers do not look for there, such as next of kin in a cancelled visit. */
function allowed(body: SegmentValue[], { structure, target, warnings }: Building, name: string): SegmentValue[] {
  return body.filter((segment) => {
    const isAllowed = structure?.has(segment.name) ?? true;
    if (!isAllowed) warnings.add(`${segment.name}: not in ${name} of ${target.version}`);
    return isAllowed;
  });
}

/**
 * Throws CerebraError: `business-rule` where the resources cannot be such a message, `unsupported` for a version that is not
 * built, `invalid` for text that the character set has not, `unavailable` where the dictionary could not be loaded.
 */
export async function buildFrom({
  wanted,
  focus,
  graph,
  target,
  controlId,
  nowMs,
  told,
}: BuildRequest): Promise<Built> {
  const { builder } = wanted;
  if (!versions.includes(target.version)) {
    throw new CerebraError(
      'unsupported',
      `HL7 version ${target.version.slice(0, 20)} is not built: ${versions.join(', ')}`,
    );
  }
  if (!builder.from.includes(focus.resourceType)) {
    const text = `${builder.code} is made of ${builder.from.join(' or ')}, not of ${focus.resourceType}`;
    throw new CerebraError('business-rule', text, { expression: [focus.resourceType] });
  }
  const seen = watched(graph);
  const event = wanted.event ?? builder.eventOf(focus, told);
  const structure = builder.structures[event]!;
  const dictionary = await loadDictionary();
  const names = segmentNames(dictionary, target.version, structure);
  const building: Building = { graph: seen, target, nowMs, structure: names, warnings: new Set() };
  const body = builder.segments(building, focus, event, told);
  checkTold(focus, seen);
  const type = since(building, '2.3.1') ? [builder.code, event, structure] : [builder.code, event];
  const header = {
    name: 'MSH',
    fields: {
      ...{ 3: target.sendingApplication, 4: target.sendingFacility },
      ...{ 5: target.receivingApplication, 6: target.receivingFacility },
      ...{ 7: dtmOf(nowMs), 9: type, 10: controlId, 11: target.processingId, 12: target.version },
    },
  };
  const segments = fitted(allowed(body, building, structure), dictionary, target.version, building.warnings);
  const message = buildMessage({ charset: target.charset, segments: [header, ...segments], quotes: 'text' });
  return { message, warnings: [...building.warnings], used: seen.used };
}
