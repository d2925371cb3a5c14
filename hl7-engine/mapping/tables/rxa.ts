// RXA and RXR of a vaccination: https://hl7.org/fhir/uv/v2mappings/ (RXA[Immunization], RXR[Immunization])
import type { JsonObject } from '#fhir-model';
import type { Part } from '../../message/message.ts';
import { codingSystem } from '../codesystems.ts';
import { segmentTable } from '../table/table.ts';
import { amount } from './rx.ts';

export const rxaImmunization = segmentTable(
  'RXA',
  'Immunization',
  `
1  | -            | number of the give: RXG's
2  | -            | number of the administration: the order has one
3  | occurrenceDateTime | dateTime
4  | -            | when it ended: a vaccination has one time
5  | vaccineCode  | CWE
6  | doseQuantity | custom dose | 6 != "999"
7  | @doseQuantity | unit of RXA-6
8  | -            | dosage form: RXA-5 is the vaccine
9  | @primarySource | table NIP001: 00 is a new record, others are reported (reportOrigin)
9  | note[].text  | custom remark
10 | performer[].actor & function.coding[0].system = "http://terminology.hl7.org/CodeSystem/v2-0443" & function.coding[0].code = "AP" | ref Practitioner
11 | location.display | custom place | 27 empty
12 | -            | rate: a vaccination has none
13 | -            | strength: RXA-5 is the vaccine
14 | -            | unit of the strength
15 | lotNumber    | ST
16 | expirationDate | date
17 | manufacturer | custom maker
18 | statusReason | CWE
19 | reasonCode[] | CWE
20 | @status      | table CompletionStatus
21 | @status      | D: entered in error
22 | recorded     | dateTime
23 | -            | drug strength volume
24 | -            | its unit
25 | -            | barcode of the package
26 | -            | type of a pharmacy's order
27 | location     | ref Location
28 | -            | address of RXA-27: the Location's own feed has it
`,
  {
    custom: {
      dose: (part, { mapping, segment }) => amount(mapping, part, segment.field(7)),
      remark: (part) => {
        const local = part.repetitions().filter((cwe) => cwe.component(3).text !== 'NIP001');
        const [first] = local.map((cwe) => cwe.component(2).text ?? cwe.component(1).text);
        return first;
      },
      place: (part) => {
        const names = [3, 2, 1, 4].map((number) => part.component(number).subcomponent(1).text);
        return names.filter((name) => name !== undefined).join(', ') || undefined;
      },
      maker: (part, { mapping }) => manufacturer(mapping.facility, part),
    },
  },
);

/** MVX and the like: the code is the manufacturer's number. */
function manufacturer(facility: string, part: Part): JsonObject | undefined {
  const cwe = part.repetition(1);
  const value = cwe.component(1).text;
  const display = cwe.component(2).text ?? value;
  if (display === undefined) return undefined;
  const system = codingSystem(cwe.component(3).text, undefined, facility);
  return { identifier: value === undefined || system === undefined ? undefined : { system, value }, display };
}

export const rxrImmunization = segmentTable(
  'RXR',
  'Immunization',
  `
1 | route | CWE RouteOfAdministration
2 | site  | CWE BodyParts
3 | -     | the device that gives it
4 | -     | how it was given: the route says it
5 | -     | how it is routed
6 | -     | a detail of RXR-2: its modifier
`,
);
