// A patient's record: visits, and at each of them what was seen, done, given and billed.
import { type Measure, measures } from '../data/codes.ts';
import type { Random } from '../data/random.ts';
import { conditions, encounterTypes, medications, procedures, vaccines } from './codes.ts';
import {
  category,
  concept,
  cvx,
  day,
  frequent,
  instant,
  loinc,
  money,
  type Numbered,
  narrative,
  type Resource,
  reference,
  rxnorm,
  snomed,
  ucum,
  uuid,
} from './parts.ts';
import { organizationId, organizationsFor, patient, patientId, practitionerId, practitionersFor } from './people.ts';

const YEAR_MS = 365.25 * 86_400_000;
const HOUR_MS = 3_600_000;
/** Records go from here over ten years. */
export const FIRST_MS = Date.UTC(2015, 0, 1);
export const SPAN_MS = 10 * YEAR_MS;

interface Visit {
  random: Numbered;
  subject: { reference: string };
  encounter: { reference: string };
  encounterId: string;
  startMs: number;
  practitioner: { reference: string };
  organization: { reference: string };
}

function encounter(visit: Visit): Resource {
  const { random, subject, encounterId, startMs, practitioner, organization } = visit;
  const period = { start: instant(startMs), end: instant(startMs + HOUR_MS) };
  return {
    resourceType: 'Encounter',
    id: encounterId,
    status: 'finished',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: random.pick(['AMB', 'AMB', 'EMER']) },
    type: [concept(snomed, frequent(random, encounterTypes))],
    subject,
    participant: [
      { type: [category('v3-ParticipationType', 'PPRF', 'primary performer')], period, individual: practitioner },
    ],
    period,
    serviceProvider: organization,
  };
}

function quantity(random: Random, { unit, low, high, digits }: Measure) {
  const value = Number((low + random.next() * (high - low)).toFixed(digits));
  return { value, unit, system: ucum, code: unit };
}

/** The 30 codes of bench/data/codes.ts; the first of them, heart rate, is one in eleven. */
export const observationCodes: readonly Measure[] = measures;

function observation({ random, subject, encounter: at, startMs, practitioner }: Visit): Resource {
  const measure = frequent(random, observationCodes);
  const vital = measure.category === 'vital-signs';
  const effective = instant(startMs + random.below(50) * 60_000);
  return {
    resourceType: 'Observation',
    id: uuid(random),
    status: 'final',
    category: [category('observation-category', measure.category, vital ? 'Vital Signs' : 'Laboratory')],
    code: concept(loinc, measure),
    subject,
    encounter: at,
    effectiveDateTime: effective,
    issued: effective,
    performer: [practitioner],
    valueQuantity: quantity(random, measure),
    ...(vital
      ? {}
      : {
          interpretation: [category('v3-ObservationInterpretation', 'N', 'Normal')],
          referenceRange: [
            {
              low: { value: measure.low, unit: measure.unit, system: ucum, code: measure.unit },
              high: { value: measure.high, unit: measure.unit, system: ucum, code: measure.unit },
            },
          ],
        }),
  };
}

const systolic = measures.find(({ code }) => code === '8480-6')!;
const diastolic = measures.find(({ code }) => code === '8462-4')!;
export const bloodPressure = { code: '85354-9', display: 'Blood pressure panel with all children optional' };

function pressure(visit: Visit): Resource {
  const { random, subject, encounter: at, startMs, practitioner } = visit;
  const component = [systolic, diastolic].map((measure) => ({
    code: concept(loinc, measure),
    valueQuantity: quantity(random, measure),
  }));
  return {
    resourceType: 'Observation',
    id: uuid(random),
    status: 'final',
    category: [category('observation-category', 'vital-signs', 'Vital Signs')],
    code: concept(loinc, bloodPressure),
    subject,
    encounter: at,
    effectiveDateTime: instant(startMs),
    issued: instant(startMs),
    performer: [practitioner],
    component,
  };
}

