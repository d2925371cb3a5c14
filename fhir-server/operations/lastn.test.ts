// Observation/$lastn against the rules of https://hl7.org/fhir/R4/observation-operation-lastn.html, and against a plain
// computation over random observations.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { AccessScope, JsonObject, OperationAnswer, Resource } from '#fhir-model';
import { random, testDatabase, testLog } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { storeUpdate } from '../store/store.ts';
import { createNarrowScope, everything, nothing, testCore } from '../testing.ts';
import { invoke } from './invoke.ts';
import { createOperations } from './registry.ts';

let core: Core;

type Code = JsonObject;
const coded = (...codes: string[]): Code => ({
  coding: codes.map((name) => {
    const [system, code] = name.split('|') as [string, string];
    return { ...(system === '' ? {} : { system: `urn:${system}` }), code };
  }),
});

interface Given {
  id: string;
  code: Code;
  time?: string;
  subject?: string;
  category?: string;
  status?: string;
}

const put = ({ id, code, time, subject = 'Patient/p', category = 'lab', status = 'final' }: Given) =>
  storeUpdate(
    core.store,
    {
      resourceType: 'Observation',
      id,
      status,
      code,
      category: [{ coding: [{ system: 'urn:cat', code: category }] }],
      subject: { reference: subject },
      ...(time === undefined ? {} : { effectiveDateTime: time }),
    },
    id,
    undefined,
    everything,
  );

const call = (query: string, scope: AccessScope = everything): Promise<OperationAnswer> =>
  invoke(core, {
    target: { name: 'lastn', type: 'Observation' },
    method: 'GET',
    pairs: [...new URLSearchParams(query)],
    scope,
    strict: true,
  });

async function ids(query: string, scope: AccessScope = everything): Promise<string[]> {
  const bundle = JSON.parse(((await call(query, scope)) as { text: string }).text) as Resource;
  const entries = (bundle.entry ?? []) as unknown as { resource: Resource }[];
  assert.equal(bundle.total, entries.length);
  return entries.map(({ resource }) => resource.id!);
}

before(async () => {
  core = await testCore(await testDatabase());
  core.operations = createOperations(core, { log: testLog() });
  const given: Given[] = [
    { id: 'a1', code: coded('l|a'), time: '2020-01-01' },
    { id: 'a2', code: coded('l|a'), time: '2020-01-02' },
    { id: 'a3', code: coded('l|a'), time: '2020-01-03' },
    { id: 'b1', code: coded('l|b'), time: '2019-06-01T10:00:00Z' },
    { id: 'b2', code: coded('l|b'), time: '2019-06-01T11:00:00Z' },
    { id: 'tie1', code: coded('l|tie'), time: '2018-01-01' },
    { id: 'tie2', code: coded('l|tie'), time: '2018-01-01' },
    { id: 'tie3', code: coded('l|tie'), time: '2018-01-02' },
    // A translation joins them: x of l is y of m.
    { id: 'x1', code: coded('l|x'), time: '2017-01-03' },
    { id: 'xy', code: coded('l|x', 'm|y'), time: '2017-01-02' },
    { id: 'y1', code: coded('m|y'), time: '2017-01-01' },
    // One code of two systems is two codes.
    { id: 'sys1', code: coded('l|same'), time: '2016-01-01' },
    { id: 'sys2', code: coded('m|same'), time: '2016-01-02' },
    { id: 'nosys', code: coded('|same'), time: '2016-01-03' },
    { id: 'text1', code: { text: 'Text' }, time: '2015-01-01' },
    { id: 'text2', code: { text: 'Text' }, time: '2015-01-02' },
    { id: 'text3', code: { text: 't e x t' }, time: '2015-01-01' },
    { id: 'case1', code: coded('l|Case'), time: '2014-01-01' },
    { id: 'case2', code: coded('l|case'), time: '2014-01-02' },
    { id: 'undated1', code: coded('l|u') },
    { id: 'undated2', code: coded('l|u') },
    { id: 'vital', code: coded('l|v'), time: '2020-01-01', category: 'vital' },
    { id: 'wrong', code: coded('l|v'), time: '2020-01-02', category: 'vital', status: 'entered-in-error' },
    { id: 'other', code: coded('l|a'), time: '2021-01-01', subject: 'Patient/q' },
    { id: 'device', code: coded('l|a'), time: '2021-01-01', subject: 'Device/p' },
  ];
  for (const one of given) await put(one);
});

