// Immunization as VXU^V04: HL7 v2.9 chapter 4A.8; the OBX by CDC's implementation guide for immunization messaging 2.5.1 release 1.5
import type { Json, JsonObject, Resource } from '#fhir-model';
import { isNumber } from '#fhir-model';
import type { FieldValue, RepetitionValue, SegmentValue } from '../../message/build.ts';
import { type Building, isObject, noPlace, objects, since, text } from '../building.ts';
import { patientOf, patientSegments, visitOf, visitSegments } from '../subject.ts';
import { segmentOf } from '../table.ts';
import { rxa, rxr } from '../tables/vaccination.ts';
import { cwe } from '../types/coded.ts';
import { ei, identifierTypeOf, inUseFirst, ofType, ownIdentifier } from '../types/identifier.ts';
import { digitsOf } from '../types/number.ts';
import { xcn } from '../types/reference.ts';
import { unitOf } from '../types/registry.ts';
import { dtm } from '../types/time.ts';
import type { MessageBuilder } from './message.ts';
import { type ObxSeries, obxSeries } from './observation.ts';

/**
 * Table 0322: not done is refused (RE) where RXA-18 says why, else not administered (NA). A dose that is not potent is one of
 * those that don't count (PA).
 */
function completion({ status, statusReason, isSubpotent }: Resource): string {
  if (status !== 'not-done') return isSubpotent === true ? 'PA' : 'CP';
  return statusReason === undefined ? 'NA' : 'RE';
}

/** RXA-9, table NIP001: 00 is a new record. */
function origin(building: Building, immunization: Resource): FieldValue {
  if (immunization.primarySource === true) return ['00', 'New immunization record', 'NIP001'];
  const coding = objects(isObject(immunization.reportOrigin) ? immunization.reportOrigin.coding : undefined)[0];
  const code = text(coding?.code);
  if (code !== undefined && /^\d\d$/.test(code)) return [code, text(coding?.display), 'NIP001'];
  if (immunization.primarySource !== false) return undefined;
  const other = cwe(building, immunization.reportOrigin);
  return ['01', 'Historical information - source unspecified', 'NIP001', ...(other?.slice(0, 3) ?? [])];
}

/** The standard has no NTE for a vaccination: its notes are RXA-9's words. */
function remarks(building: Building, immunization: Resource): FieldValue {
  const words = objects(immunization.note).flatMap((note) => text(note.text) ?? []);
  const source = origin(building, immunization);
  if (words.length === 0) return source;
  return {
    repetitions: [
      ...(source === undefined ? [] : [source as RepetitionValue]),
      ...words.map((word) => [undefined, word]),
    ],
  };
}

function orderSegment(building: Building, immunization: Resource): SegmentValue {
  const numbers = inUseFirst(objects(immunization.identifier));
  const placer = ofType(numbers, 'PLAC');
  const filler =
    ofType(numbers, 'FILL') ??
    numbers.find((one) => identifierTypeOf(one) !== 'PLAC' && identifierTypeOf(one) !== 'PGN');
  const orderer = objects(immunization.performer).find((one) => functionOf(one) === 'OP');
  return {
    name: 'ORC',
    fields: {
      1: 'RE',
      2: ei(building, placer),
      3: ei(building, filler ?? ownIdentifier(building, immunization.id)),
      4: ei(building, ofType(numbers, 'PGN')),
      12: orderer && xcn(building, orderer.actor),
    },
  };
}

const functionOf = (performer: JsonObject): string | undefined =>
  isObject(performer.function) ? text(objects(performer.function.coding)[0]?.code) : undefined;

function dose(building: Building, immunization: Resource): { 6: FieldValue; 7: FieldValue } {
  const quantity = isObject(immunization.doseQuantity) ? immunization.doseQuantity : {};
  const value = isNumber(quantity.value) ? digitsOf(quantity.value) : undefined;
  // 999 is CDC's word for an amount that is not known: RXA-6 is required.
  return value === undefined ? { 6: '999', 7: undefined } : { 6: value, 7: unitOf(building, quantity) };
}

interface Fact {
  type: string;
  code: readonly [code: string, display: string];
  value: FieldValue;
  /** OBX-4. */
  group?: string;
}

const fact = (type: string, code: string, display: string, value: FieldValue, group?: string): Fact[] =>
  value === undefined ? [] : [{ type, code: [code, display], value, ...(group === undefined ? {} : { group }) }];

const counted = (value: Json | undefined): string | undefined => (isNumber(value) ? digitsOf(value) : text(value));

