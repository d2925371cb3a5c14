// PD1: https://hl7.org/fhir/uv/v2mappings/ (PD1[Patient], PD1[Observation-LivingWill]); HL7 v2.9 chapter 3.4.10
import { segmentTable } from '../table/table.ts';

const structure = 'http://hl7.org/fhir/StructureDefinition';

export const pd1Patient = segmentTable(
  'PD1',
  'Patient',
  `
1  | -   | on whom the patient depends in daily life: no element of Patient's
2  | -   | with whom the patient lives: no element of Patient's
4  | generalPractitioner[] & type = "Practitioner" | ref Practitioner
3  | generalPractitioner[] & type = "Organization" | ref Organization
5  | -   | whether a student: no element of Patient's
6  | extension[${structure}/patient-disability].valueCodeableConcept | CWE
7  | @livingWill | Observation
8  | -   | organ donor: a consent, which the code alone is not
9  | -   | billing's own
10 | -   | suspected duplicates: only A24 and A40 say that two are one
11 | -   | to whom the patient may be named: the sender's own publicity rules
12 | meta.security[] & system = $confidentiality & display = "restricted" | custom restricted
13 | -   | since when PD1-12 holds
14 | extension[${structure}/patient-congregation].valueString | ST
15 | -   | advance directives as codes of the sender's: the documents come with MDM
16 | -   | status in an immunization registry: of the registry, not of the patient
17 | -   | since when PD1-16 holds
18 | -   | since when PD1-11 holds
19 | -   | military branch: no element of Patient's
20 | -   | military rank: no element of Patient's
21 | -   | military status: no element of Patient's
22 | -   | when PD1-15 was verified
`,
  {
    constants: { confidentiality: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality' },
    custom: { restricted: (part) => (part.text?.toUpperCase() === 'Y' ? { code: 'R' } : undefined) },
  },
);

export const pd1LivingWill = segmentTable(
  'PD1',
  'Observation',
  `
"final" | status |
7       | valueCodeableConcept | concept LivingWillCode
7       | code | custom livingWill
`,
  {
    custom: {
      livingWill: () => ({ coding: [{ system: 'http://loinc.org', code: '75320-2', display: 'Advance directive' }] }),
    },
  },
);
