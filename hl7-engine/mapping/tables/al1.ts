// AL1 and IAM: https://hl7.org/fhir/uv/v2mappings/ (AL1[AllergyIntolerance], IAM[AllergyIntolerance]); HL7 v2.9 chapter 3.4.6 and 3.4.7
import type { JsonObject } from '#fhir-model';
import { codeableConcept, displayName, humanName } from '../datatypes.ts';
import type { PartMap } from '../table/context.ts';
import { segmentTable } from '../table/table.ts';

const alternate = 'extension[http://hl7.org/fhir/StructureDefinition/alternate-codes].valueCodeableConcept';
const severity = 'AllergySeverity[AllergyIntolerance.reaction.severity]';
const criticality = 'AllergySeverity[AllergyIntolerance.criticality]';

/** Severity is that of the reaction where there is one, else how critical the allergy is. */
const shared = `
2  | category[]     | code AllergenType[AllergyIntoleranceCategory]
2  | _category[0].${alternate} | concept AllergenType[AllergyIntoleranceOriginalCategory] | 2 in ("DA", "FA", "EA", "AA", "PA", "LA")
2  | type           | code AllergyType
3  | code           | CWE
4  | criticality    | code ${criticality} | 5 empty
4  | _criticality.${alternate} | concept AllergySeverity[AllergyIntolerance.criticality-original] | 5 empty and 4 in ("SV", "MI")
4  | reaction[0].severity | code ${severity} | 5 valued
`;

export const al1Allergy = segmentTable(
  'AL1',
  'AllergyIntolerance',
  `
1  | -              | a number within the message
5  | reaction[0].manifestation[] | ST.concept
${shared}
6  | onsetDateTime  | dateTime
`,
);

/** Words, as the standard and the guide have it; a code where one is sent with its words or its system. */
const reaction: PartMap = (part, { mapping }) =>
  part.repetitions().flatMap((one): JsonObject[] => {
    const isCoded = !one.component(2).isEmpty || !one.component(3).isEmpty;
    const found = isCoded ? codeableConcept(mapping, one) : one.text === undefined ? undefined : { text: one.text };
    return found === undefined ? [] : [found];
  });

/** Of ADT^A60, after IAM: each a reaction of its own. */
export const iarReaction = segmentTable(
  'IAR',
  'AllergyIntolerance.reaction',
  `
1  | manifestation[] | custom reaction
2  | severity       | code ${severity}
3  | -              | sensitivity to a causative agent: type and category of the allergy say it
4  | note[].text    | ST
`,
  { custom: { reaction } },
);

export const iamAllergy = segmentTable(
  'IAM',
  'AllergyIntolerance',
  `
1  | -              | a number within the message
5  | reaction[0].manifestation[] | custom reaction
${shared}
6  | @action        | D: entered in error; A, U and X: as it is sent
7  | identifier[]   | EI allergy
8  | -              | why the segment was sent
9  | -              | sensitivity to a causative agent: type and category say it
10 | -              | group of allergens: of the code, not of the patient
11 | onsetDateTime  | dateTime
12 | onsetString    | ST | 11 empty
13 | recordedDate   | dateTime
14 | recorder       | custom person
15 | -              | whether IAM-14 is a relative: a name alone makes no person
16 | -              | a device that carries the allergy's alert
17 | @status        | clinicalStatus and verificationStatus, by table 0438
18 | -              | who gave IAM-17
19 | -              | whose IAM-17 is
20 | -              | since when IAM-17 holds
27 | code.coding[]  | custom more
21..26 | - | who recorded, changed and inactivated the entry, and when: the Provenance of the messages tells it
28..30 | - | the organizations of these people
`,
  {
    custom: {
      reaction,
      person: (part, { mapping }) => {
        const display = displayName(humanName(mapping, part.repetition(1), 'XPN'));
        return display === undefined ? undefined : { display };
      },
      more: (part, { mapping }) => {
        const coding = codeableConcept(mapping, part.repetition(1))?.coding;
        return Array.isArray(coding) ? (coding as JsonObject[]) : undefined;
      },
    },
  },
);
