import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMessage } from '../../message/message.ts';
import { parseStructure } from './grammar.ts';
import type { Group } from './group.ts';
import { type Grouped, groupSegments } from './grouper.ts';
import { grouped } from './structures.ts';

/** `RESULT[PID ORDER[OBR OBX]]`. */
function shape(group: Group): string {
  const inside = [...group.segments.map(({ name }) => name), ...group.children.map(shape)];
  return `${group.name}[${inside.join(' ')}]`;
}

function segmentsOf(names: string) {
  const [, ...others] = names.split(' ');
  return parseMessage(Buffer.from(['MSH|^~\\&|', ...others.map((name) => `${name}|1`)].join('\r')));
}

const read = (structure: string, names: string): Grouped =>
  groupSegments(parseStructure('M', structure), segmentsOf(names).segments);

const orders = 'MSH PATIENT{PID PD1? NTE* VISIT{PV1 PV2?}?}? ORDER{ORC DETAIL{OBR NTE* RESULT{OBX NTE*}*}?}+';

describe('groups of a message', () => {
  it('are as the structure has them', () => {
    const { root, unexpected, warnings } = read(orders, 'MSH PID NTE PV1 PV2 ORC OBR NTE OBX OBX NTE ORC OBR OBX');
    assert.equal(
      shape(root),
      'M[MSH PATIENT[PID NTE VISIT[PV1 PV2]] ORDER[ORC DETAIL[OBR NTE RESULT[OBX] RESULT[OBX NTE]]] ORDER[ORC DETAIL[OBR RESULT[OBX]]]]',
    );
    assert.deepEqual([unexpected, warnings], [[], []]);
  });

  it('begin without their first segment', () => {
    const { root, warnings } = read(orders, 'MSH PID OBR OBX OBR OBX ORC OBR');
    assert.equal(
      shape(root),
      'M[MSH PATIENT[PID] ORDER[DETAIL[OBR RESULT[OBX]]] ORDER[DETAIL[OBR RESULT[OBX]]] ORDER[ORC DETAIL[OBR]]]',
    );
    assert.deepEqual(warnings, [
      'OBR: the segment that begins its group is missing',
      'OBR: the segment that begins its group is missing',
    ]);
  });

  it('take a segment that comes late, and the patient before its visit', () => {
    const { root, warnings } = read(orders, 'MSH PID PV1 PD1 ORC OBR');
    assert.equal(shape(root), 'M[MSH PATIENT[PID PD1 VISIT[PV1]] ORDER[ORC DETAIL[OBR]]]');
    assert.deepEqual(warnings, ['PD1: not where the structure has it; taken as if it were']);
    assert.equal(shape(read(orders, 'MSH PV1 PID ORC').root), 'M[MSH PATIENT[PID VISIT[PV1]] ORDER[ORC]]');
  });

  it('keep one too many beside the first', () => {
    const { root, warnings } = read('MSH PID PV1?', 'MSH PID PV1 PV1');
    assert.equal(shape(root), 'M[MSH PID PV1 PV1]');
    assert.deepEqual(warnings, ['PV1: more often than the structure allows; only the first has effect']);
  });

  it('have one ORC, before their OBR or behind it', () => {
    const told = (names: string) => shape(read('MSH ORDER{ORC? OBR ORC? NTE* OBX*}+', `MSH ${names}`).root);
    assert.equal(told('ORC OBR NTE ORC OBR OBX'), 'M[MSH ORDER[ORC OBR NTE] ORDER[ORC OBR OBX]]');
    assert.equal(told('ORC OBR ORC OBR NTE'), 'M[MSH ORDER[ORC OBR] ORDER[ORC OBR NTE]]');
    assert.equal(told('OBR ORC NTE OBR ORC OBX'), 'M[MSH ORDER[OBR ORC NTE] ORDER[OBR ORC OBX]]');
  });

  it('take a note with what stands before it, which begins and ends no group', () => {
    const told = (names: string) => {
      const { root, unexpected, warnings } = read(`${orders} NTE*`, names);
      assert.deepEqual([unexpected, warnings], [[], []]);
      return shape(root);
    };
    assert.equal(
      told('MSH PID PV1 NTE PV2 ORC NTE OBR'),
      'M[MSH PATIENT[PID VISIT[PV1 NTE PV2]] ORDER[ORC NTE DETAIL[OBR]]]',
    );
    assert.equal(told('MSH NTE ORC OBR NTE OBX'), 'M[MSH NTE ORDER[ORC DETAIL[OBR NTE RESULT[OBX]]]]');
    const shapeOf = (names: string) =>
      shape(read('MSH ONE{ORC TIMING{TQ1}* NTE* OBR}* TWO{RXA+ NTE* RXR}*', names).root);
    assert.equal(shapeOf('MSH ORC TQ1 NTE OBR'), 'M[MSH ONE[ORC OBR TIMING[TQ1 NTE]]]');
    assert.equal(shapeOf('MSH ORC NTE TQ1 OBR'), 'M[MSH ONE[ORC NTE OBR TIMING[TQ1]]]');
    assert.equal(shapeOf('MSH RXA NTE RXA RXR'), 'M[MSH TWO[RXA NTE] TWO[RXA RXR]]');
    assert.equal(shapeOf('MSH RXA RXA NTE NTE RXR'), 'M[MSH TWO[RXA RXA NTE NTE RXR]]');
    const late = read(orders, 'MSH PID PV1 PD1 NTE NTE PV2');
    assert.equal(shape(late.root), 'M[MSH PATIENT[PID PD1 NTE NTE VISIT[PV1 PV2]]]');
    assert.deepEqual(late.warnings, ['PD1: not where the structure has it; taken as if it were']);
  });

  it('keep what the structure does not have in the open group', () => {
    const { root, unexpected } = read(orders, 'MSH PID ZPI ORC ZOR OBR FOO OBX');
    assert.equal(shape(root), 'M[MSH PATIENT[PID ZPI] ORDER[ORC ZOR DETAIL[OBR FOO RESULT[OBX]]]]');
    assert.deepEqual(
      unexpected.map(({ name }) => name),
      ['ZPI', 'ZOR', 'FOO'],
    );
  });

  it('are found by name, and segments of the groups around them', () => {
    const { root } = grouped(segmentsOf('MSH PID PV1 ORC OBR OBX OBX OBR OBX PID OBR'), 'ORU_R01');
    assert.equal(root.groups('PATIENT_RESULT').length, 2);
    assert.equal(root.groups('OBSERVATION').length, 3);
    const [first, second] = root.groups('ORDER_OBSERVATION');
    assert.deepEqual(
      [first!.get('ORC')?.name, second!.get('ORC'), first!.groups('OBSERVATION').length],
      ['ORC', undefined, 2],
    );
    assert.equal(first!.groups('OBSERVATION')[0]!.nearest('OBR'), first!.get('OBR'));
    assert.equal(first!.nearest('MSH'), root.get('MSH'));
  });

  const one = (order: string) => `ORDER[${order}]`;
  const again = 'OBR: the segment that begins its group is missing';
  for (const [structure, names, orders, warnings] of [
    [
      'OML_O21',
      'PID ORC OBR OBX OBR OBX',
      [one('ORC OBSERVATION_REQUEST[OBR OBSERVATION[OBX]]'), one('OBSERVATION_REQUEST[OBR OBSERVATION[OBX]]')],
      [again],
    ],
    [
      'OML_O21',
      'PID ORC OBR PID PV1 AL1 OBR OBX OBR OBX',
      [
        one(
          'ORC OBSERVATION_REQUEST[OBR PRIOR_RESULT[AL1 PATIENT_PRIOR[PID] PATIENT_VISIT_PRIOR[PV1] ORDER_PRIOR[OBR OBSERVATION_PRIOR[OBX]] ORDER_PRIOR[OBR OBSERVATION_PRIOR[OBX]]]]',
        ),
      ],
      [],
    ],
    [
      'OML_O21',
      'PID ORC OBR PV1 OBR OBX',
      [
        one(
          'ORC OBSERVATION_REQUEST[OBR PRIOR_RESULT[PATIENT_VISIT_PRIOR[PV1] ORDER_PRIOR[OBR OBSERVATION_PRIOR[OBX]]]]',
        ),
      ],
      ['PV1: the segment that begins its group is missing'],
    ],
    [
      'OML_O21',
      'PID ORC OBR TQ1 OBX NTE SPM',
      [one('ORC OBSERVATION_REQUEST[OBR OBSERVATION[OBX NTE] SPECIMEN[SPM]] TIMING[TQ1]')],
      ['TQ1: the segment that begins its group is missing', 'OBX: not where the structure has it; taken as if it were'],
    ],
    ['OML_O33', 'PID SPM ORC OBR OBR', [one('ORC OBSERVATION_REQUEST[OBR]'), one('OBSERVATION_REQUEST[OBR]')], [again]],
    [
      'OML_O35',
      'PID SPM SAC ORC OBR OBR',
      [one('ORC OBSERVATION_REQUEST[OBR]'), one('OBSERVATION_REQUEST[OBR]')],
      [again],
    ],
    ['OMG_O19', 'PID ORC OBR DG1 OBR OBX', [one('ORC OBR DG1'), one('OBR OBSERVATION[OBX]')], [again]],
    [
      'ORM_O01',
      'PID ORC OBR TQ1 OBX OBR OBX',
      [one('ORC ORDER_DETAIL[OBR OBSERVATION[OBX]] TIMING[TQ1]'), one('ORDER_DETAIL[OBR OBSERVATION[OBX]]')],
      [
        'TQ1: the segment that begins its group is missing',
        'OBX: not where the structure has it; taken as if it were',
        again,
      ],
    ],
  ] as const) {
    it(`of ${structure}: ${names}`, () => {
      const found = grouped(segmentsOf(`MSH ${names}`), structure);
      assert.deepEqual([found.root.groups('ORDER').map(shape), found.warnings], [orders, warnings]);
    });
  }

  it('hold every segment of any order, once', () => {
    let seed = 5;
    const random = (below: number) => {
      seed = (seed * 48271) % 2147483647;
      return seed % below;
    };
    const names = 'PID PD1 NTE PV1 PV2 ORC OBR OBX ZZZ'.split(' ');
    for (let round = 0; round < 300; round++) {
      const message = segmentsOf(
        ['MSH', ...Array.from({ length: random(15) }, () => names[random(names.length)])].join(' '),
      );
      const { root } = groupSegments(parseStructure('M', orders), message.segments);
      const held = (group: Group): string[] => [
        ...group.segments.map(({ name }) => name),
        ...group.children.flatMap(held),
      ];
      assert.deepEqual(held(root).sort(), message.segments.map(({ name }) => name).sort());
    }
  });

  for (const text of ['MSH {PID}', 'MSH A{PID', 'MSH PID}', 'MSH A{}', 'msh', 'MSH PID!']) {
    it(`are not read from "${text}"`, () => assert.throws(() => parseStructure('M', text), SyntaxError));
  }
});
