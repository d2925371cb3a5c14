// SPM, and OBR-15 of old, to Specimen: https://hl7.org/fhir/uv/v2mappings/ (SPM[Specimen], OBR[Specimen])
import type { JsonObject } from '#fhir-model';
import { type Part, type Segment, subcomponentsAsComponents } from '../message/message.ts';
import { dateTimeField, type Mapping } from './context.ts';
import { codeableConcept, drPeriod, repeated } from './datatypes.ts';
import { decimal } from './decimal.ts';
import { derivedId } from './derived-id.ts';
import { cxIdentifier, eipIdentifier, type Identifier, identifierCriterion } from './identifiers.ts';
import { specimenStatus } from './tables.ts';
import { unitOf } from './units.ts';

export interface SpecimenPlace {
  patient: string;
  /** Identifies the order that a specimen without a number belongs to. */
  orderKey: string;
  obr: Segment;
}

/** The reference of the specimen; undefined for an SPM that says nothing of it. */
export function addSpecimen(mapping: Mapping, spm: Segment, place: SpecimenPlace): string | undefined {
  const identifiers = specimenIdentifiers(mapping, spm);
  const type = codeableConcept(mapping, spm.field(4));
  if (identifiers.length === 0 && type === undefined) return undefined;
  const description = spm.field(14).whole;
  const container = {
    type: codeableConcept(mapping, spm.field(27)),
    additiveCodeableConcept: codeableConcept(mapping, spm.field(6).repetition(1)),
  };
  return create(mapping, place, identifiers, {
    status: specimenStatus[spm.field(20).text ?? ''],
    type,
    receivedTime: dateTimeField(mapping, spm, 18),
    collection: {
      ...collected(mapping, spm.field(17)),
      quantity: amount(mapping, spm.field(12)),
      method: codeableConcept(mapping, spm.field(7)),
      bodySite: codeableConcept(mapping, spm.field(8)),
    },
    container: Object.values(container).every((part) => part === undefined) ? undefined : [container],
    condition: repeated(spm.field(24), (cwe) => codeableConcept(mapping, cwe)),
    accessionIdentifier: cxIdentifier(mapping, spm.field(30), 'accession', 'ACSN'),
    note: description === undefined ? undefined : [{ text: description }],
  });
}

/** OBR-15 (SPS, until v2.5): type, additives, collection method and body site in one field. */
export function addSpecimenSource(mapping: Mapping, place: SpecimenPlace): string | undefined {
  const source = place.obr.field(15);
  const type = subcomponentConcept(mapping, source.component(1));
  if (type === undefined) return undefined;
  const method = source.component(3).text;
  return create(mapping, place, [], {
    type,
    receivedTime: dateTimeField(mapping, place.obr, 14),
    collection: {
      collectedDateTime: dateTimeField(mapping, place.obr, 7),
      method: method === undefined ? undefined : { text: method },
      bodySite: subcomponentConcept(mapping, source.component(4)),
    },
  });
}

function create(mapping: Mapping, place: SpecimenPlace, identifiers: Identifier[], rest: JsonObject): string {
  const resource = {
    resourceType: 'Specimen',
    identifier: identifiers,
    subject: { reference: place.patient },
    ...rest,
  };
  const [key] = identifiers;
  if (key !== undefined) {
    const ifNoneExist = identifierCriterion(key);
    return mapping.once(`Specimen?${ifNoneExist}`, () =>
      mapping.add({ method: 'POST', url: 'Specimen', ifNoneExist, resource }),
    );
  }
  const occurrence = mapping.occurrence(`Specimen ${place.orderKey}`);
  const id = derivedId('Specimen', [place.orderKey, String(occurrence)]);
  mapping.add({ method: 'PUT', url: `Specimen/${id}`, resource: { ...resource, id } });
  return `Specimen/${id}`;
}

/** SPM-2 (EIP): the filler's number first, since the specimen is matched by it; then SPM-31. */
function specimenIdentifiers(mapping: Mapping, spm: Segment): Identifier[] {
  const pair = spm.field(2).repetition(1);
  return [
    eipIdentifier(mapping, pair.component(2), 'specimen', 'FGN'),
    eipIdentifier(mapping, pair.component(1), 'specimen', 'PGN'),
    ...repeated(spm.field(31), (cx) => cxIdentifier(mapping, cx, 'specimen')),
  ].filter((identifier) => identifier !== undefined);
}

function collected(mapping: Mapping, dr: Part): JsonObject {
  const period = drPeriod(mapping, dr);
  if (period === undefined) return {};
  return period.end === undefined ? { collectedDateTime: period.start } : { collectedPeriod: period };
}

/** CQ: quantity, units as subcomponents. */
function amount(mapping: Mapping, cq: Part): JsonObject | undefined {
  const value = decimal(cq.component(1).text ?? '');
  if (value === undefined) return undefined;
  return { value, ...unitOf(subcomponentsAsComponents(cq.component(2)), mapping.facility) };
}

function subcomponentConcept(mapping: Mapping, component: Part): JsonObject | undefined {
  return codeableConcept(mapping, subcomponentsAsComponents(component));
}
