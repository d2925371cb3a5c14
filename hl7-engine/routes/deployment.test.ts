// Which route a message takes, and what it makes of it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fixedZone } from '../mapping/datetime.ts';
import { parseMessage } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import type { Source } from '../seams.ts';
import { createDeployment, type Deployment } from './deployment.ts';
import { readRoute } from './read-route.ts';
import type { Condition, Route, RouteInput } from './schema.ts';

const source: Source = { kind: 'mllp', name: 'default' };
const base = { zone: fixedZone('Z'), identifierSystems: { TESTHOSP: 'urn:test' } };

const message = (...lines: string[]) =>
  parseMessage(
    Buffer.from(['MSH|^~\\&|TESTLAB|TESTHOSP|||20260101||ORU^R01|C1|P|2.5.1', ...lines].join('\r'), 'latin1'),
  );

const pid = 'PID|1||100^^^TESTHOSP^MR~200^^^OTHER^PI||DOE^JANE||""|F';
const sample = message(pid, 'OBX|1|NM|K^^L||4.1', 'OBX|2|TX|NOTE^^L||hemolysed \\T\\ cold', 'ZPD|x');

function route(input: Partial<RouteInput>): Route {
  const read = readRoute({ id: 'r', name: 'Test', ...input });
  assert.ok('route' in read, JSON.stringify(read));
  return read.route;
}

function deployed(...inputs: Partial<RouteInput>[]): Deployment {
  const deployment = createDeployment({
    mapping: base,
    validate: (_message, { structure }) => [`checked ${structure}`],
  });
  for (const [index, input] of inputs.entries()) deployment.put(route(input), index + 1);
  return deployment;
}

const taken = (deployment: Deployment, from = source): string => deployment.plan(sample, from).routeId;

