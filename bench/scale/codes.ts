// What the generated records speak of: a few codes of each kind, the first ones the most frequent. Code systems:
// http://snomed.info/sct, http://www.nlm.nih.gov/research/umls/rxnorm, http://hl7.org/fhir/sid/cvx

export interface Coded {
  code: string;
  display: string;
}

const coded = (rows: [code: string, display: string][]): Coded[] => rows.map(([code, display]) => ({ code, display }));

export const encounterTypes = coded([
  ['185345009', 'Encounter for symptom'],
  ['185349003', 'Encounter for check up'],
  ['162673000', 'General examination of patient'],
  ['50849002', 'Emergency room admission'],
  ['424441002', 'Prenatal initial visit'],
]);

export const conditions = coded([
  ['38341003', 'Hypertensive disorder'],
  ['44054006', 'Type 2 diabetes mellitus'],
  ['195662009', 'Acute viral pharyngitis'],
  ['444814009', 'Viral sinusitis'],
  ['10509002', 'Acute bronchitis'],
  ['195967001', 'Asthma'],
  ['13645005', 'Chronic obstructive pulmonary disease'],
  ['49436004', 'Atrial fibrillation'],
  ['55822004', 'Hyperlipidemia'],
  ['271737000', 'Anemia'],
]);

export const procedures = coded([
  ['430193006', 'Medication reconciliation'],
  ['428191000124101', 'Documentation of current medications'],
  ['76601001', 'Intramuscular injection'],
  ['23426006', 'Measurement of respiratory function'],
  ['399208008', 'Plain chest X-ray'],
  ['73761001', 'Colonoscopy'],
]);

export const medications = coded([
  ['314076', 'lisinopril 10 MG Oral Tablet'],
  ['860975', 'metformin hydrochloride 500 MG Extended Release Oral Tablet'],
  ['617318', 'atorvastatin 20 MG Oral Tablet'],
  ['313782', 'acetaminophen 325 MG Oral Tablet'],
  ['308136', 'amlodipine 2.5 MG Oral Tablet'],
  ['245314', 'albuterol 5 MG/ML Inhalation Solution'],
]);

export const vaccines = coded([
  ['140', 'Influenza, seasonal, injectable, preservative free'],
  ['113', 'Td (adult) preservative free'],
  ['133', 'Pneumococcal conjugate PCV 13'],
  ['43', 'Hep B, adult'],
]);
