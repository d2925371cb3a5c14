// RXA with its ORC, RXR and OBX to Immunization: https://hl7.org/fhir/uv/v2mappings/ (VXU_V04, RXA[Immunization]); what the OBX
// mean by their LOINC codes: CDC's implementation guide for immunization messaging 2.5.1 release 1.5
import type { JsonObject, Resource } from '#fhir-model';
import { ownValue } from '#platform';
import type { Segment } from '../../message/message.ts';
import { isEnded } from '../administration/roles.ts';
import { putDerived } from '../administration/upsert.ts';
import { v2Table } from '../codes/systems.ts';
import { list } from '../compact.ts';
import { absent, type Mapping } from '../context.ts';
import { codeableConcept, repeated } from '../datatypes.ts';
import { dateTime } from '../datetime.ts';
import { derivedId } from '../derived-id.ts';
import { eiIdentifier, type Identifier, identifierCriterion } from '../identifiers.ts';
import { numberKey } from '../identity.ts';
import { onceNoted } from '../once-noted.ts';
import { perMessage } from '../per-message.ts';
import { practitionerReference } from '../practitioner.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { orcImmunization } from '../tables/orc.ts';
import { doseInWords } from '../tables/rx.ts';
import { rxaImmunization, rxrImmunization } from '../tables/rxa.ts';
import { splitForecast } from './forecast.ts';
import { type ObxGroup, obxGroups } from './groups.ts';
import { eventMerge } from './merging.ts';
import { noteTexts } from './notes.ts';
import { addObservation, isDocument } from './observation.ts';
import { type Subject, united } from './order.ts';

/** CVX: no vaccine was given; the group is only about the patient. */
const noVaccine = '998';
/** CDC's number for what has none: a refusal, a forecast. */
const noNumber = '9999';

const completion: Readonly<Record<string, string>> = {
  CP: 'completed',
  PA: 'completed',
  RE: 'not-done',
  NA: 'not-done',
};
const nip001 = 'urn:oid:2.16.840.1.114222.4.5.293';

export function withoutDocuments(mapping: Mapping, observations: readonly ObxGroup[]): ObxGroup[] {
  const found = observations.filter(({ obx }) => !isDocument(obx));
  if (found.length < observations.length)
    mapping.warnings.add('OBX: a document of a vaccination has no place; left out');
  return found;
}

/** ORDER of VXU_V04. Yields what it says of vaccines that are due. */
export function addImmunization(mapping: Mapping, group: Group, subject: Subject): ObxGroup[][] {
  const rxa = group.get('RXA');
  if (rxa === undefined) {
    mapping.warnings.add('ORC: a vaccination without RXA has no place');
    return [];
  }
  const observations = group.groups('OBSERVATION').flatMap(obxGroups);
  const key = keyOf(mapping, group, rxa, subject);
  const place = { group, key, patient: subject.patient, encounter: subject.encounter };
  if (rxa.field(5).component(1).text === noVaccine) {
    const { forecasts, rest } = splitForecast(observations);
    for (const one of withoutDocuments(mapping, rest)) addObservation(mapping, one, place);
    return forecasts;
  }
  const { elements, others, notes } = fromObservations(mapping, observations);
  const cleared: string[] = [];
  const resource = immunization(mapping, group, rxa, subject, cleared);
  const { reaction, protocols, education, eligibility, fundingSource, reasons } = elements;
  const whole: Resource = {
    ...resource,
    note: [...list(resource.note), ...noteTexts(mapping, notes)],
    education: sheets(education),
    programEligibility: eligibility,
    fundingSource,
    reasonCode: [...((resource.reasonCode as JsonObject[] | undefined) ?? []), ...reasons],
    reaction,
    protocolApplied: protocols.map(({ element }) => withDose(element)),
  };
  const reference = put(mapping, group, key, whole, cleared);
  const also = { partOf: [{ reference }] };
  for (const one of withoutDocuments(mapping, others)) addObservation(mapping, one, { ...place, also });
  return [];
}

/** The filler's number, else the placer's; one without a number is known by patient, vaccine and time. */
function keyOf(mapping: Mapping, group: Group, rxa: Segment, subject: Subject): string {
  const number = numberOf(mapping, group);
  if (number !== undefined) return JSON.stringify([number.system, number.value]);
  return JSON.stringify([subject.patientKey, rxa.field(3).text, rxa.field(5).component(1).text]);
}

