// MSH, EVN, PID and ORC to the message's Provenance: https://hl7.org/fhir/uv/v2mappings/ (MSH[Provenance-Source],
// MSH[Provenance-Operator], EVN[Provenance], PID[Provenance-Patient], ORC[Provenance], SCH[Provenance]); HL7 v2.9 chapters 2.13.9,
// 3.4.1, 4.5.1, 10.6.1
import type { JsonObject } from '#fhir-model';
import { conceptMapOf } from '../codes/concept-maps.ts';
import type { PartMap } from '../table/context.ts';
import { segmentTable } from '../table/table.ts';

const participant = (code: string, display: string): JsonObject => ({
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type', code, display }],
});

const constants = {
  assembler: participant('assembler', 'Assembler'),
  author: participant('author', 'Author'),
  enterer: participant('enterer', 'Enterer'),
  performer: participant('performer', 'Performer'),
  verifier: participant('verifier', 'Verifier'),
};

export const evnProvenance = segmentTable(
  'EVN',
  'Provenance',
  `
1 | -                | MSH-9.2 says it; where that is empty this tells the event
2 | recorded         | instant
3 | -                | when a planned event is to happen: PV2 has it
4 | reason[0]        | CWE EventReason | not in ("U")
5 | agent[].who & type = $enterer | ref Practitioner
6 | occurredDateTime | dateTime
7 | location         | HD.ref Location
`,
  { constants },
);

const eventTypes = conceptMapOf('EventType');

/** `ADT^A01^ADT_A01` as table 0003 and in words. */
const activity: PartMap = (part, { mapping }) => {
  const sent = [1, 2, 3].map((number) => part.component(number).text).filter((name) => name !== undefined);
  const coding = eventTypes.codes.get(mapping.event);
  return { coding: coding === undefined ? undefined : [{ ...coding }], text: sent.join('^') };
};

export const mshProvenance = segmentTable(
  'MSH',
  'Provenance',
  `
1  | -                | how the message is written
2  | -                | how the message is written
3  | agent[].who & type = $assembler | HD.ref Device
4  | agent[].who & type = $author | HD.ref Organization | 22 empty
5  | -                | the receiver is this server
6  | -                | the receiver is this server
7  | recorded         | instant
7  | occurredDateTime | dateTime
8  | -                | the sender's own access checks
9  | activity         | custom activity
10 | @entity          | the display of Provenance.entity.what
11 | -                | whether production, training or test: a route can refuse what is not to be stored
12 | -                | how the message is read
13 | -                | the sender's own sequence; not used for ordering
14 | @continuation    | the parts of a message that was split are put together before it is read
15 | @acknowledgment  | what is acknowledged at all
16 | @acknowledgment  | what is acknowledged at all
17 | -                | the country of MSH-3: addresses have their own
18 | @charset         | how the bytes are read
19 | -                | the language of the message: its texts are kept as they are
20 | -                | how more than one character set is used
21 | @profile         | a route can ask for a profile
22 | agent[].who & type = $author | XON.ref
23 | -                | the receiver is this server
24 | -                | the sender's network address: the journal has the peer's
25 | -                | the receiver's network address
26 | -                | the sender's own security labels of the message
27 | -                | the sender's own security labels of the message
28 | -                | the sender's own handling
`,
  { constants, custom: { activity } },
);

export const pidProvenance = segmentTable(
  'PID',
  'Provenance',
  `
33 | - | when the patient was changed in the sender's system: the message has its own time
34 | agent[].who & type = $performer | HD.ref Organization
`,
  { constants },
);

export const orcProvenance = segmentTable(
  'ORC',
  'Provenance',
  `
10 | agent[].who & type = $enterer   | ref Practitioner
11 | agent[].who & type = $verifier  | ref Practitioner
19 | agent[].who & type = $performer | ref Practitioner
`,
  { constants },
);

export const schProvenance = segmentTable(
  'SCH',
  'Provenance',
  '20 | agent[].who & type = $enterer | ref Practitioner',
  {
    constants,
  },
);
