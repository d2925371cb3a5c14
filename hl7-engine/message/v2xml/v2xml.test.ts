import assert from 'node:assert/strict';
import test from 'node:test';
import { corpusMessages, corpusMissing } from '../../testing/corpus.ts';
import { loadDictionary } from '../dictionary.ts';
import { type Hl7Message, parseMessage } from '../message.ts';
import { Refusal } from '../refusal.ts';
import { fromXml, isXml } from './read.ts';
import { toXml } from './write.ts';

const dictionary = await loadDictionary();

const msh = 'MSH|^~\\&|LAB|NORTH|||20260131||ORU^R01^ORU_R01|M1|P|2.5.1';
const parse = (...lines: string[]) => parseMessage(Buffer.from(lines.join('\r')));
const back = (xml: string) => fromXml(Buffer.from(xml)).raw.toString();

test('the dictionary: fields, components, structures, versions', () => {
  assert.deepEqual(dictionary.fieldOf('2.5.1', 'PID', 3), {
    name: 'Patient Identifier List',
    type: 'CX',
    usage: 'R',
    min: 1,
    max: Number.POSITIVE_INFINITY,
    length: 250,
    table: undefined,
  });
  assert.equal(dictionary.fieldOf('2.5.1', 'PID', 8)?.table, '0001');
  assert.equal(dictionary.fieldOf('2.1', 'PID', 3)?.type, 'CK');
  assert.deepEqual(
    dictionary.componentsOf('2.5.1', 'HD')?.map((one) => one?.type),
    ['IS', 'ST', 'ID'],
  );
  assert.deepEqual(dictionary.componentsOf('2.5.1', 'ST'), []);
  assert.equal(dictionary.componentsOf('2.5.1', 'constructor'), undefined);
  assert.equal(dictionary.fieldOf('2.5.1', 'ZZZ', 1), undefined);
  assert.equal(dictionary.fieldOf('9.9', 'PID', 1), undefined);
  assert.equal(dictionary.structureOf('2.5.1', 'ORU_R01')?.find(({ name }) => name === 'PATIENT_RESULT')?.min, 1);
  assert.deepEqual(
    ['2.9', '2.8.2', '2.5.1', '2.3.1', '2', undefined, 'D'].map((version) => dictionary.nearest(version)),
    ['2.8', '2.8', '2.5.1', '2.3.1', '2.1', '2.5.1', '2.5.1'],
  );
});

test('groups of the structure, components by their type', () => {
  const message = parse(
    msh,
    'PID|1||A^^^X&1.2&ISO^MR~B||Doe \\T\\ Sons^Jane||""|F',
    'OBR|1',
    'OBX|1|CE|K^^LN||P^Pos^L||||||F',
    'OBX|2|FT|K||one\\.br\\\\H\\two\\N\\ <3|||||^^x',
    'ZZ1|a^b&c~d',
  );
  const xml = toXml(message, dictionary);
  assert.equal(
    xml.replace(/^.*<\/MSH>/s, ''),
    '<ORU_R01.PATIENT_RESULT><ORU_R01.PATIENT><PID><PID.1>1</PID.1>' +
      '<PID.3><CX.1>A</CX.1><CX.4><HD.1>X</HD.1><HD.2>1.2</HD.2><HD.3>ISO</HD.3></CX.4><CX.5>MR</CX.5></PID.3><PID.3><CX.1>B</CX.1></PID.3>' +
      '<PID.5><XPN.1><FN.1>Doe &amp; Sons</FN.1></XPN.1><XPN.2>Jane</XPN.2></PID.5><PID.7><TS.1>""</TS.1></PID.7><PID.8>F</PID.8></PID></ORU_R01.PATIENT>' +
      '<ORU_R01.ORDER_OBSERVATION><OBR><OBR.1>1</OBR.1></OBR>' +
      '<ORU_R01.OBSERVATION><OBX><OBX.1>1</OBX.1><OBX.2>CE</OBX.2><OBX.3><CE.1>K</CE.1><CE.3>LN</CE.3></OBX.3><OBX.5><CE.1>P</CE.1><CE.2>Pos</CE.2><CE.3>L</CE.3></OBX.5><OBX.11>F</OBX.11></OBX></ORU_R01.OBSERVATION>' +
      '<ORU_R01.OBSERVATION><OBX><OBX.1>2</OBX.1><OBX.2>FT</OBX.2><OBX.3><CE.1>K</CE.1></OBX.3><OBX.5>one<escape V=".br"/><escape V="H"/>two<escape V="N"/> &lt;3</OBX.5><OBX.10><OBX.10.3>x</OBX.10.3></OBX.10></OBX>' +
      '<ZZ1><ZZ1.1><ZZ1.1.1>a</ZZ1.1.1><ZZ1.1.2><ZZ1.1.2.1>b</ZZ1.1.2.1><ZZ1.1.2.2>c</ZZ1.1.2.2></ZZ1.1.2></ZZ1.1><ZZ1.1>d</ZZ1.1></ZZ1>' +
      '</ORU_R01.OBSERVATION></ORU_R01.ORDER_OBSERVATION></ORU_R01.PATIENT_RESULT></ORU_R01>\n',
  );
  assert.equal(back(xml), `${message.raw.toString()}\r`);
});

