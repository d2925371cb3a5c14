// Segments of patient administration of which few fields are FHIR's, or which the messages' own code reads: the tables without
// a name stand here for the documentation alone. HL7 v2.9 chapters 3 and 6
import { segmentTable } from '../table/table.ts';

export const accReason = segmentTable(
  'ACC',
  'Encounter',
  `
2  | reasonCode[] | CWE
`,
);

/** Of a claim, which has to say when. */
export const accClaim = segmentTable(
  'ACC',
  'Claim.accident',
  `
1  | date        | date
2  | type        | CWE
3  | locationAddress.text | ST
4  | locationAddress.state | CWE.text
5  | -           | whether it is work that insures: Claim.accident.type says it where it is coded
6  | -           | whether it was fatal: PID-30 says it
7  | -           | who typed it in: Provenance
8  | -           | what happened, in words: DG1 has what came of it
9  | -           | who brought the patient
10 | -           | whether the police knows
11 | locationAddress | XAD
12 | -           | whose fault it was: the insurance's question
`,
);

export const pdaCause = segmentTable(
  'PDA',
  'Observation',
  `
1  | valueCodeableConcept | CWE
2  | -           | place of death
3  | -           | whether it is certified: the certificate says it
4  | effectiveDateTime | dateTime
5  | performer[] | ref Practitioner
6,7,8,9 | -      | autopsy: a procedure of its own
`,
);

segmentTable(
  'NPU',
  'Location',
  `
1  | @place      | the bed, by its path within the facility
2  | operationalStatus | coding BedStatus
`,
);

segmentTable(
  'MRG',
  'Patient',
  `
1,4 | @merged    | the patient that is merged, moved or renumbered
2   | -          | an alternate number: PID-4 of old
3   | @account   | the account that is merged, moved or renumbered
5   | @visit     | the visit that is merged, moved or renumbered
6   | -          | alternate visit number: the visit is known by MRG-5
7   | -          | the former name: the patient that is merged keeps it
`,
);

segmentTable(
  'ARV',
  'Meta',
  `
1,2,3,4,5,6 | @security | restricted (R of v3 Confidentiality): which field is restricted for whom has no place
`,
);

/** Whether somebody is disabled; what kind of disability PD1-6 says. */
export const db1Observation = segmentTable(
  'DB1',
  'Observation',
  `
1 | -           | a number within the message
2 | @subject    | PT or empty: the patient; guarantors and insured are others
3 | -           | a number of the person: the patient's own
4 | valueBoolean | boolean
5 | effectivePeriod.start | dateTime
6 | effectivePeriod.end | dateTime
7,8 | -         | when work is possible again, or is not: what an employer or insurer has decided
`,
);

/** In an ADT or BAR a group without charges is not kept: R4's Encounter has no element for it. */
export const drgDiagnosis = segmentTable(
  'DRG',
  'Claim.diagnosis',
  `
1  | packageCode | CWE
2,3,4,5,6,7,8,9,10,11 | - | how the group was found and what is paid for it: the payer's answer says it
12..33 | - | how the group was found and what is paid for it: the payer's answer says it
`,
);
