// The patient and the visit of a message: PID, PD1, NK1, PV1, PV2. HL7 v2.9 chapter 3.4
import type { Json, JsonObject, Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { systems } from '../mapping/codes/systems.ts';
import type { FieldValue, SegmentValue } from '../message/build.ts';
import { type Building, isObject, noPlace, objects, text } from './building.ts';
import { fieldsOf, fieldValue, segmentOf } from './table.ts';
import { nk1, pd1, pid } from './tables/patient.ts';
import { pv1, pv2 } from './tables/visit.ts';
import { cx, identifierTypeOf, inUseFirst, ofType, ownIdentifier } from './types/identifier.ts';
import { pl } from './types/reference.ts';

/** The patient that a reference means. Throws CerebraError `business-rule`: no message is about nobody. */
export function patientOf(building: Building, reference: Json | undefined, where: string): Resource {
  const found = building.graph.resolve(reference);
  if (found?.resourceType === 'Patient') return found;
  throw new CerebraError('business-rule', `${where} leads to no Patient: a message has to say whom it is about`, {
    expression: [where],
  });
}

/** The Encounter that a reference means, if there is one. */
export function visitOf(building: Building, reference: Json | undefined): Resource | undefined {
  const found = building.graph.resolve(reference);
  return found?.resourceType === 'Encounter' ? found : undefined;
}

/** PID and, where they say something, PD1 and NK1. */
export function patientSegments(building: Building, patient: Resource, visit?: Resource): SegmentValue[] {
  const account = visit && accountOf(building, visit);
  const segment = segmentOf(pid, building, patient, {
    ...{ 1: '1', 18: cx(building, account), 19: socialSecurityNumber(patient) },
  });
  const fields: Record<number, FieldValue> = { ...segment.fields };
  fields[3] ??= cx(building, ownIdentifier(building, patient.id, 'PI'));
  // PID-5 is required: a name of type U, unspecified, is no name.
  fields[5] ??= [...Array<undefined>(6).fill(undefined), 'U'];
  if (fields[3] === undefined) {
    const text = 'The Patient has neither identifier nor id: PID-3 would be empty';
    throw new CerebraError('business-rule', text, { expression: ['Patient.identifier'] });
  }
  const more = segmentOf(pd1, building, patient);
  const kin = objects(patient.contact).map((contact, index) => ({
    name: 'NK1',
    fields: { 1: String(index + 1), ...fieldsOf(nk1, building, contact) },
  }));
  return [{ name: 'PID', fields }, ...(isEmpty(more) ? [] : [more]), ...kin];
}

const isEmpty = ({ fields = {} }: SegmentValue): boolean => Object.keys(fields).length === 0;

/** PID-19, where receivers of versions before 2.7 look for it: one number, which is not one that was. */
function socialSecurityNumber(patient: Resource): string | undefined {
  const found = objects(patient.identifier).find(({ system, use }) => system === systems.ssn && use !== 'old');
  return text(found?.value);
}

/** The visit's account: an identifier of type AN of the visit, else of Encounter.account. */
function accountOf({ graph }: Building, visit: Resource): JsonObject | undefined {
  const own = ofType(inUseFirst(objects(visit.identifier)), 'AN');
  return own ?? inUseFirst(objects(graph.resolve(objects(visit.account)[0])?.identifier))[0];
}

const isTemporary = (place: JsonObject): boolean => JSON.stringify(place.extension ?? '').includes('"temporary"');

/** PV1-3, -6, -11, -42 and -43 take one place each: the last of its kind. */
function placesOf(building: Building, visit: Resource): Record<number, FieldValue> {
  const places = objects(visit.location).map((place) => ({ ...place, isTemporary: isTemporary(place) }) as JsonObject);
  const last = (temporary: boolean, ...statuses: string[]): JsonObject | undefined =>
    places.findLast(({ status, isTemporary: is }) => is === temporary && statuses.includes(text(status) ?? 'active'));
  const [now, next] = [last(false, 'active'), last(false, 'planned', 'reserved')];
  // Clients have them in any order; where nothing tells when one was left, as they stand.
  const former = places
    .filter(({ status, isTemporary: is }) => is === false && status === 'completed')
    .toSorted((one, other) => endOf(one) - endOf(other) || 0);
  // Of a visit that has ended PV1-3 is the place before it did, which is no place before that one: chapter 3.4.3.3.
  const here = now ?? (visit.status === 'finished' ? former.pop() : undefined);
  const written = (place: JsonObject | undefined): FieldValue => place && pl(building, place.location);
  return {
    3: written(here ?? next),
    6: written(former.at(-1)),
    11: written(last(true, 'active')),
    42: here === undefined ? undefined : written(next),
    43: written(last(true, 'completed')),
  };
}

const placed: ReadonlySet<string> = new Set(['ATND', 'REF', 'CON', 'ADM', 'PART']);

/** Who is something to the visit that PV1 has no field for; a primary performer stands where nobody attends. */
function warnOfParticipants({ warnings }: Building, { participant }: Resource): void {
  const all = objects(participant).map(({ type }) => objects(type).flatMap(({ coding }) => objects(coding)));
  const attended = all.some((codings) => codings.some(({ code }) => code === 'ATND'));
  for (const codings of all) {
    const codes = codings.map(({ code }) => text(code) ?? '');
    if (codes.some((code) => placed.has(code) || (code === 'PPRF' && !attended))) continue;
    warnings.add(`Encounter.participant of type ${codes[0] ?? 'none'} has no place in the message`);
  }
}

const endOf = ({ period }: JsonObject): number => Date.parse((isObject(period) ? text(period.end) : undefined) ?? '');

/** PV1 takes the first of those who attend for the one who does: those who left before the visit ended, or by now, come last. */
function presentFirst({ nowMs }: Building, visit: Resource): Resource {
  const all = objects(visit.participant);
  const end = endOf(visit);
  const hasLeft = (one: JsonObject): boolean => endOf(one) < (end < nowMs ? end : nowMs);
  if (!all.some(hasLeft)) return visit;
  return { ...visit, participant: [...all.filter((one) => !hasLeft(one)), ...all.filter(hasLeft)] };
}

/** PV1 and, where it says something, PV2; without a visit a PV1 that says so. */
export function visitSegments(building: Building, visit: Resource | undefined): SegmentValue[] {
  if (visit === undefined) return [{ name: 'PV1', fields: { 1: '1', 2: 'N' } }];
  const all = inUseFirst(objects(visit.identifier));
  const numbers = all.filter((identifier) => identifierTypeOf(identifier) !== 'AN');
  const main = ofType(numbers, 'VN') ?? numbers[0];
  const own = main ?? (accountOf(building, visit) === undefined ? ownIdentifier(building, visit.id, 'VN') : undefined);
  const others = numbers.filter((identifier) => identifier !== main).map((identifier) => cx(building, identifier));
  warnOfParticipants(building, visit);
  noPlace(building, visit, ['partOf']);
  const more = segmentOf(pv2, building, visit);
  const first = segmentOf(pv1, building, presentFirst(building, visit), {
    1: '1',
    ...placesOf(building, visit),
    19: cx(building, own),
    50: others.length === 0 ? undefined : fieldValue(others),
  });
  return [first, ...(isEmpty(more) ? [] : [more])];
}
