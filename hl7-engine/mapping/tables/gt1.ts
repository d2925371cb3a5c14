// GT1, who pays: the guide has no map; ours, after NK1[RelatedPerson]. HL7 v2.9 chapter 6.5.5
import { socialSecurityNumber } from '../identity.ts';
import { segmentTable } from '../table/table.ts';

export const gt1RelatedPerson = segmentTable(
  'GT1',
  'RelatedPerson',
  `
1  | -              | a number within the message
2  | identifier[]   | CX guarantor
3  | name[]         | XPN
4  | -              | spouse of the guarantor
5  | address[]      | XAD
6  | telecom[]      | XTN home
7  | telecom[]      | XTN work
8  | birthDate      | date
9  | gender         | code AdministrativeSex
10 | -              | guarantor type: user-defined
11 | relationship[] | concept Relationship
12 | identifier[]   | custom social
13 | period.start   | date
14 | period.end     | date
15 | -              | priority among guarantors: no element of R4's
16,17,18,19,20 | -  | the guarantor's employer and employment
21 | @organization  | Account.guarantor, where an organization pays
22,23,24,25,26,27,28,29 | - | billing's own
30..44 | - | of the person, not of the guarantee: RelatedPerson has no element for it
45..48 | - | whom to ask at the guarantor's: the account's own
49..57 | - | work and money of the guarantor: billing's own
`,
  { custom: { social: (part) => socialSecurityNumber(part) } },
);
