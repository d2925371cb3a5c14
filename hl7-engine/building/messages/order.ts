// ServiceRequest as OML^O21 and ORM^O01: HL7 v2.9 chapters 4.4.6 and 4.4.1
import type { Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { type Building, objects, text } from '../building.ts';
import { diagnosisSegments } from '../diagnosis.ts';
import { notesOf } from '../notes.ts';
import { patientOf, patientSegments, visitOf, visitSegments } from '../subject.ts';
import type { MessageBuilder, Told } from './message.ts';
import { observationSegments, obxSeries } from './observation.ts';
import { obrSegment, orcSegment, requestNumbers, timingSegments } from './request.ts';
import { specimenSegments, specimenSource, specimensOf } from './specimen.ts';

/** ORC-1, table 0119: what the placer asks of the filler. */
function controlOf({ status }: Resource, told: Told | undefined): string {
  if (status === 'revoked' || status === 'entered-in-error') return 'CA';
  if (status === 'on-hold') return 'HD';
  if (status === 'completed') return 'SC';
  if (told?.state === undefined) return 'NW';
  return told.state === 'on-hold' ? 'RL' : 'XO';
}

function orderSegments(building: Building, request: Resource, told: Told | undefined) {
  if (request.doNotPerform === true) {
    const words = 'ServiceRequest.doNotPerform: an order of HL7 v2 cannot say that something is not to be done';
    throw new CerebraError('business-rule', words, { expression: ['ServiceRequest.doNotPerform'] });
  }
  const patient = patientOf(building, request.subject, 'ServiceRequest.subject');
  const visit = visitOf(building, request.encounter);
  const specimens = specimensOf(building, request.specimen);
  const numbers = requestNumbers(building, request);
  const answers = objects(request.supportingInfo)
    .map((reference) => building.graph.resolve(reference))
    .filter((resource) => resource?.resourceType === 'Observation') as Resource[];
  const series = obxSeries();
  return [
    ...patientSegments(building, patient, visit),
    ...(visit === undefined ? [] : visitSegments(building, visit)),
    orcSegment(building, request, controlOf(request, told), numbers),
    ...timingSegments(building, request),
    obrSegment(building, request, numbers, { 15: specimenSource(building, specimens) }),
    ...notesOf(building, request.note),
    ...diagnosisSegments(building, objects(request.reasonReference)),
    ...answers.flatMap((answer) => observationSegments(building, answer, series)),
    ...specimenSegments(building, specimens),
  ];
}

const common = {
  from: ['ServiceRequest'],
  reads: [
    ...['Patient', 'Encounter', 'Practitioner', 'PractitionerRole', 'Organization', 'Location', 'Account'],
    ...['Specimen', 'Observation', 'Condition', 'Device'],
  ],
  stateOf: ({ status }: Resource) => text(status) ?? '',
};

export const oml: MessageBuilder = {
  ...common,
  ...{ code: 'OML', structures: { O21: 'OML_O21' } },
  eventOf: () => 'O21',
  segments: (building, focus, _event, told) => orderSegments(building, focus, told),
};

export const orm: MessageBuilder = {
  ...common,
  ...{ code: 'ORM', structures: { O01: 'ORM_O01' } },
  eventOf: () => 'O01',
  segments: (building, focus, _event, told) => orderSegments(building, focus, told),
};