test('without groups, components by place, with a prefix and an encoding', () => {
  const flat =
    '<HL7Message><MSH><MSH.1>|</MSH.1><MSH.2>^~\\&amp;</MSH.2><MSH.9><MSH.9.1>ADT</MSH.9.1><MSH.9.2>A01</MSH.9.2></MSH.9></MSH>' +
    '\n  <PID>\n    <PID.3><PID.3.1>A|B</PID.3.1></PID.3><PID.5><PID.5.1><PID.5.1.2>x</PID.5.1.2></PID.5.1></PID.5>\n</PID></HL7Message>';
  assert.equal(back(flat), 'MSH|^~\\&|||||||ADT^A01\rPID|||A\\F\\B||&x\r');
  const prefixed =
    '<v:ACK xmlns:v="urn:hl7-org:v2xml"><v:MSH/><v:MSA><v:MSA.1><![CDATA[A&A]]></v:MSA.1></v:MSA></v:ACK>';
  assert.equal(back(prefixed), 'MSH|^~\\&\rMSA|A\\T\\A\r');
  const latin1 = Buffer.from(
    '<?xml version="1.0" encoding="ISO-8859-1"?><A><MSH><MSH.18>8859/1</MSH.18></MSH><PID><PID.5>\u00fc</PID.5></PID></A>',
    'latin1',
  );
  assert.equal(fromXml(latin1).raw.toString('latin1').slice(-11), '\rPID|||||\u00fc\r'.slice(-11));
  assert.equal(fromXml(Buffer.from(`\ufeff${flat}`, 'utf16le')).get('PID-3'), 'A|B');
  assert.deepEqual(
    [isXml(Buffer.from(flat)), isXml(latin1), isXml(Buffer.from(msh)), isXml(Buffer.alloc(0))],
    [true, true, false, false],
  );
});

test('what is no such message is refused', () => {
  const within = (content: string) => `<A><MSH/><PID>${content}</PID></A>`;
  for (const xml of [
    '',
    '<A>',
    '<A/>',
    '<A><PID/></A>',
    '<MSH/>',
    '<!DOCTYPE a [<!ENTITY b "c">]><A><MSH/></A>',
    within('<PID.3>&b;</PID.3>'),
    within('text'),
    within('<PID.x/>'),
    within('<PID.3><CX.1>a</CX.1>text</PID.3>'),
    within('<PID.3><CX.1/><CX.1/></PID.3>'),
    within('<PID.3><CX.1><HD.1><X.1>a</X.1></HD.1></CX.1></PID.3>'),
    within('<PID.3><escape V="H|x"/></PID.3>'),
    within('<PID.3><escape/></PID.3>'),
    within('<PID.3><escape V="H">x</escape></PID.3>'),
    `${'<A>'.repeat(40)}<MSH/>${'</A>'.repeat(40)}`,
    within('<PID.3/>'.repeat(500_001)),
    `<A>${'<MSH/>'.repeat(10_001)}</A>`,
  ]) {
    assert.throws(() => fromXml(Buffer.from(xml)), Refusal, xml.slice(0, 80));
  }
  assert.throws(() => fromXml(Buffer.from([0x3c, 0x41, 0x3e, 0xff])), Refusal);
});

