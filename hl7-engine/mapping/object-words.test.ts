// A sender's word may be the name of something that every JavaScript object has: it is an unknown word like any other.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Refusal } from '../message/refusal.ts';
import { mapLines, onlyEntry, onlyResource, segment } from '../testing/mapped.ts';

/** A word, and one of its shape that no object has. */
const pairs = [
  ['constructor', 'zonstructor'],
  ['__proto__', '__zroto__'],
  ['toString', 'zoString'],
] as const;

const msh = (type: string): string => `MSH|^~\\&|LAB|HOSP|||20260101||${type}|1|P|2.5.1`;
const pid =
  'PID|1||123^^^HOSP^MR||Test^Ada^B^Jr^Dr||19800101|F||2106-3^White^CDCREC|1 St^^Town^ST^1^US^H||5^PRN^PH|||M|||||||H^Hisp^HL70189';
const pv1 = 'PV1|1|I|W^2^3^HOSP^O|R|||7^Doc^D^^^^^^NPI|||MED|||||||||99^^^HOSP^VN|||||||||||||||||01';

const messages: Readonly<Record<string, readonly string[]>> = {
  'ADT^A01^ADT_A01': [
    msh('ADT^A01^ADT_A01'),
    'EVN|A01|20260101',
    pid,
    'PD1||||8^Gp^G',
    'NK1|1|Kin^K|SPO|||5^PRN^PH|N',
    pv1,
    'PV2|||X^Y^L||||||||||||||||||||||||||||||||||||||A',
    'AL1|1|DA|P^Pen^L|SV|Rash',
    'DG1|1||I10^Hyp^I10||20260101|A',
    'GT1|1|G^1|Gua^R',
    'IN1|1|PL^Plan|C1|Comp',
  ],
  'ORU^R01^ORU_R01': [
    msh('ORU^R01^ORU_R01'),
    pid,
    'NTE|1|L|note|RE',
    pv1,
    'ORC|RE|P1^LAB|F1^LAB||CM',
    'OBR|1|P1^LAB|F1^LAB|CBC^Blood^L|||20260101|||||||||7^Doc^D|||||||LAB|F',
    'TQ1|1||BID^^^^^^^^5^min|||2^h|20260101||S',
    'OBX|1|NM|K^Potassium^L|1|5.1|mmol/L^^UCUM|3-5|H|||F|||20260101',
    'NTE|1|L|note|RE',
    'SPM|1|S1^LAB||BLD^Blood^HL70487',
  ],
  'MDM^T02^MDM_T02': [
    msh('MDM^T02^MDM_T02'),
    'EVN|T02|20260101',
    pid,
    pv1,
    'TXA|1|HP|TX|20260101|7^Doc^D|||||||D1^LAB|||||AU',
    'OBX|1|TX|T^Text^L||words||||||F',
  ],
  'VXU^V04^VXU_V04': [
    msh('VXU^V04^VXU_V04'),
    pid,
    'ORC|RE|P1^LAB|F1^LAB',
    'RXA|0|1|20260101||141^Flu^CVX|1|mL||00^New^NIP001||||||||||CP|A',
    'RXR|IM^Im^HL70162|LA^Arm^HL70163',
    'OBX|1|CE|30956-7^Type^LN|1|141^Flu^CVX||||||F',
    'OBX|2|TS|30980-7^Due^LN|1|20270101||||||F',
    'OBX|3|CE|64994-7^Fund^LN|2|V02^Yes^HL70064||||||F',
  ],
  'RAS^O17^RAS_O17': [
    msh('RAS^O17^RAS_O17'),
    pid,
    'ORC|RE|P1^LAB|F1^LAB',
    'RXA|0|1|20260101|20260101|A1^Asp^L|1|mg||||||||||||CP|A',
    'RXR|PO^Oral^HL70162',
  ],
  'OMP^O09^OMP_O09': [
    msh('OMP^O09^OMP_O09'),
    pid,
    'ORC|NW|P1^LAB|||||||20260101',
    'TQ1|1|1|BID|||3^d|20260101||R',
    'RXO|A1^Asp^L|1||mg|TAB',
    'RXR|PO^Oral^HL70162',
  ],
  'SIU^S12^SIU_S12': [
    msh('SIU^S12^SIU_S12'),
    'SCH|1^LAB|2^LAB|||||ROUTINE|CHECKUP|30|MIN|^^^202601010800^202601010830|||||7^Doc^D|||||BOOKED',
    pid,
    'RGS|1|A',
    'AIL|1|A|W^2^3||||||||BOOKED',
    'AIP|1|A|7^Doc^D|||||||||BOOKED',
  ],
};

