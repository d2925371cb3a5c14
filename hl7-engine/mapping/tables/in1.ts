// IN1, IN2 and IN3: https://hl7.org/fhir/uv/v2mappings/ (IN1[Coverage], IN3[CareTeam]); HL7 v2.9 chapter 6.5.6 to 6.5.8

import { v2Table } from '../codes/systems.ts';
import { localUri } from '../codesystems.ts';
import { cxIdentifier } from '../identifiers.ts';
import { segmentTable } from '../table/table.ts';

const classOf = (code: string) => ({
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/coverage-class', code }],
});

export const in1Coverage = segmentTable(
  'IN1',
  'Coverage',
  `
1  | -            | a number within the message
2  | class[].value & type = $plan | CWE.code
3,4,5,7 | @payor  | Organization
6  | -            | contact person of the insurer
8  | class[].value & type = $group | ST
9  | class[1].name | custom groupName | 8 valued and 2 valued
9  | class[0].name | custom groupName | 8 valued and 2 empty
10 | -            | employer's number for the insured: IN1-11 names the employer
11 | policyHolder | ref Organization
12 | period.start | dateTime
13 | period.end   | dateTime
14 | -            | authorization of a single service
15 | type         | CWE
16,18,19,43 | @subscriber | RelatedPerson, where the patient is not insured personally
17 | relationship | concept Relationship
20,21,23,24,25,26,27,28,29,30,31,32,33,34,35 | - | how the claim is billed
22 | order        | positiveInt
36 | identifier[] | custom policy
37,38,39,40,41 | - | amounts of the policy
42 | -            | employment status of the insured
44 | -            | employer's address
45 | -            | verification status
46,47,48 | -      | how the claim is billed
49 | subscriberId | ST
50,51,52,53,54,55 | - | how the claim is billed
`,
  {
    constants: { plan: classOf('plan'), group: classOf('group') },
    custom: {
      groupName: (part) => part.text,
      policy: (part, { mapping }) => {
        const value = part.text;
        return value === undefined ? undefined : [{ system: localUri(mapping.facility, 'policy'), value }];
      },
    },
  },
);

const typed = (code: string) => ({ coding: [{ system: v2Table('0203'), code }] });

export const in2Coverage = segmentTable(
  'IN2',
  'Coverage',
  `
6  | identifier[] & type = $medicare | custom medicare
8  | identifier[] & type = $medicaid | custom medicaid
61 | identifier[] | CX member MB
25 | -            | number of the payer's subscriber: IN1-49
1,2 | - | numbers of the insured: IN1-49
3,4 | - | the insured's employer: IN1-11
5 | - | who gets the claim
7 | - | the name on the Medicaid card: IN1-16
9..18 | - | military service of the sponsor: of the claim
19..24 | - | conditions of payment: the policy has them
26..30 | - | conditions of payment: the policy has them
31..43 | - | of the insured as a person: IN1 has what identifies them
44..48 | - | the insured's work
49..54,57,58 | - | whom to ask: the insurance's own
55,56 | - | since when and until when the relationship holds
59,60 | - | scope and source of the policy
62 | - | how guarantor and insured are related
63,64 | - | telephone numbers of the insured and their employer
65 | - | a programme of the military
66..68 | - | conditions of payment: the policy has them
69,70 | - | employers' organizations: IN1-11
71 | - | of the insured as a person
72 | - | IN1-17 says it from the other side
`,
  {
    constants: { medicare: typed('MC'), medicaid: typed('MA') },
    custom: {
      medicare: (part) => number('http://hl7.org/fhir/sid/us-medicare', part.text),
      medicaid: (part, { mapping }) => number(localUri(mapping.facility, 'medicaid'), part.text),
    },
  },
);

const number = (system: string, value: string | undefined) => (value === undefined ? undefined : [{ system, value }]);

export const in1Subscriber = segmentTable(
  'IN1',
  'RelatedPerson',
  `
16 | name[]        | XPN
18 | birthDate     | date
19 | address[]     | XAD
43 | gender        | code AdministrativeSex
49 | identifier[]  | custom insured
`,
  { custom: { insured: (part, { mapping }) => cxIdentifier(mapping, part.repetition(1), 'insured') } },
);

export const in3CareTeam = segmentTable(
  'IN3',
  'CareTeam.participant',
  `
21 | member.display | ST
1 | - | a number within the message
2..20,22..25 | - | certification of a stay by the insurance: of its claim
`,
);
