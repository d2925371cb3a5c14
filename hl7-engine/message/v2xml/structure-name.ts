// The abstract message structure of an event: HL7 table 0354 (http://terminology.hl7.org/CodeSystem/v2-0354)
import type { Hl7Message } from '../message.ts';

/** Structures that several events share; of all others the name is made of MSH-9.1 and MSH-9.2. */
const shared: Readonly<Record<string, string>> = {
  ADT_A01: 'A04 A08 A13',
  ADT_A05: 'A14 A28 A31',
  ADT_A06: 'A07',
  ADT_A09: 'A10 A11',
  ADT_A21: 'A22 A23 A25 A26 A27 A29 A32 A33',
  ADT_A30: 'A34 A35 A36 A46 A47 A48 A49',
  ADT_A39: 'A40 A41 A42',
  ADT_A50: 'A51',
  ADT_A52: 'A53',
  ADT_A54: 'A55',
  ADT_A61: 'A62',
  MDM_T01: 'T03 T05 T07 T09 T11',
  MDM_T02: 'T04 T06 T08 T10',
  PPR_PC1: 'PC2 PC3',
  PGL_PC6: 'PC7 PC8',
  PPP_PCB: 'PCC PCD',
  REF_I12: 'I13 I14 I15',
  RRI_I12: 'I13 I14 I15',
  SIU_S12: 'S13 S14 S15 S16 S17 S18 S19 S20 S21 S22 S23 S24 S26',
  SRM_S01: 'S02 S03 S04 S05 S06 S07 S08 S09 S10 S11',
  SRR_S01: 'S02 S03 S04 S05 S06 S07 S08 S09 S10 S11',
};

const byEvent = new Map(
  Object.entries(shared).flatMap(([structure, events]) => {
    const [code] = structure.split('_');
    return events.split(' ').map((event): [string, string] => [`${code}_${event}`, structure]);
  }),
);

const nameForm = /^[A-Z][A-Z0-9]{2}(?:_[A-Z0-9]{3})?$/;

/** MSH-9.3, else what table 0354 says for MSH-9.1 and MSH-9.2; undefined where MSH-9 names none. */
export function structureNameOf(message: Hl7Message): string | undefined {
  const [code, event, structure] = [1, 2, 3].map((number) => message.get(`MSH-9.${number}`));
  const own = code === undefined ? undefined : event === undefined || code === 'ACK' ? code : `${code}_${event}`;
  const name = structure ?? (own === undefined ? undefined : (byEvent.get(own) ?? own));
  return name !== undefined && nameForm.test(name) ? name : undefined;
}
