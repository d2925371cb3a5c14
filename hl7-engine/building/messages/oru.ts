// DiagnosticReport with its results, or an Observation alone, as ORU^R01: HL7 v2.9 chapter 7.3.1
import type { Json, JsonObject, Resource } from '#fhir-model';
import { ownValue } from '#platform';
import type { FieldValue, SegmentValue } from '../../message/build.ts';
import { type Building, isObject, noPlace, objects, text } from '../building.ts';
import { notesOf } from '../notes.ts';
import { patientOf, patientSegments, visitOf, visitSegments } from '../subject.ts';
import { fieldsOf } from '../table.ts';
import { obrReport } from '../tables/order.ts';
import { ei, identifierTypeOf, inUseFirst, ofType, ownIdentifier } from '../types/identifier.ts';
import { dtm } from '../types/time.ts';
import { documentSegments } from './document.ts';
import type { MessageBuilder } from './message.ts';
import { type ObxSeries, observationSegments, obxSeries, obxStatus, textResult } from './observation.ts';
import { fillerOf, obrSegment, orcSegment, placerOf, requestNumbers } from './request.ts';
import { specimenSegments, specimenSource, specimensOf } from './specimen.ts';
import { timingSegments } from './timing.ts';

/** Table 0123. What is entered in error says so in its OBX; the report as such has been corrected. */
const reportCodes: Readonly<Record<string, string>> = {
  registered: 'I',
  partial: 'A',
  preliminary: 'P',
  final: 'F',
  amended: 'C',
  corrected: 'C',
  appended: 'C',
  cancelled: 'X',
  'entered-in-error': 'C',
};

const conclusionCode: JsonObject = {
  coding: [
    { system: 'http://loinc.org', code: '19005-8', display: 'Radiology Imaging study [Impression] (narrative)' },
  ],
};

/** OBR-3, without which a receiver could not tell this report from the next. */
function reportNumber(building: Building, report: Resource): FieldValue {
  const numbers = inUseFirst(objects(report.identifier));
  const other = numbers.find((one) => one !== placerOf(report) || identifierTypeOf(one) !== 'PLAC');
  return ei(building, fillerOf(report) ?? other ?? ownIdentifier(building, report.id));
}

function requestOf({ graph }: Building, report: Resource): Resource | undefined {
  return objects(report.basedOn)
    .map((reference) => graph.resolve(reference))
    .find((resource) => resource?.resourceType === 'ServiceRequest');
}

/** Results in their order; a panel's members follow it. Each once. Panels may stand in panels thousands deep. */
function resultsOf(building: Building, references: Json | undefined, seen = new Set<Resource>()): Resource[] {
  const results: Resource[] = [];
  const left = objects(references).toReversed();
  for (let reference = left.pop(); reference !== undefined; reference = left.pop()) {
    const found = building.graph.resolve(reference);
    if (found === undefined) building.warnings.add('A result that is referred to is not known here: it is left out');
    if (found?.resourceType !== 'Observation' || seen.has(found)) continue;
    seen.add(found);
    results.push(found);
    for (const member of objects(found.hasMember).toReversed()) left.push(member);
  }
  return results;
}

const isAnswer = ({ system, code }: JsonObject): boolean =>
  system === 'http://terminology.hl7.org/CodeSystem/v2-0936' && (code === 'QST' || code === 'SCI');

/** Answers to the order form, which are the order's and come back with the results: OBX-29 QST and SCI, table 0936. */
function answersOf({ graph }: Building, request: Resource | undefined): Resource[] {
  return objects(request?.supportingInfo)
    .map((reference) => graph.resolve(reference))
    .filter((found) => found !== undefined)
    .filter(({ resourceType }) => resourceType === 'Observation')
    .filter(({ category }) => objects(category).some(({ coding }) => objects(coding).some(isAnswer)));
}

const statusOf = ({ status }: Resource): string | undefined => ownValue(reportCodes, text(status));

/** What a report said that is entered in error is no more said by it, however right its results may be in another one. */
const asTold = (focus: Resource, results: readonly Resource[]): Resource[] =>
  focus.resourceType === 'DiagnosticReport' && focus.status === 'entered-in-error'
    ? results.map((result) => ({ ...result, status: 'entered-in-error' }))
    : [...results];

