// Conformance profiles: a broken message for each kind of rule, and what three public-health profiles find in real messages.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parseMessage } from '../../message/message.ts';
import { corpusMessages, corpusMissing } from '../../testing/corpus.ts';
import { compileProfile } from './profile.ts';
import { by, check, constraintsXml, msh, pid, profileXml, statement, told, usual, valueSetsXml } from './testing.ts';

describe('a message against a profile', () => {
  it('is fine when nothing is wrong', () => assert.deepEqual(check(usual), []));

  const broken: [string, string[], string[]][] = [
    [
      'a required segment',
      ['PID|1||A1', 'OBX|1|NM|K||4.1'],
      [
        'error 100 OBX[1]: without OBR, which begins ORDER',
        'error 100 OBR: the required segment OBR is missing in ORDER (OBX[1])',
      ],
    ],
    ['a required group', ['PID|1||A1'], ['error 100 OBR: the required group ORDER is missing in ORU_R01 (MSH[1])']],
    [
      'a segment that is not supported',
      ['PID|1||A1', 'NTE|1', 'OBR|1'],
      ['error 100 NTE[1]: NTE must not be sent (X)'],
    ],
    [
      'too many of a group',
      [...usual, 'OBR|2', 'OBR|3'],
      ['error 198 OBR[3]: ORDER stands 3 times in ORU_R01, 2 at most may'],
    ],
    [
      'a segment that the profile does not have',
      [...usual, 'SPM|1'],
      ['error 100 SPM[1]: ORU_R01 has no such segment'],
    ],
    ['a Z segment', [...usual, 'ZPI|1'], ['warning 100 ZPI[1]: ORU_R01 has no such segment']],
    ['R: missing', pid('1'), ['error 101 PID[1]-3: Identifiers is required']],
    ['R: missing in a data type', pid('1||^1'), ['error 101 PID[1]-3[1].1: ID is required']],
    ['X: present', pid('1|x|A1'), ['error 102 PID[1]-2: F must not be sent (X)']],
    [
      'X: present in a component of a component',
      pid('1||A1^^^N&U'),
      ['error 102 PID[1]-3[1].4.2: Universal must not be sent (X)'],
    ],
    ['W: present', pid('1||A1|old'), ['warning 102 PID[1]-4: F was withdrawn: leave it out']],
    ['too many repetitions', pid('1||A1~A2~A3'), ['error 198 PID[1]-3[3]: Identifiers repeats 3 times, 2 at most may']],
    ['too few repetitions', pid('1||A1||one'), ['error 198 PID[1]-5: Names stands 1 times, 2 at least are needed']],
    ['too long', pid('1||A1|||12345'), ['error 104 PID[1]-6[1]: F has 5 characters, 4 at most may']],
    ['no length in halves of characters', pid('1||A1|||𠮷𠮷𠮷𠮷'), []],
    [
      'too short in whole ones',
      pid('1||A1|||𠮷'),
      ['error 102 PID[1]-6[1]: F has 1 characters, 2 at least are needed'],
    ],
    ['too short', pid('1||A1|||1'), ['error 102 PID[1]-6[1]: F has 1 characters, 2 at least are needed']],
    ['another constant', pid('1||A1|||||||other'), ['error 103 PID[1]-10[1]: F is always "fixed"']],
    [
      'no number',
      pid('1||A1||||||||high'),
      ['error 102 PID[1]-11[1]: F: not a number: digits with an optional sign and decimal point'],
    ],
    [
      'a type by two fields',
      ['PID|1||A1', 'OBR|1', 'OBX|1|ST|when||today', 'OBX|2|ST|K||today'],
      ['error 102 OBX[1]-5[1]: F: not a time: YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]'],
    ],
    [
      'a type that the profile does not have',
      ['PID|1||A1', 'OBR|1', 'OBX|1|ED|K||x'],
      ['warning 103 OBX[1]-2: "ED" is no data type that the profile has for field 5'],
    ],
  ];
  for (const [name, lines, expected] of broken) it(`tells ${name}`, () => assert.deepEqual(check(lines), expected));

  it('of another type is told only that', () => {
    const message = parseMessage(Buffer.from(`${msh.replace('ORU^R01', 'ADT^A01')}\rPID|\r`));
    assert.deepEqual(told(compileProfile([profileXml]).check(message)), [
      'error 200 MSH[1]-9: the profile Test profile is for ORU^R01',
    ]);
  });

  it('must not be cut where its conformance length says so', () => {
    const cut = msh.replace('^~\\&', '^~\\&#');
    const message = parseMessage(Buffer.from([cut, ...pid('1||A1|||abc#'), ''].join('\r')));
    assert.deepEqual(told(compileProfile([profileXml]).check(message)), ['error 102 PID[1]-6[1]: F must not be cut']);
  });
});

