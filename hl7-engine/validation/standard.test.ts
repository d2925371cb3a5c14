// Messages against the standard's tables: a broken message for each kind of rule, and the messages of real senders.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { buildAck } from '../message/ack.ts';
import { parseMessage } from '../message/message.ts';
import { corpusMessages, corpusMissing } from '../testing/corpus.ts';
import { type Finding, operationOutcome, placeOf, refusalOf, warningsOf } from './finding.ts';
import { lenient } from './lenient.ts';
import { loadStandardValidator, type StandardValidator } from './standard.ts';

let standard: StandardValidator;
before(async () => {
  standard = await loadStandardValidator();
});

const lines = [
  'MSH|^~\\&|LAB|NORTH|||20260131||ORU^R01^ORU_R01|M1|P|2.5.1',
  'PID|1||A1^^^LAB^MR||DOE^JANE||19800102|F',
  'ORC|RE|P1',
  'OBR|1|P1||K^Potassium^99LAB|||20260131080000',
  'OBX|1|NM|K^Potassium^99LAB||4.1|mmol/L|||||F',
];

/** The message with lines replaced by their number, or more of them at the end. */
function message(changes: Record<number, string | string[]> = {}): ReturnType<typeof parseMessage> {
  const changed = lines.flatMap((line, index) => changes[index] ?? line).concat(changes[lines.length] ?? []);
  return parseMessage(Buffer.from(changed.map((line) => `${line}\r`).join('')));
}

const told = (findings: readonly Finding[]): string[] =>
  findings.map(({ severity, condition, location, text }) => `${severity} ${condition} ${placeOf(location)}: ${text}`);

const check = (changes?: Record<number, string | string[]>): string[] => told(standard.check(message(changes)));

const version = (text: string): string => `MSH|^~\\&|LAB|NORTH|||20260131||ORU^R01^ORU_R01|M1|P|${text}`;

