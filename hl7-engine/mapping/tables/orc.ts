// ORC: https://hl7.org/fhir/uv/v2mappings/ (ORC[ServiceRequest], ORC[Immunization]); HL7 v2.9 chapter 4.5.1
import { segmentTable } from '../table/table.ts';

const structure = 'http://hl7.org/fhir/StructureDefinition';

/** What ORC says of a request, whatever is asked for. Identity, state and requester are the order's own: clinical/order.ts. */
export const orcServiceRequest = segmentTable(
  'ORC',
  'ServiceRequest',
  `
1  | @status       | the order's state: clinical/control.ts
2  | @identifier   | placer's number, by which the order is found; OBR-2 before it
3  | @identifier   | filler's number; OBR-3 before it
4  | requisition   | EI order-group PGN
5  | @status       | table OrderStatus; where it is empty ORC-1 tells
6  | -             | how the sender wants to be answered
7  | @occurrence   | TQ of old: clinical/timing.ts
8  | @basedOn      | the parent order
9  | authoredOn    | dateTime | 1 in ("NW", "RO", "CH", "PA")
10 | -             | who typed it in: Provenance
11 | -             | who verified it: Provenance
12 | @requester    | with ORC-21
13 | -             | where it was typed in
14 | extension[${structure}/servicerequest-order-callback-phone-number].valueContactPoint | XTN work | OBR-17 empty
15 | -             | when the event takes effect: the time of the order itself is OBR-6 or TQ1-7
16 | extension[${structure}/request-statusReason].valueCodeableConcept | CWE | 5 empty
17 | -             | where it was typed in
18 | -             | on which device it was typed in
19 | -             | who did what ORC-1 says: Provenance
20 | -             | billing: the advance beneficiary notice
21 | @requester    | the ordering facility: PractitionerRole with ORC-12, else Organization
22 | @requester    | address of the ordering facility
23 | @requester    | phone of the ordering facility
24 | -             | the provider's address: an order changes no Practitioner
25 | -             | a local detail of ORC-5
26 | -             | billing
27 | -             | a forecast, no fact of the order
28 | meta.security[] | CWE.Coding
29 | locationCode[] | CWE
30 | -             | how the enterer was authorised
31 | -             | the parent's own message has it
32 | -             | billing
33 | identifier[]  | CX order-placer PLAC | OBR-53 empty
34 | -             | workflow between the two applications
35 | -             | what the two applications do with the segment
36 | -             | dates of a pharmacy order's dispensing
37 | -             | dates of a pharmacy order's dispensing
38 | identifier[]  | EI order-group FGN
`,
);

/** In a vaccination's group: the order's numbers name the Immunization itself. */
export const orcImmunization = segmentTable(
  'ORC',
  'Immunization',
  `
2  | identifier[] | EI order-placer PLAC
3  | @identifier  | what the Immunization is known by
4  | identifier[] | EI order-group PGN
9  | @recorded    | where RXA-22 has none
10 | -            | who typed it in: Provenance
12 | performer[].actor & function.coding[0].system = "http://terminology.hl7.org/CodeSystem/v2-0443" & function.coding[0].code = "OP" | ref Practitioner
28 | meta.security[] | CWE.Coding
`,
);