function condition({ random, subject, encounter: at, startMs }: Visit): Resource {
  const active = random.below(3) === 0;
  return {
    resourceType: 'Condition',
    id: uuid(random),
    clinicalStatus: category('condition-clinical', active ? 'active' : 'resolved', active ? 'Active' : 'Resolved'),
    verificationStatus: category('condition-ver-status', 'confirmed', 'Confirmed'),
    category: [category('condition-category', 'encounter-diagnosis', 'Encounter Diagnosis')],
    code: concept(snomed, frequent(random, conditions)),
    subject,
    encounter: at,
    onsetDateTime: instant(startMs),
    recordedDate: instant(startMs),
    ...(active ? {} : { abatementDateTime: instant(startMs + 30 * 24 * HOUR_MS) }),
  };
}

function medicationRequest({ random, subject, encounter: at, startMs, practitioner }: Visit): Resource {
  return {
    resourceType: 'MedicationRequest',
    id: uuid(random),
    status: random.pick(['active', 'stopped', 'completed']),
    intent: 'order',
    medicationCodeableConcept: concept(rxnorm, frequent(random, medications)),
    subject,
    encounter: at,
    authoredOn: instant(startMs),
    requester: practitioner,
    dosageInstruction: [
      {
        sequence: 1,
        text: 'Take one tablet a day with a meal',
        timing: { repeat: { frequency: 1, period: 1, periodUnit: 'd' } },
        asNeededBoolean: false,
        doseAndRate: [{ type: category('dose-rate-type', 'ordered', 'Ordered'), doseQuantity: { value: 1 } }],
      },
    ],
  };
}

function procedure({ random, subject, encounter: at, startMs }: Visit): Resource {
  return {
    resourceType: 'Procedure',
    id: uuid(random),
    text: narrative('Done without complications'),
    status: 'completed',
    code: concept(snomed, frequent(random, procedures)),
    subject,
    encounter: at,
    performedPeriod: { start: instant(startMs), end: instant(startMs + HOUR_MS / 2) },
  };
}

function immunization({ random, subject, encounter: at, startMs }: Visit): Resource {
  return {
    resourceType: 'Immunization',
    id: uuid(random),
    status: 'completed',
    vaccineCode: concept(cvx, frequent(random, vaccines)),
    patient: subject,
    encounter: at,
    occurrenceDateTime: instant(startMs),
    primarySource: true,
    lotNumber: `LOT-${random.below(100_000)}`,
  };
}

function report(visit: Visit, results: Resource[]): Resource {
  const { random, subject, encounter: at, startMs, practitioner } = visit;
  return {
    resourceType: 'DiagnosticReport',
    id: uuid(random),
    status: 'final',
    category: [category('v2-0074', 'LAB', 'Laboratory')],
    code: concept(loinc, { code: '51990-0', display: 'Basic metabolic panel - Blood' }),
    subject,
    encounter: at,
    effectiveDateTime: instant(startMs),
    issued: instant(startMs),
    performer: [practitioner],
    result: results.map(({ id }) => reference('Observation', id, 'Result')),
  };
}

function claim(visit: Visit): Resource {
  const { random, subject, encounter: at, startMs, organization } = visit;
  return {
    resourceType: 'Claim',
    id: uuid(random),
    status: 'active',
    type: category('claim-type', 'institutional', 'Institutional'),
    use: 'claim',
    patient: subject,
    billablePeriod: { start: instant(startMs), end: instant(startMs + HOUR_MS) },
    created: day(startMs),
    provider: organization,
    priority: category('processpriority', 'normal', 'Normal'),
    insurance: [{ sequence: 1, focal: true, coverage: { display: 'Example Health Plan' } }],
    item: [1, 2].map((sequence) => ({
      sequence,
      productOrService: concept(snomed, frequent(random, procedures)),
      encounter: [at],
      net: money(random, 900),
    })),
    total: money(random, 2000),
  };
}