describe('a message against the standard', () => {
  it('is fine when nothing is wrong', () => assert.deepEqual(check(), []));

  it('may have Z segments, at any place', () => assert.deepEqual(check({ 2: ['ZPD|1', 'ORC|RE|P1'] }), []));

  const broken: [string, Record<number, string | string[]>, string[]][] = [
    [
      'a required segment is missing',
      { 3: [] },
      ['error 100 OBR: the required segment OBR is missing in ORDER_OBSERVATION (ORC[1])'],
    ],
    ['a segment stands too late', { 5: 'PD1|S' }, ['error 100 PD1[1]: not where PATIENT has it']],
    [
      'a segment stands too often',
      { 1: [lines[1]!, 'PD1|S', 'PD1|S'] },
      [
        'error 100 PD1[2]: more often than PATIENT has it',
        'error 198 PD1[2]: PD1 stands 2 times in PATIENT, 1 at most may',
      ],
    ],
    [
      'a segment is of another message',
      { 5: 'TXA|1|CN' },
      [
        'error 100 TXA[1]: ORU_R01 has no such segment',
        'error 101 TXA[1]-12: Unique Document Number is required',
        'error 101 TXA[1]-17: Document Completion Status is required',
      ],
    ],
    [
      'a segment is of a later version',
      { 0: version('2.3'), 4: [lines[4]!, 'SPM|1'] },
      ['warning 100 SPM[1]: version 2.3 has no such segment', 'warning 102 MSH[1]-9[1].3: CM_MSG has 2 components'],
    ],
    ['a line is none', { 5: 'no segment' }, ['error 100 : a line that is no segment']],
    [
      'a required field is missing',
      { 4: 'OBX|1|NM|K|||||||' },
      ['error 101 OBX[1]-11: Observation Result Status is required'],
    ],
    [
      'a required component is missing',
      { 1: 'PID|1||^^^LAB^MR||DOE^JANE' },
      ['error 101 PID[1]-3[1].1: ID Number is required'],
    ],
    [
      'a field repeats that must not',
      { 1: 'PID|1||A1||DOE^JANE||1980~1981' },
      ['error 198 PID[1]-7[2]: Date/Time of Birth repeats 2 times, 1 at most may'],
    ],
    [
      'a number is none',
      { 4: 'OBX|1|NM|K||high||||||F' },
      ['error 102 OBX[1]-5[1]: Observation Value: not a number: digits with an optional sign and decimal point'],
    ],
    [
      'a date is none',
      { 1: 'PID|1||A1||DOE^JANE||02.01.1980' },
      ['error 102 PID[1]-7[1].1: Time: not a time: YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]'].map((text) =>
        text.replace('.1: Time', '.1: Time'),
      ),
    ],
    [
      'a date is not in the calendar',
      { 3: 'OBR|1|P1||K|||20260230' },
      ['error 102 OBR[1]-7[1].1: Time: no day of the calendar or no time of the clock'],
    ],
    [
      'a sequence number is none',
      { 4: 'OBX|one|NM|K||4.1||||||F' },
      ['error 102 OBX[1]-1[1]: Set ID - OBX: not a sequence number: digits'],
    ],
    [
      'a code is not in its table',
      { 4: 'OBX|1|NM|K||4.1||||||Q' },
      ['error 103 OBX[1]-11[1]: "Q" is no code of HL7 table 0085'],
    ],
    [
      'a value is too long',
      { 0: `MSH|^~\\&|LAB|NORTH|||20260131||ORU^R01^ORU_R01|${'M'.repeat(21)}|P|2.5.1` },
      ['error 104 MSH[1]-10[1]: Message Control ID has 21 characters, 20 at most may'],
    ],
    [
      'there are more fields than the version has',
      { 4: `${lines[4]}${'|'.repeat(20)}x` },
      ['warning 102 OBX[1]-31: OBX has 25 fields'],
    ],
    [
      'there are more components than the type has',
      { 4: 'OBX|1|NM|K^^^^^^7||4.1||||||F' },
      ['warning 102 OBX[1]-3[1].7: CE has 6 components'],
    ],
    [
      'text has a delimiter',
      { 4: 'OBX|1|ST|K||a^b||||||F' },
      ['warning 102 OBX[1]-5[1]: ST has no parts: escape the delimiter (\\S\\ or \\T\\)'],
    ],
  ];
  for (const [name, changes, expected] of broken) {
    it(`tells that ${name}`, () => assert.deepEqual(check(changes), expected));
  }

  it('takes "" for a value, whatever its type', () => {
    assert.deepEqual(check({ 1: 'PID|1||A1||DOE^JANE||""|""', 4: 'OBX|1|NM|K||""||||||F' }), []);
  });

  it('has no lengths from 2.7 on, and other required fields', () => {
    const long = version('2.8').replace('M1', 'M'.repeat(50));
    assert.deepEqual(check({ 0: long, 4: 'OBX|1|NM|K||4.1||||||F' }), []);
    assert.deepEqual(check({ 0: version('2.8'), 1: 'PID|1||A1^^^LAB||DOE^JANE' }), [
      'error 101 PID[1]-3[1].5: Identifier Type Code is required',
    ]);
  });

  it('is looked at segment by segment where its structure is not known', () => {
    const other = lines[0]!.replace('ORU^R01^ORU_R01', 'QQQ^Y99^QQQ_Y99');
    assert.deepEqual(check({ 0: other, 4: 'OBX|1|NM|K||4.1||||||Q' }), [
      'information 200 MSH[1]-9: the structure QQQ_Y99 is not known: order and groups of its segments are not checked',
      'error 103 OBX[1]-11[1]: "Q" is no code of HL7 table 0085',
    ]);
  });

  it('is read by its event where MSH-9.3 names the event', () => {
    const admission = lines[0]!.replace('ORU^R01^ORU_R01', 'ADT^A04^ADT_A04');
    assert.deepEqual(check({ 0: [admission, 'EVN||20260131'], 2: 'PV1|1|O', 3: [], 4: [] }), []);
  });
});

