// CX, EI, EIP, HD, DLN and PLN: https://hl7.org/fhir/uv/v2mappings/ (CX[Identifier], EI[Identifier-Extension], HD[uri] …)
import type { JsonObject } from '#fhir-model';
import { conceptMapOf } from '../codes/concept-maps.ts';
import { systems, v2Table } from '../codes/systems.ts';
import { codingSystem, localUri } from '../codesystems.ts';
import { dateTime } from '../datetime.ts';
import { authorityAt, cxIdentifier, eiIdentifier, eipIdentifier, identifierSystem } from '../identifiers.ts';
import type { PartMap } from '../table/context.ts';
import { mappedConcept } from './coded.ts';
import { composite, type DataType } from './type.ts';

/** `kind` tells numbers of one facility apart where they name no authority; `type` is a code of table 0203. */
function numbered(guide: readonly string[], map: (kind: string, type: string | undefined) => PartMap): DataType {
  return {
    guide,
    yields: 'Identifier',
    composite: true,
    compile([kind = '', type, ...more]) {
      if (more.length > 0)
        throw new SyntaxError(`a kind and a type of table 0203, but "${more.join(' ')}" beside them`);
      return map(kind, type);
    },
  };
}

const period = (start: string | undefined, end: string | undefined): JsonObject | undefined =>
  start === undefined && end === undefined ? undefined : { start, end };

/** Driver's licence: number, issuer, end. */
const licence: PartMap = (part, { mapping }) => {
  const value = part.component(1).text;
  if (value === undefined) return undefined;
  const issuer = part.component(2).text;
  return {
    type: { coding: [{ system: v2Table('0203'), code: 'DL' }] },
    system: localUri(...(issuer === undefined ? [mapping.facility, 'DL'] : [issuer, 'DL'])),
    value,
    period: period(undefined, dateTime(part.component(3).text, mapping.zone)),
    assigner: issuer === undefined ? undefined : { display: issuer },
  };
};

/** Practitioner's number: number, type of table 0338, qualifying word, end. An NPI is the country's. */
const practitionerNumber: PartMap = (part, { mapping }) => {
  const value = part.component(1).text;
  if (value === undefined) return undefined;
  const kind = part.component(2).text;
  const type = mappedConcept(mapping, conceptMapOf('PractitionerIDNumberType'), part.component(2));
  const state = part.component(3).text;
  const parts = [mapping.facility, kind, state].filter((name) => name !== undefined);
  return {
    type,
    system: kind === 'NPI' ? systems.npi : localUri(...parts),
    value,
    period: period(undefined, dateTime(part.component(4).text, mapping.zone)),
  };
};

export const identifierTypes = {
  CX: numbered(
    ['CX[Identifier]'],
    (kind, type) =>
      (part, { mapping }) =>
        cxIdentifier(mapping, part, kind, type),
  ),
  EI: numbered(
    ['EI[Identifier-Extension]', 'EI[Identifier-System]', 'EI[Identifier-DefaultAssigner]'],
    (kind, type) =>
      (part, { mapping }) =>
        eiIdentifier(mapping, part, kind, type),
  ),
  'EIP.placer': numbered(
    ['EIP[Identifier-PlacerAssignedIdentifier]'],
    (kind, type = 'PLAC') =>
      (part, { mapping }) =>
        eipIdentifier(mapping, part.component(1), kind, type),
  ),
  'EIP.filler': numbered(
    ['EIP[Identifier-FillerAssignedIdentifier]'],
    (kind, type = 'FILL') =>
      (part, { mapping }) =>
        eipIdentifier(mapping, part.component(2), kind, type),
  ),
  'EI.Coding': composite('Coding', ['EI[Coding]'], (part, { mapping }) => {
    const code = part.component(1).text;
    if (code === undefined) return undefined;
    const system = codingSystem(part.component(2).text, part.component(3).text, mapping.facility);
    return { system, code };
  }),
  DLN: composite('Identifier', ['DLN[Identifier]'], licence),
  PLN: composite('Identifier', ['PLN[Identifier]'], practitionerNumber),
  'HD.uri': composite('uri', ['HD[uri]'], (part, { mapping }) =>
    part.isEmpty ? undefined : identifierSystem(mapping, authorityAt(part, 1), ''),
  ),
  'HD.Identifier': composite('Identifier', ['HD[Identifier]'], (part, { mapping }) => {
    const value = part.component(2).text ?? part.component(1).text;
    return value === undefined ? undefined : { system: localUri(mapping.facility, 'organization'), value };
  }),
} satisfies Record<string, DataType>;
