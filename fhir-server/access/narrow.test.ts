// A scope that hides some resources: nothing of them is shown, by no way to a page, and nothing else is lost for it.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { AccessScope, Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase, testLog } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search, searchPairs } from '../interactions/search.ts';
import { transaction } from '../interactions/transaction.ts';
import { invoke } from '../operations/invoke.ts';
import { createOperations } from '../operations/registry.ts';
import { createWriter } from '../ports.ts';
import { storeDelete, storeUpdate } from '../store/store.ts';
import { assertStoreSound, createNarrowScope, everything, testCore } from '../testing.ts';

const narrow = createNarrowScope();
/** More than a walk looks at: some are hidden between the visible ones, and all of the newest are. */
const HIDDEN = 1200;

let db: Db;
let core: Core;

type Stored = Resource & { id: string };
const ref = (reference: string) => ({ reference });
const patient = (id: string, more: object = {}): Stored => ({
  resourceType: 'Patient',
  id,
  birthDate: '2000',
  ...more,
});
const observation = (id: string, subject: string, more: object = {}): Stored => ({
  ...{ resourceType: 'Observation', id, status: 'final', code: { coding: [{ code: 'c' }] } },
  ...{ subject: ref(subject), effectiveDateTime: '2024-01-01', ...more },
});

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
  core.operations = createOperations(core, { log: testLog(), expunge: true });
  const organizations = ['open', 'shared', 'secret'].map((id): Stored => ({ resourceType: 'Organization', id }));
  const some: Stored[] = [
    ...organizations,
    patient('p', { managingOrganization: ref('Organization/open'), name: [{ family: 'Seen' }] }),
    patient('hidden-p', { managingOrganization: ref('Organization/secret'), name: [{ family: 'Unseen' }] }),
    observation('o1', 'Patient/p'),
    observation('hidden-o', 'Patient/p', { performer: [ref('Organization/secret')] }),
    observation('o2', 'Patient/p', { performer: [ref('Organization/shared')], effectiveDateTime: '2024-01-02' }),
    observation('o3', 'Patient/hidden-p'),
    {
      ...{ resourceType: 'List', id: 'hidden-l', status: 'current', mode: 'working' },
      entry: [{ item: ref('Observation/o1') }],
    },
  ];
  const hidden = Array.from({ length: HIDDEN }, (_, i) => observation(`hidden-${i}`, 'Patient/p'));
  for (const group of [some, hidden]) await createWriter(core).createIfAbsent(group, { scope: everything });
});

async function pages(type: string, text: string, scope: AccessScope, count: number): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const more = `&_count=${count}${cursor === undefined ? '' : `&_cursor=${cursor}`}`;
    const page = await search(core, parseQuery(core, type, searchPairs(text + more), true), { scope, db });
    found.push(...[...page.resources, ...page.included].map((one) => `${one.type}/${one.id}`));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found;
}

const isShown = (name: string) => !/\/hidden/.test(name);

describe('searches', () => {
  const searches: [type: string, text: string][] = [
    ['Observation', ''],
    ['Observation', '_sort=_lastUpdated'],
    ['Observation', '_sort=-_lastUpdated'],
    ['Observation', '_sort=date'],
    ['Observation', '_sort=-date,status'],
    ['Observation', '_sort=-_id'],
    ['Observation', '_sort=status'],
    ['Observation', 'code=c'],
    ['Observation', 'code=c&_sort=date'],
    ['Observation', 'subject=Patient/p'],
    ['Observation', 'subject=p'],
    ['Observation', 'patient=p&_sort=-date'],
    ['Observation', 'date=2024'],
    ['Observation', 'performer:missing=true'],
    ['Observation', '_content=final'],
    ['Observation', 'performer=Organization/secret'],
    ['Observation', '_include=Observation:subject'],
    ['Organization', '_sort=_id'],
  ];
  for (const [type, text] of searches) {
    test(`${type}?${text}`, async () => {
      const wanted = (await pages(type, text, everything, 1000)).filter(isShown);
      // Of several pages each includes what it refers to.
      const isOnce = !text.includes('include');
      for (const count of isOnce ? [1, 2, 3, 1000] : [1000]) {
        const found = await pages(type, text, narrow, count);
        assert.deepEqual(isOnce ? found : [...new Set(found)].sort(), isOnce ? wanted : [...new Set(wanted)].sort());
      }
      const total = `${text}&_count=1&_total=accurate`;
      const counted = await search(core, parseQuery(core, type, searchPairs(total), true), { scope: narrow, db });
      const visible = wanted.filter((name) => name.startsWith(`${type}/`)).length;
      assert.equal(counted.total, visible);
      const expected = parseQuery(core, type, searchPairs(`${text}&_count=1&_total=estimate`), true);
      assert.equal((await search(core, expected, { scope: narrow, db })).total, visible);
    });
  }

  const across: [type: string, text: string, wanted: string[]][] = [
    ['Observation', 'subject:Patient.name=unseen', []],
    ['Observation', 'patient.organization=Organization/secret', []],
    ['Patient', '_has:Observation:subject:performer=Organization/secret', []],
    ['Organization', '_has:Observation:performer:status=final', ['Organization/shared']],
    ['Organization', '_has:Patient:organization:_has:Observation:patient:status=final', ['Organization/open']],
    ['Observation', '_list=hidden-l', []],
    ['Patient', '_revinclude=Observation:subject', ['Patient/p', 'Observation/o2', 'Observation/o1']],
    ['Observation', '_filter=patient.name eq "Unseen"', []],
  ];
  for (const [type, text, wanted] of across) {
    test(`${type}?${text} looks at nothing hidden`, async () => {
      assert.notDeepEqual(await pages(type, text, everything, 1000), wanted, 'everything finds more');
      assert.deepEqual(await pages(type, text, narrow, 1000), wanted);
    });
  }
});