/** Every leaf's text by its place, empty ones left out. */
function leaves(message: Hl7Message): string[] {
  const found: string[] = [];
  for (const segment of message.segments) {
    if (!/^[A-Z][A-Z0-9]{2}$/.test(segment.name)) continue;
    found.push(segment.name);
    const count = segment.raw.split(message.delimiters.field).length;
    for (let field = segment.name === 'MSH' ? 3 : 1; field <= count; field++) {
      for (const [at, repetition] of segment.field(field).repetitions().entries()) {
        for (let component = 1; component <= repetition.raw.split('^').length; component++) {
          const part = repetition.component(component);
          for (let sub = 1; sub <= part.raw.split('&').length; sub++) {
            const { whole, isNull } = part.subcomponent(sub);
            if (whole !== undefined || isNull)
              found.push(`${segment.name}-${field}[${at}].${component}.${sub}=${isNull ? '""' : whole}`);
          }
        }
      }
    }
  }
  return found;
}

test('every message of the corpus goes to XML and back with every value where it was', { skip: corpusMissing }, () => {
  let grouped = 0;
  for (const { name, raw } of corpusMessages()) {
    const message = parseMessage(raw);
    const xml = toXml(message, dictionary);
    if (/<[A-Z]{3}_[A-Z0-9]{3}\./.test(xml)) grouped++;
    const again = fromXml(Buffer.from(xml));
    assert.deepEqual(leaves(again).toSorted(), leaves(message).toSorted(), name);
  }
  assert.ok(grouped >= 100, `${grouped} with groups`);
});

test('control characters, half surrogates and switched character sets have a place in XML', () => {
  const raw = Buffer.concat([
    Buffer.from(`${msh}\rOBX|1|ST|A||a\u000b\\X0D\\\\M2442\\;3ED\\C2842\\ \\Zq"\\`),
    Buffer.from('\r'),
  ]);
  const xml = toXml(parseMessage(raw), dictionary);
  assert.match(xml, /<OBX.5>a<escape V="X0B"\/>&#13;山田 \\Zq"\\<\/OBX.5>/);
  const half = parseMessage(Buffer.from(`${msh}\rOBX|1|ST|A||\ud800x`, 'utf16le'));
  assert.match(toXml(half, dictionary), /<OBX.5>\ufffdx<\/OBX.5>/);
});

test('text that the set of MSH-18 has not comes in as UTF-8, and parts without a delimiter are refused', () => {
  const xml = (encoding: string, name: string): Buffer =>
    Buffer.from(
      `<ADT_A01 xmlns="urn:hl7-org:v2xml"><MSH><MSH.1>|</MSH.1><MSH.2>${encoding}</MSH.2><MSH.18>8859/1</MSH.18></MSH>` +
        `<PID><PID.5><XPN.1><FN.1>${name}</FN.1><FN.2>von</FN.2></XPN.1></PID.5></PID></ADT_A01>`,
    );
  const read = (name: string) => {
    const message = fromXml(xml('^~\\&amp;', name));
    return [message.charset, message.get('MSH-18'), message.get('PID-5')];
  };
  assert.deepEqual(read('Müller'), ['windows-1252', '8859/1', 'Müller']);
  assert.deepEqual(read('Łuczak'), ['utf-8', 'UNICODE UTF-8', 'Łuczak']);
  assert.throws(
    () => fromXml(xml('^', 'Müller')),
    (error) => error instanceof Refusal && error.acknowledgment === 'AR' && error.condition === '100',
  );
});

test('line breaks of indented XML are no part of a value', () => {
  const lines = [
    '<ORU_R01>',
    '<MSH><MSH.1>|</MSH.1><MSH.2>^~\\&amp;</MSH.2><MSH.10>\n  M1\n</MSH.10></MSH>',
    '<OBX><OBX.3><CE.1>\n    A\n  </CE.1></OBX.3>',
    '<OBX.5>\n    <escape V="H"/>high<escape V="N"/>\n  </OBX.5>',
    '<OBX.5>  two\nthree  </OBX.5><OBX.5>\n</OBX.5><OBX.5>\n  <!-- four -->\n  <![CDATA[4]]>\n</OBX.5></OBX>',
    '</ORU_R01>',
  ];
  assert.equal(back(lines.join('\n')), 'MSH|^~\\&||||||||M1\rOBX|||A||\\H\\high\\N\\~  two\\.br\\three  ~~4\r');
});