function numberOf(mapping: Mapping, group: Group): Identifier | undefined {
  const number = sentNumber(mapping, group);
  const rxa = group.get('RXA')!;
  // Without a vaccine there is no vaccination that it could be the number of.
  if (number === undefined || rxa.field(5).component(1).text === noVaccine) return number;
  return isOfAnother(mapping, rxa, numberKey(number)) ? undefined : number;
}

function sentNumber(mapping: Mapping, group: Group): Identifier | undefined {
  const orc = group.get('ORC');
  if (orc === undefined) return undefined;
  const filler = eiIdentifier(mapping, orc.field(3), 'order-filler', 'FILL');
  if (filler !== undefined) return filler.value === noNumber ? undefined : filler;
  return eiIdentifier(mapping, orc.field(2), 'order-placer', 'PLAC');
}

const numbered = perMessage(() => new Map<string, Segment>());

/** ORC-2 of vaccinations that are known by a number. */
const toldPlacers = perMessage(() => new Set<string>());

/** What a vaccination is of, and its day. */
const doseOf = (rxa: Segment): string =>
  JSON.stringify([rxa.field(5).component(1).text, rxa.field(3).text?.slice(0, 8)]);

/** Some send the number of the order for all that it was for: each vaccine of each day is one vaccination. */
function isOfAnother(mapping: Mapping, rxa: Segment, number: string): boolean {
  const first = numbered(mapping).get(number) ?? rxa;
  numbered(mapping).set(number, first);
  const isAnother = doseOf(first) !== doseOf(rxa);
  if (isAnother)
    mapping.warnings.add('ORC-3: the number of another vaccination of the message; known by vaccine and time');
  return isAnother;
}

function put(mapping: Mapping, group: Group, key: string, resource: Resource, cleared: readonly string[]): string {
  mapping.stamp(resource);
  const number = numberOf(mapping, group);
  const merge = eventMerge(mapping, cleared);
  if (number === undefined) {
    const id = derivedId('Immunization', [key]);
    const url = `Immunization/${id}`;
    return onceNoted(mapping, url, resource, () => {
      putDerived(mapping, { url, resource: { ...resource, id }, merge }, [key]);
      return url;
    });
  }
  const url = `Immunization?${identifierCriterion(number)}`;
  return onceNoted(mapping, url, resource, () => mapping.add({ method: 'PUT', url, resource, merge }));
}

function immunization(mapping: Mapping, group: Group, rxa: Segment, subject: Subject, cleared: string[]): Resource {
  const orc = group.get('ORC');
  const rxr = group.get('RXR');
  const mapped = united(
    runTable(rxaImmunization, { mapping, segment: rxa, group }, cleared),
    orc && runTable(orcImmunization, { mapping, segment: orc, group }, cleared),
  );
  const completed = rxa.field(20).text;
  if (completed !== undefined && completed !== 'PA') cleared.push('isSubpotent');
  const number = numberOf(mapping, group);
  const others = (mapped.identifier as JsonObject[] | undefined) ?? [];
  const sent = sentNumber(mapping, group);
  const isAnother = number === undefined && sent !== undefined;
  const placer = orc && eiIdentifier(mapping, orc.field(2), 'order-placer', 'PLAC');
  if (placer !== undefined && !isAnother) toldPlacers(mapping).add(numberKey(placer));
  // A placer's number that both had would find both.
  const shared = isAnother && placer !== undefined && toldPlacers(mapping).has(numberKey(placer)) ? placer : undefined;
  const identifier = others.filter((one) =>
    [sent, shared].every((number) => one.system !== number?.system || one.value !== number?.value),
  );
  const origin = rxa
    .field(9)
    .repetitions()
    .find((cwe) => cwe.component(3).text === 'NIP001' || /^\d\d$/.test(cwe.component(1).text ?? ''));
  const code = origin?.component(1).text;
  return {
    ...mapped,
    ...(rxr && runTable(rxrImmunization, { mapping, segment: rxr, group }, cleared)),
    resourceType: 'Immunization',
    performer: performers(mapping, group, mapped.performer),
    identifier: number === undefined ? identifier : [number, ...identifier],
    status: rxa.field(21).text === 'D' ? 'entered-in-error' : (ownValue(completion, completed ?? 'CP') ?? 'completed'),
    // A part of a dose was given: it does not count.
    isSubpotent: completed === 'PA' ? true : undefined,
    vaccineCode: mapped.vaccineCode ?? absent,
    patient: { reference: subject.patient },
    encounter: subject.encounter === undefined ? undefined : { reference: subject.encounter },
    ...(mapped.occurrenceDateTime === undefined ? { _occurrenceDateTime: absent } : {}),
    recorded: mapped.recorded ?? dateTime(orc?.field(9).text, mapping.zone),
    primarySource: code === undefined ? undefined : code === '00',
    reportOrigin:
      code === undefined || code === '00'
        ? undefined
        : { coding: [{ system: nip001, code, display: origin?.component(2).text }] },
    note: [
      ...((mapped.note as JsonObject[] | undefined) ?? []),
      ...noteTexts(mapping, notesOf(group)),
      ...doseNote(rxa),
    ],
  };
}

