// Predicates and conformance statements: a message for which each kind of expression holds, and one for which it fails.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { by, check, constraintsXml, pid, predicate, statement, usual, valueSetsXml } from './testing.ts';

describe('predicates', () => {
  const presence = '<Presence Path="10[1]"/>';
  const ofField = constraintsXml(by('Segment', 'PID_T', predicate('9[1]', 'R/X', presence)), '');

  it('require a field where they hold and forbid it where not', () => {
    assert.deepEqual(check(pid('1||A1||||||nine|fixed'), ofField), []);
    assert.deepEqual(check(pid('1||A1|||||||fixed'), ofField), [
      'error 101 PID[1]-9: PID-9 is required: if so is true',
    ]);
    assert.deepEqual(check(pid('1||A1||||||nine'), ofField), [
      'error 102 PID[1]-9[1]: PID-9 must not be sent: if so is false',
    ]);
  });

  it('say nothing with RE and O', () => {
    const open = constraintsXml(by('Segment', 'PID_T', predicate('9[1]', 'RE/O', presence)), '');
    assert.deepEqual(check(pid('1||A1||||||nine'), open), []);
    assert.deepEqual(check(pid('1||A1|||||||fixed'), open), []);
  });

  it('of data types hold for each occurrence', () => {
    const ofType = constraintsXml(by('Datatype', 'CX_T', predicate('2[1]', 'R/X', '<Presence Path="3[1]"/>')), '');
    assert.deepEqual(check(pid('1||A1^7^M10~A2'), ofType), []);
    assert.deepEqual(check(pid('1||A1^^M10~A2^7'), ofType), [
      'error 101 PID[1]-3[1].2: PID-3.2 is required: if so is true',
      'error 102 PID[1]-3[2].2: PID-3.2 must not be sent: if so is false',
    ]);
  });

  it('of groups and messages reach segments', () => {
    const never = '<PlainText Path="1[1].2[1]" Text="none" NotPresentBehavior="FAIL"/>';
    const ofGroup = constraintsXml(by('Group', 'g2', predicate('2[1]', 'X/R', never)), '');
    assert.deepEqual(check(['PID|1||A1', 'OBR|1|none', 'OBR|2', 'OBX|1|NM|K||1'], ofGroup), []);
    assert.deepEqual(check(['PID|1||A1', 'OBR|1|none', 'OBX|1|NM|K||1', 'OBR|2'], ofGroup), [
      'error 102 OBX[1]: OBX must not be sent: if so is true',
      'error 101 OBX: OBX is required: if so is false',
    ]);
    const ofMessage = constraintsXml(
      by('Message', 'm', predicate('2[1].1[1].9[1]', 'R/O', '<Presence Path="3[1].1[1].2[1]"/>')),
      '',
    );
    assert.deepEqual(check(['PID|1||A1', 'OBR|1|x'], ofMessage), [
      'error 101 PID[1]-9: PID-9 is required: if so is true',
    ]);
  });
});

