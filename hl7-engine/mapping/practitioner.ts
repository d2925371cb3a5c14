// XCN, XON, NDL to Practitioner and Organization: https://hl7.org/fhir/uv/v2mappings/ (XCN[Practitioner], XON[Organization])
import type { JsonObject } from '#fhir-model';
import type { Part } from '../message/message.ts';
import { systems, v2Table } from './codes/systems.ts';
import type { Mapping } from './context.ts';
import { address, contactPoint, displayName, humanName, repeated } from './datatypes.ts';
import {
  type Authority,
  authorityOf,
  type Identifier,
  identifierCriterion,
  identifierSystem,
  identifierType,
} from './identifiers.ts';

/** One resource an identifier: found if it is there, else created. A name alone would make a new one each time. */
function found(mapping: Mapping, type: string, identifier: Identifier, rest: JsonObject): string {
  const criterion = identifierCriterion(identifier);
  return mapping.once(`${type}?${criterion}`, () =>
    mapping.add({
      method: 'POST',
      url: type,
      ifNoneExist: criterion,
      resource: { resourceType: type, identifier: [identifier], ...rest },
    }),
  );
}

function personSystem(mapping: Mapping, authority: Authority, typeCode: string | undefined): string {
  return typeCode === 'NPI' ? systems.npi : identifierSystem(mapping, authority, 'practitioner');
}

/** A reference to the person of an XCN; with a name but no number only its display. */
export function practitionerReference(mapping: Mapping, xcn: Part): JsonObject | undefined {
  const name = humanName(mapping, xcn, 'XCN');
  const display = displayName(name);
  const value = xcn.component(1).text;
  if (value === undefined) return display === undefined ? undefined : { display };
  const typeCode = xcn.component(13).text;
  const system = personSystem(mapping, authorityOf(xcn.component(9)), typeCode);
  const degree = xcn.component(7).text;
  const reference = found(mapping, 'Practitioner', { type: identifierType(typeCode), system, value } as Identifier, {
    name: name === undefined ? undefined : [name],
    qualification: degree === undefined ? undefined : [{ code: degreeConcept(degree) }],
  });
  return { reference, display };
}

// Codes of table 0360 as they are used most; others are text.
const degrees = new Set(
  'MD DO PHD PharmD RN PN BSN CNP CNS CNM CRN DDS JD MBA MS BS BA MA DBA EMT EMTP FPNP'.split(' '),
);

function degreeConcept(degree: string): JsonObject {
  return degrees.has(degree) ? { coding: [{ system: v2Table('0360'), code: degree }] } : { text: degree };
}

/** NDL (OBR-32): the person is a CNN whose parts are subcomponents of its first component. */
export function interpreterReference(mapping: Mapping, ndl: Part): JsonObject | undefined {
  const cnn = ndl.component(1);
  const text = (number: number): string | undefined => cnn.subcomponent(number).text;
  const name: JsonObject = {
    family: text(2),
    given: [text(3), text(4)].filter((word) => word !== undefined),
    suffix: [text(5)].filter((word) => word !== undefined),
    prefix: [text(6)].filter((word) => word !== undefined),
  };
  const display = displayName(name);
  const value = text(1);
  if (value === undefined) return display === undefined ? undefined : { display };
  const authority = { namespace: text(9), universalId: text(10), universalIdType: text(11) };
  const system = identifierSystem(mapping, authority, 'practitioner');
  return { reference: found(mapping, 'Practitioner', { system, value }, { name: display && [name] }), display };
}

export interface OrganizationDetails {
  /** XAD. */
  address?: Part;
  /** XTN. */
  telecom?: Part;
}

/** A reference to the organization of an XON; without a number only its display. */
export function organizationReference(
  mapping: Mapping,
  xon: Part,
  details: OrganizationDetails = {},
): JsonObject | undefined {
  const name = xon.component(1).text;
  const value = xon.component(10).text ?? xon.component(3).text;
  if (value === undefined) return name === undefined ? undefined : { display: name };
  const typeCode = xon.component(7).text;
  const authority = authorityOf(xon.component(6));
  const system = typeCode === 'NPI' ? systems.npi : identifierSystem(mapping, authority, 'organization');
  const reference = found(mapping, 'Organization', { type: identifierType(typeCode), system, value } as Identifier, {
    name,
    address: details.address && repeated(details.address, (xad) => address(mapping, xad)),
    telecom: details.telecom && repeated(details.telecom, (xtn) => contactPoint(mapping, xtn, 'work')),
  });
  return { reference, display: name };
}
