// TXA: https://hl7.org/fhir/uv/v2mappings/ (TXA[DocumentReference]); HL7 v2.9 chapter 9.6.1
import { ownValue } from '#platform';
import { localUri } from '../codesystems.ts';
import { segmentTable } from '../table/table.ts';

export const txaDocumentReference = segmentTable(
  'TXA',
  'DocumentReference',
  `
1  | -               | a number within the message
2  | type            | CWE
3  | @contentType    | what the document is, where OBX-5 does not say it
4  | context.period.start | dateTime
5  | -               | who did what the document is about: the Encounter's participants
6  | date            | instant
7  | -               | when it was typed
8  | -               | when it was edited: the version of the resource
9  | author[]        | ref Practitioner
10 | authenticator   | ref Practitioner
11 | author[]        | ref Practitioner | 9 empty
12 | masterIdentifier | EI document
13 | @relatesTo      | the document that this one appends or replaces
14 | @related        | placer's number of the order it belongs to
15 | @related        | filler's number of the order it belongs to
16 | identifier[]    | custom file
17 | docStatus       | custom completion
18 | securityLabel[] | CWE DocumentConfidentialityStatus
19 | @status         | table 0273: what is obsolete is superseded, what was withdrawn an error
20 | -               | where the sender keeps it
21 | -               | why it changed: Provenance
22 | authenticator   | ref Practitioner
23 | -               | who gets copies
24 | -               | folder
25 | description     | ST
26 | -               | agreed date of the sender's
`,
  {
    custom: {
      file: (part, { mapping }) => {
        const value = part.text;
        return value === undefined ? undefined : { system: localUri(mapping.facility, 'file'), value };
      },
      completion: (part) => ownValue(completion, part.text),
    },
  },
);

/** Table 0271. Ours: the guide has the code as it is, which R4 does not take. */
const completion: Readonly<Record<string, string>> = {
  DI: 'preliminary',
  DO: 'preliminary',
  IN: 'preliminary',
  IP: 'preliminary',
  PA: 'preliminary',
  AU: 'final',
  LA: 'final',
};
