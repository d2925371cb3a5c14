// A patient's record as a transaction Bundle, authored for the demo: https://hl7.org/fhir/R4/http.html#transaction
// Every entry is a conditional create on an identifier, so that loading it twice makes nothing twice.
import type { Bundle, BundleEntry, CodeableConcept, Observation, Quantity, Resource } from '@medplum/fhirtypes';
import { patientMrn, practitionerIdentifier } from './names.ts';

interface Visit {
  /** ISO date. */
  date: string;
  reason: string;
  /** LOINC code of a vital sign -> value. */
  vitals: Record<string, number>;
  systolic: number;
  diastolic: number;
}

const loinc = 'http://loinc.org';
const snomed = 'http://snomed.info/sct';
const terminology = 'http://terminology.hl7.org/CodeSystem';
const recordSystem = 'urn:oid:2.999.1.10';

const visits: Visit[] = [
  {
    date: '2023-03-14',
    reason: 'Yearly check-up',
    systolic: 138,
    diastolic: 88,
    vitals: vitals(171.5, 82.4, 28, 76, 36.8, 15, 98),
  },
  {
    date: '2024-03-19',
    reason: 'Yearly check-up',
    systolic: 134,
    diastolic: 86,
    vitals: vitals(171.5, 80.9, 27.5, 74, 36.6, 14, 97),
  },
  {
    date: '2025-03-25',
    reason: 'Yearly check-up',
    systolic: 129,
    diastolic: 82,
    vitals: vitals(171.4, 79.2, 27, 71, 36.7, 14, 98),
  },
];

function vitals(
  height: number,
  weight: number,
  bmi: number,
  heart: number,
  temperature: number,
  breath: number,
  oxygen: number,
) {
  return {
    '8302-2': height,
    '29463-7': weight,
    '39156-5': bmi,
    '8867-4': heart,
    '8310-5': temperature,
    '9279-1': breath,
    '2708-6': oxygen,
  };
}

const vitalSigns: Record<string, [display: string, ucum: string]> = {
  '8302-2': ['Body height', 'cm'],
  '29463-7': ['Body weight', 'kg'],
  '39156-5': ['Body mass index', 'kg/m2'],
  '8867-4': ['Heart rate', '/min'],
  '8310-5': ['Body temperature', 'Cel'],
  '9279-1': ['Respiratory rate', '/min'],
  '2708-6': ['Oxygen saturation in Arterial blood', '%'],
};

const labs: [code: string, display: string, value: number, ucum: string][] = [
  ['2823-3', 'Potassium [Moles/volume] in Serum or Plasma', 4.3, 'mmol/L'],
  ['2951-2', 'Sodium [Moles/volume] in Serum or Plasma', 140, 'mmol/L'],
  ['2160-0', 'Creatinine [Mass/volume] in Serum or Plasma', 0.9, 'mg/dL'],
  ['2345-7', 'Glucose [Mass/volume] in Serum or Plasma', 118, 'mg/dL'],
  ['4548-4', 'Hemoglobin A1c/Hemoglobin.total in Blood', 6.8, '%'],
  ['718-7', 'Hemoglobin [Mass/volume] in Blood', 13.9, 'g/dL'],
];

const conditions: [code: string, display: string, onset: string][] = [
  ['38341003', 'Hypertensive disorder', '2019-05-02'],
  ['44054006', 'Diabetes mellitus type 2', '2021-09-16'],
  ['55822004', 'Hyperlipidemia', '2022-01-11'],
];

const medications: [rxnorm: string, display: string, authoredOn: string][] = [
  ['197361', 'Amlodipine 5 MG Oral Tablet', '2019-05-02'],
  ['860975', '24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet', '2021-09-16'],
  ['312961', 'Simvastatin 20 MG Oral Tablet', '2022-01-11'],
];

const vaccines: [cvx: string, display: string, date: string][] = [
  ['140', 'Influenza, seasonal, injectable, preservative free', '2024-10-08'],
  ['113', 'Td (adult) preservative free', '2020-06-30'],
  ['133', 'Pneumococcal conjugate PCV 13', '2021-11-04'],
];