/** RXA-10 and ORC-12, then PRT-5 with PRT-4, of whom they do not name in that function. */
function performers(mapping: Mapping, group: Group, own: unknown): JsonObject[] {
  const found = [...((own as JsonObject[] | undefined) ?? [])];
  const keyOf = ({ actor, function: role }: JsonObject): string =>
    JSON.stringify([actor, ((role as JsonObject).coding as JsonObject[])[0]!.code]);
  const known = new Set(found.map(keyOf));
  for (const prt of group.all('PRT')) {
    const code = prt.field(4).component(1).text;
    if (code === undefined || isEnded(prt)) continue;
    for (const actor of repeated(prt.field(5), (xcn) => practitionerReference(mapping, xcn))) {
      const performer = { actor, function: { coding: [{ system: v2Table('0443'), code }] } };
      if (!known.has(keyOf(performer))) found.push(performer);
      known.add(keyOf(performer));
    }
  }
  return found;
}

/** After ORC, TQ1, RXA and RXR. */
const notesOf = (group: Group): Segment[] =>
  [group, ...group.children.filter(({ name }) => name === 'TIMING')].flatMap((one) => one.all('NTE'));

/** RXA-6 that is no number: a vaccination has no other place for it. */
function doseNote(rxa: Segment): JsonObject[] {
  const dose = doseInWords([rxa.field(6)], rxa.field(7));
  return dose === undefined ? [] : [{ text: `Dose: ${dose}` }];
}

interface FromObservations {
  eligibility: JsonObject[];
  fundingSource: JsonObject | undefined;
  /** Information sheets, by OBX-4: type, version and date belong together. */
  education: Map<string, JsonObject>;
  reaction: JsonObject[];
  reasons: JsonObject[];
  /** With the OBX-4 that have told of it. */
  protocols: { subIds: Set<string>; element: JsonObject }[];
}

/** OBX that are elements of the Immunization itself, by LOINC code, with their notes; the others are Observations. */
function fromObservations(
  mapping: Mapping,
  observations: readonly ObxGroup[],
): { elements: FromObservations; others: ObxGroup[]; notes: Segment[] } {
  const elements: FromObservations = {
    eligibility: [],
    fundingSource: undefined,
    education: new Map(),
    reaction: [],
    reasons: [],
    protocols: [],
  };
  const others: ObxGroup[] = [];
  const notes: Segment[] = [];
  const evaluated = evaluatedSubIds(observations);
  for (const one of observations) {
    const isNoSheet = one.obx.field(3).component(1).text === vaccineType && evaluated.has(subIdOf(one.obx));
    const wrong = /^[DW]$/.test(one.obx.field(11).text ?? '') || isNoSheet;
    const take = wrong ? undefined : ownValue(takers, one.obx.field(3).component(1).text);
    if (take === undefined || !take(mapping, one.obx, elements)) others.push(one);
    else notes.push(...one.notes);
  }
  return { elements, others, notes };
}

const vaccineType = '30956-7';
const subIdOf = (obx: Segment): string => obx.field(4).text ?? '';

/** Schedule, dose, series, validity: of one OBX-4 with these and no date of a sheet, the vaccine type is what they are about. */
const evaluating = new Set(['59779-9', '30973-2', '59780-7', '59782-3', '59781-5']);
const sheetDates = new Set(['29768-9', '29769-7']);

function evaluatedSubIds(observations: readonly ObxGroup[]): ReadonlySet<string> {
  const ofCodes = (codes: ReadonlySet<string>): Set<string> =>
    new Set(
      observations.filter(({ obx }) => codes.has(obx.field(3).component(1).text ?? '')).map(({ obx }) => subIdOf(obx)),
    );
  return ofCodes(evaluating).difference(ofCodes(sheetDates));
}

type Taker = (mapping: Mapping, obx: Segment, elements: FromObservations) => boolean;

const concept = (mapping: Mapping, obx: Segment): JsonObject | undefined =>
  codeableConcept(mapping, obx.field(5).repetition(1));

