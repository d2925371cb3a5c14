// LOC, LCH, LRL, LDP and LCC: HL7 v2.9 chapter 8.9. The guide has no maps of them: https://hl7.org/fhir/R4/location.html
import type { JsonObject } from '#fhir-model';
import type { Part } from '../../message/message.ts';
import { repeated } from '../datatypes.ts';
import { segmentTable } from '../table/table.ts';

/** A day of VH: from day, to day, from hour, to hour. */
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const dayNumber: Readonly<Record<string, number>> = { SUN: 0, MON: 1, TUE: 2, WED: 3, THU: 4, FRI: 5, SAT: 6 };

function hours(part: Part): JsonObject | undefined {
  const from = dayNumber[part.component(1).text?.toUpperCase() ?? ''];
  const to = dayNumber[part.component(2).text?.toUpperCase() ?? ''] ?? from;
  if (from === undefined || to === undefined) return undefined;
  const count = ((to - from + 7) % 7) + 1;
  const found: JsonObject = { daysOfWeek: Array.from({ length: count }, (_, at) => days[(from + at) % 7]!) };
  const [opens, closes] = [3, 4].map((number) => clock(part.component(number).text));
  return { ...found, openingTime: opens, closingTime: closes };
}

function clock(text: string | undefined): string | undefined {
  const [, hour, minute = '00'] = /^([01]\d|2[0-3])([0-5]\d)?/.exec(text ?? '') ?? [];
  return hour === undefined ? undefined : `${hour}:${minute}:00`;
}

export const locLocation = segmentTable(
  'LOC',
  'Location',
  `
1 | @identifier    | the place's path within its facility, as in PV1-3: administration/location.ts
2 | description    | ST
3 | type[]         | CWE
4 | managingOrganization | ref Organization
5 | address        | XAD
6 | telecom[]      | XTN work
7 | -              | the licence of the place
8 | -              | what stands there
9 | type[]         | CWE
`,
);

export const ldpLocation = segmentTable(
  'LDP',
  'Location',
  `
1  | -            | the place: LOC-1
2  | type[]       | CWE
3  | type[]       | CWE
4  | type[]       | CWE
5  | -            | which patients are taken
6  | @status      | A or I, with MFE-1
7,8,9 | -         | since when, until when and why: each version of the Location is kept
10 | hoursOfOperation[] | custom hours
11 | telecom[]    | XTN work
12 | -            | cost centre
`,
  { custom: { hours: (part) => repeated(part, hours) } },
);

segmentTable(
  'LCH',
  'Location',
  `
1,2,3 | - | the place: LOC-1
4,5 | -   | a characteristic in the sender's terms, such as whether one may smoke: no element of a Location
`,
);

segmentTable(
  'LRL',
  'Location',
  `
1,2,3 | - | the place: LOC-1
4,5,6 | - | the nearest pharmacy, kitchen and the like: no element of a Location
`,
);

segmentTable(
  'LCC',
  'Location',
  `
1,2,3,4 | - | what a bed of the place costs: the price list
`,
);