describe('Patient/$everything', () => {
  async function record(place: { type: string; id?: string }, pairs: [string, string][]): Promise<string[]> {
    const answer = await invoke(core, {
      ...{ target: { name: 'everything', ...place }, method: 'GET', pairs, scope: narrow, strict: true },
    });
    const text = 'text' in answer && typeof answer.text === 'string' ? answer.text : JSON.stringify(answer);
    return [...text.matchAll(/"fullUrl":"[^"]*\/(\w+\/[\w-]+)"/g)].map(([, name]) => name!).sort();
  }
  const shown = ['Observation/o1', 'Observation/o2', 'Organization/open', 'Organization/shared', 'Patient/p'];

  test('of all patients: not what only hidden members refer to', async () => {
    assert.deepEqual(await record({ type: 'Patient' }, []), shown);
  });
  test('of one patient, with and without _since', async () => {
    assert.deepEqual(await record({ type: 'Patient', id: 'p' }, []), shown);
    assert.deepEqual(await record({ type: 'Patient', id: 'p' }, [['_since', '2000-01-01T00:00:00Z']]), shown);
    await assert.rejects(record({ type: 'Patient', id: 'hidden-p' }, []), { code: 'not-found' });
  });
  test('of one patient in pages: a hidden member ends none', async () => {
    const page = async (...pairs: [string, string][]) => {
      const target = { name: 'everything', type: 'Patient', id: 'p' };
      const answer = await invoke(core, { target, method: 'GET', pairs, scope: narrow, strict: true });
      return JSON.parse((answer as { text: string }).text) as {
        link: { relation: string; url: string }[];
        entry: { resource: Resource; search: { mode: string } }[];
      };
    };
    const matches = ({ entry }: Awaited<ReturnType<typeof page>>) =>
      entry.flatMap(({ resource, search: { mode } }) => (mode === 'match' ? resource.id : []));
    // Between the first member that is shown and the second lies one that is not.
    const first = await page(['_count', '1']);
    assert.deepEqual(matches(first), ['p', 'o1']);
    const next = first.link.find(({ relation }) => relation === 'next')!;
    const rest = await page(['_cursor', new URL(next.url).searchParams.get('_cursor')!]);
    assert.deepEqual(matches(rest), ['o2']);
  });
});

test('Patient/$merge?preview tells nothing of what is hidden', async () => {
  const parameter = [
    { name: 'source-patient', valueReference: ref('Patient/p') },
    { name: 'target-patient', valueReference: ref('Patient/shown') },
    { name: 'preview', valueBoolean: true },
  ];
  await storeUpdate(core.store, patient('shown'), 'shown', undefined, everything);
  const resource = { resourceType: 'Parameters', parameter } as Resource;
  const ask = (scope: AccessScope) =>
    invoke(core, {
      ...{ target: { name: 'merge', type: 'Patient' }, method: 'POST', pairs: [], resource, scope, strict: true },
    });
  assert.match(JSON.stringify(await ask(everything)), /the references of 12\d\d resources/);
  await assert.rejects(ask(narrow), { code: 'forbidden', status: 403 });
  await storeDelete(core.store, 'Patient', 'shown', undefined, everything);
});

describe('the id of a hidden resource', () => {
  const forbidden = { code: 'forbidden', status: 403, message: 'This access does not allow changing Patient/hidden-p' };
  test('is none that anybody can create under: PUT says so at once', async () => {
    await assert.rejects(storeUpdate(core.store, patient('hidden-p'), 'hidden-p', undefined, narrow), forbidden);
  });
  test('nor in a transaction', async () => {
    const put = { method: 'PUT' as const, url: 'Patient/hidden-p', resource: patient('hidden-p') };
    const post = { method: 'POST' as const, url: 'Patient', resource: { resourceType: 'Patient' } };
    await assert.rejects(transaction(core, [post, put], { scope: narrow }), forbidden);
    assert.equal((await pages('Patient', '', everything, 10)).length, 2);
  });
  test('is not known when it is deleted', async () => {
    const { op } = await storeDelete(core.store, 'Patient', 'hidden-p', undefined, narrow);
    assert.equal(op, 'none');
    assert.ok((await pages('Patient', '', everything, 10)).includes('Patient/hidden-p'));
  });
  test('new ids are written as ever', async () => {
    const stored = await storeUpdate(core.store, patient('new'), 'new', undefined, narrow);
    assert.equal(stored.version, 1);
    const again = await storeUpdate(core.store, patient('new', { active: true }), 'new', 1, narrow);
    assert.equal(again.version, 2);
    await assertStoreSound(core.store);
  });
});