/** Of a number as text: `booster` is none. */
const typeOf = (words: Json | undefined): string =>
  text(words) === undefined || /^\d+$/.test(text(words)!) ? 'NM' : 'ST';

/** The guide is for 2.5.1, which has CE and TS; 2.7 has neither any more, and what takes their place is in 2.6 as well. */
const typesOf = (building: Building): { coded: string; moment: string } =>
  since(building, '2.6') ? { coded: 'CWE', moment: 'DTM' } : { coded: 'CE', moment: 'TS' };

const withoutPlace = ['reaction', 'subpotentReason'];

/** What the standard has no field for: LOINC codes that mapping/clinical/immunization.ts reads. */
function facts(building: Building, immunization: Resource): Fact[] {
  const { coded, moment } = typesOf(building);
  const protocol = objects(immunization.protocolApplied)[0] ?? {};
  return [
    ...objects(immunization.programEligibility).flatMap((concept) =>
      fact(coded, '64994-7', 'Vaccine funding program eligibility category', cwe(building, concept)),
    ),
    ...fact(coded, '30963-3', 'Vaccine purchased with', cwe(building, immunization.fundingSource)),
    ...objects(immunization.education).flatMap((sheet, index) => {
      const group = String(index + 2);
      const type = text(sheet.documentType);
      return [
        ...fact(coded, '69764-9', 'Document type', type === undefined ? undefined : [type], group),
        ...fact(moment, '29768-9', 'Date vaccine information statement published', dtm(sheet.publicationDate), group),
        ...fact(moment, '29769-7', 'Date vaccine information statement presented', dtm(sheet.presentationDate), group),
      ];
    }),
    ...fact(
      typeOf(protocol.doseNumberString),
      '30973-2',
      'Dose number in series',
      counted(protocol.doseNumberPositiveInt ?? protocol.doseNumberString),
    ),
    ...fact(
      typeOf(protocol.seriesDosesString),
      '59782-3',
      'Number of doses in primary series',
      counted(protocol.seriesDosesPositiveInt ?? protocol.seriesDosesString),
    ),
    ...fact('ST', '59780-7', 'Immunization series name', text(protocol.series)),
  ];
}

function factSegment({ type, code, value, group }: Fact, at: string | undefined, series: ObxSeries): SegmentValue {
  const fields = { 1: series.next(), 2: type, 3: [...code, 'LN'], 4: group ?? '1', 5: value, 11: 'F', 14: at };
  return { name: 'OBX', fields };
}

/** RXA-21, table 0206: new, corrected, taken away. */
export type VaccinationAction = 'A' | 'U' | 'D';

/** ORC, RXA, RXR and OBX of an Immunization. */
export function vaccinationSegments(
  building: Building,
  immunization: Resource,
  action: VaccinationAction,
): SegmentValue[] {
  const route = segmentOf(rxr, building, immunization);
  const series = obxSeries();
  const at = dtm(immunization.occurrenceDateTime);
  noPlace(building, immunization, withoutPlace);
  if (objects(immunization.protocolApplied).length > 1)
    building.warnings.add('Immunization.protocolApplied: one of several');
  if (at === undefined) building.warnings.add('Immunization.occurrenceString has no place in RXA-3');
  const given = segmentOf(rxa, building, immunization, {
    ...{ 1: '0', 2: '1', ...dose(building, immunization), 9: remarks(building, immunization) },
    ...{ 20: completion(immunization), 21: action },
  });
  return [
    orderSegment(building, immunization),
    given,
    ...(Object.keys(route.fields ?? {}).length === 0 ? [] : [route]),
    ...facts(building, immunization).map((one) => factSegment(one, at, series)),
  ];
}

export const vxu: MessageBuilder = {
  code: 'VXU',
  structures: { V04: 'VXU_V04' },
  from: ['Immunization'],
  reads: ['Patient', 'Encounter', 'Practitioner', 'PractitionerRole', 'Organization', 'Location', 'Account'],
  eventOf: () => 'V04',
  stateOf: ({ status }) => text(status) ?? '',
  segments(building, focus, _event, told) {
    const patient = patientOf(building, focus.patient, 'Immunization.patient');
    const visit = visitOf(building, focus.encounter);
    const wrong = focus.status === 'entered-in-error';
    // What was taken away is not there any more to be corrected.
    const isNew = told?.state === undefined || told.state === 'entered-in-error';
    const action = wrong ? 'D' : isNew ? 'A' : 'U';
    return [
      ...patientSegments(building, patient, visit),
      ...(visit === undefined ? [] : visitSegments(building, visit)),
      ...vaccinationSegments(building, focus, action),
    ];
  },
};
