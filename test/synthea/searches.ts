// Searches over the Synthea bundles (https://hl7.org/fhir/R4/search.html) beside plain filters over their JSON that say,
// without any index, what each must find. All of Synthea's dateTimes carry an offset.
import type {
  AllergyIntolerance,
  Condition,
  Encounter,
  Immunization,
  MedicationRequest,
  Observation,
  Patient,
  Procedure,
  Reference,
  Resource,
} from '@medplum/fhirtypes';
import type { Loaded } from './corpus.ts';

export interface Search {
  /** `Type?query`; `{patient}` stands for the id of one patient. */
  query: string;
  /** Is this resource a match? `patientName` is `Patient/id` of the patient of `{patient}`. */
  matches(resource: Resource, loaded: Loaded, patientName: string): boolean;
  /** What `_sort` orders by, ascending or (`-`) descending; ties may come in any order. */
  sort?: { by(resource: Resource): number | string | undefined; descending: boolean };
  /** `Type/id` of what is included besides, given the names of the matches. */
  includes?(matches: Set<string>, loaded: Loaded): Set<string>;
}

const isType =
  <T extends Resource>(type: T['resourceType'], test: (resource: T, loaded: Loaded, patientName: string) => boolean) =>
  (resource: Resource, loaded: Loaded, patientName: string): boolean =>
    resource.resourceType === type && test(resource as T, loaded, patientName);

interface Concept {
  coding?: { system?: string; code?: string }[];
}
const hasCode = (concept: Concept | undefined, code: string): boolean =>
  concept?.coding?.some((coding) => coding.code === code) ?? false;

function patientOf(reference: Reference | undefined, loaded: Loaded): Patient {
  return loaded.get(reference?.reference ?? '') as Patient;
}

const instant = (text: string | undefined): number => Date.parse(text ?? '');
const day = (text: string): { lo: number; hi: number } => ({ lo: Date.parse(text), hi: Date.parse(text) + 86_399_999 });
const month2017March = { lo: Date.UTC(2017, 2, 1), hi: Date.UTC(2017, 3, 1) - 1 };

const folded = (text: string): string => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
const snomed = 'http://snomed.info/sct';
const loinc = 'http://loinc.org';

const tokens: Search[] = [
  {
    query: `Observation?code=${loinc}|8302-2`,
    matches: isType<Observation>('Observation', (o) => hasCode(o.code, '8302-2')),
  },
  { query: 'Condition?code=38341003', matches: isType<Condition>('Condition', (c) => hasCode(c.code, '38341003')) },
  {
    query: `Observation?category=laboratory&code=${loinc}|2339-0,${loinc}|4548-4`,
    matches: isType<Observation>(
      'Observation',
      (o) =>
        (o.category ?? []).some((each) => hasCode(each, 'laboratory')) &&
        (hasCode(o.code, '2339-0') || hasCode(o.code, '4548-4')),
    ),
  },
  { query: 'Encounter?class:not=AMB', matches: isType<Encounter>('Encounter', (e) => e.class.code !== 'AMB') },
  {
    query: `Condition?clinical-status=resolved&code=${snomed}|10509002`,
    matches: isType<Condition>(
      'Condition',
      (c) => hasCode(c.clinicalStatus, 'resolved') && hasCode(c.code, '10509002'),
    ),
  },
  {
    query: 'Patient?identifier=http://hospital.smarthealthit.org|&gender=female',
    matches: isType<Patient>(
      'Patient',
      (p) =>
        p.gender === 'female' && (p.identifier ?? []).some((i) => i.system === 'http://hospital.smarthealthit.org'),
    ),
  },
  {
    query: 'AllergyIntolerance?_tag=https://smarthealthit.org/tags|synthea-5-2019&criticality=low',
    matches: isType<AllergyIntolerance>('AllergyIntolerance', (a) => a.criticality === 'low'),
  },
];

const dates: Search[] = [
  {
    // `ge` of a Period: it reaches beyond the day, or lies within it; `lt`: it begins before the day.
    query: 'Encounter?date=ge2015-01-01&date=lt2016-01-01',
    matches: isType<Encounter>('Encounter', ({ period }) => {
      const [lo, hi] = [instant(period?.start), instant(period?.end)];
      const from = day('2015-01-01');
      return (hi > from.hi || (lo >= from.lo && hi <= from.hi)) && lo < Date.parse('2016-01-01');
    }),
  },
  {
    query: 'Observation?date=2017-03&category=vital-signs',
    matches: isType<Observation>('Observation', (o) => {
      const at = instant(o.effectiveDateTime);
      const vital = (o.category ?? []).some((each) => hasCode(each, 'vital-signs'));
      return vital && at >= month2017March.lo && at <= month2017March.hi;
    }),
  },
  {
    query: 'Patient?birthdate=le1960-12-31&_sort=birthdate',
    matches: isType<Patient>('Patient', (p) => (p.birthDate ?? '9') <= '1960-12-31'),
    sort: { by: (r) => (r as Patient).birthDate, descending: false },
  },
  {
    query: 'Immunization?vaccine-code=140&date=gt2018-06-30&_sort=-date',
    matches: isType<Immunization>(
      'Immunization',
      (i) => hasCode(i.vaccineCode, '140') && instant(i.occurrenceDateTime) > day('2018-06-30').hi,
    ),
    sort: { by: (r) => instant((r as Immunization).occurrenceDateTime), descending: true },
  },
];