describe('Observation/$lastn', () => {
  test('the latest of each code, the most recent first', async () => {
    assert.deepEqual(await ids('patient=p&category=lab'), [
      ...['a3', 'b2', 'tie3', 'x1', 'nosys', 'sys2', 'sys1', 'text2', 'text3', 'case2', 'undated2'],
    ]);
  });

  test('max, with all of the same time', async () => {
    assert.deepEqual(await ids('patient=p&code=urn:l|a&max=2'), ['a3', 'a2']);
    assert.deepEqual((await ids('patient=p&code=urn:l|tie&max=2')).sort(), ['tie1', 'tie2', 'tie3']);
    assert.deepEqual(await ids('patient=p&code=urn:l|tie&max=1'), ['tie3']);
    assert.deepEqual(await ids('patient=p&code=u&max=1'), ['undated2']);
    assert.deepEqual(await ids('patient=p&code=urn:l|a&max=100'), ['a3', 'a2', 'a1']);
  });

  test('of what the access shows: a later one that it hides takes no place', async () => {
    const given = { code: coded('l|h'), subject: 'Patient/h' };
    await put({ ...given, id: 'h-old', time: '2020-01-01' });
    await put({ ...given, id: 'h-new', time: '2020-01-02' });
    await put({ ...given, id: 'hidden-h', time: '2020-01-03' });
    assert.deepEqual(await ids('patient=h&code=h'), ['hidden-h']);
    assert.deepEqual(await ids('patient=h&code=h', createNarrowScope()), ['h-new']);
    assert.deepEqual(await ids('patient=h&code=h&max=2', createNarrowScope()), ['h-new', 'h-old']);
  });

  test('codes and their translations are one, whatever joins them', async () => {
    assert.deepEqual(await ids('patient=p&code=x,y'), ['x1']);
    assert.deepEqual(await ids('patient=p&code=x,y&max=2'), ['x1', 'xy']);
  });

  test('what has no time comes after what has one, and is no tie', async () => {
    const given: Given[] = [
      { id: 'n-old', code: coded('l|n'), time: '2001-01-01' },
      { id: 'n-new', code: coded('l|n'), time: '2002-01-01' },
      { id: 'n-undated', code: coded('l|n') },
      { id: 't1', code: coded('l|t') },
      { id: 't2', code: coded('l|t', 'm|t') },
      { id: 't3', code: coded('m|t') },
    ];
    for (const one of given) await put({ ...one, subject: 'Patient/n' });
    assert.deepEqual(await ids('patient=n&code=n'), ['n-new']);
    assert.deepEqual(await ids('patient=n&code=n&max=3'), ['n-new', 'n-old', 'n-undated']);
    assert.deepEqual(await ids('patient=n&code=t'), ['t3']);
    assert.deepEqual(await ids('patient=n&code=t&max=2'), ['t3', 't2']);
  });

  test('filters: category, status, date; the subject by either parameter', async () => {
    assert.deepEqual(await ids('subject=Patient/p&category=urn:cat|vital'), ['wrong']);
    assert.deepEqual(await ids('subject=Patient/p&category=vital&status=final'), ['vital']);
    assert.deepEqual(await ids('patient=Patient/p&category=lab&date=lt2015-01-02&max=9'), [
      'text3',
      'text1',
      'case2',
      'case1',
    ]);
    assert.deepEqual(await ids('subject=Device/p&code=a'), ['device']);
    assert.deepEqual(await ids('patient=nobody&category=lab'), []);
    assert.deepEqual(await ids('patient=p&category=lab', nothing), []);
  });

  test('of several subjects the latest of each', async () => {
    assert.deepEqual(await ids('patient=q&code=urn:l|a'), ['other']);
    assert.deepEqual(await ids('patient=p,q&code=urn:l|a'), ['other', 'a3']);
    assert.deepEqual(await ids('subject=Patient/p,Patient/q&code=urn:l|a&max=2'), ['other', 'a3', 'a2']);
    const patient = { resourceType: 'Patient', active: true };
    for (const id of ['p', 'q']) await storeUpdate(core.store, patient, id, undefined, everything);
    assert.deepEqual(await ids('patient.active=true&code=urn:l|a'), ['other', 'a3']);
  });

  test('refusals', async () => {
    const issue = (expression: string[]) => ({ issues: [{ expression }] });
    const rejects = async (query: string, code: string, expression: string[]) => {
      const error = (await call(query).catch((each) => each)) as { code: string; issues: [{ expression: string[] }] };
      assert.equal(error.code, code, query);
      assert.deepEqual({ issues: [{ expression: error.issues[0].expression }] }, issue(expression), query);
    };
    await rejects('category=lab', 'required', ['patient', 'subject']);
    await rejects('patient=p', 'required', ['category', 'code']);
    await rejects('patient=p&status=final', 'required', ['category', 'code']);
    await rejects('subject=p&code=urn:l|a', 'invalid-parameter', ['subject']);
    // These are about every patient, or every code.
    await rejects('patient:missing=false&category=lab', 'required', ['patient', 'subject']);
    await rejects('subject:identifier=urn:mrn|p&category=lab', 'required', ['patient', 'subject']);
    await rejects('patient=p&code:missing=false', 'required', ['category', 'code']);
    await rejects('patient=p&category:missing=false', 'required', ['category', 'code']);
    await rejects('patient=p&category=lab&max=0', 'invalid-parameter', ['max']);
    await rejects('patient=p&category=lab&max=x', 'invalid-parameter', ['max']);
    await rejects('patient=p&category=lab&what=x', 'unknown-parameter', ['what']);
    await rejects('patient=p&category=lab&_include=Observation:subject', 'unsupported', ['_include', '_revinclude']);
  });

  test('_elements and _summary; what it makes no use of is not in the self link', async () => {
    const bundle = async (query: string) =>
      JSON.parse(((await call(query)) as { text: string }).text) as Resource & {
        link: { url: string }[];
        entry?: { resource: Resource }[];
      };
    const part = await bundle('patient=p&code=urn:l|a&_elements=status&_sort=date&_count=5&_total=none');
    const self = `${core.baseUrl}/Observation/$lastn?patient=p&code=urn%3Al%7Ca&_elements=status`;
    assert.deepEqual(part.link, [{ relation: 'self', url: self }]);
    const [{ resource }] = part.entry as [{ resource: Resource }];
    const { meta, ...elements } = resource;
    assert.deepEqual(elements, { resourceType: 'Observation', id: 'a3', status: 'final', code: coded('l|a') });
    assert.deepEqual(
      meta?.tag?.map(({ code }) => code),
      ['SUBSETTED'],
    );
    const count = await bundle('patient=p&code=urn:l|a,urn:l|tie&max=2&_summary=count');
    assert.equal(count.total, 5);
    assert.equal(count.entry, undefined);
  });

  test('self link, and Parameters in place of the URL', async () => {
    const answer = (await call('patient=p&code=urn:l|a&max=2')) as { text: string };
    const { link } = JSON.parse(answer.text) as { link: { relation: string; url: string }[] };
    assert.deepEqual(link, [
      { relation: 'self', url: `${core.baseUrl}/Observation/$lastn?patient=p&code=urn%3Al%7Ca&max=2` },
    ]);
    const posted = await invoke(core, {
      target: { name: 'lastn', type: 'Observation' },
      method: 'POST',
      pairs: [],
      resource: {
        resourceType: 'Parameters',
        parameter: [
          { name: 'max', valuePositiveInt: 2 },
          { name: 'patient', valueString: 'p' },
          { name: 'code', valueString: 'urn:l|a' },
        ],
      },
      scope: everything,
      strict: true,
    });
    assert.deepEqual(JSON.parse((posted as { text: string }).text).entry, JSON.parse(answer.text).entry);
  });
});

