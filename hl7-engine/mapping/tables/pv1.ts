// PV1: https://hl7.org/fhir/uv/v2mappings/ (PV1[Encounter], PV1[Coverage]); HL7 v2.9 chapter 3.4.3
import { cxIdentifier } from '../identifiers.ts';
import { segmentTable } from '../table/table.ts';

const participation = (code: string, display: string) => ({
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code, display }],
});

export const pv1Encounter = segmentTable(
  'PV1',
  'Encounter',
  `
1  | -       | a number within the message
2  | class   | coding PatientClass[EncounterClass]
2  | @status | by the event, the class and PV1-45
3  | @location | Location, active or planned
4  | type[]  | CWE AdmissionType
5  | hospitalization.preAdmissionIdentifier | custom preadmit
6  | @location | Location, completed
7  | participant[].individual & type[0] = $attender | ref Practitioner
8  | participant[].individual & type[0] = $referrer | ref Practitioner
9  | participant[].individual & type[0] = $consultant | ref Practitioner
10 | serviceType | CWE HospitalService
11 | @location | Location, active for the time being
12 | -       | tests before admission: the sender's own
13 | hospitalization.reAdmission | CWE ReadmissionIndicator
14 | hospitalization.admitSource | CWE
15 | hospitalization.specialArrangement[] | CWE AmbulatoryStatus
16 | hospitalization.specialCourtesy[] | CWE VIPIndicator
17 | participant[].individual & type[0] = $admitter | ref Practitioner
18 | -       | patient type: user-defined without suggested values; a route's code map can give it a meaning
19,50 | @identifier | what the encounter is known by
20 | @coverage | Coverage.type
21 | -       | charge price: billing's own, as all up to PV1-35
22 | -       | courtesy code
23 | -       | credit rating
24 | -       | contract code
25 | -       | contract date
26 | -       | contract amount
27 | -       | contract period
28 | -       | interest code
29 | -       | transfer to bad debt
30 | -       | transfer to bad debt, date
31 | -       | bad debt agency
32 | -       | bad debt, transferred
33 | -       | bad debt, recovered
34 | -       | account deleted
35 | -       | account deleted, date
36 | hospitalization.dischargeDisposition | CWE DischargeDisposition
37 | @destination | Location
38 | hospitalization.dietPreference[] | CWE DietType
39 | serviceProvider | custom facility
40 | @location | Location.operationalStatus
41 | -       | account status: billing's own
42 | @location | Location, reserved
43 | @location | Location, completed: where the patient was for the time being
44 | period.start | dateTime
45 | period.end   | dateTime
46 | -       | current balance: billing's own
47 | -       | total charges: as for PV1-46
48 | -       | total adjustments: as for PV1-46
49 | -       | total payments: as for PV1-46
51 | -       | whether the visit counts: billing's own
52 | participant[].individual & type[0] = $participant | ref Practitioner
53 | -       | a description of the episode of care: nothing to know it by
54 | @episode | EpisodeOfCare
`,
  {
    constants: {
      attender: participation('ATND', 'attender'),
      referrer: participation('REF', 'referrer'),
      consultant: participation('CON', 'consultant'),
      admitter: participation('ADM', 'admitter'),
      participant: participation('PART', 'Participation'),
    },
    custom: {
      preadmit: (part, { mapping }) => cxIdentifier(mapping, part.repetition(1), 'preadmit'),
      facility: (part) => (part.text === undefined ? undefined : { display: part.text }),
    },
  },
);

export const pv1Coverage = segmentTable(
  'PV1',
  'Coverage',
  `
20 | type | CWE FinancialClass
`,
);
