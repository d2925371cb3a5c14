// Encounter as PV1 and PV2: https://hl7.org/fhir/uv/v2mappings/ (PV1[Encounter], PV2[Encounter])
import { isNumber, type JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import { isObject, text } from '../building.ts';
import { buildTable } from '../table.ts';
import { tableCode, tableCodeOrNone } from '../types/coded.ts';
import { digitsOf } from '../types/number.ts';
import type { ValueType } from '../types/registry.ts';

/** Of v3-ActCode what the concept map, which reads only four, has not. */
const classes: Readonly<Record<string, string>> = {
  ACUTE: 'I',
  NONAC: 'I',
  SS: 'I',
  OBSENC: 'O',
  VR: 'O',
  HH: 'O',
  FLD: 'E',
};

const patientClass: ValueType = (_building, value) => {
  const { code: given, system }: JsonObject = isObject(value) ? value : {};
  const code = text(given);
  const map = 'PatientClass[EncounterClass]';
  const known = tableCodeOrNone(value, map) ?? ownValue(classes, code);
  if (known !== undefined || system !== undefined) return known ?? 'U';
  // IMP and AMB mean the same without their system; another code is the sender's own.
  return tableCode(map, code) ?? code;
};

export const pv1 = buildTable(
  'PV1',
  `
2  | class | custom class
?2 | "U" | ST
3  | @location | where the patient is, or is to be
4  | type | CWE AdmissionType
5  | hospitalization.preAdmissionIdentifier | CX
6  | @location | the last place that the patient has left
11 | @location | where the patient is for the time being
7  | participant[type=ATND].individual | XCN
?7 | participant[type=PPRF].individual | XCN
8  | participant[type=REF].individual | XCN
9  | participant[type=CON].individual | XCN
10 | serviceType | CWE HospitalService
13 | hospitalization.reAdmission | CWE ReadmissionIndicator
14 | hospitalization.admitSource | CWE
15 | hospitalization.specialArrangement | CWE AmbulatoryStatus
16 | hospitalization.specialCourtesy | CWE VIPIndicator
17 | participant[type=ADM].individual | XCN
19 | @identifier | the visit's number, else its id here
36 | hospitalization.dischargeDisposition | CWE DischargeDisposition
37 | hospitalization.destination | custom destination
38 | hospitalization.dietPreference | CWE DietType
39 | serviceProvider | custom facility
42 | @location | where the patient is to go
43 | @location | where the patient was for the time being
44 | period.start | DTM
45 | period.end | DTM
50 | @identifier | other numbers of the visit
52 | participant[type=PART].individual | XCN
`,
  {
    class: patientClass,
    destination: (building, value) => {
      const { display } = value as { display?: string };
      const name = building.graph.resolve(value)?.name ?? display;
      return typeof name === 'string' ? [name] : undefined;
    },
    facility: (building, value) => {
      const { display } = value as { display?: string };
      return text(display) ?? text(building.graph.resolve(value)?.name);
    },
  },
);

const r5 = 'http://hl7.org/fhir/5.0/StructureDefinition';
const structure = 'http://hl7.org/fhir/StructureDefinition';

export const pv2 = buildTable(
  'PV2',
  `
3  | reasonCode | CWE
8  | extension[${r5}/extension-Encounter.plannedStartDate].valueDateTime | DTM
9  | extension[${r5}/extension-Encounter.plannedEndDate].valueDateTime | DTM
11 | length | custom days
22 | meta.security[code=R,V].code | custom yes
25 | priority | CWE EncounterPriority
38 | extension[${structure}/encounter-modeOfArrival].valueCoding | CWE ModeOfArrivalCode
`,
  {
    yes: () => 'Y',
    days: (_building, value) =>
      isObject(value) && value.code === 'd' && isNumber(value.value) ? digitsOf(value.value) : undefined,
  },
);
