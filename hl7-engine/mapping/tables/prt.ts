// PRT: https://hl7.org/fhir/uv/v2mappings/ (PRT[CareTeam], PRT[PractitionerRole]); HL7 v2.9 chapter 7.4.4
import { segmentTable } from '../table/table.ts';

export const prtEncounter = segmentTable(
  'PRT',
  'Encounter.participant',
  `
1  | -      | the participation's own number: a participant has none
2  | @action | whose participation is deleted is taken away
3  | -      | why it changed
4  | type[] | concept Participation
5  | individual | ref Practitioner
6  | -      | provider type: of the practitioner, not of the visit
7  | -      | organization unit type: as for PRT-6
8  | -      | organization: of the CareTeam where the participation is the patient's
9  | @place | of an observation: its extension event-location
10 | @device | of an observation: its Device
11 | period.start | dateTime
12 | period.end   | dateTime
13 | -      | qualitative duration: no element of R4's
14 | -      | address: the practitioner's own feed has it
15 | -      | telephone: as for PRT-14
16 | -      | UDI: as for PRT-10
17 | -      | device, date of manufacture: as for PRT-10
18 | -      | device, expiry: as for PRT-10
19 | -      | device, lot: as for PRT-10
20 | -      | device, serial number: as for PRT-10
21 | -      | device, donation: as for PRT-10
22 | -      | device type: as for PRT-10
23 | -      | preferred method of contact: as for PRT-14
24 | -      | contact identifiers: as for PRT-14
`,
);

export const prtCareTeam = segmentTable(
  'PRT',
  'CareTeam.participant',
  `
4   | role[] | CWE Participation
5   | member | ref Practitioner
8   | @organization | onBehalfOf, or the member where PRT-5 is empty
11  | period.start | dateTime
12  | period.end   | dateTime
`,
);
