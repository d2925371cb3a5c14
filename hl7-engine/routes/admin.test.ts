// Routes as operators change them, and as every server of a database follows.
import assert from 'node:assert/strict';
import { before, describe, it, type TestContext } from 'node:test';
import type { Db } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import type { Difference } from './diff.ts';
import type { RoutesOptions } from './routes.ts';
import { by, type Call, callerOf, openRoutes, put, route, taken } from './testing.ts';

let db: Db;
before(async () => {
  db = await testDatabase();
});
const open = (options: Partial<RoutesOptions> = {}) => openRoutes(db, options);

/** Takes a test's routes out of force, for the next one. */
function clean(t: TestContext, call: Call, ...ids: string[]): void {
  t.after(async () => {
    for (const id of ids) await call('DELETE', `/${id}?author=test`, { ifMatch: '*' });
  });
}

describe('an operator', () => {
  it('creates, changes, compares and takes back', async (t) => {
    const registry = open();
    const call = callerOf(registry);
    clean(t, call, 'lab');
    assert.deepEqual(await put(call, route('lab')), {
      status: 201,
      body: { id: 'lab', version: 1, inForceVersion: 1 },
    });
    assert.equal(taken(registry), 'lab 1');
    const match = { all: [{ path: 'MSH-3', equals: 'LAB' }] };
    const second = route('lab', { priority: 7, match });
    assert.deepEqual(await put(call, second, '"1"'), {
      status: 200,
      body: { id: 'lab', version: 2, inForceVersion: 2 },
    });
    assert.equal(taken(registry), 'lab 2');
    const diff = await call('GET', '/lab/diff');
    assert.deepEqual(diff.body.differences, [
      { op: 'add', path: '/priority', value: 7 },
      { op: 'add', path: '/match', value: match },
    ]);
    const rollback = await call('POST', '/lab/rollback', {
      body: { version: 1, author: 'other', comment: 'worse' },
      ifMatch: '2',
    });
    assert.deepEqual(rollback, { status: 200, body: { id: 'lab', version: 3, inForceVersion: 3 } });
    assert.deepEqual((await call('GET', '/lab/diff?from=1&to=3')).body.differences as Difference[], []);
    const versions = (await call('GET', '/lab/versions')).body.versions as Record<string, unknown>[];
    assert.deepEqual(
      versions.map(({ version, author, comment, action, origin }) => [version, author, comment, action, origin]),
      [
        [3, 'other', 'worse', 'rollback', 'api'],
        [2, 'operator', 'because', 'put', 'api'],
        [1, 'operator', 'because', 'put', 'api'],
      ],
    );
    assert.deepEqual((await call('GET', '/lab/versions?before=2&limit=1')).body.versions, [versions[2]]);
    assert.deepEqual((await call('GET', '/lab/versions/2')).body.route, second);
    assert.deepEqual((await call('GET', '/lab')).body.route, route('lab'));
  });

  it('changes only the version that he has seen', async (t) => {
    const registry = open();
    const call = callerOf(registry);
    clean(t, call, 'seen');
    await put(call, route('seen'));
    assert.deepEqual(await put(call, route('seen', { priority: 1 })), {
      status: 400,
      body: { error: 'The route is there: name the version that you change, If-Match: "1"', code: 'required' },
    });
    assert.deepEqual(await put(call, route('seen', { priority: 1 }), '"4"'), {
      status: 412,
      body: {
        error: 'Route seen: version 4 was meant, but its version is 1; read it and change that version',
        code: 'precondition-failed',
      },
    });
    assert.equal((await put(call, route('seen', { priority: 1 }), 'x')).status, 400);
    assert.equal((await put(call, route('never'), '"1"')).status, 412);
    assert.equal((await put(call, route('seen', { priority: 1 }), 'W/"1"')).status, 200);
    assert.equal((await put(call, route('seen', { priority: 2 }), '*')).status, 200);
    // The same again is no version.
    assert.deepEqual((await put(call, route('seen', { priority: 2 }), '"3"')).body, {
      id: 'seen',
      version: 3,
      inForceVersion: 3,
    });
  });

  it('of sixteen who change one version at the same moment is one', async (t) => {
    const registry = open();
    const call = callerOf(registry);
    clean(t, call, 'race', 'first');
    await put(call, route('race'));
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, index) => put(call, route('race', { priority: index + 1 }), '"1"')),
    );
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, ...new Array<number>(15).fill(412)]);
    const creations = await Promise.all(Array.from({ length: 8 }, () => put(call, route('first'))));
    // One that comes later is told that the route is there: 400.
    const others = creations.filter(({ status }) => status !== 201);
    assert.equal(others.length, 7);
    for (const { status } of others) assert.match(String(status), /^4(?:00|12)$/);
    assert.equal(((await call('GET', '/first/versions')).body.versions as unknown[]).length, 1);
    assert.equal(((await call('GET', '/race/versions')).body.versions as unknown[]).length, 2);
  });

  it('disables, enables and deletes; the versions stay', async () => {
    const registry = open();
    const call = callerOf(registry);
    await put(call, route('gone'));
    assert.deepEqual((await call('POST', '/gone/disable', { body: by })).body, {
      id: 'gone',
      version: 2,
      inForceVersion: 2,
    });
    assert.equal(taken(registry), 'default 0');
    assert.equal((await call('POST', '/gone/disable', { body: by })).body.version, 2);
    await call('POST', '/gone/enable', { body: by });
    assert.equal(taken(registry), 'gone 3');
    assert.equal((await call('DELETE', '/gone?author=operator')).status, 400);
    assert.equal((await call('DELETE', '/gone', { ifMatch: '3' })).status, 400);
    assert.deepEqual(await call('DELETE', '/gone?author=operator&comment=old', { ifMatch: '3' }), {
      status: 200,
      body: { id: 'gone', version: 4, inForceVersion: null },
    });
    assert.equal(taken(registry), 'default 0');
    assert.equal((await call('GET', '/gone')).status, 404);
    assert.equal((await call('DELETE', '/gone?author=operator', { ifMatch: '4' })).status, 404);
    assert.equal(((await call('GET', '/gone/versions')).body.versions as unknown[]).length, 4);
    assert.equal((await call('POST', '/gone/rollback', { body: { version: 4, ...by } })).status, 400);
    assert.equal((await call('POST', '/gone/rollback', { body: { version: 3, ...by } })).status, 200);
    assert.equal(taken(registry), 'gone 5');
    await call('DELETE', '/gone?author=operator', { ifMatch: '*' });
    await assert.rejects(db.query({ text: 'delete from hl7_route_version' }), /versions of HL7 routes are kept/);
    await assert.rejects(
      db.query({ text: "update hl7_route_version set author = 'x'" }),
      /versions of HL7 routes are kept/,
    );
  });

  it('replaces and disables the built-in route', async (t) => {
    const registry = open();
    const call = callerOf(registry);
    clean(t, call, 'default');
    assert.deepEqual((await call('GET', '')).body.routes, [
      {
        id: 'default',
        version: 0,
        name: 'Everything into the FHIR store',
        enabled: true,
        priority: -1000,
        origin: 'built-in',
        inForceVersion: 0,
      },
    ]);
    assert.equal((await call('GET', '/default')).body.origin, 'built-in');
    assert.deepEqual((await call('POST', '/default/disable', { body: by })).body, {
      id: 'default',
      version: 1,
      inForceVersion: 1,
    });
    assert.throws(() => taken(registry), /No route takes this message/);
    await call('DELETE', '/default?author=operator', { ifMatch: '1' });
    assert.equal(taken(registry), 'default 0');
  });

  it('is told what is wrong, where and what to do', async () => {
    const call = callerOf(open());
    const problems = async (input: unknown) =>
      (await call('PUT', '/bad', { body: { route: input, ...by } })).body.problems;
    const cases: [unknown, [string, RegExp][]][] = [
      [{ name: 'x' }, [['id', /expected string/]]],
      [route('other'), [['id', /the route is other, the address says bad/]]],
      [route('schema'), [['id', /not one of schema, dry-run/]]],
      [route('bad', { prio: 1 }), [['', /Unrecognized key: "prio"/]]],
      [route('bad', { priority: 5000 }), [['priority', /<=1000/]]],
      [route('bad', { match: { path: 'PID3', equals: 'x' } }), [['match.path', /not a path: a path is like MSH-9\.1/]]],
      [
        route('bad', { match: { any: [{ path: 'PID-3' }] } }),
        [['match.any[0]', /give it one of equals, in, matches, exists, isNull/]],
      ],
      [route('bad', { match: {} }), [['match', /exactly one of path, all, any, not/]]],
      [route('bad', { match: { path: 'PID-3', matches: '(a)\\1' } }), [['match.matches', /a reference to a group/]]],
      [route('bad', { match: { not: { equals: 'x' } } }), [['match.not', /exactly one of path, all, any, not/]]],
      [
        route('bad', { filter: [{ when: { path: 'PID-3', exists: true } }] }),
        [['filter[0].reason', /expected string/]],
      ],
      [route('bad', { transform: [{ op: 'move', path: 'PID-3' }] }), [['transform[0].op', /'set' \| 'copy'/]]],
      [
        route('bad', { transform: [{ op: 'set', path: 'PID', value: 'x' }] }),
        [['transform[0].path', /name the field, as in PID-3/]],
      ],
      [
        route('bad', { transform: [{ op: 'set', path: 'MSH-2', value: 'x' }] }),
        [['transform[0].path', /are the delimiters/]],
      ],
      [
        route('bad', { transform: [{ op: 'map', path: 'PID-8', codeMap: 'sex' }] }),
        [['transform[0].codeMap', /no such code map; codeMaps has none/]],
      ],
      [route('bad', { mapping: { timeZone: 'Mars/Base' } }), [['mapping.timeZone', /IANA time zone/]]],
      [route('bad', { destinations: [{ kind: 'fhir' }, { kind: 'fhir' }] }), [['destinations[1]', /named once/]]],
      [
        route('bad', { validation: { structure: 'strict' } }),
        [['validation', /does not validate messages: leave it out/]],
      ],
      [null, [['', /expected object/]]],
      [JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`), [['', /nested deeper than 40 levels/]]],
    ];
    for (const [input, expected] of cases) {
      const found = (await problems(input)) as { path: string; problem: string }[];
      assert.equal(found.length, expected.length, JSON.stringify(found));
      for (const [index, [where, what]] of expected.entries()) {
        assert.equal(found[index]!.path, where);
        assert.match(found[index]!.problem, what);
      }
    }
    assert.equal((await call('PUT', '/bad', { body: '{' })).body.code, 'invalid-json');
    for (const author of [' ', undefined]) {
      const { body } = await call('PUT', '/bad', { body: { route: route('bad'), author } });
      assert.equal(body.error, 'author: who makes the change');
    }
    assert.equal((await call('GET', '/bad')).status, 404);
    for (const address of ['/bad', '/bad/versions', '/bad/diff', '/bad/versions/1', '/bad/versions/x']) {
      assert.match(String((await call('GET', address)).status), /^40[04]$/, address);
    }
    assert.equal((await call('POST', '/bad/enable', { body: by })).status, 404);
  });

  it('gets the JSON Schema of a route', async () => {
    const { body } = await callerOf(open())('GET', '/schema');
    const properties = body.properties as Record<string, unknown>;
    assert.deepEqual(body.required, ['id', 'name']);
    for (const name of ['source', 'match', 'filter', 'transform', 'mapping', 'destinations', 'ack', 'onError']) {
      assert.ok(name in properties, name);
    }
  });
});

describe('a queue', () => {
  it('is one of the destinations that are configured', async (t) => {
    const names: string[] = ['mirror'];
    const call = callerOf(open({ destinations: () => names }));
    clean(t, call, 'sends');
    const destinations = [
      { kind: 'queue', name: 'mirror' },
      { kind: 'queue', name: 'archive' },
    ];
    assert.deepEqual((await put(call, { ...route('sends', { destinations }) })).body.problems, [
      {
        path: 'destinations[1].name',
        problem: 'no such destination; HL7_DESTINATIONS has mirror: add it there first',
      },
    ]);
    names.push('archive');
    assert.equal((await put(call, { ...route('sends', { destinations }) })).status, 201);
  });
});

describe('servers of one database', () => {
  it('follow each other’s changes', async (t) => {
    const [here, there] = [open(), open({ pollIntervalMs: 5 })];
    const call = callerOf(here);
    clean(t, call, 'shared');
    await there.start();
    t.after(() => there.stop());
    await put(call, route('shared'));
    await waitFor(() => taken(there) === 'shared 1', 'the other server to follow');
    await call('POST', '/shared/disable', { body: by });
    await waitFor(() => taken(there) === 'default 0', 'the other server to follow');
  });

  it('keep a version that works when a later server’s is none for them, and say so', async (t) => {
    const [here, later] = [open(), open({ validate: () => [] })];
    const call = callerOf(here);
    clean(t, call, 'newer');
    await put(call, route('newer'));
    assert.equal(
      (await put(callerOf(later), route('newer', { validation: { structure: 'strict' } }), '1')).status,
      200,
    );
    await here.refresh();
    assert.equal(taken(here), 'newer 1');
    const [listed] = (await call('GET', '')).body.routes as Record<string, unknown>[];
    assert.deepEqual([listed!.version, listed!.inForceVersion], [2, 1]);
    assert.match(String(listed!.problem), /^validation: this server does not validate/);
    assert.equal(taken(later), 'newer 2');
  });
});