const quantities: Search[] = [
  {
    query: `Observation?code=8302-2&value-quantity=gt180|http://unitsofmeasure.org|cm`,
    matches: isType<Observation>(
      'Observation',
      (o) => hasCode(o.code, '8302-2') && o.valueQuantity?.code === 'cm' && (o.valueQuantity.value ?? 0) > 180,
    ),
  },
  {
    // 85 stands for 84.5 up to, not including, 85.5.
    query: 'Observation?value-quantity=85||mg/dL',
    matches: isType<Observation>('Observation', ({ valueQuantity: q }) => {
      const value = q?.value ?? 0;
      return (q?.code === 'mg/dL' || q?.unit === 'mg/dL') && value >= 84.5 && value < 85.5;
    }),
  },
];

const strings: Search[] = [
  {
    query: 'Patient?family=k',
    matches: isType<Patient>('Patient', (p) => (p.name ?? []).some((n) => folded(n.family ?? '').startsWith('k'))),
  },
  {
    query: 'Patient?given=angela',
    matches: isType<Patient>('Patient', (p) =>
      (p.name ?? []).some((n) => (n.given ?? []).some((given) => folded(given).startsWith('angela'))),
    ),
  },
  {
    query: 'Patient?address-city:contains=FIELD',
    matches: isType<Patient>('Patient', (p) => (p.address ?? []).some((a) => folded(a.city ?? '').includes('field'))),
  },
  {
    query: 'Patient?address-city:exact=Reading',
    matches: isType<Patient>('Patient', (p) => (p.address ?? []).some((a) => a.city === 'Reading')),
  },
];

const references: Search[] = [
  {
    query: 'Observation?patient={patient}&_sort=-date',
    matches: isType<Observation>('Observation', (o, _, name) => o.subject?.reference === name),
    sort: { by: (r) => instant((r as Observation).effectiveDateTime), descending: true },
  },
  {
    query: `Observation?subject:Patient.address-city=Boston&code=${loinc}|4548-4`,
    matches: isType<Observation>(
      'Observation',
      (o, loaded) =>
        hasCode(o.code, '4548-4') &&
        (patientOf(o.subject, loaded).address ?? []).some((a) => folded(a.city ?? '').startsWith('boston')),
    ),
  },
  {
    query: 'Condition?patient.gender=female&abatement-date:missing=true',
    matches: isType<Condition>(
      'Condition',
      (c, loaded) => patientOf(c.subject, loaded).gender === 'female' && c.abatementDateTime === undefined,
    ),
  },
  {
    query: 'Procedure?reason-reference:missing=false&patient={patient}',
    matches: isType<Procedure>(
      'Procedure',
      (p, _, name) => (p.reasonReference ?? []).length > 0 && p.subject?.reference === name,
    ),
  },
  {
    query:
      'MedicationRequest?patient={patient}&_include=MedicationRequest:requester&_include=MedicationRequest:encounter',
    matches: isType<MedicationRequest>('MedicationRequest', (m, _, name) => m.subject?.reference === name),
    includes: (matches, loaded) => {
      const requests = [...matches].map((name) => loaded.get(name) as MedicationRequest);
      const targets = requests.flatMap((m) => [m.requester?.reference, m.encounter?.reference]);
      return new Set(targets.filter((name) => name !== undefined));
    },
  },
  {
    query: 'Patient?_id={patient}&_revinclude=Condition:patient&_revinclude=AllergyIntolerance:patient',
    matches: (resource, loaded, name) => loaded.get(name) === resource,
    includes: (matches, loaded) => {
      const refers = (r: Resource): boolean =>
        (r.resourceType === 'Condition' && matches.has(r.subject?.reference ?? '')) ||
        (r.resourceType === 'AllergyIntolerance' && matches.has(r.patient?.reference ?? ''));
      return new Set([...loaded].flatMap(([name, resource]) => (refers(resource) ? [name] : [])));
    },
  },
];

/** R4's only number parameters of consequence (ChargeItem, MolecularSequence, RiskAssessment) have no Synthea resource. */
export const searches: Search[] = [...tokens, ...dates, ...quantities, ...strings, ...references];