/** Each leaf of the message replaced by the word; MSH but its sender tells how to read the rest. */
function* replaced(lines: readonly string[], word: string): Generator<{ place: string; lines: string[] }> {
  for (const [at, line] of lines.entries()) {
    const fields = line.split('|');
    const last = fields[0] === 'MSH' ? 3 : fields.length - 1;
    for (let number = fields[0] === 'MSH' ? 2 : 1; number <= last; number++) {
      const tokens = fields[number]!.split(/([~^&])/);
      for (let token = 0; token < tokens.length; token += 2) {
        if (tokens[token] === '') continue;
        const field = tokens.with(token, word).join('');
        yield {
          place: `${fields[0]}-${number}, ${token / 2}`,
          lines: [...lines].with(at, fields.with(number, field).join('|')),
        };
      }
    }
  }
}

/** All that comes of it as text: derived ids and encoded documents hold the word in no way that could be read. */
function outcome(lines: string[], word: string): string {
  try {
    const { entries, warnings } = mapLines(...lines);
    for (const { resource } of entries) assert.doesNotMatch(JSON.stringify(resource), /\[object|function |native code/);
    const said = JSON.stringify([
      entries.map(({ url, ifNoneExist, resource }) => [url, ifNoneExist, resource]),
      warnings,
    ]);
    return said
      .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>')
      .replaceAll(/"data":"[^"]*"/g, '"data":""')
      .replaceAll(new RegExp(word, 'gi'), '<word>');
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    return `${error.acknowledgment} ${error.condition} ${error.message}`.replaceAll(word, '<word>');
  }
}

for (const [name, lines] of Object.entries(messages)) {
  test(`${name}: what every object has is an unknown word wherever it stands`, () => {
    for (const [word, neutral] of pairs) {
      const others = replaced(lines, neutral);
      for (const { place, lines: sent } of replaced(lines, word)) {
        const expected = outcome(others.next().value!.lines, neutral);
        assert.equal(outcome(sent, word), expected, `${place}: ${word}`);
      }
    }
  });
}

test('a unit, a status and a type that are called constructor', () => {
  const seen = onlyResource(
    mapLines(
      ...messages['RAS^O17^RAS_O17']!.with(
        3,
        segment('RXA', { 3: '20260101', 5: 'A1^Asp^L', 6: '1', 20: 'constructor' }),
      ),
    ),
    'MedicationAdministration',
  );
  assert.equal(seen.status, 'completed');
  const sent = messages['ORU^R01^ORU_R01']!.with(7, 'OBX|1|constructor|K^Potassium^L||5.1||||||F');
  assert.equal(onlyResource(mapLines(...sent), 'Observation').valueString, '5.1');
});

test('a number of a type called constructor is no better than the medical record number', () => {
  for (const type of ['constructor', 'zonstructor']) {
    const numbers = `PID|1||1^^^A^${type}~2^^^A^MR||Test`;
    const { url } = onlyEntry(mapLines(msh('ADT^A28^ADT_A05'), 'EVN|A28|20260101', numbers), 'Patient');
    assert.ok(url.indexOf('A%7C2') < url.indexOf('A%7C1'), url);
  }
});

test('a line that is called constructor is no segment', () => {
  const { warnings } = mapLines(...messages['ORU^R01^ORU_R01']!, 'constructor', 'toString|1');
  assert.ok(warnings.includes('A line that is no segment'));
});