describe('value sets', () => {
  const ofSets = (lines: string[], ...more: string[]) => check(lines, valueSetsXml, ...more);

  it('bound to fields are asked', () => {
    assert.deepEqual(ofSets(pid('1||A1|||||F||||1')), []);
    assert.deepEqual(ofSets(pid('1||A1|||||M')), ['error 103 PID[1]-8[1]: "M" is not in value set sex']);
    assert.deepEqual(ofSets(pid('1||A1|||||X')), ['error 103 PID[1]-8[1]: "X" is not in value set sex']);
    assert.deepEqual(ofSets(pid('1||A1|||||""')), []);
  });

  it('may be met at one of several places, and suggested ones only warn', () => {
    assert.deepEqual(ofSets(pid('1||A1|||||||||2^^^1')), []);
    assert.deepEqual(ofSets(pid('1||A1|||||||||2^^^3')), ['warning 103 PID[1]-12[1].1: "2" is not in value set race']);
  });

  it('without a library are named', () => {
    assert.deepEqual(compileProfile([profileXml]).valueSetsMissing, ['race', 'sex']);
    assert.deepEqual(compileProfile([profileXml, valueSetsXml]).valueSetsMissing, []);
  });

  const bindings = (
    target: string,
    locations: string,
    ids: string[],
    element = 'ValueSetBinding',
    rest = '',
  ): string => {
    const list = ids.map((id) => `<Binding BindingIdentifier="${id}"/>`).join('');
    const group = element === 'ValueSetBinding' ? 'ValueSetBindings' : 'SingleCodeBindings';
    return `<ValueSetBindingsContext><${group}>${by(
      'Segment',
      'PID_T',
      `<${element} Target="${target}" BindingStrength="R" ${rest}>
      <BindingLocations>${locations}</BindingLocations><Bindings>${list}</Bindings></${element}>`,
    )}</${group}></ValueSetBindingsContext>`;
  };
  const simple = '<SimpleBindingLocation CodeLocation="."/>';
  const complex = '<ComplexBindingLocation CodeLocation="1[1]" CodeSystemLocation="3[1]"/>';

  it('are bound by a document of their own', () => {
    const document = bindings('5[*]', simple, ['race', 'sex']);
    assert.deepEqual(ofSets(pid('1||A1||1~F'), document), []);
    assert.deepEqual(ofSets(pid('1||A1||1~G'), document), ['error 103 PID[1]-5[2]: "G" is not in value set race, sex']);
    assert.deepEqual(ofSets(pid('1||A1||1~G'), bindings('5[*]', simple, ['race', 'any'])), []);
    assert.deepEqual(ofSets(pid('1||A1||1~G'), bindings('5[*]', simple, ['open'])), []);
  });

  it('may have forms of codes in place of codes', () => {
    const library = `<ValueSetLibrary><ValueSetDefinitions><ValueSetDefinition BindingIdentifier="HL70396" Name="t">
      <ValueElement Value="LN" DisplayName="l"/><ValueElement Value="99zzz" DisplayName="z"/><ValueElement Value="HL7nnnn" DisplayName="n"/>
      <ValueElement Value="year" DisplayName="y" CodePattern="20[0-9]{2}"/><ValueElement Value="2020" DisplayName="no" Usage="E"/>
      </ValueSetDefinition></ValueSetDefinitions></ValueSetLibrary>`;
    const ofTable = (codes: string): string[] =>
      ofSets(pid(`1||A1||${codes}`), library, bindings('5[*]', simple, ['HL70396']));
    assert.deepEqual(ofTable('LN~99LAB~HL70001'), []);
    assert.deepEqual(ofTable('LN~2026'), []);
    for (const code of ['99zzzz', 'HL7nnnn', 'year', '2020']) {
      assert.deepEqual(ofTable(`LN~${code}`), [`error 103 PID[1]-5[2]: "${code}" is not in value set HL70396`], code);
    }
  });

  it('ask for the code system where they say where it stands', () => {
    const document = bindings('12[1]', complex, ['race']);
    assert.deepEqual(ofSets(pid('1||A1|||||||||1^^CDC'), document), []);
    assert.deepEqual(ofSets(pid('1||A1|||||||||1^^OWN'), document), [
      'error 103 PID[1]-12[1].1: "1" is not in value set race',
    ]);
  });

  it('of one code', () => {
    const document = bindings('12[1]', complex, [], 'SingleCodeBinding', 'Code="1" CodeSystem="CDC"');
    assert.deepEqual(ofSets(pid('1||A1|||||||||1^^CDC'), document), []);
    assert.deepEqual(ofSets(pid('1||A1|||||||||1^^'), document), [
      'error 103 PID[1]-12[1].1: "1" is not in the one code "1"',
    ]);
  });
});

