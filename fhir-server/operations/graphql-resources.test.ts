// $graphql and what it leads to: https://hl7.org/fhir/R4/graphql.html#references, #searching, #reverse
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Core } from '../interactions/core.ts';
import { nothing } from '../testing.ts';
import { type Ask, ask, askAt, assertData, assertError, begin, core, ofPatient, put } from './testing/graphql.ts';

before(begin);

describe('references', () => {
  test('read resources, contained ones, and what those refer to', () =>
    assertData(
      ofPatient('{ managingOrganization { reference resource { __typename name partOf { resource { name } } } } }'),
      {
        managingOrganization: {
          reference: '#o',
          resource: { __typename: 'Organization', name: 'Inside', partOf: { resource: { name: 'Outside' } } },
        },
      },
    ));

  test('by type: fragments, and the argument', async () => {
    const wanted = {
      generalPractitioner: [{ resource: { name: [{ family: 'Delta' }] } }, { resource: { title: 'Outside' } }],
    };
    await assertData(
      ofPatient(
        '{ generalPractitioner { resource { ... on Practitioner { name { family } } ... on Organization { title: name } } } }',
      ),
      wanted,
    );
    await assertData(
      ofPatient(
        '{ generalPractitioner { resource(type: Practitioner) { name { family } } resource(type: Organization) { title: name } } }',
      ),
      wanted,
    );
    await assertData(ofPatient('{ generalPractitioner { reference resource(type: Practitioner) { id } } }'), {
      generalPractitioner: [{ reference: 'Practitioner/d1', resource: { id: 'd1' } }, { reference: 'Organization/o1' }],
    });
  });

  test('by one fragment for references to different types, as the schema has it', () =>
    assertData(
      ofPatient(`{ managingOrganization { ...R } generalPractitioner { ...R } }
        fragment R on Reference { resource { __typename ... on Practitioner { gender } ... on Organization { name } ... on Slot { id } } }`),
      {
        managingOrganization: { resource: { __typename: 'Organization', name: 'Inside' } },
        generalPractitioner: [
          { resource: { __typename: 'Practitioner', gender: 'female' } },
          { resource: { __typename: 'Organization', name: 'Outside' } },
        ],
      },
    ));

  test('a field that only some of the types have', () =>
    assertData(ofPatient('{ generalPractitioner { resource { id gender } } }'), {
      generalPractitioner: [{ resource: { id: 'd1', gender: 'female' } }, { resource: { id: 'o1' } }],
    }));

  test('to a type that the element does not name: what any resource has is answered', async () => {
    const performer = [{ actor: { reference: 'Group/g1' } }];
    await put({
      resourceType: 'Procedure',
      id: 'odd',
      status: 'completed',
      subject: { reference: '#i' },
      performer,
      contained: [{ resourceType: 'Location', id: 'i', name: 'Within' }],
    });
    await assertData(
      ask(
        `{ subject { resource { __typename resourceType ... on Resource { id } ... on DomainResource { id } ... on Patient { id gender }
          ... on Location { name } } }
          performer { actor { resource { id meta { versionId } ... on Group { name } } } } }`,
        { type: 'Procedure', id: 'odd' },
      ),
      {
        subject: { resource: { __typename: 'Location', resourceType: 'Location', id: 'i', name: 'Within' } },
        performer: [{ actor: { resource: { id: 'g1', meta: { versionId: '1' }, name: 'All' } } }],
      },
    );
  });

  test('that lead nowhere are errors unless optional', async () => {
    const at: Ask = { type: 'Observation', id: 'v2' };
    await assertError(
      ask('{ focus { resource { id } } }', at),
      404,
      'not-found',
      /'Patient\/none' can't be resolved; resource\(optional: true\)/,
      [1, 11],
    );
    await assertData(ask('{ focus { reference resource(optional: true) { id } } }', at), {
      focus: [{ reference: 'Patient/none' }],
    });
  });

  test('one statement a type, however many there are', async () => {
    const { db } = core.store;
    let statements = 0;
    const counting: Core = {
      ...core,
      store: {
        ...core.store,
        db: {
          ...db,
          query: (statement, values) => {
            statements++;
            return db.query(statement, values);
          },
        },
      },
    };
    const reply = await askAt(counting, '{ ConditionList(_sort: "_id") { subject { resource { id } } } }');
    const { data } = reply.json;
    assert.equal(data.ConditionList.length, 6);
    assert.deepEqual(data.ConditionList[5], { subject: { resource: { id: 'p2' } } });
    // The search goes through a Queryable with a deadline; the references of six Conditions are the one that is counted.
    assert.equal(statements, 1);
  });
});

