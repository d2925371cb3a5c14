// _contained and _containedType: https://hl7.org/fhir/R4/search.html#contained
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { put } from './bundle-entries.ts';
import { assertOutcome, type Client, createClient, entries, linkOf, type Reply } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;

const medication = (id: string, code: string, form: string, amount: string) => ({
  ...{ resourceType: 'Medication', id, code: { coding: [{ system: 'http://c', code }] } },
  form: { coding: [{ code: form }] },
  amount: { numerator: { value: JSON.parse(amount), unit: 'mg' } },
});
const request = (id: string, contained: unknown[], more: Record<string, unknown> = {}) =>
  put('MedicationRequest', id, {
    ...{ status: 'active', intent: 'order', subject: { reference: 'Patient/1' }, contained },
    medicationReference: { reference: '#m1' },
    ...more,
  });

before(async () => {
  server = await startTestServer();
  fhir = createClient(server.fhirBaseUrl);
  const entry = [
    put('Medication', 'plain', { code: { coding: [{ system: 'http://c', code: 'abc' }] } }),
    request('r1', [medication('m1', 'abc', 'pill', '1')]),
    request('r2', [medication('m1', 'abc', 'syrup', '1'), medication('m2', 'xyz', 'pill', '1')]),
    request('r3', [medication('m1', 'other', 'pill', '1'), { resourceType: 'Organization', id: 'o', name: 'abc' }]),
    request('r4', []),
    put('MedicationDispense', 'd1', {
      ...{
        status: 'completed',
        contained: [medication('m1', 'abc', 'pill', '1'), medication('m2', 'abc', 'drops', '1')],
      },
      medicationReference: { reference: '#m1' },
    }),
  ].map(
    ({ resource: { contained, ...resource }, ...rest }: { resource: Record<string, unknown>; request: unknown }) => ({
      ...rest,
      resource:
        Array.isArray(contained) && contained.length === 0
          ? resource
          : { ...resource, ...(contained ? { contained } : {}) },
    }),
  );
  const reply = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
  assert.equal(reply.status, 200, reply.text);
});
after(() => server.stop());

async function ok(path: string): Promise<Reply> {
  const reply = await fhir('GET', path);
  assert.equal(reply.status, 200, reply.text);
  return reply;
}
const urls = (reply: Reply): string[] => entries(reply).map(({ fullUrl }) => fullUrl!.slice(fhir.base.length + 1));
const found = async (path: string): Promise<string[]> => urls(await ok(path));