it('the example of docs/hl7.md is a route', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../../docs/hl7.md'), 'utf8');
  const example = /## Routes[\s\S]*?```json\n([\s\S]*?)```/.exec(page)![1]!;
  const deployment = deployed(JSON.parse(example) as RouteInput);
  const result = parseMessage(Buffer.from(/## Routes[\s\S]*?```\n(MSH\|[\s\S]*?)```/.exec(page)![1]!));
  const plan = deployment.plan(result, { kind: 'mllp', name: 'lab' });
  assert.deepEqual([plan.routeId, plan.filtered, plan.mapping.extensions?.length], ['city-lab', undefined, 1]);
  const [sent, ...others] = plan.outbound(plan.transform(result), []);
  assert.deepEqual([sent!.destination, sent!.partition, others], ['research', '815^CITY', []]);
});

describe('conditions', () => {
  const holds = (match: Condition): boolean => taken(deployed({ match })) === 'r';
  const cases: [string, Condition, boolean][] = [
    ['a component', { path: 'MSH-9.1', equals: 'ORU' }, true],
    ['another text', { path: 'MSH-9.1', equals: 'ADT' }, false],
    ['a field by its first leaf', { path: 'PID-5', equals: 'DOE' }, true],
    ['one of several', { path: 'MSH-9.2', in: ['R30', 'R01'] }, true],
    ['none of several', { path: 'MSH-9.2', in: ['R30', 'R31'] }, false],
    ['the first repetition', { path: 'PID-3.4', equals: 'OTHER' }, false],
    ['the second repetition', { path: 'PID-3[2].4', equals: 'OTHER' }, true],
    ['any repetition', { path: 'PID-3[*].4', equals: 'OTHER' }, true],
    ['the second segment', { path: 'OBX[2]-3.1', equals: 'NOTE' }, true],
    ['any segment', { path: 'OBX[*]-3.1', equals: 'NOTE' }, true],
    ['no such segment', { path: 'OBX[3]-3.1', equals: 'NOTE' }, false],
    ['escapes resolved', { path: 'OBX[2]-5', equals: 'hemolysed & cold' }, true],
    ['a pattern', { path: 'OBX[*]-5', matches: '^hemo.*cold$' }, true],
    ['a pattern, its case ignored', { path: 'PID-5.2', matches: '^jane$', ignoreCase: true }, true],
    ['a pattern of nothing', { path: 'PID-9', matches: '.*' }, false],
    ['a value that is there', { path: 'PID-5', exists: true }, true],
    ['a value that is not', { path: 'PID-9', exists: true }, false],
    ['a value that is deleted is none', { path: 'PID-7', exists: true }, false],
    ['no value', { path: 'PID-9', exists: false }, true],
    ['no value in a segment that is not there', { path: 'PV1-19', exists: false }, true],
    ['a segment', { path: 'ZPD', exists: true }, true],
    ['no segment', { path: 'ZZZ', exists: true }, false],
    ['""', { path: 'PID-7', isNull: true }, true],
    ['not ""', { path: 'PID-5', isNull: true }, false],
    ['isNull false', { path: 'PID-7', isNull: false }, false],
    [
      'all',
      {
        all: [
          { path: 'MSH-9.1', equals: 'ORU' },
          { path: 'MSH-9.2', equals: 'R01' },
        ],
      },
      true,
    ],
    [
      'all but one',
      {
        all: [
          { path: 'MSH-9.1', equals: 'ORU' },
          { path: 'MSH-9.2', equals: 'R30' },
        ],
      },
      false,
    ],
    [
      'any',
      {
        any: [
          { path: 'MSH-9.1', equals: 'ADT' },
          { path: 'MSH-9.2', equals: 'R01' },
        ],
      },
      true,
    ],
    ['not', { not: { path: 'MSH-9.1', equals: 'ORU' } }, false],
    ['not not', { not: { not: { path: 'MSH-9.1', equals: 'ORU' } } }, true],
  ];
  for (const [name, match, expected] of cases) it(name, () => assert.equal(holds(match), expected));
});

describe('a message takes', () => {
  it('the built-in route where there is no other', () => {
    const plan = deployed().plan(sample, source);
    assert.deepEqual(
      [plan.routeId, plan.routeVersion, plan.stores, plan.ack, plan.onError],
      ['default', 0, true, 'auto', 'refuse'],
    );
    assert.equal(plan.filtered, undefined);
    assert.equal(plan.transform(sample), sample);
    assert.deepEqual(plan.outbound(sample, []), []);
  });

  it('the route of the highest priority, then of the first id', () => {
    assert.equal(taken(deployed({ id: 'b' }, { id: 'c', priority: 5 }, { id: 'a' })), 'c');
    assert.equal(taken(deployed({ id: 'b' }, { id: 'a' })), 'a');
  });

  it('no route that is disabled or of another source', () => {
    assert.equal(taken(deployed({ id: 'a', enabled: false })), 'default');
    const lab = deployed({ id: 'lab', source: { kinds: ['mllp', 'http'], names: ['lab'] } });
    assert.equal(taken(lab), 'default');
    assert.equal(taken(lab, { kind: 'http', name: 'lab' }), 'lab');
    assert.equal(taken(lab, { kind: 'file', name: 'lab' }), 'default');
  });

  it('none: AR, where the default route was replaced or disabled', () => {
    for (const input of [{ enabled: false }, { match: { path: 'MSH-9.1', equals: 'ADT' } }]) {
      assert.throws(
        () => taken(deployed({ id: 'default', ...input })),
        (error) => error instanceof Refusal && error.acknowledgment === 'AR' && error.condition === '200',
      );
    }
  });

  it('the plan that was in force when it began', () => {
    const deployment = deployed({ id: 'a', ack: 'original' });
    const plan = deployment.plan(sample, source);
    deployment.put(route({ id: 'a', ack: 'none' }), 2);
    assert.deepEqual([plan.routeVersion, plan.ack], [1, 'original']);
    const later = deployment.plan(sample, source);
    assert.deepEqual([later.routeVersion, later.ack], [2, 'none']);
    deployment.remove('a');
    assert.equal(taken(deployment), 'default');
  });

  it('a version that cannot be compiled leaves the former one', () => {
    const deployment = createDeployment({ mapping: base });
    deployment.put(route({ id: 'a' }), 1);
    assert.throws(
      () => deployment.put(route({ id: 'a', validation: { structure: 'strict' } }), 2),
      /validation: this server/,
    );
    assert.equal(deployment.plan(sample, source).routeVersion, 1);
  });
});

describe('a plan', () => {
  it('filters with the first reason that holds', () => {
    const filter = [
      { when: { path: 'MSH-11', equals: 'T' }, reason: 'test system' },
      { when: { path: 'MSH-11', equals: 'P' }, reason: 'production' },
      { when: { path: 'MSH-9.1', equals: 'ORU' }, reason: 'results' },
    ];
    assert.equal(deployed({ filter }).plan(sample, source).filtered, 'production');
    assert.equal(deployed({ filter: filter.slice(0, 1) }).plan(sample, source).filtered, undefined);
  });

  it('validates as the route asks', () => {
    assert.deepEqual(
      deployed({ validation: { structure: 'lenient' } })
        .plan(sample, source)
        .validate(sample),
      ['checked lenient'],
    );
    assert.deepEqual(deployed({}).plan(sample, source).validate(sample), []);
  });

  it('has the mapping of the route over that of the server', () => {
    const mapping = { timeZone: 'Europe/Berlin', facility: 'SITE', identifierSystems: { LAB: 'urn:lab' } };
    const plan = deployed({ mapping }).plan(sample, source);
    assert.equal(plan.mapping.zone.offsetAt(Date.UTC(2026, 6, 1)), '+02:00');
    assert.equal(plan.mapping.facility, 'SITE');
    assert.deepEqual({ ...plan.mapping.identifierSystems }, { TESTHOSP: 'urn:test', LAB: 'urn:lab' });
    assert.equal(plan.mapping.identifierSystems.constructor, undefined);
    assert.equal(deployed({}).plan(sample, source).mapping.zone, base.zone);
  });

  it('maps codes by table, system or its URI', () => {
    const codeMaps = {
      sex: {
        from: '0001',
        system: 'urn:s',
        codes: { W: 'female', X: { code: 'other', system: 'urn:o', display: 'Other' } },
      },
      more: { from: 'HL70001', codes: { Z: 'unknown', W: 'never asked' } },
      tests: { from: '99LAB', codes: { K: { code: '2823-3', system: 'http://loinc.org' } } },
      named: { codes: { Q: 'r' } },
    };
    const codeMap = deployed({ codeMaps }).plan(sample, source).mapping.codeMap!;
    assert.deepEqual(codeMap('0001', 'W'), { code: 'female', system: 'urn:s' });
    assert.deepEqual(codeMap('HL70001', 'X'), { code: 'other', system: 'urn:o', display: 'Other' });
    assert.deepEqual(codeMap('http://terminology.hl7.org/CodeSystem/v2-0001', 'Z'), { code: 'unknown' });
    assert.deepEqual(codeMap('99lab', 'K'), { code: '2823-3', system: 'http://loinc.org' });
    for (const [table, code] of [
      ['0001', 'Q'],
      ['0002', 'W'],
      ['99LAB', 'constructor'],
    ] as const) {
      assert.equal(codeMap(table, code), undefined);
    }
    assert.equal(deployed({}).plan(sample, source).mapping.codeMap, undefined);
  });
});

describe('what goes to other destinations', () => {
  const queue = (name: string, more: object = {}) => ({ kind: 'queue' as const, name, ...more });

  it('is the message as it came, byte for byte, with its partition and control id', () => {
    const plan = deployed({ destinations: [queue('mirror')] }).plan(sample, source);
    assert.equal(plan.stores, false);
    const [sent, ...others] = plan.outbound(sample, []);
    assert.deepEqual(others, []);
    assert.deepEqual([sent!.destination, sent!.partition, sent!.controlId], ['mirror', '100^TESTHOSP', 'C1']);
    assert.equal(sent!.body.equals(sample.raw), true);
  });

  it('is filtered and changed for each destination by itself', () => {
    const destinations = [
      { kind: 'fhir' as const },
      queue('adt', { filter: [{ when: { not: { path: 'MSH-9.1', equals: 'ADT' } }, reason: 'no ADT' }] }),
      queue('masked', {
        transform: [
          { op: 'set' as const, path: 'PID-3', value: 'X' },
          { op: 'delete' as const, path: 'OBX[2]' },
        ],
      }),
    ];
    const plan = deployed({ destinations }).plan(sample, source);
    assert.equal(plan.stores, true);
    const sent = plan.outbound(sample, []);
    assert.deepEqual(
      sent.map(({ destination }) => destination),
      ['masked'],
    );
    assert.equal(
      sent[0]!.body.toString(),
      sample.raw
        .toString()
        .replace('100^^^TESTHOSP^MR~200^^^OTHER^PI', 'X')
        .replace('OBX|2|TX|NOTE^^L||hemolysed \\T\\ cold\r', ''),
    );
  });

  it('has no partition without PID-3, and an empty control id without MSH-10', () => {
    const bare = parseMessage(Buffer.from('MSH|^~\\&|A\rPID|1'));
    const [sent] = deployed({ destinations: [queue('q')] })
      .plan(bare, source)
      .outbound(bare, []);
    assert.deepEqual([sent!.partition, sent!.controlId], ['', '']);
  });
});

describe('changes to a message', () => {
  const codeMaps = { sex: { codes: { F: 'W', M: 'H' } } };
  const edited = (...transform: NonNullable<RouteInput['transform']>): string => {
    const plan = deployed({ transform, codeMaps }).plan(sample, source);
    return plan.transform(sample).toBuffer().toString('latin1');
  };
  const withPid = (text: string): string => sample.raw.toString('latin1').replace(pid, text);

  it('set, also of every repetition, escaped', () => {
    assert.equal(edited({ op: 'set', path: 'PID-8', value: 'a|b' }), withPid(pid.replace('|F', '|a\\F\\b')));
    assert.equal(
      edited({ op: 'set', path: 'PID-3[*].4', value: 'NEW' }),
      withPid(pid.replace('TESTHOSP', 'NEW').replace('OTHER', 'NEW')),
    );
    assert.match(edited({ op: 'set', path: 'ZNW-2', value: 'new' }), /\rZNW\|\|new\r?$/);
  });

  it('copy, with all components; nothing where there is nothing', () => {
    assert.equal(
      edited({ op: 'copy', from: 'PID-3[2]', path: 'PID-2' }),
      withPid(pid.replace('PID|1|', 'PID|1|200^^^OTHER^PI')),
    );
    assert.equal(edited({ op: 'copy', from: 'PID-9', path: 'PID-5' }), withPid(pid));
  });

  it('delete: values, repetitions, segments', () => {
    assert.equal(edited({ op: 'delete', path: 'PID-5.2' }), withPid(pid.replace('DOE^JANE', 'DOE^')));
    assert.equal(edited({ op: 'delete', path: 'PID-3[1]' }), withPid(pid.replace('100^^^TESTHOSP^MR~', '')));
    assert.equal(edited({ op: 'delete', path: 'OBX[*]' }).includes('OBX'), false);
  });

  it('map through a code map; unknown codes stay', () => {
    assert.equal(edited({ op: 'map', path: 'PID-8', codeMap: 'sex' }), withPid(pid.replace('|F', '|W')));
    assert.equal(edited({ op: 'map', path: 'PID-5', codeMap: 'sex' }), withPid(pid));
  });

  it('replace in the first leaf, of each', () => {
    assert.equal(
      edited({ op: 'replace', path: 'PID-3[*]', matches: '^(\\d)0', with: '$1-' }),
      withPid(pid.replace('100', '1-0').replace('200', '2-0')),
    );
    assert.equal(
      edited({ op: 'replace', path: 'PID-5', matches: 'o', ignoreCase: true, with: '0' }),
      withPid(pid.replace('DOE', 'D0E')),
    );
  });

  it('one after the other, under their conditions', () => {
    assert.equal(
      edited(
        { op: 'set', path: 'PID-8', value: 'U' },
        { op: 'set', path: 'PID-9', value: 'was U', when: { path: 'PID-8', equals: 'U' } },
        { op: 'set', path: 'PID-10', value: 'was F', when: { path: 'PID-8', equals: 'F' } },
      ),
      withPid(pid.replace('|F', '|U|was U')),
    );
  });

  it('refuse AE what the message’s character set has not', () => {
    const ascii = parseMessage(Buffer.from('MSH|^~\\&|A|B|||20260101||ORU^R01|1|P|2.5||||||8859/1\rPID|1'));
    const plan = deployed({ transform: [{ op: 'set', path: 'PID-5', value: '山' }] }).plan(ascii, source);
    assert.throws(
      () => plan.transform(ascii),
      (error) =>
        error instanceof Refusal &&
        error.acknowledgment === 'AE' &&
        /The route cannot change the message/.test(error.message),
    );
  });
});

it('a route has 200 conditions at most; its changes are none', () => {
  const edits = Array.from({ length: 150 }, (_, i) => ({ op: 'delete' as const, path: `ZPD-${i + 1}` }));
  const conditions = (count: number): Condition[] =>
    Array.from({ length: count }, (_, i) => ({ path: `ZPD-${i + 1}`, exists: true }));
  const routeOf = (count: number): Partial<RouteInput> => ({
    match: { any: conditions(count) },
    transform: edits,
    destinations: [{ kind: 'queue', name: 'a', transform: edits }],
  });
  assert.equal(route(routeOf(200)).transform.length, 150);
  assert.deepEqual(readRoute({ id: 'r', name: 'Test', ...routeOf(201) }), {
    problems: [{ path: '', problem: 'a route has at most 200 conditions' }],
  });
});