/** The largest of a record: some 4 kB. */
function explanation(visit: Visit, of: Resource): Resource {
  const { random, subject, encounter: at, startMs, organization, practitioner } = visit;
  const adjudication = ['submitted', 'eligible', 'deductible', 'copay', 'benefit'].map((code) => ({
    category: category('adjudication', code, `${code[0]!.toUpperCase()}${code.slice(1)} Amount`),
    amount: money(random, 900),
  }));
  return {
    resourceType: 'ExplanationOfBenefit',
    id: uuid(random),
    identifier: [
      { system: 'urn:oid:2.999.1.34', value: uuid(random) },
      { system: 'urn:oid:2.999.1.35', value: String(random.below(1e9)) },
    ],
    status: 'active',
    type: category('claim-type', 'institutional', 'Institutional'),
    use: 'claim',
    patient: subject,
    billablePeriod: { start: instant(startMs), end: instant(startMs + HOUR_MS) },
    created: instant(startMs),
    insurer: { display: 'Example Health Plan' },
    provider: organization,
    claim: reference('Claim', of.id),
    outcome: 'complete',
    careTeam: [
      { sequence: 1, provider: practitioner, role: category('claimcareteamrole', 'primary', 'Primary provider') },
    ],
    insurance: [{ focal: true, coverage: { display: 'Example Health Plan' } }],
    item: [1, 2].map((sequence) => ({
      sequence,
      category: category('ex-benefitcategory', '1', 'Medical Care'),
      productOrService: concept(snomed, frequent(random, procedures)),
      servicedPeriod: { start: instant(startMs), end: instant(startMs + HOUR_MS) },
      locationCodeableConcept: category('ex-serviceplace', '19', 'Off Campus-Outpatient Hospital'),
      encounter: [at],
      net: money(random, 900),
      adjudication,
    })),
    total: [{ category: category('adjudication', 'submitted', 'Submitted Amount'), amount: money(random, 2000) }],
    payment: { date: day(startMs + 14 * 24 * HOUR_MS), amount: money(random, 1500) },
  };
}

/** Repeats `make` so often on average: 2.4 is twice or three times. */
function some(random: Random, average: number, make: () => Resource): Resource[] {
  const count = Math.floor(average + random.next());
  return Array.from({ length: count }, make);
}

function visitRecords(visit: Visit): Resource[] {
  const { random } = visit;
  const observations = some(random, 3.6, () => observation(visit));
  const billed = claim(visit);
  return [
    encounter(visit),
    pressure(visit),
    ...observations,
    ...some(random, 0.35, () => report(visit, observations)),
    ...some(random, 0.35, () => condition(visit)),
    ...some(random, 0.8, () => procedure(visit)),
    ...some(random, 0.45, () => immunization(visit)),
    ...some(random, 0.4, () => medicationRequest(visit)),
    billed,
    explanation(visit, billed),
  ];
}

/** Visits of a patient: 1 to 19, 10 on average; with 10 records each that makes about 100 resources. */
export function patientRecords(random: Numbered): Resource[] {
  const { n } = random;
  const bornMs = FIRST_MS - Math.floor(random.next() * 80 * YEAR_MS);
  const subject = reference('Patient', patientId(n));
  const visits = Array.from({ length: 1 + random.below(19) }, (): Visit => {
    const encounterId = uuid(random);
    return {
      random,
      subject,
      encounterId,
      encounter: reference('Encounter', encounterId),
      startMs: FIRST_MS + Math.floor(random.next() * SPAN_MS),
      practitioner: reference('Practitioner', practitionerId(random.below(practitionersFor(n + 1)))),
      organization: reference('Organization', organizationId(random.below(organizationsFor(n + 1)))),
    };
  });
  return [patient(random, n, bornMs), ...visits.flatMap(visitRecords)];
}
