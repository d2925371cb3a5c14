// NK1: https://hl7.org/fhir/uv/v2mappings/ (NK1[Patient], NK1[RelatedPerson]); HL7 v2.9 chapter 3.4.5
import { codeableConcept } from '../datatypes.ts';
import { socialSecurityNumber } from '../identity.ts';
import { spokenLanguage } from '../language.ts';
import { segmentTable } from '../table/table.ts';

export const nk1Contact = segmentTable(
  'NK1',
  'Patient.contact',
  `
1  | -              | a number within the message
2  | name           | XPN
3  | relationship[] | concept Relationship
7  | relationship[] | concept ContactRole
4  | address        | XAD
5  | telecom[]      | XTN home
6  | telecom[]      | XTN work
40,41 | telecom[]   | XTN
8  | period.start   | dateTime
9  | period.end     | dateTime
13 | organization   | ref Organization
15 | gender         | code AdministrativeSex
`,
);

export const nk1RelatedPerson = segmentTable(
  'NK1',
  'RelatedPerson',
  `
1  | -              | a number within the message
2  | name[]         | XPN
30 | name[]         | XPN
3  | relationship[] | concept Relationship
7  | relationship[] | concept ContactRole
4,32 | address[]    | XAD
5  | telecom[]      | XTN home
6  | telecom[]      | XTN work
31,40,41 | telecom[] | XTN
8  | period.start   | dateTime
9  | period.end     | dateTime
10 | -              | job title: no element of RelatedPerson's
11 | -              | job code: as for NK1-10
12 | identifier[]   | CX employee EI
13 | @organization  | Patient.contact.organization
14 | -              | marital status: no element of RelatedPerson's
15 | gender         | code AdministrativeSex
16 | birthDate      | date
17 | -              | living dependency: no element of RelatedPerson's
18 | -              | ambulatory status: as for NK1-17
19 | -              | citizenship: as for NK1-17
20 | communication[].language | custom language
21 | -              | living arrangement: as for NK1-17
22 | -              | publicity: the sender's own rules
23 | -              | protection: of the sender's own access checks
24 | -              | student: no element of RelatedPerson's
25 | -              | religion: as for NK1-24
26 | -              | mother's maiden name: as for NK1-24
27 | -              | nationality: as for NK1-24
28 | -              | ethnic group: as for NK1-24
29 | -              | why this contact: NK1-7 says the role
33 | identifier[]   | CX related
34 | -              | job status: no element of RelatedPerson's
35 | -              | race: as for NK1-34
36 | -              | handicap: as for NK1-34
37 | identifier[]   | custom social
38 | -              | birth place: no element of RelatedPerson's
39 | -              | VIP: the sender's own courtesy
`,
  {
    custom: {
      social: (part) => socialSecurityNumber(part),
      language: (part, { mapping }) => {
        const language = codeableConcept(mapping, part.repetition(1));
        return language === undefined ? undefined : spokenLanguage(language);
      },
    },
  },
);
