// SPM, and OBR's fields of a specimen of old: https://hl7.org/fhir/uv/v2mappings/ (SPM[Specimen], OBR[Specimen],
// SPS[Specimen-Source]); HL7 v2.9 chapters 7.4.3 and 4.5.3

import { segmentTable } from '../table/table.ts';

const handling = 'http://hl7.org/fhir/StructureDefinition/specimen-specialHandling';

export const spmSpecimen = segmentTable(
  'SPM',
  'Specimen',
  `
1  | -            | a number within the message
2  | identifier[] | EIP.filler specimen FGN
2  | identifier[] | EIP.placer specimen PGN
3  | @parent      | the specimen of that number
4  | type         | CWE
5  | note[].text  | CWE.text
6  | container[0].additiveCodeableConcept | CWE
7  | collection.method   | CWE
8  | collection.bodySite | CWE
9  | note[].text  | CWE.text
10 | -            | where it was taken: SPM-8 and the order's location
11 | @role        | of a control or calibrator the results are left out
12 | collection.quantity | CQ
13 | -            | how many specimens stand for one
14 | note[].text  | CWE.text
15 | collection.extension[${handling}].valueCodeableConcept | CWE
16 | note[].text  | CWE.text
17 | collection.collectedPeriod | DR | .2 valued
17 | collection.collectedDateTime | DR.start | .2 empty
18 | receivedTime | dateTime
19 | -            | when it expires: R4 has no place for it
"unsatisfactory" | status | ST | 21 valued
20 | status       | code YesNoIndicator[AvailabilityStatus]
21 | condition[]  | CWE
22 | -            | SPM-21 says why
23 | -            | SPM-21 and SPM-24 say what is wrong with it
24 | condition[]  | CWE
25 | container[0].specimenQuantity | CQ
26 | -            | how many containers: SAC has each
27 | container[0].type | CWE
28 | -            | condition of the container
29 | -            | what the child specimen is to its parent
30 | accessionIdentifier | CX accession ACSN
31 | identifier[] | CX specimen
32 | identifier[] | EI shipment SHIP
33 | -            | what the sender does with the segment
34 | -            | role of the pair in SPM-2
35 | -            | role of the pair in SPM-2
`,
);

/** SPS of OBR-15, which ended with v2.5: type, additive, text, body site, modifier, method in one field. */
export const obrSpecimen = segmentTable(
  'OBR',
  'Specimen',
  `
7    | collection.collectedDateTime | dateTime | 8 empty
7    | collection.collectedPeriod.start | dateTime | 8 valued
8    | collection.collectedPeriod.end | dateTime
9    | collection.quantity | CQ
10   | @collector | Practitioner
14   | receivedTime | dateTime
15.1 | type | CWE
15.2 | container[0].additiveCodeableConcept | CWE
15.3 | collection.method.text | ST
15.4 | collection.bodySite | CWE
15.6 | collection.method | CWE
39   | note[].text | CWE.text
`,
);

export const sacContainer = segmentTable(
  'SAC',
  'Specimen.container',
  `
1  | -            | the accession number that the orderer gave: SPM-30
2  | -            | accession number: the Specimen has it
3  | identifier[] | EI container FGN
4  | identifier[] | EI container PGN
5  | -            | number of the equipment's position
6  | -            | specimen source of old: SPM-4
7  | -            | when the container was registered
8  | -            | where in the workflow it is
9  | -            | carrier of the analyser
10 | -            | carrier of the analyser
11 | -            | position in the carrier
12 | -            | tray of the analyser
13 | -            | tray of the analyser
14 | -            | position in the tray
15 | description  | ST
21 | capacity.value | decimal
22 | specimenQuantity.value | decimal
24 | capacity.unit | CWE.text | 21 valued
24 | specimenQuantity.unit | CWE.text | 22 valued
27 | additiveCodeableConcept | CWE
16..20 | - | measures of the tube for the analyser
23 | - | the first volume: SAC-22 has what is there now
25,26 | - | separator and cap: for the analyser
28 | - | which part of the specimen it is: SPM-4 has the type
29..31 | - | what was done in the analyser
32..42 | - | indices of quality: an analyser sends them as OBX, too
43,44 | - | handling: SPM-15 and SPM-22
`,
);
