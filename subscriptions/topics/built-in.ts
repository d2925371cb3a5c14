// Topics that every server has, until one of the same URL is stored: what hospitals ask to be told of.
// Codes: v3-ActCode (encounter classes), v3-ObservationInterpretation, observation-category, all of terminology.hl7.org.
import type { FilterRule, Interaction, NotificationShape, ResourceTrigger, Topic } from './topic.ts';

const written: Interaction[] = ['create', 'update'];

/** Becomes what `current` says; before, or where there was nothing before, it was not what `former` says. */
const becomes = (resource: string, description: string, current: string, former: string): ResourceTrigger => ({
  ...{ resource, description, interactions: written },
  query: { previous: former, current, resultForCreate: true, requireBoth: true },
});

const comparators = ['gt', 'lt', 'ge', 'le', 'sa', 'eb'];

/** `patient`, or `date[]` for one that may be compared. */
const filters = (resource: string, ...parameters: string[]): FilterRule[] =>
  parameters.map((each) => {
    const parameter = each.replace('[]', '');
    return { resource, parameter, modifiers: each === parameter ? ['not', 'missing'] : ['missing', ...comparators] };
  });

const shape = (resource: string, ...include: string[]): NotificationShape => ({
  resource,
  include: include.map((parameter) => `${resource}:${parameter}`),
  revInclude: [],
});

interface Parts {
  title: string;
  description: string;
  triggers: ResourceTrigger[];
  filters: FilterRule[];
  shapes: NotificationShape[];
}

const topic = (name: string, { title, description, triggers, filters, shapes }: Parts): Topic => ({
  ...{ url: `urn:cerebra:topic:${name}`, version: '1.0.0', title, description, status: 'active' },
  ...{ resourceTriggers: triggers, eventTriggers: [], filters, shapes },
});

const inpatient = 'IMP,ACUTE,NONAC,OBSENC,SS';
const inHospital = `${inpatient},EMER`;

const encounterFilters = filters(
  'Encounter',
  ...[
    'patient',
    'subject',
    'class',
    'type',
    'identifier',
    'location',
    'service-provider',
    'participant',
    'practitioner',
  ],
  'date[]',
);
const encounterShape = shape('Encounter', 'patient', 'location', 'practitioner', 'service-provider');

const observationFilters = filters(
  'Observation',
  ...['patient', 'subject', 'encounter', 'code', 'category', 'status', 'device', 'performer', 'based-on', 'identifier'],
  ...['date[]', 'value-quantity[]'],
);

// Units and rooms that the patient is in now. Those of others (planned, left) come and go without a transfer.
const whereabouts = (of: string): string =>
  `${of}.location.where(status.empty() or status = 'active').location.select(iif(reference.exists(), reference, identifier.value.combine(display).first()))`;

const isCritical = "where(coding.where(code = 'HH' or code = 'LL' or code = 'AA').exists())";
// What was taken back, or not yet there, was no result: one that comes back critical is told, though its value is the same.
const isResult = "(status = 'preliminary' or status = 'final' or status = 'amended' or status = 'corrected')";
const critical = (of: string): string =>
  `${of}.where(${isResult} and (interpretation.${isCritical}.exists() or component.interpretation.${isCritical}.exists()))`;

// An outcome of error says that the claim could not be adjudicated; a refusal stands in the adjudication. A draft denies nothing yet.
const denied = (of: string): string =>
  `${of}.where(status = 'active' and (outcome = 'error' or disposition.lower().contains('denied') or (adjudication | item.adjudication).category.coding.where(code = 'denied' or code = 'denialreason').exists()))`;

const deniedTrigger = (resource: string): ResourceTrigger => ({
  ...{ resource, interactions: written },
  description: `A ${resource} that denies the claim, and did not before`,
  query: { current: 'status=active', requireBoth: true },
  fhirPath: `${denied('%current')}.exists() and ${denied('%previous')}.empty()`,
});

