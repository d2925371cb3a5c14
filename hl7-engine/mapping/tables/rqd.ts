// RQD, requisition detail: HL7 v2.9 chapter 4.11. The guide has no map of it; this is ours.
import { segmentTable } from '../table/table.ts';

export const rqdSupply = segmentTable(
  'RQD',
  'SupplyRequest',
  `
1  | -                   | a number within the message
2  | itemCodeableConcept | CWE
3  | itemCodeableConcept | CWE
4  | itemCodeableConcept | CWE
5  | @quantity           | how many; 1 where it is empty, since R4 asks for it
6  | @quantity           | the unit of RQD-5
7  | -                   | billing
8  | -                   | billing
9  | -                   | the hospital's own place
10 | occurrenceDateTime  | dateTime
`,
);
