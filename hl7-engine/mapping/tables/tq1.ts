// TQ1: https://hl7.org/fhir/uv/v2mappings/ (TQ1[ServiceRequest], TQ1[MedicationRequest]); HL7 v2.9 chapter 4.5.4
import { segmentTable } from '../table/table.ts';

/** The rows tell the documentation what clinical/timing.ts does: a schedule's parts depend on each other. */
segmentTable(
  'TQ1',
  'ServiceRequest',
  `
1  | -           | a number within the message
2  | @quantity   | quantityQuantity; the dose of a medication that has none
3  | @occurrence | Timing.repeat and code, by table 0335; RPT-2 to 4 as dayOfWeek, RPT-8 as when, RPT-9 as offset
4  | @occurrence | Timing.repeat.timeOfDay
5  | @occurrence | Timing.repeat.offset, beside an event
6  | @occurrence | Timing.repeat.boundsDuration, or count; beside a start the end of boundsPeriod
7  | @occurrence | Timing.repeat.boundsPeriod.start
8  | @occurrence | Timing.repeat.boundsPeriod.end
9  | @priority   | S, A and R; other codes are no request-priority
10 | @note       | of a medication additionalInstruction
11 | @note       | of a medication patientInstruction, or its text
12 | -           | how schedules follow each other: they stand in their order
13 | @occurrence | Timing.repeat.duration and durationUnit
14 | @occurrence | Timing.repeat.count
`,
);
