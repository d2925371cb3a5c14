// Observation and Specimen as OBX and SPM: https://hl7.org/fhir/uv/v2mappings/ (OBX[Observation], SPM[Specimen])
import { buildTable } from '../table.ts';
import { organizationAddress } from '../types/reference.ts';
import { dtm } from '../types/time.ts';

const structure = 'http://hl7.org/fhir/StructureDefinition';

export const obx = buildTable(
  'OBX',
  `
2  | @value | by the type of value[x]
3  | code | CWE
5  | @value | value.ts
6  | @value | the unit of a quantity
7  | @referenceRange | text, else low and high
8  | interpretation | CWE InterpretationCodes
10 | extension[${structure}/observation-nature-of-abnormal-test].valueCodeableConcept | code NatureOfAbnormalTesting
11 | @status | table 0085
14 | effectiveDateTime | DTM
14 | effectiveInstant | DTM
14 | effectivePeriod.start | DTM
14 | effectiveTiming.event | DTM
16 | performer | XCN
17 | method | CWE
19 | extension[${structure}/observation-analysis-date-time].valueDateTime | DTM
20 | bodySite | CWE
21 | identifier | EI
23 | performer | XON
24 | performer | custom address
29 | category.coding[system=http://terminology.hl7.org/CodeSystem/v2-0936].code | ST
30 | extension[${structure}/observation-structure-type].valueCodeableConcept.coding.code | ST
`,
  { address: organizationAddress },
);

const handling = 'http://hl7.org/fhir/StructureDefinition/specimen-specialHandling';

export const spm = buildTable(
  'SPM',
  `
2  | @identifier | filler's and placer's numbers as a pair
4  | type | CWE
6  | container.additiveCodeableConcept | CWE
7  | collection.method | CWE
8  | collection.bodySite | CWE
12 | collection.quantity | CQ
14 | note.text | ST
15 | collection.extension[${handling}].valueCodeableConcept | CWE
17 | collection.collectedDateTime | DTM
17 | collection.collectedPeriod | custom range
18 | receivedTime | DTM
20 | status | code YesNoIndicator[AvailabilityStatus]
24 | condition | CWE
25 | container.specimenQuantity | CQ
27 | container.type | CWE
30 | accessionIdentifier | CX
`,
  {
    range: (_building, value) => {
      const { start, end } = value as { start?: string; end?: string };
      return [dtm(start), dtm(end)];
    },
  },
);
