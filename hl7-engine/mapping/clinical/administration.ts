// RXD to MedicationDispense and RXA to MedicationAdministration: HL7 v2.9 chapter 4A.6 and 4A.7. The guide has only
// ORC[MedicationAdministration]; the rest is ours, after its RXA[Immunization].
import type { JsonObject, Resource } from '#fhir-model';
import { ownValue } from '#platform';
import type { Segment } from '../../message/message.ts';
import { absent, type Mapping } from '../context.ts';
import { derivedId } from '../derived-id.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { amount, doseInWords, rxaMedicationAdministration, rxdMedicationDispense, rxrDosage } from '../tables/rx.ts';
import { cqQuantity } from '../types/cq.ts';
import { eventNotes } from './drug-notes.ts';
import type { OrderGroup } from './groups.ts';
import { givenRate, medicationOf, onSchedules } from './medication.ts';
import { eventMerge } from './merging.ts';
import { noteTexts } from './notes.ts';
import { type Order, schedulesOf } from './order.ts';

/** The order that was carried out: itself where the message has it, else its number. */
export function requestReference({ placer, filler }: Order, request: string | undefined): JsonObject | undefined {
  if (request !== undefined) return { reference: request };
  const identifier = placer ?? filler;
  return identifier && { type: 'MedicationRequest', identifier };
}

function put(
  mapping: Mapping,
  resource: Resource,
  key: readonly (string | undefined)[],
  cleared: readonly string[],
): string {
  const { resourceType: type } = resource;
  const keyed = [...key, String(mapping.occurrence(JSON.stringify([type, ...key])))];
  const id = derivedId(type, keyed);
  const url = `${type}/${id}`;
  mapping.stamp(resource);
  mapping.add({ method: 'PUT', url, resource: { ...resource, id }, merge: eventMerge(mapping, cleared) });
  return url;
}

/** What ORC-1 and ORC-5 say of a dispense: as a rule it was handed over. */
const dispenseStatus: Readonly<Record<string, string>> = {
  active: 'completed',
  completed: 'completed',
  'on-hold': 'on-hold',
  revoked: 'cancelled',
  'entered-in-error': 'entered-in-error',
};

const aDay = { value: 1, unit: 'd', system: 'http://unitsofmeasure.org', code: 'd' };

/** `request`: the reference of the MedicationRequest, if the message has one. */
export function addDispense(
  mapping: Mapping,
  order: Order,
  rxd: Segment,
  request: string | undefined,
): string | undefined {
  const { group, subject } = order;
  const notes = eventNotes(mapping, rxd, group.notes, group, request);
  const context = { mapping, group: group.group };
  const cleared: string[] = [];
  const mapped = runTable(rxdMedicationDispense, { ...context, segment: rxd }, cleared);
  const components = group.details.filter(({ name }) => name === 'RXC');
  const medication = medicationOf(mapping, rxd, components, group.group);
  if (mapped === undefined || medication === undefined) return undefined;
  const authorizing = requestReference(order, request);
  const route = routeOf(mapping, group);
  const daily = cqQuantity(mapping, rxd.field(12));
  const each = { ...route, maxDosePerPeriod: daily && { numerator: daily, denominator: aDay } };
  const resource: Resource = {
    ...mapped,
    resourceType: 'MedicationDispense',
    status: dispenseStatus[order.state.status ?? 'active'] ?? 'completed',
    ...medication,
    subject: { reference: subject.patient },
    context: subject.encounter === undefined ? undefined : { reference: subject.encounter },
    authorizingPrescription: authorizing === undefined ? undefined : [authorizing],
    note: [...((mapped.note as JsonObject[] | undefined) ?? []), ...noteTexts(mapping, notes)],
    // As the label has it.
    dosageInstruction: onSchedules(each, schedulesOf(mapping, group)),
  };
  return put(mapping, resource, [order.key, rxd.field(1).text, rxd.field(2).component(1).text], cleared);
}

function routeOf(mapping: Mapping, { details, group }: OrderGroup): JsonObject | undefined {
  const rxr = details.find(({ name }) => name === 'RXR');
  return rxr && runTable(rxrDosage, { mapping, segment: rxr, group });
}

/** ADMINISTRATION: each RXA is one; the route of RXR is that of all. */
export function addAdministrations(
  mapping: Mapping,
  order: Order,
  group: Group,
  request: string | undefined,
): string[] {
  const rxr = group.get('RXR');
  const route = rxr && runTable(rxrDosage, { mapping, segment: rxr, group });
  return group.all('RXA').flatMap((rxa) => addAdministration(mapping, order, { rxa, group, route, request }) ?? []);
}

interface Administered {
  rxa: Segment;
  group: Group;
  route: JsonObject | undefined;
  request: string | undefined;
}

/** Table 0322: partially given is stopped, refused and not administered are not done. */
const completion: Readonly<Record<string, string>> = { CP: 'completed', PA: 'stopped', RE: 'not-done', NA: 'not-done' };

function addAdministration(mapping: Mapping, order: Order, parts: Administered): string | undefined {
  const { rxa, group, route, request } = parts;
  const cleared: string[] = [];
  const mapped = runTable(rxaMedicationAdministration, { mapping, segment: rxa, group }, cleared);
  const medication = medicationOf(mapping, rxa, [], group);
  if (mapped === undefined || medication === undefined) return undefined;
  const { subject } = order;
  const notes = noteTexts(mapping, eventNotes(mapping, rxa, group.all('NTE'), order.group, request));
  const timed = mapped.effectiveDateTime !== undefined || mapped.effectivePeriod !== undefined;
  const resource: Resource = {
    ...mapped,
    resourceType: 'MedicationAdministration',
    identifier: [order.placer, order.filler].filter((identifier) => identifier !== undefined),
    status: rxa.field(21).text === 'D' ? 'entered-in-error' : (ownValue(completion, rxa.field(20).text) ?? 'completed'),
    ...medication,
    subject: { reference: subject.patient },
    context: subject.encounter === undefined ? undefined : { reference: subject.encounter },
    ...(timed ? {} : { _effectiveDateTime: absent }),
    request: requestReference(order, request),
    note: [...((mapped.note as JsonObject[] | undefined) ?? []), ...notes],
    dosage: dosage(mapping, rxa, route),
  };
  const key = [order.key, rxa.field(2).text, rxa.field(3).text, rxa.field(5).component(1).text];
  return put(mapping, resource, key, cleared);
}

/** R4 asks for a dose or a rate in a dosage (mad-1): with a route alone the dose is told to be unknown. */
function dosage(mapping: Mapping, rxa: Segment, route: JsonObject | undefined): JsonObject | undefined {
  const dose = rxa.field(6).text === '999' ? undefined : amount(mapping, rxa.field(6), rxa.field(7));
  const text = doseInWords([rxa.field(6)], rxa.field(7));
  if (dose === undefined && text === undefined && route === undefined) return undefined;
  const { additionalInstruction: _instruction, ...place } = route ?? {};
  // With a time RXA-6 is how much was given in it, and not what was given in all.
  const rate = dose && givenRate(mapping, rxa);
  const given = rate ?? { dose: dose ?? absent };
  return { ...place, ...(text === undefined ? {} : { text }), ...given };
}
