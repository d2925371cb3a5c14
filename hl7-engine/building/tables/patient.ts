// Patient as PID, PD1 and NK1: https://hl7.org/fhir/uv/v2mappings/ (PID[Patient], PD1[Patient], NK1[Patient])
import { isObject, objects, since, text } from '../building.ts';
import { buildTable } from '../table.ts';
import { cwe } from '../types/coded.ts';
import { cx } from '../types/identifier.ts';
import { xon } from '../types/reference.ts';

const structure = 'http://hl7.org/fhir/StructureDefinition';
const usCore = 'http://hl7.org/fhir/us/core/StructureDefinition';

/** The codes of a race or ethnicity as US Core has them; each is one repetition. */
const cdc = ['ombCategory', 'detailed'] as const;

// Receivers take the first repetition of PID-3, PID-5 and PID-11 for the one that counts: what is no more in use comes last.
export const pid = buildTable(
  'PID',
  `
3  | identifier[use!=old] | custom number
3  | identifier[use=old] | custom number
5  | name[use=official] | XPN
5  | name[use!=official,old,maiden] | XPN
5  | name[use=old,maiden] | XPN
6  | extension[${structure}/patient-mothersMaidenName].valueString | custom surname
7  | extension[${structure}/patient-birthTime].valueDateTime | DTM
7  | _birthDate.extension[${structure}/patient-birthTime].valueDateTime | DTM
?7 | birthDate | DTM
8  | gender | code AdministrativeSex
${cdc.map((url) => `10 | extension[${usCore}/us-core-race].extension[${url}].valueCoding | CWE`).join('\n')}
11 | address[use!=old] | XAD
11 | address[use=old] | XAD
13 | telecom[use!=work] | XTN
14 | telecom[use=work] | XTN
15 | communication[preferred=true].language | custom language
15 | communication[preferred!=true].language | custom language
16 | maritalStatus | CWE MaritalStatus
17 | extension[${structure}/patient-religion].valueCodeableConcept | CWE
18 | @account | the visit's account
19 | @social | the first social security number, which PID-3 has too
${cdc.map((url) => `22 | extension[${usCore}/us-core-ethnicity].extension[${url}].valueCoding | CWE`).join('\n')}
23 | extension[${structure}/patient-birthPlace].valueAddress.text | ST
24 | multipleBirthBoolean | ST
24 | multipleBirthInteger | custom yes
25 | multipleBirthInteger | ST
26 | extension[${structure}/patient-citizenship].extension[code].valueCodeableConcept | CWE
28 | extension[${structure}/patient-nationality].extension[code].valueCodeableConcept | CWE
29 | deceasedDateTime | DTM
30 | deceasedBoolean | ST
30 | deceasedDateTime | custom yes
35 | extension[${structure}/patient-animal].extension[species].valueCodeableConcept | CWE
36 | extension[${structure}/patient-animal].extension[breed].valueCodeableConcept | CWE
`,
  {
    // Required since 2.7: U is an unspecified identifier.
    number: (building, value) => {
      const made = cx(building, value);
      if (made !== undefined && since(building, '2.7')) made[4] ??= 'U';
      return made;
    },
    // Table 0200: M is a maiden name.
    surname: (_building, value) =>
      text(value) === undefined ? undefined : [text(value), ...Array<undefined>(5).fill(undefined), 'M'],
    yes: () => 'Y',
    // The message's own codes stand beside the language tag: the first that is no tag of BCP 47 is what receivers know.
    language: (building, value) => {
      const codings = objects((value as { coding?: [] } | null)?.coding);
      const own = codings.filter(({ system }) => system !== 'urn:ietf:bcp:47');
      return cwe(building, { coding: own.length > 0 ? own : codings, text: text((value as { text?: string }).text) });
    },
  },
);

// Very restricted (V) is no less than restricted; the message has one word for both.
export const pd1 = buildTable(
  'PD1',
  `
3 | generalPractitioner | XON
4 | generalPractitioner | XCN
6 | extension[${structure}/patient-disability].valueCodeableConcept | CWE
12 | meta.security[code=R,V].code | custom yes
14 | extension[${structure}/patient-congregation].valueString | custom name
`,
  { yes: () => 'Y', name: (_building, value) => (text(value) === undefined ? undefined : [text(value)]) },
);

/** Of one Patient.contact. */
export const nk1 = buildTable(
  'NK1',
  `
2 | name | XPN
3 | relationship | CWE Relationship
4 | address | XAD
5 | telecom[use!=work] | XTN
6 | telecom[use=work] | XTN
8 | period.start | DT
9 | period.end | DT
13 | organization | custom organization
15 | gender | code AdministrativeSex
`,
  { organization: (building, value) => xon(building, isObject(value) ? { ...value, type: 'Organization' } : value) },
);
