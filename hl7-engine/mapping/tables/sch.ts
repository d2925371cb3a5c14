// SCH, RGS, AIS, AIG, AIL and AIP: https://hl7.org/fhir/uv/v2mappings/ (SCH[Appointment], SCH[ServiceRequest], AIS[Appointment],
// AIS[ServiceRequest], AIG[Appointment], AIL[Appointment], AIP[Appointment]); HL7 v2.9 chapter 10.6
import { segmentTable } from '../table/table.ts';

/** Who answers for an appointment need not come to it. */
const contact = (text: string) => ({ text });
const constants = {
  placer: contact('placer contact'),
  filler: contact('filler contact'),
  enterer: {
    coding: [
      {
        system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type',
        code: 'enterer',
        display: 'Enterer',
      },
    ],
  },
};

const informed = '& status = "accepted" & required = "information-only"';

export const schAppointment = segmentTable(
  'SCH',
  'Appointment',
  `
1  | identifier[]    | EI appointment-placer PLAC
2  | identifier[]    | EI appointment-filler FILL
3  | -               | which one of a series: each has its own number
4  | -               | the group of a series: SCH-23 and SCH-24 name what this appointment belongs to
5  | @schedule       | Schedule of the slots that are blocked or opened (S23, S24)
6  | @cancelationReason | of S15 and S16; of other events why the message was sent
7  | reasonCode[]    | CWE
8  | appointmentType | CWE AppointmentTypeCodes
7  | appointmentType | CWE | 7.1 in ("CHECKUP", "EMERGENCY", "FOLLOWUP", "ROUTINE", "WALKIN", "Checkup", "Emergency", "Followup", "Routine", "Walkin")
9  | @minutesDuration | with the unit of SCH-10, else the time between start and end
10 | @minutesDuration | the unit of SCH-9
11 | @start          | TQ of old, where neither TQ1 nor AIS, AIP, AIL, AIG has a time
12 | participant[].actor & type[0] = $placer ${informed} | ref Practitioner
13 | -               | a contact's phone: the Practitioner's own is the directory's
14 | -               | a contact's address: the Practitioner's own is the directory's
15 | -               | where the contact works
16 | participant[].actor & type[0] = $filler ${informed} | ref Practitioner
17 | -               | a contact's phone: the Practitioner's own is the directory's
18 | -               | a contact's address: the Practitioner's own is the directory's
19 | -               | where the contact works
20 | participant[].actor & type[0] = $enterer ${informed} | ref Practitioner
21 | -               | the enterer's phone
22 | -               | where it was typed in
23 | supportingInformation[].identifier & type = "Appointment" | EI appointment-placer PLAC
24 | supportingInformation[].identifier & type = "Appointment" | EI appointment-filler FILL | 23 empty
25 | @status         | with the event: scheduling/status.ts
26 | @basedOn        | the ServiceRequest of that number, made where it is unknown
27 | @basedOn        | the ServiceRequest of that number, made where it is unknown
`,
  { constants },
);

segmentTable(
  'RGS',
  'Appointment',
  `
1 | - | a number within the message
2 | @participant | D: not any more, where the resource has no action of its own
3 | - | the sender's name of the group
`,
);

export const aisAppointment = segmentTable(
  'AIS',
  'Appointment',
  `
1  | -             | a number within the message
2  | @serviceType  | D: not any more
3  | serviceType[] | CWE
4  | @start        | where TQ1 has none
5  | @start        | added to the appointment's start
6  | @start        | the unit of AIS-5
7  | @end          | where TQ1 has none
8  | @end          | the unit of AIS-7
9  | -             | whether another service would do: settled once it is booked
10 | @status       | where SCH-25 is empty
11 | @orderDetail  | of the ServiceRequest
12 | @orderDetail  | of the ServiceRequest
`,
);

export const aisServiceRequest = segmentTable(
  'AIS',
  'ServiceRequest',
  `
3     | code          | CWE
4     | occurrenceDateTime | dateTime
11,12 | orderDetail[] | CWE
`,
);

const resource = (fields: { start: number; status: number }, what: string): string => {
  const { start, status } = fields;
  return `
1  | -            | a number within the message
2  | @participant | D: not any more
3  | @actor       | ${what}
4  | type[]       | CWE
${start} | period.start | dateTime
${start + 1},${start + 2} | @period | added to the appointment's start, where there is no time of its own
${start + 3},${start + 4} | @period | how long, from its start on
${start + 5} | -        | whether another would do: settled once it is booked
${status} | @status     | Booked, Started, Complete: accepted; Cancelled, Deleted: declined; others need action
`;
};

export const aigParticipant = segmentTable(
  'AIG',
  'Appointment.participant',
  `${resource({ start: 8, status: 14 }, 'Device; Location, HealthcareService or Practitioner where AIG-4 calls it one')}
5 | - | a group of resources of which one was chosen
6 | - | how many of them
7 | - | how many of them
`,
);

export const ailParticipant = segmentTable(
  'AIL',
  'Appointment.participant',
  `${resource({ start: 6, status: 12 }, 'Location')}
5 | - | a group of places of which one was chosen
`,
);

export const aipParticipant = segmentTable(
  'AIP',
  'Appointment.participant',
  `${resource({ start: 6, status: 12 }, 'Practitioner')}
5 | - | a group of people of which one was chosen
`,
);
