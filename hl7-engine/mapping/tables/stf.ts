// STF, PRA, ORG, AFF, LAN, EDU and CER: HL7 v2.9 chapter 15.4. The guide has no maps of them: https://hl7.org/fhir/R4/practitioner.html,
// https://hl7.org/fhir/R4/practitionerrole.html
import type { Part } from '../../message/message.ts';
import { systems } from '../codes/systems.ts';
import { localUri } from '../codesystems.ts';
import { codeableConcept, repeated } from '../datatypes.ts';
import { dateTime } from '../datetime.ts';
import { cxIdentifier } from '../identifiers.ts';
import { spokenLanguage } from '../language.ts';
import { organizationReference } from '../practitioner.ts';
import type { PartMap } from '../table/context.ts';
import { segmentTable } from '../table/table.ts';

/** Of every repetition. */
const each =
  (map: PartMap): PartMap =>
  (part, context) =>
    repeated(part, (repetition) => map(repetition, context));

/** The same systems as those of an XCN, so that the people of orders and visits are those of the staff file. */
const number: PartMap = (part, { mapping }) => {
  const found = cxIdentifier(mapping, part, 'practitioner');
  return found !== undefined && part.component(5).text === 'NPI' ? { ...found, system: systems.npi } : found;
};

const primaryKey: PartMap = (part, { mapping }) => {
  const value = part.component(1).text;
  return value === undefined ? undefined : { system: localUri(mapping.facility, 'practitioner'), value };
};

/** DIN: a date and the institution. */
const dinDate: PartMap = (part, { mapping }) => dateTime(part.component(1).text, mapping.zone);

const email: PartMap = (part) => (part.text === undefined ? undefined : { system: 'email', value: part.text });

/** An organization by name and number of one's own table. */
const unit: PartMap = (part, { mapping }) => {
  const value = part.component(1).text;
  const display = part.component(2).text ?? value;
  if (value === undefined) return display === undefined ? undefined : { type: 'Organization', display };
  return { type: 'Organization', identifier: { system: localUri(mapping.facility, 'department'), value }, display };
};

/** SPD: the specialty in words, and who governs it. */
const specialty: PartMap = (part) =>
  part.component(1).text === undefined ? undefined : { text: part.component(1).text! };

const titled: PartMap = (part) => (part.text === undefined ? undefined : { text: part.text });

/** JCC: job code, class, description. */
const job: PartMap = (part) => {
  const text = part.component(3).text ?? part.component(1).text;
  return text === undefined ? undefined : { text };
};

export const stfPractitioner = segmentTable(
  'STF',
  'Practitioner',
  `
2  | identifier[]  | custom number
1  | identifier[]  | custom primaryKey
3  | name[]        | XPN
4  | @code         | PractitionerRole.code
5  | gender        | code AdministrativeSex
6  | birthDate     | date
7  | @active       | with MFE-1
8  | @organization | PractitionerRole.organization
9  | @specialty    | PractitionerRole.specialty
10 | telecom[]     | XTN work
11 | address[]     | XAD
12 | @period       | PractitionerRole.period
13 | @period       | PractitionerRole.period
14 | -             | who stands in for the person
15 | telecom[]     | custom email
16 | -             | how the person wants to be told
17 | -             | marital status: of the personnel office
18 | @code         | PractitionerRole.code
19 | @code         | PractitionerRole.code
20 | -             | employment: of the personnel office
21 | -             | insurance of a car
22 | identifier[]  | DLN
23,24,25,26 | -    | insurance of a car and licence reviews
27,28 | -          | race and ethnic group: no element of a Practitioner
29 | -             | whether it may be activated again
30 | -             | citizenship: of the personnel office
31,32 | -          | death: MFE-1 or STF-7 makes the person inactive
33,34 | -          | relationship to the institution: the role tells it
35 | -             | when the person is expected back
36 | -             | cost centre
37,38,39 | -       | what kind of record it is, and why it is inactive
40 | -             | religion: no element of a Practitioner
41 | -             | the signature's image
`,
  { custom: { number: each(number), primaryKey, email: each(email) } },
);

export const stfRole = segmentTable(
  'STF',
  'PractitionerRole',
  `
4  | code[]        | CWE
8  | organization  | custom unit
9  | specialty[]   | CWE
12 | period.start  | custom dinDate
13 | period.end    | custom dinDate
18 | code[]        | custom titled
19 | code[]        | custom job
`,
  { custom: { unit, dinDate, titled, job } },
);