const urns = {
  patient: 'urn:uuid:0d3f0000-0000-4000-8000-000000000001',
  practitioner: 'urn:uuid:0d3f0000-0000-4000-8000-000000000002',
  organization: 'urn:uuid:0d3f0000-0000-4000-8000-000000000003',
  encounter: (visit: number) => `urn:uuid:0d3f0000-0000-4000-8000-00000000010${visit}`,
  lab: (index: number) => `urn:uuid:0d3f0000-0000-4000-8000-00000000020${index}`,
};
const subject = { reference: urns.patient };

const concept = (system: string, code: string, display: string): CodeableConcept => ({
  coding: [{ system, code, display }],
  text: display,
});
const quantity = (value: number, ucum: string): Quantity => ({
  value,
  unit: ucum,
  system: 'http://unitsofmeasure.org',
  code: ucum,
});
const identified = (value: string) => [{ system: recordSystem, value: `DEMO-${value}` }];

/** An entry that creates `resource` unless one with its first identifier is there. */
function createOnce(
  resource: Resource & { identifier?: { system?: string; value?: string }[] },
  fullUrl?: string,
): BundleEntry {
  const identifier = resource.identifier?.[0];
  const criteria = new URLSearchParams({ identifier: `${identifier?.system}|${identifier?.value}` });
  return {
    ...(fullUrl === undefined ? {} : { fullUrl }),
    resource,
    request: { method: 'POST', url: resource.resourceType, ifNoneExist: criteria.toString() },
  };
}

function people(): BundleEntry[] {
  return [
    createOnce(
      {
        resourceType: 'Patient',
        identifier: [{ ...patientMrn, type: concept(`${terminology}/v2-0203`, 'MR', 'Medical record number') }],
        active: true,
        name: [{ use: 'official', family: 'Testperson', given: ['Avery', 'Demo'] }],
        telecom: [{ system: 'phone', value: '555-0100', use: 'home' }],
        gender: 'female',
        birthDate: '1970-01-01',
        address: [{ line: ['1 Example Street'], city: 'Sampletown', postalCode: '00000' }],
        generalPractitioner: [{ reference: urns.practitioner }],
        managingOrganization: { reference: urns.organization },
      },
      urns.patient,
    ),
    createOnce(
      {
        resourceType: 'Practitioner',
        identifier: [practitionerIdentifier],
        name: [{ family: 'Example', given: ['Casey'], prefix: ['Dr.'] }],
      },
      urns.practitioner,
    ),
    createOnce(
      {
        resourceType: 'Organization',
        identifier: identified('ORG-1'),
        active: true,
        name: 'Demo General Hospital (made up)',
      },
      urns.organization,
    ),
  ];
}

function history(): BundleEntry[] {
  const conditionEntries = conditions.map(([code, display, onset]) =>
    createOnce({
      resourceType: 'Condition',
      identifier: identified(`CONDITION-${code}`),
      clinicalStatus: { coding: [{ system: `${terminology}/condition-clinical`, code: 'active' }] },
      verificationStatus: { coding: [{ system: `${terminology}/condition-ver-status`, code: 'confirmed' }] },
      code: concept(snomed, code, display),
      subject,
      onsetDateTime: onset,
    }),
  );
  const medicationEntries = medications.map(([code, display, authoredOn]) =>
    createOnce({
      resourceType: 'MedicationRequest',
      identifier: identified(`MEDICATION-${code}`),
      status: 'active',
      intent: 'order',
      medicationCodeableConcept: concept('http://www.nlm.nih.gov/research/umls/rxnorm', code, display),
      subject,
      authoredOn,
      requester: { reference: urns.practitioner },
    }),
  );
  const vaccineEntries = vaccines.map(([code, display, date]) =>
    createOnce({
      resourceType: 'Immunization',
      identifier: identified(`VACCINE-${code}`),
      status: 'completed',
      vaccineCode: concept('http://hl7.org/fhir/sid/cvx', code, display),
      patient: subject,
      occurrenceDateTime: date,
    }),
  );
  const allergy = createOnce({
    resourceType: 'AllergyIntolerance',
    identifier: identified('ALLERGY-1'),
    clinicalStatus: { coding: [{ system: `${terminology}/allergyintolerance-clinical`, code: 'active' }] },
    category: ['food'],
    code: concept(snomed, '300913006', 'Shellfish allergy'),
    patient: subject,
  });
  return [...conditionEntries, ...medicationEntries, ...vaccineEntries, allergy];
}

