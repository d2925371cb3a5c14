// HL7 v2 messages and what may be wrong in them.
import type { Chance } from './chance.ts';

const pid =
  'PID|1||CD1^^^NORTH^MR~888^^^&1.2.3&ISO^SS||DOE^JANE^^^^^L||19800102|F|||1 Main St^^Town^ST^12345||555-1000||||M';
const msh = (type: string, id: string) =>
  `MSH|^~\\&|LAB|NORTH|CEREBRA|SOUTH|20260131120000+0100||${type}|${id}|P|2.5.1`;
const of = (...segments: string[]) => segments.join('\r');

export const V2_MESSAGES: readonly string[] = [
  of(
    msh('ORU^R01^ORU_R01', 'F1'),
    pid,
    'OBR|1|P1^A|F1^LAB|24323-8^Panel^LN|||20260131080000+0100||||||||||||||||||F',
    'OBX|1|NM|2823-3^Potassium^LN||5.10|mmol/L^^UCUM|3.5-5.1|N|||F',
    'OBX|2|ED|x^y^L||^AP^^Base64^aGFsbG8=||||||F',
    'NTE|1||A \\T\\ B \\X0D0A\\ \\.br\\',
  ),
  of(
    msh('ADT^A01^ADT_A01', 'F2'),
    'EVN|A01|20260131',
    pid,
    'PV1|1|I|W1^R2^B3^NORTH||||123^Doc^A|||MED||||||||V1^^^NORTH|||||||||||||||||||||||||20260131',
    'AL1|1|DA|1545^Penicillin^RxNorm|SV|Hives',
    'DG1|1||I10^Hypertension^I10||20260131|A',
    'IN1|1|P1|C1|Insurer',
    'ZZZ|1^2&3',
  ),
  of(msh('ADT^A40^ADT_A39', 'F3'), 'EVN|A40|20260131', pid, 'MRG|CD2^^^NORTH^MR'),
  of(
    msh('SIU^S12^SIU_S12', 'F4'),
    'SCH|1^A|2^B|||||Checkup^x|ROUTINE|30|min|^^30^20260201090000^20260201093000|||||123^Doc',
    pid,
    'RGS|1',
    'AIP|1||123^Doc',
  ),
  of(
    msh('VXU^V04^VXU_V04', 'F5'),
    pid,
    'ORC|RE||1^X',
    'RXA|0|1|20260131||03^MMR^CVX|0.5|mL|||||||L1|20270101|MSD',
    'RXR|SC^^HL70162|LA^^HL70163',
  ),
  of(
    msh('MDM^T02^MDM_T02', 'F6'),
    'EVN|T02|20260131',
    pid,
    'PV1|1|O',
    'TXA|1|HP|TX|20260131||||||||D1||||LA',
    'OBX|1|TX|1^Note^L||Line~Other||||||F',
  ),
  of(msh('QBP^Q22^QBP_Q21', 'F7'), 'QPD|IHE PDQ Query^^IHE|T1|@PID.5.1^DOE~@PID.8^F', 'RCP|I|10^RD'),
  of(msh('MFN^M02^MFN_M02', 'F8'), 'MFI|PRA^^HL70175||UPD|||NE', 'MFE|MAD|1||123^Doc', 'STF|123|U1|Doc^A'),
  of(msh('DFT^P03^DFT_P03', 'F9'), 'EVN|P03|20260131', pid, 'FT1|1|||20260131||CG|100^Visit^L|||1|50&EUR'),
];

const SCRAPS = [
  ...[
    '',
    '^',
    '~',
    '&',
    '\\',
    '\\X',
    '\\XZZ\\',
    '\\Z1\\',
    '""',
    '|',
    '\u0000',
    '\u000b',
    'é',
    '\ud83d\ude00',
    '20261399',
    '20260131+9900',
  ],
  ...[
    'MSH|',
    'FHS|^~\\&',
    'BHS|^~\\&\rMSH|^~\\&|||||||ADT^A01|1|P|2.5',
    '\r',
    '\n',
    'x'.repeat(5000),
    '1e999',
    '-',
    '__proto__',
    'DSC|c1|F',
  ],
  ...['~'.repeat(200), '^^^^^&&&', 'QRY^A19', 'ACK', '3.9', 'UNICODE UTF-16', '\\.sk 99999999\\', '0'.repeat(50)],
];

/** A message, with up to three changes: of a field, a separator, a segment's place. */
export function makeV2(chance: Chance): string {
  const { one, below } = chance;
  let text = one(V2_MESSAGES).replace(/\|F(\d)\|P/, () => `|F${below(100_000)}|P`);
  for (const _ of chance.some(3, () => 0)) {
    const parts = text.split(/([|^\r])/);
    const at = below(parts.length);
    const lines = text.split('\r');
    const line = below(lines.length);
    text = one([
      () => parts.with(at, one(SCRAPS)).join(''),
      () => parts.with(at, one(SCRAPS)).join(''),
      () => parts.toSpliced(at, 1 + below(6)).join(''),
      () => parts.toSpliced(at, 0, one(parts), one(SCRAPS)).join(''),
      () => lines.toSpliced(line, 1).join('\r'),
      () => lines.toSpliced(line, 0, one(lines), one(lines)).join('\r'),
      () => text.slice(0, below(text.length + 1)),
    ])();
  }
  return text;
}