export const praPractitioner = segmentTable(
  'PRA',
  'Practitioner',
  `
1 | -            | the record's key: STF-1
6 | identifier[] | custom licence
`,
  { custom: { licence: each((part, context) => licence(part, context)) } },
);

/** PLN: an NPI is the country's; others are as the data type map has them. */
function licence(part: Part, { mapping }: Parameters<PartMap>[1]): ReturnType<PartMap> {
  const value = part.component(1).text;
  const kind = part.component(2).text;
  if (value === undefined) return undefined;
  const system =
    kind === 'NPI'
      ? systems.npi
      : localUri(...[mapping.facility, kind ?? 'practitioner', part.component(3).text ?? '']);
  const end = dateTime(part.component(4).text, mapping.zone);
  return {
    type:
      kind === undefined
        ? undefined
        : { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0338', code: kind }] },
    system,
    value,
    period: end === undefined ? undefined : { end },
  };
}

export const praRole = segmentTable(
  'PRA',
  'PractitionerRole',
  `
2  | organization  | custom unit
3  | code[]        | CWE
4  | -             | whether the person bills
5  | specialty[]   | custom specialty
7  | -             | privileges within the institution
8  | -             | when the person began to practise at all
9  | organization  | custom unit
10 | -             | when the person left practice: MFE-1 or STF-7 makes the role inactive
11 | -             | what the government pays for
12 | -             | a number within the message
`,
  { custom: { unit, specialty: each(specialty) } },
);

export const orgRole = segmentTable(
  'ORG',
  'PractitionerRole',
  `
1  | -             | a number within the message
2  | organization  | custom unit
3  | -             | what kind of unit
4  | -             | whether it is the first of them
5  | identifier[]  | CX practitioner
6  | code[]        | CWE
7  | specialty[]   | CWE
8  | specialty[]   | CWE
9  | period        | DR
10 | -             | employment: of the personnel office
11 | -             | whether a board has approved
12 | -             | whether it is a primary care physician
13 | -             | cost centre
`,
  { custom: { unit } },
);

const issuer: PartMap = (part, { mapping }) => organizationReference(mapping, part);

export const affQualification = segmentTable(
  'AFF',
  'Practitioner.qualification',
  `
1 | -          | a number within the message
2 | issuer     | custom issuer
3 | -          | the organization's address: the Organization's own
4 | period     | DR
5 | code.text  | ST
`,
  { custom: { issuer } },
);

export const lanPractitioner = segmentTable(
  'LAN',
  'Practitioner',
  `
1 | -               | a number within the message
2 | communication[] | custom language
3 | -               | whether it is spoken, read or written: R4 has the language alone
4 | -               | how well: R4 has the language alone
`,
  {
    custom: {
      language: (part, { mapping }) => {
        const sent = codeableConcept(mapping, part);
        return sent && spokenLanguage(sent);
      },
    },
  },
);

export const eduQualification = segmentTable(
  'EDU',
  'Practitioner.qualification',
  `
1 | -         | a number within the message
2 | code      | CWE
3 | period    | DR
4 | period    | DR | 3 empty
5 | period.end | date | 3 empty and 4 empty
6 | issuer    | custom issuer
7 | -         | what kind of school
8 | -         | the school's address: the Organization's own
9 | code.text | CWE.text
`,
  { custom: { issuer } },
);

export const cerQualification = segmentTable(
  'CER',
  'Practitioner.qualification',
  `
1  | -           | a number within the message
2  | identifier[] | custom serial
3  | -           | the form of the certificate
4  | issuer      | custom issuer
5,6 | -          | who signed it
7,8,9 | -        | where it was granted
10 | code        | CWE
11 | code.text   | CWE.text
12,13,14,15,16,17,18 | - | of an electronic certificate
19,20,21,22 | -  | where it is valid
23 | period.start | dateTime | 25 empty
24 | -           | when it was issued: CER-23 and CER-25 are when it began
25 | period.start | dateTime
26 | period.end  | dateTime | 27 empty
27 | period.end  | dateTime
28,29,30,31 | -  | renewal and revocation: CER-26 and CER-27 end it
`,
  {
    custom: {
      issuer,
      serial: (part, { mapping }) =>
        part.text === undefined ? undefined : { system: localUri(mapping.facility, 'certificate'), value: part.text },
    },
  },
);