describe('searches', () => {
  test('a resource by id, and lists', async () => {
    await assertData(ask('{ Patient(id: p1) { id active } }'), { Patient: { id: 'p1', active: true } });
    await assertData(ask('{ ConditionList(patient: "p1", _sort: "-recorded-date", _count: 2) { id } }'), {
      ConditionList: [{ id: 'c05' }, { id: 'c04' }],
    });
    await assertData(ask('{ PatientList(_id: ["p1", "p2", "p3"], _sort: "_id") { id } }'), {
      PatientList: [{ id: 'p1' }, { id: 'p2' }],
    });
    await assertData(ask('{ PatientList(name: "nobody") { id } }'), { PatientList: [] });
    await assertData(ask('{ PatientList(name: "Omega", gender: male) { name @flatten { family @singleton } } }'), {
      PatientList: [{ family: 'Omega' }],
    });
  });

  test('hyphens become underscores, a comma in a value is one, _filter has the rest', async () => {
    await assertData(ask('{ ConditionList(recorded_date: "2020-01-03") { id } }'), { ConditionList: [{ id: 'c03' }] });
    await assertData(ask('{ PatientList(family: "Alpha,Omega") { id } }'), { PatientList: [] });
    await assertData(ask('{ ConditionList(_filter: "subject.name eq Omega") { id } }'), {
      ConditionList: [{ id: 'c06' }],
    });
  });

  test('fhirpath on the matches', () =>
    assertData(ask(`{ ConditionList(fhirpath: "code.text = 'other'") { id } }`), { ConditionList: [{ id: 'c06' }] }));

  test('fhirpath is evaluated on all matches, _count is that of what it leaves', async () => {
    const other = `fhirpath: "code.text = 'other'"`;
    await assertData(ask(`{ ConditionList(${other}, _count: 1, _sort: _id) { id } }`), {
      ConditionList: [{ id: 'c06' }],
    });
    const small = { ...core, limits: { ...core.limits, searchCountMax: 3 } };
    const among = (args: string) => askAt(small, `{ ConditionList(${args}, _sort: _id) { id } }`);
    await assertError(among(`${other}, _count: 1`), 400, 'too-costly', /more than 3 matches/);
    const first = [{ id: 'c01' }, { id: 'c02' }];
    await assertData(among('fhirpath: "code.exists()", _count: 2'), { ConditionList: first });
  });

  test('reverse references of one resource, and of many with one search', async () => {
    await assertData(ofPatient('{ id ConditionList(_reference: patient, _sort: "recorded-date", _count: 2) { id } }'), {
      id: 'p1',
      ConditionList: [{ id: 'c01' }, { id: 'c02' }],
    });
    await assertData(
      ask('{ PatientList(_sort: "-_id") { id list: ConditionList(_reference: patient, _sort: "_id") { id } } }'),
      {
        PatientList: [
          { id: 'p2', list: [{ id: 'c06' }] },
          { id: 'p1', list: ['c01', 'c02', 'c03', 'c04', 'c05'].map((id) => ({ id })) },
        ],
      },
    );
    await assertError(ofPatient('{ ConditionList { id } }'), 400, 'required', /needs _reference/);
    await assertError(ofPatient('{ ConditionList(_reference: encounter) { id } }'), 400, 'value', /not to Patient/);
    await assertError(ofPatient('{ ConditionList(_reference: code) { id } }'), 400, 'value', /no reference parameter/);
  });

  test('of a definition by its canonical URL, of that version', async () => {
    const url = 'http://test.example/Questionnaire/a,b';
    for (const version of ['1', '2']) {
      await put({ resourceType: 'Questionnaire', id: `q${version}`, url, version, status: 'active' });
    }
    for (const [id, questionnaire] of Object.entries({ r0: url, r1: `${url}|1`, r2: `${url}|2` })) {
      await put({ resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire });
    }
    const list = 'QuestionnaireResponseList(_reference: questionnaire, _sort: _id) { id }';
    const ofFirst = [{ id: 'r0' }, { id: 'r1' }];
    const ofSecond = [{ id: 'r0' }, { id: 'r2' }];
    await assertData(ask(`{ ${list} }`, { type: 'Questionnaire', id: 'q1' }), { QuestionnaireResponseList: ofFirst });
    await assertData(ask(`{ QuestionnaireList(_sort: _id) { id ${list} } }`), {
      QuestionnaireList: [
        { id: 'q1', QuestionnaireResponseList: ofFirst },
        { id: 'q2', QuestionnaireResponseList: ofSecond },
      ],
    });
    await assertData(
      ask(`{ ${list.replace('_sort: _id', '_sort: "-_id", _count: 1')} }`, { type: 'Questionnaire', id: 'q1' }),
      {
        QuestionnaireResponseList: [{ id: 'r1' }],
      },
    );
    const page = 'QuestionnaireResponseConnection(_reference: questionnaire, _sort: _id) { edges { resource { id } } }';
    await assertData(ask(`{ ${page} }`, { type: 'Questionnaire', id: 'q2' }), {
      QuestionnaireResponseConnection: { edges: ofSecond.map((resource) => ({ resource })) },
    });
  });

  test('connections: pages forward and back', async () => {
    const fields = '{ count offset pagesize first previous next last edges { mode score resource { id } } }';
    const page = async (args: string) => {
      const { status, json } = await ask(`{ ConditionConnection(${args}) ${fields} }`);
      assert.equal(status, 200, JSON.stringify(json));
      return json.data.ConditionConnection;
    };
    const idsOf = (one: { edges: { mode: string; resource: { id: string } }[] }) =>
      one.edges.map((edge) => edge.resource.id);
    const first = await page('patient: "p1", _sort: "_id", _count: 2');
    assert.deepEqual([first.count, first.offset, first.pagesize, idsOf(first)], [5, 0, 2, ['c01', 'c02']]);
    assert.deepEqual(first.edges[0], { mode: 'match', resource: { id: 'c01' } });
    assert.deepEqual([first.previous, first.last], [undefined, undefined]);
    const second = await page(`_cursor: "${first.next}"`);
    assert.deepEqual([second.offset, idsOf(second)], [2, ['c03', 'c04']]);
    const third = await page(`cursor: "${second.next}"`);
    assert.deepEqual([third.offset, third.next, idsOf(third)], [4, undefined, ['c05']]);
    assert.deepEqual(idsOf(await page(`_cursor: "${third.last}"`)), ['c05']);
    assert.deepEqual(idsOf(await page(`_cursor: "${third.previous}"`)), ['c03', 'c04']);
    assert.deepEqual(idsOf(await page(`_cursor: "${third.first}"`)), ['c01', 'c02']);
    const back = await page(`_cursor: "${(await page(`_cursor: "${third.previous}"`)).previous}"`);
    assert.deepEqual([back.offset, idsOf(back)], [0, ['c01', 'c02']]);
  });

  test('connections within a resource; their cursors are followed at the root', async () => {
    const { json } = await ofPatient(
      '{ ConditionConnection(_reference: subject, _sort: "_id", _count: 4) { count next edges { resource { id } } } }',
    );
    const { count, next, edges } = json.data.ConditionConnection;
    assert.deepEqual([count, edges.length], [5, 4]);
    await assertData(ask(`{ ConditionConnection(_cursor: "${next}") { edges { resource { id } } } }`), {
      ConditionConnection: { edges: [{ resource: { id: 'c05' } }] },
    });
    await assertError(ofPatient(`{ ConditionConnection(_cursor: "${next}") { count } }`), 400, 'value', /at the root/);
    await assertError(
      ask(`{ PatientConnection(_cursor: "${next}") { count } }`),
      400,
      'value',
      /no cursor of a Patient/,
    );
    await assertError(
      ask(`{ ConditionConnection(_cursor: "${next}", code: "x") { count } }`),
      400,
      'value',
      /leave 'code' out/,
    );
    await assertError(ask('{ ConditionConnection(_cursor: "WzFd") { count } }'), 400, 'value', /no cursor/);
  });

  test('a cursor brings no parameters that a query has not', async () => {
    const forged = Buffer.from(JSON.stringify(['Condition', [['_include', 'Condition:subject']], 2, 0, [null], null]));
    await assertError(
      ask(`{ ConditionConnection(_cursor: "${forged.toString('base64url')}") { count } }`),
      400,
      'value',
      /no cursor/,
    );
    const broken = Buffer.from(JSON.stringify(['Condition', [], 2, 0, ['x'], null])).toString('base64url');
    await assertError(ask(`{ ConditionConnection(_cursor: "${broken}") { count } }`), 400, 'value', /cursor/);
  });

  test('at type level only of that type', async () => {
    await assertData(ask('{ Patient(id: "p1") { id } }', { type: 'Patient' }), { Patient: { id: 'p1' } });
    await assertError(ask('{ ConditionList { id } }', { type: 'Patient' }), 400, 'invalid', /is about Patient/);
  });

  test('more matches than a list may have are refused, not cut off', async () => {
    const small = { ...core, limits: { ...core.limits, searchCountMax: 3 } };
    const run = (query: string) => askAt(small, query);
    await assertError(run('{ ConditionList { id } }'), 400, 'too-costly', /more than 3 matches.*ConditionConnection/);
    await assertData(run('{ ConditionList(patient: "p2") { id } }'), { ConditionList: [{ id: 'c06' }] });
    await assertError(run('{ ConditionList(_count: 4) { id } }'), 400, 'too-costly', /more than 3 matches/);
    const three = [{ id: 'c01' }, { id: 'c02' }, { id: 'c03' }];
    await assertData(run('{ ConditionList(_count: 3, _sort: _id) { id } }'), { ConditionList: three });
    await assertError(
      run('{ PatientList { ConditionList(_reference: patient) { id } } }'),
      400,
      'too-costly',
      /more than 3 matches/,
    );
  });
});

test('who may see nothing gets nothing', async () => {
  await assertError(ofPatient('{ id }', { scope: nothing }), 404, 'not-found', /Patient\/p1 is not known/);
  await assertError(ask('{ Patient(id: "p1") { id } }', { scope: nothing }), 404, 'not-found', /is not known/);
  await assertData(
    ask('{ PatientList { id } PatientConnection { count edges { resource { id } } } }', { scope: nothing }),
    {
      PatientList: [],
      PatientConnection: { count: 0, edges: [] },
    },
  );
});
