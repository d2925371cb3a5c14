// PV2: https://hl7.org/fhir/uv/v2mappings/ (PV2[Encounter]); HL7 v2.9 chapter 3.4.4
import { decimal } from '../decimal.ts';
import { segmentTable } from '../table/table.ts';

const r5 = 'http://hl7.org/fhir/5.0/StructureDefinition';
const structure = 'http://hl7.org/fhir/StructureDefinition';

export const pv2Encounter = segmentTable(
  'PV2',
  'Encounter',
  `
1  | -    | a place that was planned and is not any more
2  | -    | accommodation: billing's own; the guide names no element
3  | reasonCode[] | CWE
4  | -    | why transferred: the guide names no element
5  | -    | valuables: no clinical content
6  | -    | where the valuables are
7  | -    | who uses the visit: user-defined, no element of R4's
8  | extension[${r5}/extension-Encounter.plannedStartDate].valueDateTime | dateTime
9  | extension[${r5}/extension-Encounter.plannedEndDate].valueDateTime | dateTime
10 | -    | expected days of stay: PV2-8 and PV2-9 say it, no element of R4's
11 | length | custom days
12 | -    | a description for the reader: PV2-3 has the reason
13 | participant[].individual & type[0] = $referrer | ref Practitioner
14 | -    | when an employer's illness began: insurance's own
15 | -    | whether the purge of the visit is wanted
16 | -    | when the visit may be purged
17 | -    | special programme: user-defined
18 | -    | retention: the sender's own
19 | -    | expected number of insurance plans
20 | -    | visit publicity: the sender's own rules
21 | -    | visit publicity: the sender's own rules
22 | meta.security[] & system = $confidentiality & display = "restricted" | custom restricted
23 | -    | the clinic as an organization: PV1-3 has the place
24 | -    | status of the patient in a programme: user-defined
25 | priority | CWE EncounterPriority
26 | -    | previous treatment: user-defined
27 | -    | expected discharge disposition: PV1-36 has it when it comes true
28 | -    | when signatures were put on file
29 | -    | first similar illness
30 | -    | patient charge adjustment: billing's own
31 | -    | recurring service: billing's own
32 | -    | billing media
33 | -    | expected surgery, date: an appointment has it
34 | -    | military partnership
35 | -    | military non-availability
36 | -    | newborn baby indicator: PV1-4 has it
37 | -    | baby detained: no element of R4's
38 | extension[${structure}/encounter-modeOfArrival].valueCoding | coding ModeOfArrivalCode
39 | -    | recreational drugs: an observation's, not a visit's
40 | -    | level of care at admission: no element of R4's
41 | -    | precautions: user-defined; safety-relevant ones come as AL1 or OBX
42 | -    | patient condition: as for PV2-40
43 | -    | living will: PD1-7
44 | -    | organ donor: PD1-8
45 | -    | advance directive: PD1-15
46 | -    | since when PV2-24 holds
47 | -    | leave of absence, expected return: A21 and A22 say it
48 | -    | pre-admission testing, expected
49 | -    | notify clergy
50 | -    | advance directive, verified
`,
  {
    constants: {
      confidentiality: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality',
      referrer: {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'REF', display: 'referrer' },
        ],
      },
    },
    custom: {
      restricted: (part) => (part.text?.toUpperCase() === 'Y' ? { code: 'R' } : undefined),
      days: (part, { mapping }) => {
        const value = decimal(part.text ?? '');
        if (value !== undefined && Number(part.text) >= 0)
          return { value, unit: 'days', system: 'http://unitsofmeasure.org', code: 'd' };
        if (part.text !== undefined) mapping.warnings.add('PV2-11: no number of days');
        return undefined;
      },
    },
  },
);