describe('lenient validation', () => {
  const errors = (changes: Record<number, string | string[]>): string[] => {
    const checked = message(changes);
    return told(lenient(standard.check(checked), checked).filter(({ severity }) => severity === 'error'));
  };

  it('lets through what can be mapped', () => {
    assert.deepEqual(errors({ 4: 'OBX|one|NM|K||high||||||Q', 5: ['TXA|1', 'PD1|S'] }), []);
  });

  const unsafe: [string, Record<number, string | string[]>, string][] = [
    [
      'what belongs to an order without its order',
      { 0: lines[0]!.replace('ORU^R01^ORU_R01', 'OUL^R24^OUL_R24'), 2: 'CTI|1', 3: [], 4: [] },
      'error 100 CTI[1]: without ORC or OBR, which begins ORDER',
    ],
    [
      'a second patient',
      {
        0: [lines[0]!.replace('ORU^R01^ORU_R01', 'ADT^A01^ADT_A01'), 'EVN||20260131'],
        ...{ 2: 'PID|2||B2||DOE^JOHN', 3: 'PV1|1|O', 4: [] },
      },
      'error 100 PID[2]: more often than ADT_A01 has it',
    ],
    [
      'a result that does not say of what',
      { 4: 'OBX|1|NM|||4.1||||||F' },
      'error 101 OBX[1]-3: Observation Identifier is required',
    ],
    [
      'a patient without a number',
      { 1: 'PID|1||||DOE^JANE' },
      'error 101 PID[1]-3: Patient Identifier List is required',
    ],
  ];
  for (const [name, changes, expected] of unsafe) {
    it(`refuses ${name}`, () => assert.ok(errors(changes).includes(expected), errors(changes).join('\n')));
  }

  it('takes a number of PID-2 for one', () => assert.deepEqual(errors({ 1: 'PID|1|A1|||DOE^JANE' }), []));
});

describe('what is found', () => {
  const checked = () => message({ 1: 'PID|1||A1^^^&1&ISO&4||DOE^JANE', 4: 'OBX|1|NM|K||high||||||Q' });

  it('is an ERR segment each, with its place', () => {
    const refusal = refusalOf(standard.check(checked()))!;
    const ack = buildAck(checked(), { controlId: 'A1', nowMs: Date.UTC(2026, 0, 31), refusal }).toString();
    assert.deepEqual(
      ack.split('\r').filter((line) => line.startsWith('ERR')),
      [
        'ERR||OBX^1^5^1|102^Data type error^HL70357|E|||OBX[1]-5[1]: Observation Value: not a number: digits with an optional sign and decimal point',
        'ERR||OBX^1^11^1|103^Table value not found^HL70357|E|||OBX[1]-11[1]: "Q" is no code of HL7 table 0085',
      ],
    );
    assert.match(ack, /\rMSA\|AE\|M1\|/);
  });

  it('is a warning where it is no error', () => {
    assert.deepEqual(warningsOf(standard.check(checked())), ['PID[1]-3[1].4.4: HD has 3 components']);
  });

  it('is an OperationOutcome', () => {
    const outcome = operationOutcome(standard.check(checked())) as { issue: Record<string, unknown>[] };
    assert.deepEqual(
      outcome.issue.map(({ severity, code, expression }) => [severity, code, expression]),
      [
        ['warning', 'structure', ['PID[1]-3[1].4.4']],
        ['error', 'value', ['OBX[1]-5[1]']],
        ['error', 'code-invalid', ['OBX[1]-11[1]']],
      ],
    );
    assert.deepEqual(operationOutcome([]), {
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'information', code: 'informational', diagnostics: 'Nothing was found wrong' }],
    });
  });

  it('is told a hundred times at most', () => {
    const many = Array.from({ length: 150 }, (_, index) => `OBX|${index + 1}|NM|K||high||||||F`);
    const findings = standard.check(message({ 4: many }));
    const refusal = refusalOf(findings)!;
    assert.equal(refusal.more.length, 100);
    assert.equal(refusal.more.at(-1)!.message, '50 more errors are not told');
  });
});

describe('real messages', { skip: corpusMissing }, () => {
  it('that no mapping could make safe are refused by lenient validation', () => {
    const refused = corpusMessages().flatMap(({ name, raw }) => {
      const read = parseMessage(raw);
      return lenient(standard.check(read), read).some(({ severity }) => severity === 'error') ? [name] : [];
    });
    // A second OBR without its ORC, which reads as a prior result; Microsoft's: OBX without OBX-3, ORC without OBR.
    assert.deepEqual(refused, [
      'google/oml_o21_ex4.hl7',
      'microsoft/ORU-R01-01.hl7',
      'microsoft/OUL-R22-01.hl7',
      'microsoft/OUL-R23-01.hl7',
      'microsoft/OUL-R24-01.hl7',
    ]);
  });
});
