// OBR: https://hl7.org/fhir/uv/v2mappings/ (OBR[ServiceRequest], OBR[DiagnosticReport]); HL7 v2.9 chapters 4.5.3 and 7.4.1

import { conceptMapOf } from '../codes/concept-maps.ts';
import { segmentTable } from '../table/table.ts';

const priorities = conceptMapOf('ExtendedPriorityCodes').codes;
const structure = 'http://hl7.org/fhir/StructureDefinition';
const supportingInfo = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-ServiceRequest.supportingInfo';

export const obrServiceRequest = segmentTable(
  'OBR',
  'ServiceRequest',
  `
1  | -            | a number within the message
2  | @identifier  | placer's number, by which the order is found; ORC-2 where it is empty
3  | @identifier  | filler's number; ORC-3 where it is empty
4  | code         | CWE
5  | priority     | custom priority
6  | occurrenceDateTime | dateTime
7  | -            | when it was done: the report's effective time
8  | -            | when it was done: the report's effective time
11 | intent       | custom intent
12 | note[].text  | CWE.text
13 | extension[${supportingInfo}].extension[concept].valueCodeableConcept | CWE
16 | @requester   | where ORC-12 names nobody
17 | extension[${structure}/servicerequest-order-callback-phone-number].valueContactPoint | XTN work
18 | -            | a field of the two applications
19 | -            | a field of the two applications
20 | -            | a field of the two applications
21 | -            | a field of the two applications
23 | -            | billing
26 | @parent      | the result that led to this order: clinical/parent.ts
27 | @occurrence  | TQ of old, where there is neither TQ1 nor ORC-7: clinical/timing.ts
28 | -            | who else gets the result is the laboratory's to do
29 | @basedOn     | the parent order
30 | -            | how the patient is moved
31 | reasonCode[] | CWE
36 | occurrenceDateTime | dateTime
37 | -            | how many sample containers
38 | -            | how the sample travels
40 | -            | how the patient is moved
41 | -            | how the patient is moved
42 | -            | how the patient is moved
43 | -            | how the patient is moved
44 | code.coding[] | CWE.Coding | 4 empty
45 | bodySite[]   | CWE | .3 in ("SCT", "SCT2", "HL70163")
45 | orderDetail[] | CWE | not .3 in ("SCT", "SCT2", "HL70163")
46 | orderDetail[] | CWE
47 | orderDetail[] | CWE
48 | -            | billing
49 | -            | how the result is to be sent
50 | @basedOn     | the parent order
53 | identifier[] | CX order-placer PLAC
51,52 | - | groups of observations: OBR-26 and OBR-29 name the parent
54 | - | the parent order: OBR-29 names it
`,
  {
    custom: {
      priority: (part) => priorities.get(part.component(1).text?.toUpperCase() ?? '')?.code,
      intent: (part) => (part.text === 'G' ? 'reflex-order' : undefined),
    },
  },
);

export const obrDiagnosticReport = segmentTable(
  'OBR',
  'DiagnosticReport',
  `
2  | @identifier  | placer's number; ORC-2 where it is empty
3  | @identifier  | filler's number, by which the report is found; ORC-3 where it is empty
4  | code         | CWE
7  | effectiveDateTime | dateTime | 8 empty
7  | effectivePeriod.start | dateTime | 8 valued
8  | effectivePeriod.end | dateTime
10 | @specimen    | who took the specimen
14 | @specimen    | when the specimen came in
15 | @specimen    | the specimen, where no SPM tells of it
22 | issued       | instant
24 | category[]   | CWE DiagnosticServiceSectionID
25 | @status      | table 0123; where it is empty the results' own
32 | @resultsInterpreter | Practitioner
33 | @resultsInterpreter | Practitioner with the function ASSIST
34 | @performer   | Practitioner with the function SPRF
35 | @performer   | Practitioner with the function TRANS
39 | @specimen    | the collector's comment
`,
);