describe('_contained', () => {
  test('false, or not given: contained resources are not found', async () => {
    assert.deepEqual(await found('Medication?code=abc'), ['Medication/plain']);
    assert.deepEqual(await found('Medication?code=abc&_contained=false'), ['Medication/plain']);
  });

  test('true: the containers, newest first', async () => {
    const reply = await ok('Medication?code=abc&_contained=true');
    assert.deepEqual(urls(reply), ['MedicationDispense/d1', 'MedicationRequest/r2', 'MedicationRequest/r1']);
    assert.equal(reply.json.total, 3);
    assert.ok(entries(reply).every(({ search, resource }) => search!.mode === 'match' && 'contained' in resource!));
    assert.equal(linkOf(reply, 'self'), `${fhir.base}/Medication?code=abc&_contained=true`);
  });

  test('both', async () => {
    assert.deepEqual((await found('Medication?code=abc&_contained=both')).sort(), [
      ...['Medication/plain', 'MedicationDispense/d1', 'MedicationRequest/r1', 'MedicationRequest/r2'],
    ]);
  });

  test('two criteria are about one contained resource', async () => {
    assert.deepEqual(await found('Medication?code=abc&form=pill&_contained=true'), [
      ...['MedicationDispense/d1', 'MedicationRequest/r1'],
    ]);
    assert.deepEqual(await found('Medication?code=xyz&form=syrup&_contained=true'), []);
    assert.deepEqual(await found('Medication?code=xyz&form:not=syrup&_contained=true'), ['MedicationRequest/r2']);
    assert.deepEqual(await found('Medication?code:not=abc,xyz&_contained=true'), ['MedicationRequest/r3']);
    assert.deepEqual(await found('Organization?name=abc&_contained=true'), ['MedicationRequest/r3']);
    assert.deepEqual(await found('Organization?_contained=true'), ['MedicationRequest/r3']);
    assert.deepEqual(await found('Medication?_id=m2&_contained=true'), [
      'MedicationDispense/d1',
      'MedicationRequest/r2',
    ]);
    assert.deepEqual(await found('Medication?code:missing=true&_contained=true'), []);
    assert.deepEqual(await found('Medication?code:missing=false&form=drops&_contained=true'), [
      'MedicationDispense/d1',
    ]);
  });

  test('_containedType=contained: the contained resource itself', async () => {
    const reply = await ok('Medication?code=abc&_contained=true&_containedType=contained');
    assert.deepEqual(urls(reply), [
      ...['MedicationDispense/d1#m1', 'MedicationDispense/d1#m2', 'MedicationRequest/r2#m1', 'MedicationRequest/r1#m1'],
    ]);
    assert.deepEqual(entries(reply)[3]!.resource, medication('m1', 'abc', 'pill', '1'));
    const both = await found('Medication?code=abc&_contained=both&_containedType=contained');
    assert.deepEqual(
      both.filter((url) => !url.includes('#')),
      ['Medication/plain'],
    );
    assert.equal(both.length, 5);
    const [part] = entries(await ok('Medication?form=syrup&_contained=true&_containedType=contained&_elements=form'));
    assert.deepEqual(Object.keys(part!.resource!).sort(), ['form', 'id', 'meta', 'resourceType']);
  });

  test('digits of decimals stay', async () => {
    const text = JSON.stringify(request('r5', [medication('m1', 'dec', 'pill', '1')]).resource).replace(
      '"value":1',
      '"value":1.50',
    );
    assert.equal((await fhir('PUT', 'MedicationRequest/r5', text)).status, 201);
    const alone = await ok('Medication?code=dec&_contained=true&_containedType=contained');
    assert.ok(alone.text.includes('"value":1.50'));
    assert.equal((await fhir('DELETE', 'MedicationRequest/r5')).status, 204);
    assert.deepEqual(await found('Medication?code=dec&_contained=true'), []);
  });

  test('an update changes what is contained', async () => {
    const changed = request('r6', [medication('m1', 'before', 'pill', '1')]).resource;
    await fhir('PUT', 'MedicationRequest/r6', changed);
    assert.deepEqual(await found('Medication?code=before&_contained=true'), ['MedicationRequest/r6']);
    await fhir('PUT', 'MedicationRequest/r6', request('r6', [medication('m1', 'after', 'pill', '1')]).resource);
    assert.deepEqual(await found('Medication?code=before&_contained=true'), []);
    assert.deepEqual(await found('Medication?code=after&_contained=true'), ['MedicationRequest/r6']);
    await fhir('DELETE', 'MedicationRequest/r6');
  });

  for (const query of [
    'Medication?code=abc&_contained=true',
    'Medication?code=abc&_contained=true&_containedType=contained',
    'Medication?code=abc&_contained=both',
    'Medication?code=abc&_contained=both&_containedType=contained',
  ]) {
    test(`pages of one: ${query}`, async () => {
      const whole = await found(query);
      const seen: string[] = [];
      let url: string | undefined = `${query}&_count=1`;
      while (url) {
        const page: Reply = await ok(url);
        assert.equal(entries(page).length, 1);
        seen.push(...urls(page));
        url = linkOf(page, 'next');
      }
      assert.deepEqual(seen, whole);
    });
    test(`counts: ${query}`, async () => {
      const { length } = await found(query);
      assert.equal((await ok(`${query}&_summary=count`)).json.total, length);
      assert.equal((await ok(`${query}&_count=1&_total=accurate`)).json.total, length);
      assert.equal((await ok(`${query}&_count=1`)).json.total, undefined);
    });
  }

  test('containers bring what they include', async () => {
    await fhir('PUT', 'Patient/1', { resourceType: 'Patient', id: '1' });
    const reply = await ok('Medication?form=syrup&_contained=true&_include=MedicationRequest:subject');
    assert.deepEqual(urls(reply), ['MedicationRequest/r2', 'Patient/1']);
  });

  test('what is not possible is refused', async () => {
    const refused = async (query: string, expression: string) =>
      assertOutcome(await fhir('GET', query), 400, 'not-supported', expression);
    await refused('Medication?_contained=true&_sort=code', '_sort');
    await refused('Medication?_contained=true&manufacturer.name=x', 'manufacturer.name');
    await refused('?_type=Medication&_contained=true', '_contained');
    assertOutcome(await fhir('GET', 'Medication?_contained=maybe'), 400, 'value', '_contained');
    assertOutcome(await fhir('GET', 'Medication?_contained=true&_cursor=abc'), 400, 'value', '_cursor');
    assert.equal((await fhir('GET', 'Medication?_contained=true&_containedType=contained&_include=*')).status, 400);
  });
});

