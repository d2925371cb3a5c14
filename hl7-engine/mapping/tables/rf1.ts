// RF1, AUT, PRD and CTD: HL7 v2.9 chapter 11.8. The guide has no maps of them: https://hl7.org/fhir/R4/servicerequest.html,
// https://hl7.org/fhir/R4/claimresponse.html
import { segmentTable } from '../table/table.ts';

export const rf1ServiceRequest = segmentTable(
  'RF1',
  'ServiceRequest',
  `
1  | @status         | with the event: referral/referral.ts
2  | priority        | code ReferralPriority
3  | code            | CWE
4  | orderDetail[]   | CWE | 3 valued
5  | category[]      | CWE
6  | identifier[]    | EI referral PLAC
7  | occurrencePeriod.start | dateTime
8  | occurrencePeriod.end   | dateTime
9  | authoredOn      | dateTime
10 | reasonCode[]    | CWE
11 | identifier[]    | EI referral-external FILL
12 | -               | whether the papers are complete
13 | -               | when treatment is to stop: RF1-8 ends the referral
14 | note[].text     | ST
15 | quantityQuantity | CQ
16 | -               | the payer's count of treatments that were used
17 | -               | the payer's count of treatments that are scheduled
18 | -               | what the payer has left to pay
19 | performer[]     | ref Organization
20 | performer[]     | ref Practitioner
21 | -               | where the sender has it from
22 | -               | when the sender has got it
23 | -               | phone of who told the sender
24 | note[].text     | ST
25 | @status         | D: entered in error
`,
);

export const autClaimResponse = segmentTable(
  'AUT',
  'ClaimResponse',
  `
1  | -               | the payer's plan: IN1-2 has it
2  | @insurer        | the payer's number
3  | @insurer        | the payer's name
4  | preAuthPeriod.start | dateTime
5  | preAuthPeriod.end   | dateTime
6  | preAuthRef      | ST
7  | @total          | how much is paid at most
8  | -               | how many treatments were asked for
9  | disposition     | custom treatments
10 | created         | dateTime
11 | -               | disciplines that were asked for
12 | -               | disciplines that are allowed
`,
  {
    custom: {
      treatments: (part) => {
        const count = part.component(1).text;
        return count === undefined ? undefined : `Authorized treatments: ${count}`;
      },
    },
  },
);

export const prdPractitioner = segmentTable(
  'PRD',
  'Practitioner',
  `
1  | @role           | RP requester; RT, RH, CP performer
2  | name[]          | XPN
3  | address[]       | XAD
4  | -               | the office within its building: PRD-3 is its address
5  | telecom[]       | XTN work
6  | -               | how the provider wants to be told
7  | identifier[]    | PLN
8  | @period         | PractitionerRole.period
9  | @period         | PractitionerRole.period
10 | @organization   | PractitionerRole.organization
11 | @organization   | its address
12 | -               | where in the organization
13 | @organization   | its telecom
14 | -               | how the organization wants to be told
`,
);

segmentTable(
  'CTD',
  'Practitioner',
  `
1..7 | - | whom to ask about it by phone: no part of the referral
`,
);