/** ORC and OBR: with the request's numbers where it is known, else the report's own. */
function orderSegments(building: Building, focus: Resource, specimens: readonly Resource[]): SegmentValue[] {
  const request = requestOf(building, focus);
  // Nothing tells for certain which result is of which request: an OBR each would give some of them to the wrong one.
  if (objects(focus.basedOn).length > 1) building.warnings.add(`${focus.resourceType}.basedOn: one of several`);
  const filler = reportNumber(building, focus);
  const own: Record<number, FieldValue> = {
    ...fieldsOf(obrReport, building, focus),
    ...{ 3: filler, 15: specimenSource(building, specimens), 25: statusOf(focus) },
  };
  if (own[22] === undefined) own[22] = dtm(focus.meta?.lastUpdated);
  if (request === undefined) {
    // Whoever ordered it knows it by this number, whether or not the filler's is known.
    const placer = ei(building, ofType(objects(focus.identifier), 'PLAC'));
    return [{ name: 'OBR', fields: { 1: '1', 2: placer, ...own } }];
  }
  const numbers = { ...requestNumbers(building, request), filler };
  const done = focus.status === 'final' ? 'CM' : undefined;
  return [orcSegment(building, request, 'RE', numbers, done), obrSegment(building, request, numbers, own)];
}

/** The conclusion, unless a result says it already. */
function conclusionSegments(building: Building, report: Resource, results: readonly Resource[], series: ObxSeries) {
  const conclusion = text(report.conclusion);
  if (conclusion === undefined) return [];
  const said = results.map(({ valueString }) => text(valueString)).filter((value) => value !== undefined);
  if (said.includes(conclusion) || said.filter((value) => conclusion.includes(value)).join('\n') === conclusion)
    return [];
  return [textResult(building, conclusionCode, conclusion, obxStatus(report.status) ?? 'F', series)];
}

/** R5's notes of a report, which R4 has as an extension. */
function reportNotes(building: Building, report: Resource): SegmentValue[] {
  const url = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note';
  const notes = objects(report.extension).filter((extension) => extension.url === url);
  return notesOf(building, notes.map(({ valueAnnotation }) => valueAnnotation).filter(isObject));
}

/** OBX-14 is one time; OBR-8 has the end of the focus. */
function warnOfEnds({ warnings }: Building, results: readonly Resource[], focus: Resource): void {
  for (const one of results) {
    if (one === focus || !isObject(one.effectivePeriod) || one.effectivePeriod.end === undefined) continue;
    warnings.add('Observation.effectivePeriod.end has no place in OBX-14');
  }
}

export const oru: MessageBuilder = {
  code: 'ORU',
  structures: { R01: 'ORU_R01' },
  from: ['DiagnosticReport', 'Observation'],
  reads: [
    ...['Patient', 'Encounter', 'Practitioner', 'PractitionerRole', 'Organization', 'Location', 'Account'],
    ...['ServiceRequest', 'Specimen', 'Observation', 'Device', 'Binary'],
  ],
  eventOf: () => 'R01',
  segments(building, focus) {
    const patient = patientOf(building, focus.subject, `${focus.resourceType}.subject`);
    const visit = visitOf(building, focus.encounter);
    const isReport = focus.resourceType === 'DiagnosticReport';
    const request = requestOf(building, focus);
    const results = isReport
      ? [...new Set([...resultsOf(building, focus.result), ...answersOf(building, request)])]
      : [focus, ...resultsOf(building, focus.hasMember, new Set([focus]))];
    const specimens = specimensOf(building, focus.specimen, ...results.map(({ specimen }) => specimen));
    const series = obxSeries();
    const notes = isReport ? reportNotes(building, focus) : [];
    warnOfEnds(building, results, focus);
    if (isReport) noPlace(building, focus, ['conclusionCode', 'imagingStudy', 'media']);
    return [
      ...patientSegments(building, patient, visit),
      ...(visit === undefined ? [] : visitSegments(building, visit)),
      ...orderSegments(building, focus, specimens),
      ...notes,
      ...(request === undefined ? [] : timingSegments(building, request)),
      ...asTold(focus, results).flatMap((result) => observationSegments(building, result, series)),
      ...(isReport ? conclusionSegments(building, focus, results, series) : []),
      ...(isReport ? documentSegments(building, focus, series) : []),
      ...specimenSegments(building, specimens),
    ];
  },
};
