// What would become of a message.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Db } from '#platform';
import { callerOf, openRoutes, route } from './testing.ts';

/** Nothing is stored: there is no database. */
const noDatabase = new Proxy({} as Db, {
  get() {
    throw new Error('a dry run asked the database');
  },
});
const open = () => openRoutes(noDatabase);

describe('a dry run', () => {
  const lines = [
    'MSH|^~\\&|LAB|HOSP|EHR|HOSP|20260131120000+0000||ADT^A08^ADT_A01|T7|P|2.5.1',
    'EVN|A08|20260131120000+0000',
    'PID|1||100^^^HOSP^MR||DOE^JANE||19800102|W',
    'PV1|1|I|WARD^1^1||||||||||||||||V1^^^HOSP',
    'ZPD|1|blue \\T\\ green',
  ];
  const draft = route('draft', {
    source: { kinds: ['mllp'] },
    match: { all: [{ path: 'MSH-9.1', equals: 'ADT' }, { not: { path: 'PID-3[*].4', in: ['OTHER'] } }] },
    filter: [{ when: { path: 'MSH-11', equals: 'T' }, reason: 'test system' }],
    codeMaps: { sex: { from: '0001', codes: { W: 'female' } } },
    transform: [{ op: 'replace', path: 'PID-5.1', matches: '^D', with: 'T' }],
    mapping: {
      extensions: [
        {
          segment: 'ZPD',
          resource: 'Patient',
          rows: ['2 | extension[urn:test:colour].valueString | ST', '3 | birthDate | date'],
        },
      ],
    },
    destinations: [
      { kind: 'fhir' },
      {
        kind: 'queue',
        name: 'masked',
        transform: [
          { op: 'delete', path: 'ZPD' },
          { op: 'set', path: 'PID-5', value: 'X' },
        ],
      },
      { kind: 'queue', name: 'lab', filter: [{ when: { path: 'MSH-9.1', equals: 'ADT' }, reason: 'results only' }] },
    ],
  });
  const run = async (input: object) => (await callerOf(open())('POST', '/dry-run', { body: input })).body;
  const source = { kind: 'mllp', name: 'lab' };

  it('tells each step of a draft, and stores nothing', async () => {
    const outcome = await run({ route: draft, message: lines.join('\n'), source });
    assert.deepEqual(outcome.header, {
      sender: 'LAB|HOSP',
      controlId: 'T7',
      type: 'ADT^A08',
      version: '2.5.1',
      charset: (outcome.header as { charset: string }).charset,
      segments: 5,
    });
    const fields = outcome.fields as { path: string; name: string | null; value: string }[];
    assert.deepEqual(
      fields.find((field) => field.path === 'PID-3.4'),
      { path: 'PID-3.4', name: 'Patient Identifier List', value: 'HOSP' },
    );
    assert.deepEqual(
      fields.find((field) => field.path === 'ZPD-2'),
      { path: 'ZPD-2', name: null, value: 'blue & green' },
    );
    const [considered] = outcome.routes as {
      takes: boolean;
      source: boolean;
      match: { result: boolean; parts: object[] };
    }[];
    assert.deepEqual([considered!.takes, considered!.source, considered!.match.result], [true, true, true]);
    assert.deepEqual(considered!.match.parts, [
      { condition: { path: 'MSH-9.1', equals: 'ADT' }, result: true, values: ['ADT'] },
      {
        condition: { not: { path: 'PID-3[*].4', in: ['OTHER'] } },
        result: true,
        parts: [{ condition: { path: 'PID-3[*].4', in: ['OTHER'] }, result: false, values: ['HOSP'] }],
      },
    ]);
    assert.deepEqual(
      (outcome.filter as { reason: string; result: boolean }[]).map(({ reason, result }) => [reason, result]),
      [['test system', false]],
    );
    assert.deepEqual(outcome.transform, [
      {
        edit: { op: 'replace', path: 'PID-5.1', matches: '^D', with: 'T' },
        applies: true,
        before: ['DOE'],
        after: ['TOE'],
      },
    ]);
    assert.deepEqual(outcome.validation, []);
    const entries = (outcome.bundle as { entry: { resource: Record<string, unknown>; request: object }[] }).entry;
    const patient = entries.find(({ resource }) => resource.resourceType === 'Patient')!.resource;
    assert.equal(patient.gender, 'female');
    assert.deepEqual(patient.name, [{ family: 'TOE', given: ['JANE'] }]);
    assert.deepEqual(patient.extension, [{ url: 'urn:test:colour', valueString: 'blue & green' }]);
    const [masked, lab] = outcome.destinations as {
      destination: string;
      message: string;
      filtered?: string;
      partition: string;
    }[];
    assert.deepEqual([masked!.destination, masked!.partition], ['masked', '100^HOSP']);
    assert.equal(masked!.message.split('\n')[2], lines[2]!.replace('DOE^JANE', 'X'));
    assert.equal(masked!.message.includes('ZPD'), false);
    assert.deepEqual([lab!.destination, lab!.filtered, lab!.message], ['lab', 'results only', undefined]);
    assert.match(String(outcome.acknowledgment), /\rMSA\|AA\|T7\r/);
  });

  it('tells why a message gets no effect', async () => {
    const test = lines.map((line) => line.replace('|P|2.5.1', '|T|2.5.1')).join('\r');
    const filtered = await run({ route: draft, message: test, source });
    assert.equal(filtered.filtered, 'test system');
    assert.equal('bundle' in filtered, false);
    assert.match(String(filtered.acknowledgment), /\rMSA\|AA\|T7\r/);
    const elsewhere = await run({ route: draft, message: lines.join('\r'), source: { kind: 'file', name: 'drop' } });
    assert.deepEqual(elsewhere.refusal, {
      step: 'route',
      acknowledgment: 'AR',
      condition: '200',
      more: [],
      text: 'No route takes this message: none that is enabled matches its source and content',
    });
    assert.match(String(elsewhere.acknowledgment), /\rMSA\|AR\|T7/);
    const unknown = await run({ route: route('draft'), message: lines[0]!.replace('ADT^A08^ADT_A01', 'QQQ^Y01') });
    assert.deepEqual(
      [(unknown.refusal as { step: string }).step, (unknown.refusal as { condition: string }).condition],
      ['mapping', '200'],
    );
    const accepting = await run({
      route: route('draft', { onError: 'accept' }),
      message: lines[0]!.replace('ADT^A08^ADT_A01', 'QQQ^Y01'),
    });
    assert.match(String(accepting.acknowledgment), /\rMSA\|AA\|T7/);
  });

  it('takes a route in force by its id, or the one that the message would take', async () => {
    const message = Buffer.from(lines.join('\r'));
    const bytes = { messageBase64: message.toString('base64') };
    assert.deepEqual((await run({ id: 'default', ...bytes })).route, {
      id: 'default',
      version: 0,
      ack: 'auto',
      onError: 'refuse',
    });
    assert.deepEqual(
      ((await run(bytes)).routes as { route: string }[]).map((one) => one.route),
      ['default'],
    );
  });

  it('is refused with what is wrong', async () => {
    const call = callerOf(open());
    const answer = async (body: object) => call('POST', '/dry-run', { body });
    const text = lines.join('\r');
    assert.equal(
      (await answer({ message: 'hello' })).body.error,
      'message: Not an HL7 v2 message: it does not begin with MSH',
    );
    assert.equal((await answer({})).body.error, 'give the message as message (text) or messageBase64 (its bytes)');
    assert.equal((await answer({ id: 'nope', message: text })).status, 404);
    assert.equal((await answer({ id: 'a', route: draft, message: text })).status, 400);
    assert.deepEqual((await answer({ route: route('draft', { match: {} }), message: text })).body.problems, [
      { path: 'match', problem: 'a condition has exactly one of path, all, any, not' },
    ]);
    const rows = async (...list: string[]) => {
      const mapping = {
        extensions: [{ segment: 'ZPD', resource: 'Patient', rows: ['2 | maritalStatus.text | ST', ...list] }],
      };
      return (await answer({ route: route('draft', { mapping }), message: text })).body.problems as {
        path: string;
        problem: string;
      }[];
    };
    const cases: [string, RegExp][] = [
      ['2 | extension[urn:x].valueString | NOPE', /no data type map "NOPE", in row "2 \| extension\[urn:x\]/],
      ['x | gender | ST', /no field "x"/],
      ['2 | gender | custom x', /custom maps are code/],
      ['2 | identifier[] | CX', /identifier\[\] is for the message's own map/],
      ['2 | gender | ST | matches /(a+)+$/', /matches is not possible in a row/],
      ['2 | gender | ST | 3 === 4', /condition "3 === 4"/],
    ];
    for (const [row, problem] of cases) {
      const [found, ...others] = await rows(row);
      assert.deepEqual([found!.path, others], ['mapping.extensions[0].rows[1]', []]);
      assert.match(found!.problem, problem);
    }
  });

  it('a row for what is no element of R4, or of another shape, is a problem with its place', async () => {
    const problems = async (row: string): Promise<unknown> => {
      const extensions = [{ segment: 'ZPD', resource: 'Patient', rows: ['2 | maritalStatus.text | ST', row] }];
      const body = { route: route('draft', { mapping: { extensions } }), message: lines.join('\r') };
      const [fault, ...others] = (await callerOf(open())('POST', '/dry-run', { body })).body.problems as object[];
      return others.length > 0 ? others : fault;
    };
    for (const [row, problem] of [
      ['1 | foo.bar | ST', 'Patient has no element foo'],
      ['1 | maritalStatus.txt | ST', 'CodeableConcept has no element txt'],
      ['1 | contact.name.text | ST', 'contact is a list in Patient: write contact[] or contact[0]'],
      ['1 | birthDate[] | date', 'birthDate is no list in Patient: write birthDate'],
      ['1 | active.value | ST', 'boolean has no element value'],
    ]) {
      assert.deepEqual(await problems(row!), { path: 'mapping.extensions[0].rows[1]', problem });
    }
    const put = (extensions: object[]) =>
      callerOf(open())('PUT', '/draft', {
        body: { route: route('draft', { mapping: { extensions } }), author: 'kim' },
      });
    const refused = await put([{ segment: 'ZPD', resource: 'Patient', rows: ['1 | foo | ST'] }]);
    assert.deepEqual(refused.body.problems, [
      { path: 'mapping.extensions[0].rows[0]', problem: 'Patient has no element foo' },
    ]);
    for (const row of ['1 | multipleBirthInteger | integer', '1 | _birthDate.extension[urn:x].valueString | ST']) {
      await assert.rejects(problems(row), TypeError);
    }
  });
});
