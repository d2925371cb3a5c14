// Identifier to CX, EI and HD: what mapping/identifiers.ts reads, the other way round
import type { Json, JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import { systems, v2Table } from '../../mapping/codes/systems.ts';
import type { ComponentValue, TextValue } from '../../message/build.ts';
import { type Building, isObject, objects, text } from '../building.ts';
import { dt } from './time.ts';

/** Namespace id, universal id, universal id type. */
export type Hd = readonly [TextValue, TextValue, TextValue];

const known: Readonly<Record<string, Hd>> = {
  [systems.npi]: ['NPI', '2.16.840.1.113883.4.6', 'ISO'],
  [systems.ssn]: ['USSSA', '2.16.840.1.113883.4.1', 'ISO'],
};

const isOid = (name: string): boolean => /^[0-2](?:\.\d+)+$/.test(name);

/** Of an Identifier.system; `namespace` is what people call it (Identifier.assigner). */
export function authority({ target }: Building, system: string | undefined, namespace?: string): Hd {
  if (system === undefined) return [namespace, undefined, undefined];
  const configured = Object.entries(target.identifierSystems).find(([, uri]) => uri === system)?.[0];
  if (configured !== undefined)
    return isOid(configured) ? [namespace, configured, 'ISO'] : [configured, undefined, undefined];
  const listed = ownValue(known, system);
  if (listed !== undefined) return listed;
  if (system.startsWith('urn:oid:')) return [namespace, system.slice('urn:oid:'.length), 'ISO'];
  if (system.startsWith('urn:uuid:')) return [namespace, system.slice('urn:uuid:'.length), 'UUID'];
  const local = /^urn:id:([^:]+)$/.exec(system)?.[1];
  if (local !== undefined) return [decoded(local), undefined, undefined];
  return [namespace, system, 'URI'];
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** A code of table 0203, else the type's words. */
export function identifierTypeOf(identifier: JsonObject): string | undefined {
  const type = identifier.type;
  if (!isObject(type)) return undefined;
  const codings = objects(type.coding);
  const coded = codings.find(({ system }) => system === v2Table('0203')) ?? codings[0];
  return text(coded?.code) ?? text(type.text);
}

export function cx(building: Building, value: Json | undefined): ComponentValue[] | undefined {
  if (!isObject(value) || text(value.value) === undefined) return undefined;
  const assigner = isObject(value.assigner) ? text(value.assigner.display) : undefined;
  const period = isObject(value.period) ? value.period : {};
  return [
    ...[text(value.value), undefined, undefined],
    authority(building, text(value.system), assigner),
    ...[identifierTypeOf(value), undefined, dt(period.start), dt(period.end)],
  ];
}

export function ei(building: Building, value: Json | undefined): TextValue[] | undefined {
  if (!isObject(value) || text(value.value) === undefined) return undefined;
  return [text(value.value), ...authority(building, text(value.system))];
}

/** Those of use `old`, such as a number before it was changed, last. */
export const inUseFirst = (identifiers: readonly JsonObject[]): JsonObject[] => [
  ...identifiers.filter(({ use }) => use !== 'old'),
  ...identifiers.filter(({ use }) => use === 'old'),
];

/** The first identifier of one of these types of table 0203, one in use before those that were. */
export function ofType(identifiers: readonly JsonObject[], ...types: string[]): JsonObject | undefined {
  return types
    .map((type) => inUseFirst(identifiers).find((identifier) => identifierTypeOf(identifier) === type))
    .find((found) => found !== undefined);
}

/** Under which a resource without a number is known: its id here. */
export function ownIdentifier({ target }: Building, id: Json | undefined, type?: string): JsonObject | undefined {
  if (typeof id !== 'string') return undefined;
  const system = `urn:id:${encodeURIComponent(target.sendingApplication)}`;
  return {
    ...(type === undefined ? {} : { type: { coding: [{ system: v2Table('0203'), code: type }] } }),
    system,
    value: id,
  };
}