function sheet(elements: FromObservations, obx: Segment): JsonObject {
  const key = obx.field(4).text ?? '';
  const known = elements.education.get(key);
  if (known !== undefined) return known;
  const made: JsonObject = {};
  elements.education.set(key, made);
  return made;
}

const sheetElement =
  (name: string, read: (mapping: Mapping, obx: Segment) => string | undefined): Taker =>
  (mapping, obx, elements) => {
    const value = read(mapping, obx);
    if (value === undefined) return false;
    sheet(elements, obx)[name] = value;
    return true;
  };

const when = (mapping: Mapping, obx: Segment): string | undefined => dateTime(obx.field(5).text, mapping.zone);
const words = (_mapping: Mapping, obx: Segment): string | undefined =>
  obx.field(5).component(2).text ?? obx.field(5).component(9).text ?? obx.field(5).component(1).text;

/** Some number the OBX, others the vaccines of a combined one by OBX-4: what is told again under another is of the next vaccine. */
function protocolOf({ protocols }: FromObservations, subId: string, names: readonly string[]): JsonObject {
  const own = protocols.find(({ subIds }) => subIds.has(subId));
  const last = protocols.at(-1);
  const isOpen = last !== undefined && names.every((name) => last.element[name] === undefined);
  const found: FromObservations['protocols'][number] =
    own ?? (isOpen ? last : { subIds: new Set<string>(), element: {} });
  if (!protocols.includes(found)) protocols.push(found);
  found.subIds.add(subId);
  for (const name of names) delete found.element[name];
  return found.element;
}

const protocolElement =
  (names: readonly string[], read: (mapping: Mapping, obx: Segment) => JsonObject | undefined): Taker =>
  (mapping, obx, elements) => {
    const said = read(mapping, obx);
    if (said === undefined) return false;
    Object.assign(protocolOf(elements, subIdOf(obx), names), said);
    return true;
  };

/** A number as such, else its words. */
const countElement = (name: string): Taker =>
  protocolElement([`${name}PositiveInt`, `${name}String`], (_mapping, obx) => {
    const text = obx.field(5).text;
    if (text === undefined) return undefined;
    const number = Number(text);
    return Number.isInteger(number) && number > 0 ? { [`${name}PositiveInt`]: number } : { [`${name}String`]: text };
  });

const takers: Readonly<Record<string, Taker>> = {
  // Vaccine fund program eligibility.
  '64994-7': (mapping, obx, elements) => {
    const found = concept(mapping, obx);
    if (found !== undefined) elements.eligibility.push(found);
    return found !== undefined;
  },
  // Funding source of the vaccine.
  '30963-3': (mapping, obx, elements) => {
    const found = concept(mapping, obx);
    if (found === undefined || elements.fundingSource !== undefined) return false;
    elements.fundingSource = found;
    return true;
  },
  // Vaccine information statement: its type (of the vaccine), its document type, its dates.
  '30956-7': sheetElement('documentType', words),
  '69764-9': sheetElement('documentType', (_mapping, obx) => obx.field(5).component(1).text),
  '29768-9': sheetElement('publicationDate', when),
  '29769-7': sheetElement('presentationDate', when),
  // Reaction: what happened, as an Observation of its own would have no date.
  '31044-1': (mapping, obx, elements) => {
    const found = concept(mapping, obx);
    if (found === undefined) return false;
    const at = dateTime(obx.field(14).text, mapping.zone);
    elements.reaction.push({ date: at, detail: { display: words(mapping, obx) } });
    return true;
  },
  // Indication to immunize.
  '59785-6': (mapping, obx, elements) => {
    const found = concept(mapping, obx);
    if (found !== undefined) elements.reasons.push(found);
    return found !== undefined;
  },
  // Dose number in series; series name; number of doses in it; disease.
  '30973-2': countElement('doseNumber'),
  '59780-7': protocolElement(['series'], (mapping, obx) => {
    const series = words(mapping, obx);
    return series === undefined ? undefined : { series };
  }),
  '59782-3': countElement('seriesDoses'),
};

/** R4 asks for a documentType or a reference in each (imm-1). */
function sheets(education: ReadonlyMap<string, JsonObject>): JsonObject[] {
  return [...education.values()].map((one) =>
    one.documentType === undefined ? { ...one, _documentType: absent } : one,
  );
}

/** R4 asks for a dose number. */
function withDose(protocol: JsonObject): JsonObject {
  if (protocol.doseNumberPositiveInt !== undefined || protocol.doseNumberString !== undefined) return protocol;
  return { ...protocol, _doseNumberString: absent };
}
