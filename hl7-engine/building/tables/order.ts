// ServiceRequest and DiagnosticReport as ORC, OBR and TQ1: https://hl7.org/fhir/uv/v2mappings/ (ORC[ServiceRequest],
// OBR[ServiceRequest], OBR[DiagnosticReport])
import { buildTable } from '../table.ts';
import { organizationAddress, organizationTelecom } from '../types/reference.ts';

const structure = 'http://hl7.org/fhir/StructureDefinition';
const supportingInfo = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-ServiceRequest.supportingInfo';
const callback = `extension[${structure}/servicerequest-order-callback-phone-number].valueContactPoint`;

export const orc = buildTable(
  'ORC',
  `
1  | @control | by the request's status, and whether the receiver knows it
2  | @placer  | identifier of type PLAC, else one that is not the filler's
3  | @filler  | identifier of type FILL
4  | requisition | EI
5  | @status  | table 0038
9  | authoredOn | DTM
12 | requester | XCN
14 | @callback | OBR-17 has it
16 | extension[${structure}/request-statusReason].valueCodeableConcept | CWE
21 | requester | XON
22 | requester | custom address
23 | requester | custom telecom
29 | locationCode | CWE
`,
  { address: organizationAddress, telecom: organizationTelecom },
);

/** Of the request. */
export const obr = buildTable(
  'OBR',
  `
4  | code | CWE
6  | @occurrence | until 2.4; then TQ1
11 | intent | custom action
13 | extension[${supportingInfo}].extension[concept].valueCodeableConcept | custom words
16 | requester | XCN
17 | ${callback} | XTN
31 | reasonCode | CWE
45 | bodySite | CWE
46 | orderDetail | CWE
`,
  {
    // Table 0065: generated as a reflex of other results.
    action: (_building, value) => (value === 'reflex-order' ? 'G' : undefined),
    words: (_building, value) => {
      const { text, coding } = value as { text?: string; coding?: { display?: string; code?: string }[] };
      return text ?? coding?.[0]?.display ?? coding?.[0]?.code;
    },
  },
);

/** Of the report, beside what its request says. */
export const obrReport = buildTable(
  'OBR',
  `
4  | code | CWE
7  | effectiveDateTime | DTM
7  | effectiveInstant | DTM
7  | effectivePeriod.start | DTM
7  | effectiveTiming.event | DTM
8  | effectivePeriod.end | DTM
22 | issued | DTM
24 | category | code DiagnosticServiceSectionID
25 | @status | table 0123
32 | resultsInterpreter | NDL
34 | performer | NDL
`,
);

/** Table 0485. Urgent is less than stat and more than routine, as A is. */
export const priorityCodes: Readonly<Record<string, string>> = { stat: 'S', asap: 'A', urgent: 'A', routine: 'R' };
