// OBX: https://hl7.org/fhir/uv/v2mappings/ (OBX[Observation], OBX[Observation-Component]); HL7 v2.9 chapter 7.4.2
import type { JsonObject } from '#fhir-model';
import type { Part } from '../../message/message.ts';
import { segmentTable } from '../table/table.ts';

const structure = 'http://hl7.org/fhir/StructureDefinition';

export const obxObservation = segmentTable(
  'OBX',
  'Observation',
  `
1  | -        | a number within the message
2  | @value   | tells what OBX-5 is
3  | @code    | with its suffix (GDT, IMP, …); part of what the observation is known by
4  | @key     | tells results of one code apart: part of what the observation is known by
5  | @value   | clinical/value.ts; several repetitions are components; ED and RP are documents: clinical/document.ts
6  | @value   | UCUM where the unit is known, else the sender's own; a number of type ST, TX or none is a quantity with it
7  | @referenceRange | text, and low, high, sex and age where they can be read: clinical/range.ts
8  | interpretation[] | CWE InterpretationCodes
9  | -        | how likely the finding is by itself: R4 has no place for it
10 | extension[${structure}/observation-nature-of-abnormal-test].valueCodeableConcept | custom nature
11 | @status  | tables 0085 and OBR-25
12 | -        | when the laboratory last changed its reference range
13 | -        | the sender's own access checks
14 | effectiveDateTime | dateTime
15 | @performer | the producer, where OBX-23 names no organization
16 | @performer | Practitioner
17 | method   | CWE
18 | @device  | Device, by its identifier
19 | extension[${structure}/observation-analysis-date-time].valueDateTime | dateTime
20 | bodySite | CWE
21 | identifier[] | EI observation FILL
22 | -        | the mood of v3: an order's OBX is no result, which its group says
23 | @performer | Organization, with OBX-24
24 | @performer | the address of that Organization
25 | @performer | the medical director: Practitioner with the function MDIR
26 | -        | how results reach the patient
27 | -        | why a result came late or not at all: OBX-8 and OBX-11 say that there is none
28 | -        | the profile that the value follows
29 | category[] | custom observationType
30 | extension[${structure}/observation-structure-type].valueCodeableConcept | custom subType
31 | -        | what the sender does with the segment: OBX-11 says it
32 | -        | what of the value is to be masked for whom
33 | @specimen | the specimen of that number, where the message has it
`,
  {
    custom: {
      nature: (part) => v2Concept('0080', part),
      observationType: (part) => v2Concept('0936', part),
      subType: (part) => v2Concept('0937', part),
    },
  },
);

function v2Concept(table: string, part: Part): JsonObject | undefined {
  const code = part.text;
  return code === undefined
    ? undefined
    : { coding: [{ system: `http://terminology.hl7.org/CodeSystem/v2-${table}`, code }] };
}