describe('chains into contained resources', () => {
  test('are about the one that the reference names', async () => {
    assert.deepEqual(await found('MedicationRequest?medication.code=abc'), [
      'MedicationRequest/r2',
      'MedicationRequest/r1',
    ]);
    assert.deepEqual(await found('MedicationRequest?medication:Medication.code=http://c|abc'), [
      ...['MedicationRequest/r2', 'MedicationRequest/r1'],
    ]);
    // r2 contains xyz, but its reference names another.
    assert.deepEqual(await found('MedicationRequest?medication.code=xyz'), []);
    assert.deepEqual(await found('MedicationRequest?medication.code=xyz,other'), ['MedicationRequest/r3']);
    assert.deepEqual(await found('MedicationRequest?medication.code:not=abc'), ['MedicationRequest/r3']);
    assert.deepEqual(await found('MedicationRequest?medication.code:missing=true'), []);
    assert.deepEqual(await found('MedicationRequest?medication.code:missing=false'), [
      ...['MedicationRequest/r3', 'MedicationRequest/r2', 'MedicationRequest/r1'],
    ]);
    assert.deepEqual(await found('MedicationDispense?medication.form=drops'), []);
    assert.deepEqual(await found('MedicationDispense?medication.form=pill'), ['MedicationDispense/d1']);
    assert.deepEqual(await found('MedicationRequest?medication.code=abc&medication.form=syrup'), [
      'MedicationRequest/r2',
    ]);
    assert.deepEqual(await found('MedicationRequest?_filter=medication[code eq abc and form eq pill].code eq abc'), [
      'MedicationRequest/r1',
    ]);
  });

  test('and about stored ones, in one order, with totals, pages and includes', async () => {
    const stored = { reference: 'Medication/plain' };
    await fhir('PUT', 'MedicationRequest/s1', {
      ...{ resourceType: 'MedicationRequest', id: 's1', status: 'active', intent: 'order' },
      ...{ subject: { reference: 'Patient/1' }, medicationReference: stored },
    });
    await fhir('PUT', 'Patient/1', { resourceType: 'Patient', id: '1' });
    const all = ['MedicationRequest/s1', 'MedicationRequest/r2', 'MedicationRequest/r1'];
    assert.deepEqual(await found('MedicationRequest?medication.code=abc'), all);
    assert.deepEqual(await found('MedicationRequest?medication.code=abc&_sort=_id'), [
      ...all.slice(1).reverse(),
      all[0],
    ]);
    assert.equal((await ok('MedicationRequest?medication.code=abc&_summary=count')).json.total, 3);
    const first = await ok(
      'MedicationRequest?medication.code=abc&_count=2&_total=accurate&_include=MedicationRequest:subject',
    );
    assert.deepEqual([urls(first), first.json.total], [[...all.slice(0, 2), 'Patient/1'], 3]);
    assert.deepEqual(urls(await ok(linkOf(first, 'next')!)), [all[2], 'Patient/1']);
    assert.deepEqual(await found('Patient?_has:MedicationRequest:subject:medication.form=syrup'), ['Patient/1']);
    assert.deepEqual(await found('MedicationRequest?medication.code=abc&subject=Patient/2'), []);
    assert.equal((await fhir('DELETE', 'MedicationRequest/s1')).status, 204);
  });

  test('through contained resources to others, contained and stored', async () => {
    await fhir('PUT', 'Organization/maker', { resourceType: 'Organization', id: 'maker', name: 'Stored maker' });
    const made = (id: string, manufacturer: string, more: unknown[]) =>
      fhir(
        'PUT',
        `MedicationRequest/${id}`,
        request(id, [{ ...medication('m1', 'made', 'pill', '1'), manufacturer: { reference: manufacturer } }, ...more])
          .resource,
      );
    assert.equal((await made('c1', 'Organization/maker', [])).status, 201);
    assert.equal(
      (await made('c2', '#o', [{ resourceType: 'Organization', id: 'o', name: 'Contained maker' }])).status,
      201,
    );
    assert.deepEqual(await found('MedicationRequest?medication.manufacturer.name=stored'), ['MedicationRequest/c1']);
    assert.deepEqual(await found('MedicationRequest?medication.manufacturer.name=contained'), ['MedicationRequest/c2']);
    assert.deepEqual(await found('MedicationRequest?medication.manufacturer.name:contains=maker'), [
      ...['MedicationRequest/c2', 'MedicationRequest/c1'],
    ]);
    assert.deepEqual(await found('MedicationRequest?medication.manufacturer=Organization/maker'), [
      'MedicationRequest/c1',
    ]);
    // Afterwards no more.
    assert.equal((await made('c2', '#o', [{ resourceType: 'Organization', id: 'o', name: 'Another' }])).status, 200);
    assert.deepEqual(await found('MedicationRequest?medication.manufacturer.name=contained'), []);
    for (const id of ['c1', 'c2']) assert.equal((await fhir('DELETE', `MedicationRequest/${id}`)).status, 204);
    assert.deepEqual(await found('MedicationRequest?medication.manufacturer.name=stored'), []);
  });

  test('in conditional interactions', async () => {
    const { resource } = request('x', [medication('m1', 'once', 'pill', '1')]);
    const { id: _, ...body } = resource as Record<string, unknown>;
    const create = () => fhir('POST', 'MedicationRequest', body, { 'if-none-exist': 'medication.code=once' });
    assert.equal((await create()).status, 201);
    assert.equal((await create()).status, 200);
    assert.equal((await fhir('DELETE', 'MedicationRequest?medication.code=once')).status, 204);
    assert.deepEqual(await found('MedicationRequest?medication.code=once'), []);
  });

  test('beyond the first 16 of a type: what may be missing is told, as long as there is any', async () => {
    const many = Array.from({ length: 17 }, (_, i) => medication(`m${i}`, `many-${i}`, 'pill', '1'));
    const holding = (id: string, reference: string) =>
      fhir('PUT', `MedicationRequest/${id}`, request(id, many, { medicationReference: { reference } }).resource);
    assert.equal((await holding('near', '#m15')).status, 201);
    assert.equal((await ok('MedicationRequest?medication.code=many-15')).json.total, 1);
    assert.equal((await holding('far', '#m16')).status, 201);
    const searched = await ok('MedicationRequest?medication.code=many-15&_total=accurate');
    assert.deepEqual(
      entries(searched).map(({ search, resource }) => [search?.mode, resource?.id ?? resource?.resourceType]),
      [
        ['match', 'near'],
        ['outcome', 'OperationOutcome'],
      ],
    );
    assert.equal(searched.json.total, undefined);
    const [issue] = (entries(searched)[1]!.resource as unknown as { issue: Record<string, unknown>[] }).issue;
    assert.deepEqual([issue!.severity, issue!.code, issue!.expression], ['warning', 'incomplete', ['medication.code']]);
    assert.match(String(issue!.diagnostics), /Some MedicationRequest contain more than 16 resources of one type/);
    const beyond = entries(await ok('MedicationRequest?medication:Medication.code=many-16'));
    assert.deepEqual(
      beyond.map(({ search }) => search?.mode),
      ['outcome'],
    );
    const strict = { Prefer: 'handling=strict' };
    const path = 'MedicationRequest?medication.code=many-15';
    assertOutcome(await fhir('GET', path, undefined, strict), 422, 'incomplete', 'medication.code');
    assertOutcome(await fhir('GET', `${path}&_summary=count`), 422, 'incomplete', 'medication.code');
    assertOutcome(await fhir('DELETE', path), 422, 'incomplete', 'medication.code');
    // Other links, and this one once nothing of the kind is there any more.
    assert.equal((await ok('MedicationRequest?requester:Organization.name=x')).json.total, 0);
    assert.equal((await fhir('DELETE', 'MedicationRequest/far')).status, 204);
    assert.equal((await ok(path)).json.total, 1);
    assert.equal((await fhir('DELETE', path)).status, 204);
  });
});
