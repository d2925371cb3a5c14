import assert from 'node:assert/strict';
import test from 'node:test';
import { isCerebraError } from '#platform';
import { corpusMessages, corpusMissing } from '../testing/corpus.ts';
import { buildMessage } from './build.ts';
import { type Edit, edit } from './edit.ts';
import { standardDelimiters } from './escape.ts';
import { parseMessage } from './message.ts';

const head = 'MSH|^~\\&|LAB^1.2^ISO|NORTH|EHR|SOUTH|20260131||ORU^R01|M1|P|2.5.1';

/** The lines after MSH of an edited message. */
function lines(text: string, ...edits: Edit[]): string[] {
  const message = parseMessage(Buffer.from(`${head}\r${text}`));
  return edit(message, edits).raw.toString().split('\r').slice(1);
}

test('a message from values', () => {
  const built = buildMessage({
    segments: [
      { name: 'MSH', fields: { 3: 'CEREBRA', 9: ['ORU', 'R01', 'ORU_R01'], 10: 'C|1', 12: '2.5.1' } },
      {
        name: 'PID',
        fields: {
          1: '1',
          3: { repetitions: [['A', null, '', ['X', '1.2', 'ISO'], 'MR'], ['B']] },
          5: [['Doe & Sons'], 'Jane^'],
          7: '""',
          30: '',
        },
      },
      { name: 'ZPI', fields: { 2: 'a\nb' } },
    ],
  });
  assert.equal(
    built.raw.toString(),
    'MSH|^~\\&|CEREBRA||||||ORU^R01^ORU_R01|C\\F\\1||2.5.1\r' +
      'PID|1||A^^^X&1.2&ISO^MR~B||Doe \\T\\ Sons^Jane\\S\\||""\r' +
      'ZPI||a\\.br\\b\r',
  );
  assert.equal(built.get('PID-5.2'), 'Jane^');
});

test('the character set is declared, and must have all characters', () => {
  const msh = (charset?: string) => ({ name: 'MSH', fields: charset === undefined ? {} : { 18: charset } });
  const pid = { name: 'PID', fields: { 5: 'Müller' } };
  const shown = (message: { raw: Buffer }) => message.raw.toString('latin1');
  assert.equal(
    shown(buildMessage({ segments: [msh(), pid] })),
    `MSH|^~\\&${'|'.repeat(16)}UNICODE UTF-8\rPID|||||M\u00c3\u00bcller\r`,
  );
  assert.equal(
    shown(buildMessage({ charset: '8859/1', segments: [msh(), pid] })),
    `MSH|^~\\&${'|'.repeat(16)}8859/1\rPID|||||M\u00fcller\r`,
  );
  assert.equal(buildMessage({ segments: [msh('UNICODE UTF-16'), pid] }).get('PID-5'), 'Müller');
  const refused = (segments: Parameters<typeof buildMessage>[0]['segments'], delimiters = standardDelimiters) =>
    assert.throws(
      () => buildMessage({ delimiters, segments }),
      (error) => isCerebraError(error, 'invalid'),
    );
  refused([msh('8859/1'), { name: 'PID', fields: { 5: '李' } }]);
  refused([pid]);
  refused([msh(), { name: 'PID|1', fields: {} }]);
  refused([msh(), { name: 'PID', fields: { 0: 'x' } }]);
  refused([msh(), { name: 'PID', fields: { 3: ['A', ['b', 'c']] } }], { ...standardDelimiters, subcomponent: '' });
});

