// PR1: https://hl7.org/fhir/uv/v2mappings/ (PR1[Procedure]); HL7 v2.9 chapter 6.5.4
import { segmentTable } from '../table/table.ts';

export const pr1Procedure = segmentTable(
  'PR1',
  'Procedure',
  `
1  | -            | a number within the message
2  | -            | coding method: PR1-3 has its coding system
3  | code         | CWE
4  | code.text    | ST | 3.9 empty
5,7 | @performed  | performedDateTime, or performedPeriod with the minutes of PR1-7
6  | category     | CWE
8  | performer[].actor & function = $anesthesiologist | ref Practitioner
9  | -            | anesthesia code: a procedure of its own
10 | -            | anesthesia minutes: as for PR1-9
11 | performer[].actor & function = $surgeon | ref Practitioner
12 | performer[].actor | ref Practitioner
13 | -            | consent code: a consent of its own
14 | -            | priority: of the claim, not of the procedure
15 | reasonCode[] | CWE
16 | -            | modifiers: R4 has no element for them
17 | -            | of diagnosis related groups: billing's own
18 | -            | tissue type: user-defined
19 | identifier[] | EI procedure
20 | @action      | D: entered in error; A and U: as it is sent
21 | -            | of diagnosis related groups: billing's own
22 | -            | of diagnosis related groups: billing's own
23 | location     | ref Location
24 | -            | whether the patient was ventilated before: an observation of its own
25 | partOf[].identifier & type = "Procedure" | EI procedure
`,
  { constants: { anesthesiologist: { text: 'Anesthesiologist' }, surgeon: { text: 'Surgeon' } } },
);