describe('conformance statements', () => {
  const ofPid = (assertion: string, fields: string, rest = ''): string[] =>
    check(pid(fields), constraintsXml('', by('Segment', 'PID_T', statement(assertion, rest))), valueSetsXml);
  const fails = (place: string): string[] => [`error 199 ${place}: S: It holds.`];
  const [six, nine] = ['PID[1]-6', 'PID[1]-9'];
  const text = (value: string, rest = ''): string => `<PlainText Path="6[1]" Text="${value}" ${rest}/>`;
  const yes = '<Presence Path="3[1]"/>';
  const no = '<Presence Path="9[1]"/>';

  // What is asserted, PID's fields, where it fails; '' where it holds.
  const cases: [string, string, string][] = [
    [yes, '1||A1', ''],
    [no, '1||A1', nine],
    [text('ab'), '1||A1|||ab', ''],
    [text('ab'), '1||A1|||AB', `${six}[1]`],
    [text('ab', 'IgnoreCase="true"'), '1||A1|||AB', ''],
    [text('ab'), '1||A1', ''],
    [text('ab', 'NotPresentBehavior="FAIL"'), '1||A1', six],
    [text('ab', 'NotPresentBehavior="INCONCLUSIVE"'), '1||A1', ''],
    [text('a^b'), '1||A1|||a\\S\\b', ''],
    ['<PlainText Path="5[*]" Text="b"/>', '1||A1||a~b', 'PID[1]-5[1]'],
    ['<PlainText Path="5[*]" Text="b" AtLeastOnce="true"/>', '1||A1||a~b', ''],
    ['<PlainText Path="5[2]" Text="b"/>', '1||A1||a~b', ''],
    ['<PlainText Path="3[1].4[1].1[1]" Text="N"/>', '1||A1^^^M', 'PID[1]-3[1].4.1'],
    ['<ComplexPathValue Path1="3[*]" Operator="EQ" Path2="12[*]"/>', '1||A^B^C&D||||||||| A^B^C&D', 'PID[1]-3[1]'],
    ['<ComplexPathValue Path1="3[*]" Operator="EQ" Path2="12[*]"/>', '1||A^B^C&D~E|||||||||A^B^C&D~E', ''],
    ['<ComplexPathValue Path1="3[*]" Operator="EQ" Path2="12[*]"/>', '1||A^B^C&D~E|||||||||A^B^C&D', 'PID[1]-3[1]'],
    ['<ComplexPathValue Path1="3[*]" Operator="EQ" Path2="12[*]"/>', '1||A^B^C&D|||||||||A^B^C&X', 'PID[1]-3[1]'],
    ['<ComplexPathValue Path1="3[*]" Operator="EQ" Path2="12[*]"/>', '1||A^B|||||||||A^^', 'PID[1]-3[1]'],
    ['<ComplexPathValue Path1="3[*]" Operator="EQ" Path2="12[*]" Strict="false"/>', '1||A^B~E|||||||||A^^C', ''],
    [
      '<ComplexPathValue Path1="3[1]" Operator="NE" Path2="12[1]" Strict="false"/>',
      '1||A^B|||||||||X^B',
      'PID[1]-3[1]',
    ],
    ['<ComplexPathValue Path1="3[1].2[1]" Operator="LT" Path2="11[1]"/>', '1||A^9||||||||10', ''],
    ['<ComplexPathValue Path1="9[1]" Operator="EQ" Path2="12[1]"/>', '1||A', ''],
    ['<ComplexPathValue Path1="9[1]" Operator="EQ" Path2="12[1]" NotPresentBehavior="FAIL"/>', '1||A', nine],
    ['<StringList Path="6[1]" CSV="ab, cd"/>', '1||A1|||cd', ''],
    ['<StringList Path="6[1]" CSV="ab,cd"/>', '1||A1|||ef', `${six}[1]`],
    ['<NumberList Path="11[1]" CSV="1,2.5"/>', '1||A1||||||||2.50', ''],
    ['<NumberList Path="11[1]" CSV="1,2.5"/>', '1||A1||||||||3', 'PID[1]-11[1]'],
    ['<Format Path="6[1]" Regex="[0-2](\\.(0|[1-9][0-9]*))*"/>', '1||A1|||1.2', ''],
    ['<Format Path="6[1]" Regex="[0-2](\\.(0|[1-9][0-9]*))*"/>', '1||A1|||1.x', `${six}[1]`],
    ['<Format Path="6[1]" Regex="^(?!\\s*$).+" NotPresentBehavior="FAIL"/>', '1||A1', six],
    ['<Format Path="6[1]" Regex="^(?!\\s*$).+" NotPresentBehavior="FAIL"/>', '1||A1|||ab', ''],
    ['<StringFormat Path="9[1]" Format="LOINC"/>', '1||A1||||||2823-3', ''],
    ['<StringFormat Path="9[1]" Format="LOINC"/>', '1||A1||||||2823-4', `${nine}[1]`],
    ['<StringFormat Path="9[1]" Format="SNOMEDCT"/>', '1||A1||||||22298006', ''],
    ['<StringFormat Path="9[1]" Format="SNOMEDCT"/>', '1||A1||||||22298007', `${nine}[1]`],
    ['<SimpleValue Path="11[1]" Operator="GE" Value="10" Type="Number"/>', '1||A1||||||||9', 'PID[1]-11[1]'],
    ['<SimpleValue Path="11[1]" Operator="GE" Value="10" Type="Number"/>', '1||A1||||||||11', ''],
    ['<PathValue Path1="6[1]" Operator="EQ" Path2="9[1]"/>', '1||A1|||ab|||ab', ''],
    ['<PathValue Path1="6[1]" Operator="LT" Path2="9[1]"/>', '1||A1|||20|||3', `${six}[1]`],
    // One that stands alone can't be compared, and fails whatever the operator; what happens to none is for NotPresentBehavior.
    ['<PathValue Path1="6[1]" Operator="NE" Path2="9[1]"/>', '1||A1|||ab', `${six}[1]`],
    ['<PathValue Path1="6[1]" Operator="NE" Path2="9[1]"/>', '1||A1', ''],
    ['<PathValue Path1="6[1]" Operator="EQ" Path2="9[1]" NotPresentBehavior="FAIL"/>', '1||A1', six],
    ['<PathValue Path1="5[*]" Operator="EQ" Path2="9[1]"/>', '1||A1||a~b||||b', 'PID[1]-5[1]'],
    ['<PathValue Path1="5[*]" Operator="EQ" Path2="9[1]" Path1Mode="AtLeastOne"/>', '1||A1||a~b||||b', ''],
    ['<PathValue Path1="9[1]" Operator="EQ" Path2="5[*]" Path2Mode="1"/>', '1||A1||a~b||||b', ''],
    ['<PathValue Path1="9[1]" Operator="EQ" Path2="5[*]" Path2Mode="2"/>', '1||A1||a~b||||b', `${nine}[1]`],
    ['<PlainText Path="5[3]" Text="b"/>', '1||A1||a~~c', 'PID[1]-5[3]'],
    ['<PlainText Path="5[2]" Text="b" NotPresentBehavior="FAIL"/>', '1||A1||a~~b', 'PID[1]-5[2]'],
    ['<PlainText Path="5[*]" Text="b" Min="2" Max="2"/>', '1||A1||a~b~b', ''],
    ['<PlainText Path="5[*]" Text="b" Min="0" Max="1"/>', '1||A1||a~b~b', 'PID[1]-5[1]'],
    ['<PlainText Path="5[*]" Text="b" Min="1" Max="*"/>', '1||A1||a~b~b', ''],
    ['<Presence Path="6[1]"/>', '1||A1||| ', six],
    ['<SimpleValue Path="6[1]" Operator="GE" Value="10" Type="Number"/>', '1||A1|||ab', ''],
    ['<isNULL Path="9[1]"/>', '1||A1||||||""', ''],
    ['<isNULL Path="9[1]"/>', '1||A1||||||x', `${nine}[1]`],
    ['<isNULL Path="9[1]"/>', '1||A1', nine],
    ['<SubContext Path="3[*]"><Presence Path="2[1]"/></SubContext>', '1||A1^7~A2', 'PID[1]-3[1]'],
    ['<SubContext Path="3[*]" AtLeastOnce="true"><Presence Path="2[1]"/></SubContext>', '1||A1^7~A2', ''],
    [
      '<SubContext Path="3[*]" MinOccurrence="1" MaxOccurrence="1"><Presence Path="2[1]"/></SubContext>',
      '1||A1^7~A2^8',
      'PID[1]-3[1]',
    ],
    ['<SubContext Path="9[*]" NotPresentBehavior="FAIL"><Presence Path="1[1]"/></SubContext>', '1||A1', nine],
    ['<ValueSet Path="12[1]" ValueSetID="race" BindingLocation="1:4"/>', '1||A1|||||||||x^^^1', ''],
    ['<ValueSet Path="12[1]" ValueSetID="race" BindingLocation="1"/>', '1||A1|||||||||x^^^1', 'PID[1]-12[1]'],
    ['<ValueSet Path="12[1]" ValueSetID="race" NotPresentBehavior="FAIL"/>', '1||A1', 'PID[1]-12'],
    ['<ValueSet Path="9[1]" ValueSetID="unknown" BindingStrength="R" BindingLocation="1"/>', '1||A1||||||x', ''],
    [`<NOT>${yes}</NOT>`, '1||A1', 'PID[1]-3[1]'],
    [`<AND>${yes}${no}</AND>`, '1||A1', 'PID[1]-3[1]'],
    [`<OR>${no}${yes}</OR>`, '1||A1', ''],
    [`<OR>${no}${no}</OR>`, '1||A1', nine],
    [`<XOR>${yes}${no}</XOR>`, '1||A1', ''],
    [`<XOR>${yes}${yes}</XOR>`, '1||A1', 'PID[1]-3[1]'],
    [`<IMPLY>${yes}${no}</IMPLY>`, '1||A1', nine],
    [`<IMPLY>${no}${no}</IMPLY>`, '1||A1', ''],
    [`<FORALL>${yes}${yes}${no}</FORALL>`, '1||A1', 'PID[1]-3[1]'],
    [`<EXIST>${no}${yes}</EXIST>`, '1||A1', ''],
    [`<NOT>${text('ab', 'NotPresentBehavior="INCONCLUSIVE"')}</NOT>`, '1||A1', ''],
  ];
  for (const [assertion, fields, place] of cases) {
    it(`${assertion} of ${fields} ${place === '' ? 'holds' : 'fails'}`, () =>
      assert.deepEqual(
        ofPid(assertion, fields).filter((found) => found.includes(' 199 ')),
        place === '' ? [] : fails(place),
      ));
  }

  it('have their strength and their target', () => {
    const should = ofPid(no, '1||A1', 'Strength="SHOULD" Target="6[1]"');
    assert.deepEqual(should, ['warning 199 PID[1]-6: S: It holds.']);
  });

  it('of groups count', () => {
    const counted = constraintsXml('', by('Group', 'g2', statement('<SetID Path="2[*].1[1]"/>')));
    const lines = (...numbers: number[]) => ['PID|1||A1', 'OBR|1', ...numbers.map((number) => `OBX|${number}|NM|K||1`)];
    assert.deepEqual(check(lines(1, 2, 3), counted), []);
    assert.deepEqual(check(lines(1, 3), counted), fails('OBX[1]-1[1]'));
    const within = constraintsXml('', by('Message', 'm', statement('<IZSetID Parent="3[*]" Element="2[*].1[1]"/>')));
    assert.deepEqual(check([...lines(1, 2), 'OBR|2', 'OBX|1|NM|K||1'], within), []);
    assert.deepEqual(check([...lines(1, 2), 'OBR|2', 'OBX|3|NM|K||1'], within), []);
    assert.deepEqual(check([...lines(1, 2), 'OBR|2', 'OBX|4|NM|K||1'], within), fails('OBR[1]'));
  });

  it('of a segment or group count it among those beside it', () => {
    const lines = ['PID|1||A1', 'OBR|1', 'OBX|1|NM|K||1', 'OBX|2|NM|K||1', 'OBR|2', 'OBX|1|NM|K||1', 'OBX|3|NM|K||1'];
    const ofSegment = constraintsXml('', by('Segment', 'OBX_T', statement('<SetID Path="1[1]"/>')));
    assert.deepEqual(check(lines, ofSegment), fails('OBX[4]-1[1]'));
    const ofGroup = constraintsXml('', by('Group', 'g2', statement('<SetID Path="1[1].1[1]"/>')));
    assert.deepEqual(check(lines, ofGroup), []);
    assert.deepEqual(check(['PID|1||A1', 'OBR|1', 'OBR|1'], ofGroup), fails('OBR[2]-1[1]'));
  });

  it('are read from the older form too', () => {
    const older = `<ConformanceContext UUID="c"><Segment><ByName Name="PID">${statement(no)}</ByName></Segment></ConformanceContext>`;
    assert.deepEqual(check(usual, older), fails(nine));
  });

  it('take time linear in the text', () => {
    const evil = ofPid('<Format Path="9[1]" Regex="(a|a)*(a|a)*(a+)+b"/>', `1||A1||||||${'a'.repeat(50_000)}`);
    assert.deepEqual(evil, fails(`${nine}[1]`));
    const digits = `${'1'.repeat(1_000_000)}x`;
    assert.deepEqual(ofPid('<NumberList Path="9[1]" CSV="1"/>', `1||A1||||||${digits}`), fails(`${nine}[1]`));
  });
});
