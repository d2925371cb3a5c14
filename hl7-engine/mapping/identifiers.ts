// CX, EI, HD to Identifier: https://hl7.org/fhir/uv/v2mappings/ (CX[Identifier], EI[Identifier-Extension], HD[uri])
//
// Identifier.system, the first that applies:
//   1. what the configuration says for the authority's namespace id or universal id
//   2. a known object identifier or name: US NPI and US social security numbers
//   3. universal id of type ISO: urn:oid:…; UUID or GUID: urn:uuid:…; URI: as it is
//   4. namespace id, else universal id: urn:id:<that>
//   5. no authority: urn:id:<facility of MSH-4, else MSH-3>[:<kind of number>]
import type { JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import type { Part } from '../message/message.ts';
import { conceptMapOf } from './codes/concept-maps.ts';
import { systems } from './codes/systems.ts';
import { isOid, localUri } from './codesystems.ts';
import type { Mapping } from './context.ts';
import { dateTime } from './datetime.ts';

export interface Identifier extends JsonObject {
  type?: JsonObject;
  system: string;
  value: string;
}

const knownAuthorities: Readonly<Record<string, string>> = {
  NPI: systems.npi,
  '2.16.840.1.113883.4.6': systems.npi,
  USSSA: systems.ssn,
  '2.16.840.1.113883.4.1': systems.ssn,
};

export const uuidForm = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** An assigning authority's three parts: namespace id, universal id, universal id type. */
export interface Authority {
  namespace: string | undefined;
  universalId: string | undefined;
  universalIdType: string | undefined;
}

/** HD as a component (its parts are subcomponents). */
export function authorityOf(component: Part): Authority {
  return {
    namespace: component.subcomponent(1).text,
    universalId: component.subcomponent(2).text,
    universalIdType: component.subcomponent(3).text,
  };
}

/** HD spread over components `first` to `first` + 2, as in EI. */
export function authorityAt(part: Part, first: number): Authority {
  return {
    namespace: part.component(first).text,
    universalId: part.component(first + 1).text,
    universalIdType: part.component(first + 2).text,
  };
}

/** `kind` tells numbers of one facility apart where there is no authority; '' for the patient's own number. */
export function identifierSystem(mapping: Mapping, authority: Authority, kind: string): string {
  const { namespace, universalId, universalIdType } = authority;
  for (const name of [universalId, namespace]) {
    const known =
      name === undefined ? undefined : (ownValue(mapping.identifierSystems, name) ?? ownValue(knownAuthorities, name));
    if (known !== undefined) return known;
  }
  if (universalId !== undefined) {
    if (isOid(universalId)) return `urn:oid:${universalId}`;
    if (uuidForm.test(universalId)) return `urn:uuid:${universalId.toLowerCase()}`;
    if (universalIdType === 'URI' && /^[a-z][a-z0-9+.-]*:\S+$/i.test(universalId)) return universalId;
  }
  const name = namespace ?? universalId;
  return name === undefined ? localUri(mapping.facility, kind) : localUri(name);
}

const identifierTypes = conceptMapOf('IdentifierType').codes;

/** Identifier.type of a table 0203 code; a sender's own code is text. */
export function identifierType(code: string | undefined): JsonObject | undefined {
  if (code === undefined) return undefined;
  const known = identifierTypes.get(code);
  return known === undefined ? { text: code } : { coding: [{ ...known }] };
}

/** CX; `kind` as in identifierSystem, `typeCode` where CX.5 is empty. */
export function cxIdentifier(mapping: Mapping, cx: Part, kind: string, typeCode?: string): Identifier | undefined {
  const value = cx.component(1).text;
  if (value === undefined) return undefined;
  const authority = authorityOf(cx.component(4));
  const period = {
    start: dateTime(cx.component(7).text, mapping.zone),
    end: dateTime(cx.component(8).text, mapping.zone),
  };
  return {
    type: identifierType(cx.component(5).text ?? typeCode),
    system: identifierSystem(mapping, authority, kind),
    value,
    period: period.start === undefined && period.end === undefined ? undefined : period,
    assigner: authority.namespace === undefined ? undefined : { display: authority.namespace },
  } as Identifier;
}

/** EI. */
export function eiIdentifier(mapping: Mapping, ei: Part, kind: string, typeCode?: string): Identifier | undefined {
  const value = ei.component(1).text;
  if (value === undefined) return undefined;
  const system = identifierSystem(mapping, authorityAt(ei, 2), kind);
  return { type: identifierType(typeCode), system, value } as Identifier;
}

/** One of EIP's two: an EI whose parts are the subcomponents of a component. */
export function eipIdentifier(mapping: Mapping, ei: Part, kind: string, typeCode: string): Identifier | undefined {
  const value = ei.subcomponent(1).text;
  if (value === undefined) return undefined;
  const authority: Authority = {
    namespace: ei.subcomponent(2).text,
    universalId: ei.subcomponent(3).text,
    universalIdType: ei.subcomponent(4).text,
  };
  return { type: identifierType(typeCode)!, system: identifierSystem(mapping, authority, kind), value };
}

/** A token for a search URL: https://hl7.org/fhir/R4/search.html#escaping */
export function tokenCriterion(name: string, system: string | undefined, value: string): string {
  const escaped = [system ?? '', value].map((text) => text.replaceAll(/[\\$,|]/g, '\\$&'));
  return `${name}=${encodeURIComponent(escaped.join('|'))}`;
}

export function identifierCriterion(identifier: Identifier): string {
  return tokenCriterion('identifier', identifier.system, identifier.value);
}

/**
 * Each system and value once, the later of two alike, which keeps the type and the assigner that it does not name itself: senders of
 * the same number leave them out. A number that was marked as old stays so until it is taken away.
 */
export function uniteIdentifiers(existing: JsonObject[], incoming: JsonObject[]): JsonObject[] {
  const key = (identifier: JsonObject): string => JSON.stringify([identifier.system, identifier.value]);
  const united = new Map(existing.map((identifier) => [key(identifier), identifier]));
  for (const identifier of incoming) {
    const before = united.get(key(identifier));
    united.set(key(identifier), before === undefined ? identifier : again(before, identifier));
  }
  return [...united.values()];
}

function again({ use, type, assigner }: JsonObject, identifier: JsonObject): JsonObject {
  const isOld = use === 'old' && identifier.use === undefined;
  return {
    ...(type !== undefined && { type }),
    ...(assigner !== undefined && { assigner }),
    ...identifier,
    ...(isOld && { use }),
  };
}
