// XCN, XON, PL, EI and HD as references: https://hl7.org/fhir/uv/v2mappings/ (XCN[Practitioner], XON[Organization], PL[Location] …)
import type { JsonObject } from '#fhir-model';
import { locationReference } from '../administration/location.ts';
import { isOid } from '../codesystems.ts';
import { uuidForm } from '../identifiers.ts';
import { organizationReference, practitionerReference } from '../practitioner.ts';
import type { PartMap } from '../table/context.ts';
import { composite, type DataType, oneOf } from './type.ts';

const references = {
  Practitioner: (part, { mapping }) => practitionerReference(mapping, part),
  Organization: (part, { mapping }) => organizationReference(mapping, part),
  Location: (part, { mapping }) => locationReference(mapping, part),
} satisfies Record<string, PartMap>;

/** HD or XON as a logical reference: whom it names without a resource of theirs. */
function named(
  value: string | undefined,
  universalId: string | undefined,
  display: string | undefined,
): JsonObject | undefined {
  if (value === undefined && universalId === undefined) return undefined;
  const uri = universalId === undefined ? undefined : uriOf(universalId);
  const identifier = uri === undefined ? { value: value ?? universalId! } : { system: 'urn:ietf:rfc:3986', value: uri };
  return { identifier, display: display ?? value ?? universalId! };
}

function uriOf(universalId: string): string | undefined {
  if (isOid(universalId)) return `urn:oid:${universalId}`;
  if (uuidForm.test(universalId)) return `urn:uuid:${universalId.toLowerCase()}`;
  return /^[a-z][a-z0-9+.-]*:\S+$/i.test(universalId) ? universalId : undefined;
}

export const referenceTypes = {
  'HD.ref': {
    guide: ['HD[Organization]', 'HD[Device]', 'HD[Location]'],
    yields: 'Reference',
    composite: true,
    compile(args) {
      const type = oneOf(args, ['Organization', 'Device', 'Location']);
      if (type === undefined) throw new SyntaxError('HD.ref of Organization, Device or Location');
      return (part) => {
        const reference = named(part.component(1).text, part.component(2).text, part.component(1).text);
        return reference && { type, ...reference };
      };
    },
  },
  'XON.ref': composite('Reference', [], (part) => {
    const number = part.component(10).text ?? part.component(3).text;
    const name = part.component(1).text;
    if (number === undefined) return name === undefined ? undefined : { type: 'Organization', display: name };
    return { type: 'Organization', identifier: { value: number }, display: name };
  }),
  ref: {
    guide: ['XCN[Practitioner]', 'XON[Organization]', 'PL[Location]'],
    yields: 'Reference',
    composite: true,
    compile(args) {
      const target = oneOf(args, Object.keys(references) as (keyof typeof references)[]);
      if (target === undefined) throw new SyntaxError(`a reference to one of ${Object.keys(references).join(', ')}`);
      return references[target];
    },
  },
} satisfies Record<string, DataType>;
