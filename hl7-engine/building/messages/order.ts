// ServiceRequest as OML^O21 and ORM^O01: HL7 v2.9 chapters 4.4.6 and 4.4.1
import type { Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { type Building, isObject, noPlace, objects, text } from '../building.ts';
import { diagnosisSegments } from '../diagnosis.ts';
import { notesOf } from '../notes.ts';
import { patientOf, patientSegments, visitOf, visitSegments } from '../subject.ts';
import type { MessageBuilder, Told } from './message.ts';
import { observationSegments, obxSeries } from './observation.ts';
import { obrSegment, orcSegment, requestNumbers } from './request.ts';
import { specimenSegments, specimenSource, specimensOf } from './specimen.ts';
import { timingSegments } from './timing.ts';

const over: ReadonlySet<string> = new Set(['revoked', 'entered-in-error']);

/** What is kept of an order of which nothing was told but that it is on hold. */
const heldUnheard = 'on-hold unheard';

/** What is kept of an order that was seen as a draft, and never as anything else. */
const drafted = 'draft';

/** Nothing was ordered yet, or it was taken back: then it is none any more at the filler's. */
const isUnheard = (state: string | undefined): boolean =>
  state === undefined || over.has(state) || state === heldUnheard || state === drafted;

function stateOf({ status }: Resource, told?: Told): string {
  const isHeld = status === 'on-hold' && told !== undefined && isUnheard(told.state);
  return isHeld ? heldUnheard : (text(status) ?? '');
}

/** ORC-1, table 0119: what the placer asks of the filler. */
function controlOf({ status }: Resource, told: Told | undefined): string {
  if (over.has(text(status) ?? '')) return 'CA';
  if (status === 'on-hold') return 'HD';
  if (status === 'completed') return 'SC';
  // Nor is released what was never ordered.
  if (isUnheard(told?.state)) return 'NW';
  return told?.state === 'on-hold' ? 'RL' : 'XO';
}

/** What nobody has ordered (yet): a filler begins to work when it hears of it. https://hl7.org/fhir/R4/valueset-request-intent.html */
const notOrdered: ReadonlySet<string> = new Set(['proposal', 'plan', 'directive', 'option']);

const withoutPlace = [
  ...['performerType', 'performer', 'locationReference', 'insurance', 'relevantHistory', 'patientInstruction'],
  ...['replaces', 'category'],
];

/** Throws CerebraError `business-rule` for what is no order to do something. */
function assertOrder({ doNotPerform, status, intent, code }: Resource, told: Told | undefined): void {
  const fault = (element: string, why: string) =>
    new CerebraError('business-rule', `ServiceRequest.${element}: ${why}`, {
      expression: [`ServiceRequest.${element}`],
    });
  if (doNotPerform === true) {
    throw fault('doNotPerform', 'an order of HL7 v2 cannot say that something is not to be done');
  }
  if (status === 'draft') throw fault('status', 'a draft is not sent; it is a new order when its status is active');
  if (told?.state === drafted && over.has(text(status) ?? '')) {
    throw fault('status', 'a draft that was never sent is taken back: its receiver knows nothing of it');
  }
  if (notOrdered.has(text(intent) ?? '')) {
    throw fault('intent', `a ${String(intent)} is not sent, since its receiver would do it; an order is`);
  }
  if (!isObject(code)) throw fault('code', 'OBR-4 is required: nobody could tell what is ordered');
}

function orderSegments(building: Building, request: Resource, told: Told | undefined) {
  assertOrder(request, told);
  noPlace(building, request, withoutPlace);
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
    ...['Specimen', 'Observation', 'Condition', 'Device', 'ServiceRequest'],
  ],
  stateOf,
  unsentOf: ({ status }: Resource) => (status === 'draft' ? drafted : undefined),
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
