// History over HTTP: https://hl7.org/fhir/R4/http.html#history
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertOutcome, createWith, entries, linkOf, putWith, type Reply } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests();

const patient = (family: string) => ({ resourceType: 'Patient', active: true, name: [{ family }] });

const create = (resource: object) => createWith(fhir, resource);
const put = (path: string, resource: object, headers?: Record<string, string>) =>
  putWith(fhir, path, resource, headers);

describe('history', () => {
  const versionsOf = (reply: Reply) => entries(reply).map((entry) => Number(/\d+/.exec(entry.response!.etag!)![0]));

  test('tells of each version how it came about', async () => {
    await put('Patient/hist', patient('H1'));
    await put('Patient/hist', patient('H2'));
    await fhir('DELETE', 'Patient/hist');
    await put('Patient/hist', patient('H4'));
    const reply = await fhir('GET', 'Patient/hist/_history');
    assert.deepEqual([reply.json.type, reply.json.total], ['history', 4]);
    const told = entries(reply).map(({ request, response, resource }) => [
      request!.method,
      request!.url,
      response!.status,
      response!.etag,
      response!.location,
      resource?.meta?.versionId,
    ]);
    assert.deepEqual(told, [
      ['PUT', 'Patient/hist', '201 Created', 'W/"4"', 'Patient/hist/_history/4', '4'],
      ['DELETE', 'Patient/hist', '204 No Content', 'W/"3"', undefined, undefined],
      ['PUT', 'Patient/hist', '200 OK', 'W/"2"', 'Patient/hist/_history/2', '2'],
      ['PUT', 'Patient/hist', '201 Created', 'W/"1"', 'Patient/hist/_history/1', '1'],
    ]);
    for (const entry of entries(reply)) assert.equal(entry.fullUrl, `${fhir.base}/Patient/hist`);
    const { resourceType: _type, ...bundle } = reply.json;
    const stored = await fhir('POST', 'Bundle', { resourceType: 'Bundle', ...bundle });
    assert.equal(stored.status, 201, stored.text.slice(0, 300));
  });

  test('a version 1 came by POST where the id is one that this server made then, else by PUT', async () => {
    const posted = await create(patient('Posted'));
    const made = `Patient/${(await fhir('PUT', 'Patient?family=none-such', patient('Made'))).json.id}`;
    // An id of another server of this kind, from 2022
    const copied = 'Patient/017f22e2-79b0-7cc3-98c4-dc0c0c07398f';
    await put(copied, patient('Copied'));
    const told = async (path: string) => {
      const [{ request, response } = {}] = entries(await fhir('GET', `${path}/_history`));
      return [request!.method, request!.url, response!.status];
    };
    assert.deepEqual(await told(posted), ['POST', 'Patient', '201 Created']);
    assert.deepEqual(await told(made), ['POST', 'Patient', '201 Created']);
    assert.deepEqual(await told(copied), ['PUT', copied, '201 Created']);
  });

  test('pages both ways, whatever is written meanwhile', async () => {
    const path = await create(patient('Page'));
    for (let i = 2; i <= 7; i++) await put(path, patient(`Page${i}`));
    const first = await fhir('GET', `${path}/_history?_count=3`);
    assert.deepEqual([versionsOf(first), first.json.total, linkOf(first, 'previous')], [[7, 6, 5], 7, undefined]);
    await put(path, patient('Page8'));
    const second = await fhir('GET', linkOf(first, 'next')!);
    assert.deepEqual(versionsOf(second), [4, 3, 2]);
    await fhir('DELETE', path);
    const third = await fhir('GET', linkOf(second, 'next')!);
    assert.deepEqual([versionsOf(third), linkOf(third, 'next'), third.json.total], [[1], undefined, 9]);
    const back = await fhir('GET', linkOf(third, 'previous')!);
    assert.deepEqual(versionsOf(back), [4, 3, 2]);
    const further = await fhir('GET', linkOf(back, 'previous')!);
    assert.deepEqual(versionsOf(further), [7, 6, 5]);
    const newest = await fhir('GET', linkOf(further, 'previous')!);
    assert.deepEqual([versionsOf(newest), linkOf(newest, 'previous')], [[9, 8], undefined]);
    assert.deepEqual(versionsOf(await fhir('GET', linkOf(newest, 'next')!)), [7, 6, 5]);
    assert.deepEqual(versionsOf(await fhir('GET', linkOf(newest, 'first')!)), [9, 8, 7]);
  });

  test('of a type pages through all of it once, both ways', async () => {
    for (let i = 0; i < 5; i++) {
      const path = await create({ resourceType: 'Basic', code: { text: String(i) } });
      if (i % 2 === 0) await put(path, { resourceType: 'Basic', code: { text: `${i}b` } });
    }
    const whole = entries(await fhir('GET', 'Basic/_history?_count=100')).map((entry) => entry.response!.location);
    assert.equal(whole.length, 8);
    const walk = async (from: Reply, relation: string) => {
      const pages: (string | undefined)[][] = [];
      for (let reply: Reply | undefined = from; reply; ) {
        pages.push(entries(reply).map((entry) => entry.response!.location));
        const url = linkOf(reply, relation);
        if (url === undefined) return { pages, last: reply };
        reply = await fhir('GET', url);
      }
      throw new Error('no page');
    };
    const { pages, last } = await walk(await fhir('GET', 'Basic/_history?_count=3'), 'next');
    assert.deepEqual(pages.flat(), whole);
    const back = await walk(last, 'previous');
    assert.deepEqual(back.pages.toReversed().flat(), whole);
  });

  test('_since is inclusive; _at has what was current then', async () => {
    const path = await create({ resourceType: 'Basic', code: { text: 'at1' } });
    const times: string[] = [(await fhir('GET', path)).json.meta!.lastUpdated!];
    for (let i = 2; i <= 3; i++) {
      const before = Date.parse(times.at(-1)!);
      while (Date.now() <= before + 1) await new Promise((resolve) => setImmediate(resolve));
      times.push((await put(path, { resourceType: 'Basic', code: { text: `at${i}` } })).json.meta!.lastUpdated!);
    }
    const last = Date.parse(times.at(-1)!);
    while (Date.now() <= last + 1) await new Promise((resolve) => setImmediate(resolve));
    await fhir('DELETE', path);
    const asked = async (query: string) => versionsOf(await fhir('GET', `${path}/_history?${query}`));
    const instant = (ms: number) => new Date(ms).toISOString();
    assert.deepEqual(await asked(`_since=${times[1]}`), [4, 3, 2]);
    assert.deepEqual(await asked(`_since=${encodeURIComponent(times[1]!.replace('Z', '+00:00'))}`), [4, 3, 2]);
    assert.deepEqual(await asked(`_at=${times[0]}`), [1]);
    assert.deepEqual(await asked(`_at=${times[1]}`), [2]);
    assert.deepEqual(await asked(`_at=${instant(Date.parse(times[1]!) - 1)}`), [1]);
    assert.deepEqual(await asked(`_at=${instant(Date.parse(times[0]!) - 1)}`), []);
    assert.deepEqual(await asked(`_at=ge${times[1]}`), [3, 2]);
    assert.deepEqual(await asked(`_at=lt${times[1]}`), [1]);
    assert.deepEqual(await asked('_at=2999'), []);
    assert.deepEqual(await asked(`_at=${times[0]!.slice(0, 4)}`), [3, 2, 1]);
    const ofType = await fhir('GET', `Basic/_history?_at=${times[1]}&_count=100`);
    const mine = entries(ofType).filter((entry) => entry.resource?.id === path.split('/')[1]);
    assert.deepEqual(
      mine.map((entry) => entry.response!.etag),
      ['W/"2"'],
    );
  });

  test('_list has what a List refers to', async () => {
    const [a, b] = [await create(patient('La')), await create(patient('Lb'))];
    const basic = await create({ resourceType: 'Basic', code: { text: 'l' } });
    await put(a, patient('La2'));
    const entry = [a, basic, 'https://elsewhere.example/Patient/x', 'Patient/unknown'].map((reference) => ({
      item: { reference },
    }));
    const list = await create({ resourceType: 'List', status: 'current', mode: 'working', entry });
    const locations = async (path: string) => entries(await fhir('GET', path)).map((one) => one.response!.location!);
    const id = list.split('/')[1]!;
    assert.deepEqual(await locations(`Patient/_history?_list=${id}`), [`${a}/_history/2`, `${a}/_history/1`]);
    assert.deepEqual(await locations(`_history?_list=List/${id}`), [
      `${a}/_history/2`,
      `${basic}/_history/1`,
      `${a}/_history/1`,
    ]);
    assert.deepEqual(await locations(`${b}/_history?_list=${id}`), []);
    const changes = [{ item: { reference: b } }, { deleted: true, item: { reference: a } }];
    const changed = await create({ resourceType: 'List', status: 'current', mode: 'changes', entry: changes });
    assert.deepEqual(await locations(`Patient/_history?_list=${changed.split('/')[1]}`), [`${b}/_history/1`]);
    await fhir('DELETE', changed);
    assertOutcome(await fhir('GET', `Patient/_history?_list=${changed.split('/')[1]}`), 400, 'value', '_list');
    assertOutcome(await fhir('GET', 'Patient/_history?_list=none'), 400, 'value', '_list');
    assertOutcome(await fhir('GET', 'Patient/_history?_list=$current-problems'), 400, 'value', '_list');
  });

  test('_count=0 and _summary=count only count', async () => {
    const path = await create(patient('Count'));
    await put(path, patient('Count2'));
    for (const query of ['_count=0', '_summary=count']) {
      const reply = await fhir('GET', `${path}/_history?${query}`);
      assert.deepEqual([reply.json.total, reply.json.entry], [2, undefined]);
    }
    const all = await fhir('GET', 'Patient/_history?_count=0');
    assert.ok(Number(all.json.total) > 10);
  });

  test('refuses parameters that are wrong or stand twice, and ids that never were', async () => {
    assertOutcome(await fhir('GET', 'Patient/_history?_since=yesterday'), 400, 'value', '_since');
    assertOutcome(await fhir('GET', 'Patient/_history?_at=xx2020'), 400, 'value', '_at');
    assertOutcome(await fhir('GET', 'Patient/_history?_count=-1'), 400, 'value', '_count');
    assertOutcome(await fhir('GET', 'Patient/_history?_count=1&_count=2'), 400, 'value', '_count');
    assertOutcome(await fhir('GET', 'Patient/_history?_cursor=x'), 400, 'value', '_cursor');
    assertOutcome(await fhir('GET', 'Patient/never/_history'), 404, 'not-found');
    assertOutcome(await fhir('GET', 'Patient/never/_history?_since=2020'), 404, 'not-found');
    const huge = await fhir('GET', 'Patient/_history?_count=999999999&_since=0001&_at=le9999');
    assert.equal(huge.status, 200);
  });
});
