// URIs of code systems: https://hl7.org/fhir/R4/terminologies-systems.html

const terminology = 'http://terminology.hl7.org/CodeSystem/';

export const systems = {
  v3ActCode: `${terminology}v3-ActCode`,
  v3ActPriority: `${terminology}v3-ActPriority`,
  v3NullFlavor: `${terminology}v3-NullFlavor`,
  v3MaritalStatus: `${terminology}v3-MaritalStatus`,
  interpretation: `${terminology}v3-ObservationInterpretation`,
  participation: `${terminology}v3-ParticipationType`,
  dataAbsentReason: `${terminology}data-absent-reason`,
  ucum: 'http://unitsofmeasure.org',
  loinc: 'http://loinc.org',
  npi: 'http://hl7.org/fhir/sid/us-npi',
  ssn: 'http://hl7.org/fhir/sid/us-ssn',
} as const;

/** Table 0001 and others of HL7's own: `v2-0001`. */
export function v2Table(number: string): string {
  return `${terminology}v2-${number}`;
}
