// PID: https://hl7.org/fhir/uv/v2mappings/ (PID[Patient], PID[Account]); HL7 v2.9 chapter 3.4.2
import type { Json, JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import type { Part } from '../../message/message.ts';
import { systems } from '../codes/systems.ts';
import { codeableConcept, humanName } from '../datatypes.ts';
import { accountNumber, socialSecurityNumber } from '../identity.ts';
import { spokenLanguage } from '../language.ts';
import { segmentTable } from '../table/table.ts';

const structure = 'http://hl7.org/fhir/StructureDefinition';
const usCore = 'http://hl7.org/fhir/us/core/StructureDefinition';

/** XPN-15, called by: a name of its own. */
function nicknames(part: Part): JsonObject[] {
  return part.repetitions().flatMap((xpn) => {
    const called = xpn.component(15).text;
    return called === undefined ? [] : [{ use: 'nickname', given: [called] }];
  });
}

export const pidPatient = segmentTable(
  'PID',
  'Patient',
  `
1     | -            | a number within the message
3,2,4 | @identifier  | all but account and visit numbers; what the patient is known by: identity.ts
5,9   | name[]       | XPN
5     | name[]       | custom nickname
6     | extension[${structure}/patient-mothersMaidenName].valueString | custom family
7     | birthDate    | date
7     | _birthDate.extension[${structure}/patient-birthTime].valueDateTime | instant
8     | gender       | code AdministrativeSex
10    | extension[${usCore}/us-core-race].extension[] | custom race
11    | address[]    | XAD
12    | @address     | the district of the only address, else of one of its own
13    | telecom[]    | XTN home
14    | telecom[]    | XTN work
40    | telecom[]    | XTN
15    | communication[].language | custom language
16    | maritalStatus | concept MaritalStatus
17    | extension[${structure}/patient-religion].valueCodeableConcept | CWE
18    | @account     | PID[Account]; what Encounter is known by where there is no visit number
19    | identifier[] | custom social
20    | identifier[] | DLN
21    | @mother      | RelatedPerson with the mother's number
22    | extension[${usCore}/us-core-ethnicity].extension[] | custom ethnicity
23    | extension[${structure}/patient-birthPlace].valueAddress.text | ST
24    | multipleBirthBoolean | boolean | 25 empty
25    | multipleBirthInteger | positiveInt
26    | extension[${structure}/patient-citizenship].extension[code].valueCodeableConcept | CWE
27    | -            | whether a veteran: R4 has no element for it, and the guide names none
28    | extension[${structure}/patient-nationality].extension[code].valueCodeableConcept | CWE
29    | deceasedDateTime | dateTime
30    | deceasedBoolean  | boolean | 29 empty
31    | -            | that the identity is not known: R4 has no element for it
32    | -            | how far the identity can be relied on: the sender's own procedure
33,34 | @provenance  | when and where the sender changed the patient: Provenance
35    | extension[${structure}/patient-animal].extension[species].valueCodeableConcept | CWE
36    | extension[${structure}/patient-animal].extension[breed].valueCodeableConcept | CWE
37    | -            | the strain of an animal: the extension has no place for it
38    | -            | the production class of an animal: as for PID-37
39    | extension[${structure}/patient-citizenship].extension[code].valueCodeableConcept | CWE | 26 empty
`,
  {
    custom: {
      nickname: nicknames,
      social: (part) => socialSecurityNumber(part),
      family: (part, { mapping }) => humanName(mapping, part.repetition(1), 'XPN')?.family,
      language: (part, { mapping }) => {
        const language = codeableConcept(mapping, part.repetition(1));
        return language === undefined ? undefined : spokenLanguage(language);
      },
      race: (part) => usCoreExtension(part, 'race'),
      ethnicity: (part) => usCoreExtension(part, 'ethnicity'),
    },
  },
);

export const pidAccount = segmentTable(
  'PID',
  'Account',
  `
18  | identifier[] | custom account
`,
  { custom: { account: (part, { mapping }) => accountNumber(mapping, part.repetition(1)) } },
);

// The categories of the Office of Management and Budget among the codes of CDC.
const ombCategories = {
  race: new Set(['1002-5', '2028-9', '2054-5', '2076-8', '2106-3']),
  ethnicity: new Set(['2135-2', '2186-5']),
};

/** What table 0189 says in one letter; U and others are words only, which the extension's categories do not have. */
const ethnicGroups: Readonly<Record<string, string>> = { H: '2135-2', N: '2186-5' };

/**
 * CDC's code, sent as such in the code or its alternate, or by a letter of table 0189; of a race also UNK and ASKU: its
 * categories have these two.
 */
function categoryOf(cwe: Part, name: 'race' | 'ethnicity'): JsonObject | undefined {
  const [one, other] = [1, 4].map((at) => {
    const [code = '', display, system = ''] = [0, 1, 2].map((next) => cwe.component(at + next).text);
    const known =
      name === 'ethnicity' && /^(?:HL7_?)?0189$/i.test(system) ? (ownValue(ethnicGroups, code) ?? code) : code;
    const words = display === undefined ? {} : { display };
    if (/^\d{4}-\d$/.test(known)) return { system: 'urn:oid:2.16.840.1.113883.6.238', code: known, ...words };
    const isUnknown = name === 'race' && /^NULLFL$/i.test(system) && /^(?:UNK|ASKU)$/.test(known);
    return isUnknown ? { system: systems.v3NullFlavor, code: known, ...words } : undefined;
  });
  return one ?? other;
}

/** As US Core has them; what is no code of CDC's stays as text: http://hl7.org/fhir/us/core/StructureDefinition/us-core-race */
function usCoreExtension(field: Part, name: 'race' | 'ethnicity'): Json[] | undefined {
  const sent = field.repetitions();
  const texts = sent.flatMap((cwe) => cwe.component(2).text ?? cwe.component(1).text ?? cwe.component(9).text ?? []);
  if (texts.length === 0) return undefined;
  const categories = sent.map((cwe) => categoryOf(cwe, name)).filter((coding) => coding !== undefined);
  const isTop = ({ system, code }: JsonObject): boolean =>
    system === systems.v3NullFlavor || ombCategories[name].has(String(code));
  const codings = categories.map((valueCoding) => ({
    url: isTop(valueCoding) ? 'ombCategory' : 'detailed',
    valueCoding,
  }));
  return [...codings, { url: 'text', valueString: texts.join(', ') }];
}