describe('a profile that can’t be used', () => {
  const problem = (...documents: string[]): string => {
    try {
      compileProfile(documents);
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };
  const cases: [string, string[], RegExp][] = [
    ['is no XML', ['<ConformanceProfile'], /^is no XML: /],
    ['has a DOCTYPE', ['<!DOCTYPE a [<!ENTITY b "c">]><a/>'], /^has a DOCTYPE: leave it out$/],
    ['is nested too deeply', ['<a>'.repeat(100)], /^is nested too deeply$/],
    ['has no ConformanceProfile', [valueSetsXml], /^needs one document ConformanceProfile$/],
    ['has two', [profileXml, profileXml], /^needs one document ConformanceProfile$/],
    ['has another document', [profileXml, '<Other/>'], /^<Other> can't be used: /],
    [
      'has slices',
      [profileXml, '<ProfileSlicing><SegmentSlicing><Message ID="m">x</Message></SegmentSlicing></ProfileSlicing>'],
      /^<ProfileSlicing> can't be used/,
    ],
    [
      'refers to a type that is not there',
      [profileXml.replace('Datatype="CX_T"', 'Datatype="CX"')],
      /^<Field> in line \d+ refers to data type CX, which is not there$/,
    ],
    [
      'refers to a segment that is not there',
      [profileXml.replace('Ref="OBR_T"', 'Ref="OBR"')],
      /^<Segment> in line \d+ refers to segment OBR/,
    ],
    ['has another usage', [profileXml.replace('Usage="RE"', 'Usage="Q"')], /has the usage Q$/],
    [
      'has a plug-in',
      [profileXml, constraintsXml('', by('Segment', 'PID_T', statement('<Plugin QualifiedClassName="a.B"/>')))],
      /^<Plugin> in line 1 is no expression that this server knows$/,
    ],
    [
      'has a path of another form',
      [profileXml, constraintsXml('', by('Segment', 'PID_T', statement('<Presence Path="PID-3"/>')))],
      /^the path "PID-3" is not like/,
    ],
    [
      'has look-behind',
      [profileXml, constraintsXml('', by('Segment', 'PID_T', statement('<Format Path="3[1]" Regex="a(?&lt;=b)"/>')))],
      /^the regular expression "a\(\?<=b\)" /,
    ],
  ];
  for (const [name, documents, expected] of cases) it(name, () => assert.match(problem(...documents), expected));

  it('may have empty slices and co-constraints', () => {
    assert.equal(
      problem(profileXml, '<CoConstraintContext/>', '<ProfileSlicing><SegmentSlicing/></ProfileSlicing>'),
      '',
    );
  });
});

describe('real messages and profiles', { skip: corpusMissing }, () => {
  const folder = path.join(
    process.env.CORPUS_DIR ?? path.join(import.meta.dirname, '../../../../shared/corpus'),
    'hl7v2/cdc-dex/profiles',
  );
  const profileOf = (file: string) => compileProfile([readFileSync(path.join(folder, file), 'utf8')]);

  /** Errors over all messages that name the profile in MSH-21, by what is wrong. */
  function errorsOf(file: string, named: RegExp): Record<string, number> {
    const profile = profileOf(file);
    const counts: Record<string, number> = {};
    for (const { name, raw } of corpusMessages()) {
      if (!name.startsWith('cdc-dex')) continue;
      const message = parseMessage(raw);
      const told = `${message.get('MSH-21.1') ?? ''} ${message.get('MSH-21[2].1') ?? ''}`;
      if (!named.test(told)) continue;
      for (const { severity, rule, location } of profile.check(message)) {
        const { segment, field, component } = location;
        const place = [segment, field, component].filter((part) => part !== undefined).join('.');
        if (severity === 'error') counts[`${rule} ${place}`] = (counts[`${rule} ${place}`] ?? 0) + 1;
      }
    }
    return counts;
  }

  // OBSERVATION is R in ORDER_OBSERVATION, MSH-10 and OBR-26.2 have 20 characters at most, MSH-4.3 6; OBR-7 and OBR-22 are
  // DTM, SN.2 NM, OBX-1 SI; MSH-4.2 and MSH-5.2 are R, PID-5.1 is X. One file is two messages, one has other delimiters.
  it('of case notification', () => {
    assert.deepEqual(errorsOf('NNDSS-NOTF_ORU_V3.2.xml', /^(?:NOTF|NND)/), {
      'structure OBX': 22,
      'length MSH.10': 17,
      'type OBR.7.1': 10,
      'type OBR.22.1': 10,
      'length OBR.26.2': 1,
      'type OBX.1': 1,
      'type OBX.5.2': 1,
      'usage MSH.4.2': 1,
      'usage MSH.5.2': 1,
      'length MSH.4.3': 1,
      'usage PID.5.1': 1,
      ...{ 'structure MSH': 1, 'cardinality MSH': 1, 'structure PID': 1, 'cardinality PID': 1, 'structure MSH.9': 1 },
    });
  });

  // OBX-5 stands once.
  it('of laboratory reports', () => {
    assert.deepEqual(errorsOf('CELR-2.5.1.xml', /^PHLabReport-NoAck (?!PHLIP)/), { 'cardinality OBX.5': 1 });
  });

  // OBX-17.1 and OBX-3.4 have 20 characters at most, OBX-23.1 50, MSH-12 is R. One file is a batch of five messages.
  it('of influenza surveillance', () => {
    assert.deepEqual(errorsOf('PHLIP-FLU-2.5.1.xml', / PHLIP_ELSM/), {
      'length OBX.17.1': 4,
      'length OBX.23.1': 6,
      'length OBX.3.4': 1,
      'usage MSH.12': 1,
      ...{ 'structure MSH': 4, 'cardinality MSH': 1, 'structure SFT': 4 },
    });
  });
});
