// Segments of patient administration of which few fields are FHIR's, or which the messages' own code reads: the tables without
// a name stand here for the documentation alone. HL7 v2.9 chapters 3 and 6
import { segmentTable } from '../table/table.ts';

export const accReason = segmentTable(
  'ACC',
  'Encounter',
  `
1  | -           | when: the accident is not the visit
2  | reasonCode[] | CWE
3,4,5,6,7,8,9,10,11 | - | what insurance and police ask
12 | - | what insurance asks
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

segmentTable(
  'DB1',
  'Patient',
  `
1,2,3,4,5,6,7,8 | - | what an employer or insurer has decided on work; disabilities that care must know of come as PD1-6 or OBX
`,
);

segmentTable(
  'DRG',
  'Encounter',
  `
1,2,3,4,5,6,7,8,9,10,11 | - | a diagnosis related group is billing's own: the claim has it
12..33 | - | a diagnosis related group is billing's own: the claim has it
`,
);

segmentTable(
  'AUT',
  'Coverage',
  `
1,2,3,4,5,6,7,8,9,10 | - | authorization of a single service: of its claim, not of the coverage
11,12 | - | authorization of a single service: of its claim, not of the coverage
`,
);