function observation(
  name: string,
  category: string,
  code: CodeableConcept,
  at: string,
  visit: number,
): Observation & { identifier: object[] } {
  return {
    resourceType: 'Observation',
    identifier: identified(name),
    status: 'final',
    category: [{ coding: [{ system: `${terminology}/observation-category`, code: category }] }],
    code,
    subject,
    encounter: { reference: urns.encounter(visit) },
    effectiveDateTime: at,
  };
}

function visitEntries(visit: Visit, index: number): BundleEntry[] {
  const at = `${visit.date}T09:30:00+00:00`;
  const encounter = createOnce(
    {
      resourceType: 'Encounter',
      identifier: identified(`VISIT-${index}`),
      status: 'finished',
      class: { system: `${terminology}/v3-ActCode`, code: 'AMB' },
      subject,
      participant: [{ individual: { reference: urns.practitioner } }],
      period: { start: at, end: `${visit.date}T10:00:00+00:00` },
      reasonCode: [{ text: visit.reason }],
      serviceProvider: { reference: urns.organization },
    },
    urns.encounter(index),
  );
  const scalars = Object.entries(visit.vitals).map(([code, value]) => {
    const [display, ucum] = vitalSigns[code] as [string, string];
    const vital = observation(`VITAL-${index}-${code}`, 'vital-signs', concept(loinc, code, display), at, index);
    return createOnce({ ...vital, valueQuantity: quantity(value, ucum) });
  });
  const panel = concept(loinc, '85354-9', 'Blood pressure panel');
  const pressure = createOnce({
    ...observation(`VITAL-${index}-BP`, 'vital-signs', panel, at, index),
    component: [
      { code: concept(loinc, '8480-6', 'Systolic blood pressure'), valueQuantity: quantity(visit.systolic, 'mm[Hg]') },
      {
        code: concept(loinc, '8462-4', 'Diastolic blood pressure'),
        valueQuantity: quantity(visit.diastolic, 'mm[Hg]'),
      },
    ],
  });
  return [encounter, ...scalars, pressure];
}

/** The blood work of the last visit: one Observation a test, one DiagnosticReport over them. */
function labEntries(): BundleEntry[] {
  const visit = visits.length - 1;
  const at = `${(visits[visit] as Visit).date}T09:45:00+00:00`;
  const results = labs.map(([code, display, value, ucum], index) => {
    const result = observation(`LAB-${code}`, 'laboratory', concept(loinc, code, display), at, visit);
    return createOnce({ ...result, valueQuantity: quantity(value, ucum) }, urns.lab(index));
  });
  const report = createOnce({
    resourceType: 'DiagnosticReport',
    identifier: identified('REPORT-1'),
    status: 'final',
    category: [concept(`${terminology}/v2-0074`, 'LAB', 'Laboratory')],
    code: concept(loinc, '24323-8', 'Comprehensive metabolic 2000 panel - Serum or Plasma'),
    subject,
    encounter: { reference: urns.encounter(visit) },
    effectiveDateTime: at,
    result: labs.map((_, index) => ({ reference: urns.lab(index) })),
  });
  return [...results, report];
}

/** 47 entries: one patient's people, history, three visits with vital signs, and laboratory results. */
export function demoBundle(): Bundle {
  return {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [...people(), ...history(), ...visits.flatMap(visitEntries), ...labEntries()],
  };
}
