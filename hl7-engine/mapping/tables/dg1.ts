// DG1: https://hl7.org/fhir/uv/v2mappings/ (DG1[Condition], DG1[Encounter]); HL7 v2.9 chapter 6.5.2
import { eiIdentifier } from '../identifiers.ts';
import { segmentTable } from '../table/table.ts';

const structure = 'http://hl7.org/fhir/StructureDefinition';

export const dg1Condition = segmentTable(
  'DG1',
  'Condition',
  `
1  | -             | a number within the message
2  | -             | coding method: DG1-3 has its coding system
3  | code          | CWE
4  | code.text     | ST | 3.9 empty
5  | onsetDateTime | dateTime
6  | @use          | Encounter.diagnosis.use
7,8,9,10,11,12,13,14 | - | of diagnosis related groups: billing's own
15 | @rank         | Encounter.diagnosis.rank
16 | asserter      | ref Practitioner
17 | -             | classification: consultation, diagnosis, medication: the category says it
18 | -             | confidential: labels come with ARV
19 | recordedDate  | dateTime
19 | extension[${structure}/condition-assertedDate].valueDateTime | dateTime
20 | identifier[]  | EI diagnosis
21 | @action       | D: entered in error; A and U: as it is sent
22 | extension[${structure}/condition-dueTo].valueReference.identifier | custom parent
23,24,25 | -       | of diagnosis related groups: billing's own
26 | -             | present on admission: no element of R4's
`,
  {
    custom: {
      parent: (part, { mapping }) => {
        const found = eiIdentifier(mapping, part.repetition(1), 'diagnosis', 'RI');
        return found && { system: found.system, value: found.value };
      },
    },
  },
);

export const dg1Diagnosis = segmentTable(
  'DG1',
  'Encounter.diagnosis',
  `
6  | use  | concept DiagnosisType
15 | rank | positiveInt | 15 != "0"
`,
);
