// NK1, GT1 and PID-21: people around the patient. https://hl7.org/fhir/uv/v2mappings/ (NK1[RelatedPerson], CX[RelatedPerson-Mother])
import type { JsonObject, Resource } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { compact, list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import { cxIdentifier, uniteIdentifiers } from '../identifiers.ts';
import type { MappedPatient } from '../patient.ts';
import { organizationReference } from '../practitioner.ts';
import type { Group } from '../structure/group.ts';
import { runTable, type SegmentTable } from '../table/table.ts';
import { gt1RelatedPerson } from '../tables/gt1.ts';
import { nk1RelatedPerson } from '../tables/nk1.ts';
import { conceptKey, firstNumber, upsertDerived } from './upsert.ts';

/** Employers, agencies and insurers: no persons, Patient.contact has them. */
const organizations = new Set(['EMR', 'E', 'F', 'I', 'S']);

/** NK1 of the NEXT_OF_KIN groups, or where the structure has none. */
export function nextOfKin(group: Group): Segment[] {
  return [...group.all('NK1'), ...group.groups('NEXT_OF_KIN').flatMap((kin) => kin.all('NK1'))];
}

export function addRelatedPersons(mapping: Mapping, group: Group, patient: MappedPatient): void {
  for (const segment of nextOfKin(group)) {
    if (organizations.has(segment.field(3).text ?? '') || organizations.has(segment.field(7).text ?? '')) continue;
    relatedPerson(mapping, group, patient, segment, nk1RelatedPerson);
  }
}

/** Undefined for what is no person: without a name it is a contact. */
function relatedPerson(
  mapping: Mapping,
  group: Group,
  patient: MappedPatient,
  segment: Segment,
  table: SegmentTable,
): string | undefined {
  const cleared: string[] = [];
  const found = runTable(table, { segment, group, mapping }, cleared);
  return found && addPerson(mapping, patient, found, cleared);
}

/**
 * Somebody around the patient, known by number, else by name; undefined without a name. Who is next of kin and guarantor or
 * insured too is one person: the first segment says what several say, the others what it leaves out.
 */
export function addPerson(
  mapping: Mapping,
  patient: MappedPatient,
  found: JsonObject,
  cleared: readonly string[],
): string | undefined {
  const [name] = list(found.name);
  if (name === undefined) return undefined;
  const known = firstNumber(found.identifier) ?? JSON.stringify([name.family, name.given]).toLowerCase();
  const resource = { ...found, patient: { reference: patient.reference } };
  const before = mapping.entries.length;
  const reference = upsertDerived(mapping, resource, [patient.key, known], { cleared });
  const earlier = mapping.entries.slice(0, before).find(({ url }) => url === reference);
  if (earlier?.resource !== undefined) complete(earlier.resource, compact(found) ?? {});
  return reference;
}

function complete(person: Resource, { identifier, relationship, ...more }: JsonObject): void {
  if (identifier !== undefined) person.identifier = uniteIdentifiers(list(person.identifier), list(identifier));
  const relations = new Map([...list(person.relationship), ...list(relationship)].map((one) => [conceptKey(one), one]));
  if (relations.size > 0) person.relationship = [...relations.values()];
  for (const [element, value] of Object.entries(more)) person[element] ??= value;
}

const motherConcept: JsonObject = {
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', code: 'MTH', display: 'mother' }],
};

/** PID-21. */
export function addMother(mapping: Mapping, pid: Segment, patient: MappedPatient): void {
  const identifier = cxIdentifier(mapping, pid.field(21).repetition(1), '');
  if (identifier === undefined) return;
  const resource: JsonObject = {
    resourceType: 'RelatedPerson',
    identifier: [identifier],
    patient: { reference: patient.reference },
    relationship: [motherConcept],
  };
  upsertDerived(mapping, resource, [patient.key, firstNumber([identifier])]);
}

/** GT1: Account.guarantor. */
export function guarantors(mapping: Mapping, group: Group, patient: MappedPatient): JsonObject[] {
  const found: JsonObject[] = [];
  for (const gt1 of group.all('GT1')) {
    const party = guarantor(mapping, group, patient, gt1);
    if (party !== undefined) found.push({ party });
  }
  return found;
}

function guarantor(mapping: Mapping, group: Group, patient: MappedPatient, gt1: Segment): JsonObject | undefined {
  if (gt1.field(11).text === 'SEL') return { reference: patient.reference };
  const person = relatedPerson(mapping, group, patient, gt1, gt1RelatedPerson);
  if (person !== undefined) return { reference: person };
  return organizationReference(mapping, gt1.field(21).repetition(1));
}
