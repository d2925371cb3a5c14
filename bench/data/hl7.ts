// ORU^R01 messages (HL7v2 2.5.1, chapter 7) of a few results about one of the benchmark's patients.
import { measures } from './codes.ts';
import type { Random } from './random.ts';
import { patientCount, patientIdentifier } from './resources.ts';

const laboratory = measures.filter(({ category }) => category === 'laboratory');
const authority = 'BENCHHOSP&2.999.1.21&ISO';
const doctor = 'BENCH-DR-1^Example^Casey^^^Dr.^^^BENCHHOSP&2.999.1.26&ISO';
const usualResults = 4;

/** `number` makes the control id, the order and the specimen new. */
export function oruMessage(random: Random, number: number, resultCount = usualResults): string {
  const person = random.below(patientCount);
  const day = `2025${String(1 + random.below(12)).padStart(2, '0')}${String(1 + random.below(28)).padStart(2, '0')}`;
  const order = `BENCH-ORDER-${number}^BENCHHIS`;
  const filler = `BENCH-LAB-${number}^BENCHLAB`;
  const firstTest = random.below(laboratory.length);
  const results = Array.from({ length: resultCount }, (_, index) => {
    const { code, display, unit, low, high, digits } = laboratory[(firstTest + index) % laboratory.length]!;
    const value = (low + random.next() * (high - low)).toFixed(digits);
    return `OBX|${index + 1}|NM|${code}^${display}^LN||${value}|${unit}^${unit}^UCUM|${low}-${high}|N|||F|||${day}080000+0000`;
  });
  return [
    `MSH|^~\\&|BENCHLAB|BENCHHOSP|CEREBRA|BENCHHOSP|${day}093000+0000||ORU^R01^ORU_R01|BENCH-${number}|P|2.5.1||||||UNICODE UTF-8`,
    `PID|1||${patientIdentifier(person)}^^^${authority}^MR||Testperson${person}^Avery^Bench^^^^L||19700101|F|||1 Example Street^^Sampletown^^00000^^H`,
    `PV1|1|I|BENCHWARD^101^1^BENCHHOSP|E|||${doctor}||||||||||||BENCH-VISIT-${person}^^^BENCHHOSP&2.999.1.27&ISO`,
    `ORC|RE|${order}|${filler}|||||||||${doctor}`,
    `OBR|1|${order}|${filler}|24323-8^Comprehensive metabolic 2000 panel - Serum or Plasma^LN|||${day}080000+0000|||||||||${doctor}||||||${day}090000+0000||LAB|F`,
    ...results,
    `SPM|1|BENCH-SPECIMEN-${number}||119364003^Serum specimen^SCT`,
    '',
  ].join('\r');
}
