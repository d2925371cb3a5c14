// ROL: https://hl7.org/fhir/uv/v2mappings/ (ROL[CareTeam], ROL[Encounter-PractitionerRole]); HL7 v2.9 chapter 15.4.7
import { segmentTable } from '../table/table.ts';

export const rolEncounter = segmentTable(
  'ROL',
  'Encounter.participant',
  `
1  | -      | the role's own number: a participant has none
2  | @action | who has a role that is deleted is taken away
3  | type[] | concept ProviderRole
4  | individual | ref Practitioner
5  | period.start | dateTime
6  | period.end   | dateTime
7  | -      | qualitative duration: no element of R4's
8  | -      | why the role was given
9  | -      | provider type: of the practitioner, not of the visit
10 | -      | organization unit type: as for ROL-9
11 | -      | address: the practitioner's own feed has it
12 | -      | telephone: as for ROL-11
13 | -      | place: as for ROL-11
14 | -      | organization: of the CareTeam where the role is the patient's
`,
);

export const rolCareTeam = segmentTable(
  'ROL',
  'CareTeam.participant',
  `
3,9 | role[] | CWE ProviderRole
4   | member | ref Practitioner
5   | period.start | dateTime
6   | period.end   | dateTime
14  | @organization | onBehalfOf, or the member where ROL-4 is empty
`,
);