test('values by path: the rest is as it was', () => {
  const pid = 'PID|1||A^^^X&1.2&ISO~B||DOE^JANE|\r';
  assert.deepEqual(lines(pid, { path: 'PID-8', value: 'F' }), ['PID|1||A^^^X&1.2&ISO~B||DOE^JANE|||F', '']);
  assert.deepEqual(lines(pid, { path: 'PID-3', value: 'a|b' }), ['PID|1||a\\F\\b||DOE^JANE|', '']);
  assert.deepEqual(lines(pid, { path: 'PID-3.1', value: 'C' }), ['PID|1||C^^^X&1.2&ISO~B||DOE^JANE|', '']);
  assert.deepEqual(lines(pid, { path: 'PID-3[2].4.2', value: '9' }), ['PID|1||A^^^X&1.2&ISO~B^^^&9||DOE^JANE|', '']);
  assert.deepEqual(lines(pid, { path: 'PID-3[4]', value: ['D', 'E'] }), ['PID|1||A^^^X&1.2&ISO~B~~D^E||DOE^JANE|', '']);
  assert.deepEqual(lines(pid, { path: 'PID-3[*].5', value: 'MR' }), ['PID|1||A^^^X&1.2&ISO^MR~B^^^^MR||DOE^JANE|', '']);
  assert.deepEqual(lines(pid, { path: 'PID-3', add: ['C', '', '', ['Y']] }), [
    'PID|1||A^^^X&1.2&ISO~B~C^^^Y||DOE^JANE|',
    '',
  ]);
  assert.deepEqual(lines(pid, { path: 'PID-5.2', value: '""' }), ['PID|1||A^^^X&1.2&ISO~B||DOE^""|', '']);
  assert.deepEqual(lines(pid, { path: 'PID-5', value: null }), ['PID|1||A^^^X&1.2&ISO~B|||', '']);
  assert.deepEqual(
    lines(pid, { path: 'PID-19', value: null }),
    ['PID|1||A^^^X&1.2&ISO~B||DOE^JANE|', ''],
    'nothing grows',
  );
  assert.deepEqual(lines(pid, { remove: 'PID-3[1]' }), ['PID|1||B||DOE^JANE|', '']);
});

test('copies keep escapes, and change the level of their separators', () => {
  const pid = 'PID|1||A^^^X&1.2&ISO~B||D\\T\\OE^JANE\r';
  assert.deepEqual(
    lines(pid, { path: 'PID-9', copyFrom: 'PID-5' }).at(0),
    'PID|1||A^^^X&1.2&ISO~B||D\\T\\OE^JANE||||D\\T\\OE^JANE',
  );
  assert.deepEqual(
    lines(pid, { path: 'PID-2', copyFrom: 'PID-3.4' }).at(0),
    'PID|1|X^1.2^ISO|A^^^X&1.2&ISO~B||D\\T\\OE^JANE',
  );
  assert.deepEqual(
    lines(pid, { path: 'PID-3[2].4', copyFrom: 'MSH-3' }).at(0),
    'PID|1||A^^^X&1.2&ISO~B^^^LAB&1.2&ISO||D\\T\\OE^JANE',
  );
  assert.deepEqual(
    lines(pid, { path: 'PID-2', copyFrom: 'PID-3' }).at(0),
    'PID|1|A^^^X&1.2&ISO~B|A^^^X&1.2&ISO~B||D\\T\\OE^JANE',
  );
  assert.deepEqual(
    lines(pid, { path: 'PID-2.1.2', copyFrom: 'PID-3[1].4.1' }).at(0),
    'PID|1|&X|A^^^X&1.2&ISO~B||D\\T\\OE^JANE',
  );
  assert.deepEqual(
    lines(pid, { path: 'PID-5', copyFrom: 'NK1-2' }).at(0),
    'PID|1||A^^^X&1.2&ISO~B||',
    'what is not there is empty',
  );
});

