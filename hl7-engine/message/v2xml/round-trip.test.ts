// Messages drawn by a seed, to XML and back: each value stands where it stood, at every level.
import assert from 'node:assert/strict';
import test from 'node:test';
import { random as randomOf } from '#platform/testing';
import { loadDictionary } from '../dictionary.ts';
import { parseMessage } from '../message.ts';
import { fromXml } from './read.ts';
import { toXml } from './write.ts';

const dictionary = await loadDictionary();

const random = randomOf(5);
const oneOf = <T>(values: readonly T[]): T => values[random(values.length)]!;
const several = (max: number, make: () => string, separator: string): string =>
  Array.from({ length: 1 + random(max) }, () => (random(4) === 0 ? '' : make())).join(separator);

const texts = [
  'a',
  'M\u00fcller',
  '<x>',
  '""',
  '1.50',
  ' lead',
  'trail ',
  'q"uo',
  'two  blanks',
  '\u65e5\u672c',
  '\u{1f600}',
  ']]>',
  '\t',
];
const escapes = ['F', 'S', 'T', 'R', 'E', '.br', 'H', 'N', 'X0D0A', '.sp3', 'Zabc', '.in+4', 'q', 'X41', 'X0', '.ce'];
const leaf = () => several(3, () => (random(4) === 0 ? `\\${oneOf(escapes)}\\` : oneOf(texts)), '');
const component = () => (random(4) === 0 ? several(3, leaf, '&') : leaf());
const repetition = () => (random(3) === 0 ? several(6, component, '^') : component());
const field = () => (random(5) === 0 ? several(3, repetition, '~') : repetition());

const names = ['PID', 'OBX', 'OBR', 'NTE', 'PV1', 'ZZ1', 'IN1', 'ORC', 'SPM', 'DG1'];
const versions = ['2.1', '2.3', '2.3.1', '2.4', '2.5.1', '2.7', '2.8'];
const types = ['ORU^R01^ORU_R01', 'ADT^A01^ADT_A01', 'ADT^A08', 'OML^O21^OML_O21', 'ZZZ^Z01'];

function draw(): string {
  const segments = Array.from({ length: 1 + random(6) }, () => {
    const fields = Array.from({ length: random(12) }, () => (random(2) === 0 ? field() : ''));
    return [oneOf(names), ...fields].join('|');
  });
  const msh = `MSH|^~\\&|A|B|||2026||${oneOf(types)}|1|P|${oneOf(versions)}||||||UNICODE UTF-8`;
  return [msh, ...segments, ''].join('\r');
}

/** Place and text of each value. Segments may change places, so they are counted by their content alone. */
function values(raw: Buffer): string[] {
  return parseMessage(raw)
    .segments.map((segment) => {
      const found: string[] = [segment.name];
      for (let number = 3; number <= 20; number++) {
        for (const [r, one] of segment.field(number).repetitions().entries()) {
          for (let c = 1; c <= 7; c++) {
            for (let s = 1; s <= 4; s++) {
              const part = one.component(c).subcomponent(s);
              const text = part.text ?? (part.raw === '""' ? '""' : '');
              if (text !== '') found.push(`${number}[${r + 1}].${c}.${s}=${text}`);
            }
          }
        }
      }
      return found.join('|');
    })
    .sort();
}

test('what is written as XML is read with each value at its place', () => {
  for (let trial = 0; trial < 500; trial++) {
    const text = draw();
    const raw = Buffer.from(text);
    const back = fromXml(Buffer.from(toXml(parseMessage(raw), dictionary))).raw;
    assert.deepEqual(values(back), values(raw), JSON.stringify(text));
  }
});

test('subcomponents of a field without components stay those of its first component', () => {
  const text = 'MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5.1\rNTE|1||Smith & Sons\rZID|MRN&1.2.3&ISO|a&b^c\r';
  const xml = toXml(parseMessage(Buffer.from(text)), dictionary);
  assert.match(
    xml,
    /<ZID.1><ZID.1.1><ZID.1.1.1>MRN<\/ZID.1.1.1><ZID.1.1.2>1.2.3<\/ZID.1.1.2><ZID.1.1.3>ISO<\/ZID.1.1.3><\/ZID.1.1><\/ZID.1>/,
  );
  assert.equal(fromXml(Buffer.from(xml)).raw.toString(), text);
});