export const builtInTopics: readonly Topic[] = [
  topic('admission', {
    title: 'Admission',
    description: 'A patient is admitted to hospital, or an emergency or outpatient stay becomes an inpatient one',
    triggers: [
      becomes(
        'Encounter',
        'A stay begins',
        `status=in-progress,onleave&class=${inHospital}`,
        'status:not=in-progress,onleave',
      ),
      becomes(
        'Encounter',
        'A stay becomes an inpatient one',
        `status=in-progress,onleave&class=${inpatient}`,
        `class:not=${inpatient}`,
      ),
    ],
    filters: encounterFilters,
    shapes: [encounterShape],
  }),
  topic('discharge', {
    title: 'Discharge',
    description: 'A stay in hospital, emergency stays included, is finished',
    triggers: [
      becomes('Encounter', 'A stay is finished', `status=finished&class=${inHospital}`, 'status:not=finished'),
    ],
    filters: encounterFilters,
    shapes: [encounterShape],
  }),
  topic('transfer', {
    title: 'Transfer',
    description: 'A patient in hospital is in another place than before',
    triggers: [
      {
        ...{ resource: 'Encounter', interactions: ['update'] },
        description: 'During a stay there is an active location that was none before',
        query: { previous: 'status=in-progress,onleave', current: 'status=in-progress,onleave', requireBoth: true },
        fhirPath: `${whereabouts('%current')}.subsetOf(${whereabouts('%previous')}).not()`,
      },
    ],
    filters: encounterFilters,
    shapes: [encounterShape],
  }),
  topic('new-result', {
    title: 'New result',
    description: 'A result is final, or is corrected after that; neither vital signs nor what patients are asked',
    triggers: [
      becomes(
        'Observation',
        'A result becomes final',
        'status=final,amended,corrected&category:not=vital-signs,social-history,survey,activity',
        'status:not=final,amended,corrected',
      ),
      {
        ...{ resource: 'Observation', interactions: ['update'] },
        description: 'A final result is written with a correction: each time it is',
        query: {
          previous: 'status=final,amended,corrected',
          current: 'status=amended,corrected&category:not=vital-signs,social-history,survey,activity',
          requireBoth: true,
        },
      },
    ],
    filters: observationFilters,
    shapes: [shape('Observation', 'patient', 'based-on', 'specimen')],
  }),
  topic('new-report', {
    title: 'New report',
    description: 'A diagnostic report is final, or is corrected or appended to after that',
    triggers: [
      becomes(
        'DiagnosticReport',
        'A report becomes final',
        'status=final,amended,corrected,appended',
        'status:not=final,amended,corrected,appended',
      ),
      {
        ...{ resource: 'DiagnosticReport', interactions: ['update'] },
        description: 'A final report is written with a change: each time it is',
        query: {
          previous: 'status=final,amended,corrected,appended',
          current: 'status=amended,corrected,appended',
          requireBoth: true,
        },
      },
    ],
    filters: filters(
      'DiagnosticReport',
      ...['patient', 'subject', 'encounter', 'code', 'category', 'status', 'performer', 'based-on', 'identifier'],
      'date[]',
    ),
    shapes: [shape('DiagnosticReport', 'patient', 'result', 'based-on')],
  }),
  topic('critical-result', {
    title: 'Critical result',
    description:
      'A result is marked as critical by who reports it: interpretation HH, LL or AA, of it or of a component',
    triggers: [
      {
        ...{ resource: 'Observation', interactions: written },
        description: 'A result becomes critical, or a critical one has another value',
        query: { current: 'status=preliminary,final,amended,corrected', requireBoth: true },
        fhirPath: `${critical('%current')}.exists() and (${critical('%previous')}.empty() or (%current.value | %current.component.value).subsetOf(%previous.value | %previous.component.value).not())`,
      },
    ],
    filters: observationFilters,
    shapes: [shape('Observation', 'patient', 'encounter', 'based-on')],
  }),
  topic('order', {
    title: 'Order',
    description: 'A service or a medication is ordered',
    triggers: ['ServiceRequest', 'MedicationRequest'].map((resource) =>
      becomes(
        resource,
        `A ${resource} becomes active`,
        'status=active&intent=order,original-order,reflex-order,filler-order,instance-order',
        'status:not=active',
      ),
    ),
    filters: [
      ...filters('ServiceRequest', 'patient', 'encounter', 'code', 'category', 'priority', 'requester', 'performer'),
      ...filters('MedicationRequest', 'patient', 'encounter', 'code', 'category', 'priority', 'requester'),
    ],
    shapes: [
      shape('ServiceRequest', 'patient', 'requester', 'encounter'),
      shape('MedicationRequest', 'patient', 'requester', 'medication'),
    ],
  }),
  topic('appointment', {
    title: 'Appointment',
    description: 'An appointment is made, moved, changed in its status, or removed',
    triggers: [
      {
        ...{ resource: 'Appointment', interactions: written },
        description: 'Another status, start or end than before',
        fhirPath:
          '%previous.empty() or %previous.status != %current.status or (%current.start | %current.end).subsetOf(%previous.start | %previous.end).not() or (%previous.start | %previous.end).subsetOf(%current.start | %current.end).not()',
      },
      { resource: 'Appointment', description: 'It is deleted', interactions: ['delete'] },
    ],
    filters: filters(
      'Appointment',
      ...['patient', 'practitioner', 'actor', 'location', 'status', 'service-type', 'specialty', 'appointment-type'],
      'date[]',
    ),
    shapes: [shape('Appointment', 'patient', 'practitioner', 'location')],
  }),
  topic('claim-denied', {
    title: 'Claim denied',
    description: 'A payer denies a claim, or can not adjudicate it',
    triggers: [deniedTrigger('ClaimResponse'), deniedTrigger('ExplanationOfBenefit')],
    filters: [
      ...filters(
        'ClaimResponse',
        'patient',
        'insurer',
        'request',
        'requestor',
        'outcome',
        'use',
        'identifier',
        'created[]',
      ),
      ...filters('ExplanationOfBenefit', 'patient', 'claim', 'provider', 'identifier', 'created[]'),
    ],
    shapes: [
      shape('ClaimResponse', 'patient', 'request', 'insurer'),
      shape('ExplanationOfBenefit', 'patient', 'claim', 'provider'),
    ],
  }),
  topic('device-reading', {
    title: 'Device reading',
    description: 'A device has measured something, or what it measured is changed',
    triggers: [
      {
        ...{ resource: 'Observation', interactions: written },
        description: 'An Observation of a device that is not entered in error',
        query: { current: 'device:missing=false&status:not=entered-in-error', requireBoth: true },
      },
    ],
    filters: observationFilters,
    shapes: [shape('Observation', 'patient', 'device')],
  }),
];