test('segments are appended, made and removed', () => {
  const text = 'PID|1\rOBX|1\rNTE|1\rOBX|2\rNTE|1';
  assert.deepEqual(lines(text, { append: { name: 'ZPI', fields: { 1: 'x' } } }), [
    'PID|1',
    'OBX|1',
    'NTE|1',
    'OBX|2',
    'NTE|1',
    'ZPI|x',
  ]);
  assert.deepEqual(
    lines(text, { append: { name: 'NTE' }, after: 'OBX[1]' }).slice(0, 4),
    ['PID|1', 'OBX|1', 'NTE|1', 'OBX|2'].toSpliced(2, 0, 'NTE').slice(0, 4),
  );
  assert.deepEqual(lines(text, { remove: 'NTE[*]' }), ['PID|1', 'OBX|1', 'OBX|2', ''].slice(0, 4));
  assert.deepEqual(lines(text, { remove: 'OBX[2]' }), ['PID|1', 'OBX|1', 'NTE|1', 'NTE|1']);
  assert.deepEqual(lines(text, { path: 'OBX[*]-11', value: 'F' }), [
    'PID|1',
    'OBX|1||||||||||F',
    'NTE|1',
    'OBX|2||||||||||F',
    'NTE|1',
  ]);
  assert.deepEqual(lines(text, { path: 'OBX[3]-1', value: '3' }), [
    'PID|1',
    'OBX|1',
    'NTE|1',
    'OBX|2',
    'OBX|3',
    'NTE|1',
  ]);
  assert.deepEqual(lines(text, { path: 'ZAB-2', value: 'z' }).at(-1), 'ZAB||z');
  assert.deepEqual(lines(text, { path: 'ZAB-2', value: '' }).length, 5, 'none is made for nothing');
  assert.throws(
    () => lines(text, { path: 'OBX[4]-1', value: '4' }),
    (error) => isCerebraError(error, 'invalid'),
  );
  assert.throws(
    () => lines(text, { path: 'MSH-2', value: '^~' }),
    (error) => isCerebraError(error, 'invalid'),
  );
  assert.throws(
    () => lines(text, { remove: 'MSH' }),
    (error) => isCerebraError(error, 'invalid'),
  );
  assert.throws(() => lines(text, { path: 'OBX.4', value: '4' }), RangeError);
});

test('another character set in MSH-18 is the one it is written in', () => {
  const raw = Buffer.from(`${head}||||||8859/1\rPID|1||1||M\u00fcller`, 'latin1');
  const message = parseMessage(raw);
  const changed = edit(message, [{ path: 'MSH-18', value: 'UNICODE UTF-8' }]);
  assert.equal(changed.raw.toString(), `${head}||||||UNICODE UTF-8\rPID|1||1||Müller`);
  assert.ok(message.toBuffer().equals(raw), 'the message itself stays');
  assert.equal(
    edit(message, [{ path: 'PID-5.2', value: 'Zoë' }])
      .raw.toString('latin1')
      .slice(-10),
    'M\u00fcller^Zo\u00eb',
  );
  assert.throws(
    () => edit(message, [{ path: 'PID-5', value: '李' }]),
    (error) => isCerebraError(error, 'invalid'),
  );
  assert.throws(
    () => edit(message, [{ path: 'MSH-18', value: 'SHIFT_JIS' }]),
    (error) => isCerebraError(error, 'invalid'),
  );
});

test('another character set where the header has characters with a delimiter for a byte', () => {
  // ポ is 83 7C in Shift_JIS: read as another set, MSH-4 would end there and MSH-18 stand elsewhere.
  const message = buildMessage({
    charset: 'SHIFT_JIS',
    segments: [
      { name: 'MSH', fields: { 4: 'ポポ', 9: ['ADT', 'A08'], 10: '1', 12: '2.5' } },
      { name: 'PID', fields: { 5: '漢字ポ' } },
    ],
  });
  const changed = edit(message, [{ path: 'MSH-18', value: 'GB 18030-2000' }]);
  assert.deepEqual(
    [changed.charset, ...['MSH-4', 'MSH-18', 'PID-5'].map(changed.get)],
    ['gb18030', 'ポポ', 'GB 18030-2000', '漢字ポ'],
  );
  assert.throws(
    () => edit(message, [{ path: 'MSH-18', value: 'WINDOWS-1251' }]),
    (error) => isCerebraError(error, 'invalid'),
  );
});

test('in the corpus one field changes and no other byte', { skip: corpusMissing }, () => {
  for (const { name, raw } of corpusMessages()) {
    const message = parseMessage(raw);
    if (message.segment('PID') === undefined) continue;
    const changed = edit(message, [{ path: 'PID-60', value: 'x' }]);
    const back = edit(changed, [{ path: 'PID-60', value: null }]);
    const line = message.segment('PID')!.raw;
    assert.ok(changed.segment('PID')!.raw.startsWith(line), name);
    assert.equal(back.segment('PID')!.raw.replace(/\|+$/, ''), line.replace(/\|+$/, ''), name);
    assert.deepEqual(
      changed.segments.filter((segment) => segment.name !== 'PID').map(({ raw: line, end }) => line + end),
      message.segments.filter((segment) => segment.name !== 'PID').map(({ raw: line, end }) => line + end),
      name,
    );
    assert.ok(edit(message, []).raw.equals(raw), name);
  }
});