/** The rules, plainly: groups by transitive closure, then the latest with ties. */
function expected(given: Given[], max: number): string[] {
  const namesOf = ({ code }: Given): string[] => {
    const codings = (code.coding ?? []) as { system?: string; code: string }[];
    return codings.length > 0 ? codings.map(({ system = '', code: c }) => `${system}|${c}`) : [`text ${code.text}`];
  };
  const groups: { names: Set<string>; members: Given[] }[] = [];
  for (const one of given) {
    const names = namesOf(one);
    const touched = groups.filter((group) => names.some((name) => group.names.has(name)));
    const merged = { names: new Set(names), members: [one] };
    for (const group of touched) {
      for (const name of group.names) merged.names.add(name);
      merged.members.push(...group.members);
      groups.splice(groups.indexOf(group), 1);
    }
    groups.push(merged);
  }
  return groups.flatMap(({ members }) => {
    const sorted = members.toSorted((a, b) => (a.time! < b.time! ? 1 : -1));
    const last = sorted[max - 1]?.time;
    return sorted.filter((one, i) => i < max || one.time === last).map(({ id }) => id);
  });
}

test('random observations: as the rules say', async () => {
  const below = random(20260711);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
  for (let patient = 0; patient < 12; patient++) {
    const subject = `Patient/r${patient}`;
    const names = Array.from({ length: 12 }, (_, i) => `${pick(['l', 'm'])}|${pick(['a', 'b'])}${patient}-${i % 7}`);
    const given = Array.from({ length: 40 }, (_, i): Given => {
      const code =
        below(10) === 0
          ? { text: pick(['t', 'T']) }
          : below(7) === 0
            ? coded(pick(names), pick(names))
            : coded(pick(names));
      return {
        id: `r${patient}-${i}`,
        code,
        subject,
        time: `2020-01-${String(1 + below(20)).padStart(2, '0')}`,
      };
    });
    for (const one of given) await put(one);
    for (const max of [1, 3]) {
      assert.deepEqual((await ids(`patient=r${patient}&category=lab&max=${max}`)).sort(), expected(given, max).sort());
    }
  }
});
