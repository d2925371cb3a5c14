// What a search returns: parts, includes, order, several types. https://hl7.org/fhir/R4/search.html#return
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { put } from './bundle-entries.ts';
import { assertOutcome, type Client, createClient, entries, ids, linkOf, type Reply } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;

type Fields = Record<string, unknown>;

const ref = (reference: string) => ({ reference });
const coded = (code: string) => ({ coding: [{ system: 'http://loinc.org', code }] });
const observation = (id: string, code: string, more: Fields) =>
  put('Observation', id, { status: 'final', code: coded(code), ...more });
const SUBSETTED = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };
const NARRATIVE = { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">some text</div>' };
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };

const resources = [
  put('Organization', 'top', { name: 'Top' }),
  put('Location', 'l1', { partOf: ref('Location/l2'), managingOrganization: ref('Organization/top') }),
  put('Location', 'l2', { partOf: ref('Location/l3') }),
  put('Location', 'l3', { partOf: ref('Location/l1') }),
  put('Patient', 'p1', {
    text: NARRATIVE,
    active: true,
    name: [{ family: 'Able', extension: [{ url: 'http://x.example/a', valueDecimal: 1 }] }],
    birthDate: '1980-05-01',
    contact: [{ name: { family: 'Next' } }],
    managingOrganization: ref('Organization/top'),
    deceasedBoolean: true,
  }),
  put('Patient', 'p2', { name: [{ family: 'Baker' }], link: [{ other: ref('Patient/p1'), type: 'seealso' }] }),
  observation('o1', 'b', {
    text: NARRATIVE,
    subject: ref('Patient/p1'),
    effectiveDateTime: '2026-01-01',
    valueQuantity: { value: 1, unit: 'mg' },
    note: [{ text: 'a note' }],
  }),
  observation('o2', 'a', {
    subject: ref('Patient/p2'),
    effectiveDateTime: '2026-01-02',
    hasMember: [ref('Observation/o1')],
  }),
  observation('o3', 'a', { subject: ref('Patient/p1'), effectiveDateTime: '2026-01-03', status: 'amended' }),
  put('Observation', 'o4', { status: 'final', code: { text: 'no code' }, derivedFrom: [ref('Observation/o2')] }),
  put('Provenance', 'v1', {
    target: [ref('Observation/o1'), ref('Patient/p2')],
    recorded: '2026-01-01T00:00:00Z',
    agent: [{ who: ref('Organization/top') }],
  }),
  put('Questionnaire', 'q1', { status: 'active', url: 'http://x.example/q', version: '1' }),
  put('Questionnaire', 'q2', { status: 'active', url: 'http://x.example/q', version: '2' }),
  put('QuestionnaireResponse', 'r1', { status: 'completed', questionnaire: 'http://x.example/q|2' }),
  put('QuestionnaireResponse', 'r2', { status: 'completed', questionnaire: 'http://x.example/q' }),
];

async function ok(path: string): Promise<Reply> {
  const reply = await fhir('GET', path);
  assert.equal(reply.status, 200, reply.text);
  return reply;
}

/** `include Patient/p1` and the like, sorted. */
async function modes(path: string): Promise<string[]> {
  return entries(await ok(path))
    .map(({ search, resource }) => `${search!.mode} ${resource!.resourceType}/${resource!.id}`)
    .sort();
}
const included = async (path: string): Promise<string[]> =>
  (await modes(path)).filter((each) => each.startsWith('include ')).map((each) => each.slice(8));
const names = (reply: Reply): string[] =>
  entries(reply).map(({ resource }) => `${resource!.resourceType}/${resource!.id}`);

before(async () => {
  server = await startTestServer();
  fhir = createClient(server.fhirBaseUrl);
  const reply = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: resources });
  assert.equal(reply.status, 200, reply.text);
});
after(() => server.stop());

describe('_summary and _elements', () => {
  const keysOf = async (query: string): Promise<string[]> => {
    const [entry] = entries(await ok(query));
    assert.deepEqual(entry!.resource!.meta!.tag, [SUBSETTED]);
    return Object.keys(entry!.resource!);
  };

  test('each of them', async () => {
    assert.deepEqual(await keysOf('Patient?_id=p1&_summary=true'), [
      ...['resourceType', 'id', 'meta', 'active', 'name', 'birthDate', 'managingOrganization', 'deceasedBoolean'],
    ]);
    assert.deepEqual(await keysOf('Patient?_id=p1&_summary=text'), ['resourceType', 'id', 'meta', 'text']);
    assert.deepEqual(await keysOf('Observation?_id=o1&_summary=text'), [
      ...['resourceType', 'id', 'meta', 'status', 'code', 'text'],
    ]);
    assert.ok(!(await keysOf('Patient?_id=p1&_summary=data')).includes('text'));
    assert.deepEqual(await keysOf('Observation?_id=o1&_elements=note,value'), [
      ...['resourceType', 'id', 'meta', 'status', 'code', 'valueQuantity', 'note'],
    ]);
    const whole = entries(await ok('Patient?_id=p1&_summary=false'))[0]!.resource!;
    assert.equal(whole.meta!.tag, undefined);
    assert.ok('contact' in whole);
  });

  test('stand in the links', async () => {
    const reply = await ok('Observation?_elements=note&_summary=false&_count=1');
    assert.equal(linkOf(reply, 'self'), `${fhir.base}/Observation?_elements=note&_summary=false&_count=1`);
    assert.ok(
      linkOf(reply, 'next')!.startsWith(`${fhir.base}/Observation?_elements=note&_summary=false&_count=1&_cursor=`),
    );
    assert.equal(linkOf(reply, 'first'), linkOf(reply, 'self'));
  });

  test('_elements leaves included resources whole, _summary does not', async () => {
    const [byElements] = entries(await ok('Observation?_id=o1&_include=Observation:subject&_elements=note')).slice(1);
    assert.ok('contact' in byElements!.resource!);
    assert.equal(byElements!.resource!.meta!.tag, undefined);
    const [bySummary] = entries(await ok('Observation?_id=o1&_include=Observation:subject&_summary=true')).slice(1);
    assert.ok(!('contact' in bySummary!.resource!));
    assert.deepEqual(bySummary!.resource!.meta!.tag, [SUBSETTED]);
  });

  test('_summary=count and _count=0: the total alone, without entries and next', async () => {
    for (const query of ['Observation?_summary=count', 'Observation?_count=0', 'Observation?_count=0&_include=*']) {
      const reply = await ok(query);
      assert.equal(reply.json.total, 4);
      assert.equal(reply.json.entry, undefined);
      assert.deepEqual(
        (reply.json.link as unknown as { relation: string }[]).map(({ relation }) => relation),
        ['self'],
      );
    }
  });

  test('what makes no sense is refused', async () => {
    const strict = { Prefer: 'handling=strict' };
    assertOutcome(await fhir('GET', 'Patient?_summary=text&_include=Patient:organization'), 400, 'value', '_summary');
    assertOutcome(await fhir('GET', 'Patient?_summary=true&_elements=name'), 400, 'value', '_elements');
    assertOutcome(await fhir('GET', 'Patient?_summary=some'), 400, 'value', '_summary');
    assertOutcome(await fhir('GET', 'Patient?_elements=name.family'), 400, 'value', '_elements');
    assertOutcome(await fhir('GET', 'Patient?_elements=nothing', undefined, strict), 400, 'value', '_elements');
    assert.equal((await fhir('GET', 'Patient?_elements=nothing')).status, 200);
    assert.equal((await fhir('GET', 'Patient?_elements=name,deceased', undefined, strict)).status, 200);
  });
});

describe('_include and _revinclude', () => {
  test('one step, unless :iterate is asked for', async () => {
    assert.deepEqual(await included('Observation?_id=o1&_include=Observation:subject&_include=Patient:organization'), [
      'Patient/p1',
    ]);
    for (const name of ['_include:iterate', '_include:recurse']) {
      assert.deepEqual(await included(`Observation?_id=o1&_include=Observation:subject&${name}=Patient:organization`), [
        ...['Organization/top', 'Patient/p1'],
      ]);
    }
  });

  test(':iterate ends where a cycle closes, and repeats no match', async () => {
    assert.deepEqual(await included('Location?_id=l1&_include=Location:partof'), ['Location/l2']);
    assert.deepEqual(await included('Location?_id=l1&_include:iterate=Location:partof'), [
      'Location/l2',
      'Location/l3',
    ]);
    assert.deepEqual(await included('Location?_include:iterate=Location:partof'), []);
    assert.deepEqual(await included('Location?_id=l1&_revinclude:iterate=Location:partof'), [
      ...['Location/l2', 'Location/l3'],
    ]);
    assert.deepEqual(
      await included(
        'Observation?_id=o1&_revinclude=Observation:has-member&_revinclude:iterate=Observation:derived-from&_include:iterate=Observation:subject',
      ),
      ['Observation/o2', 'Observation/o4', 'Patient/p1', 'Patient/p2'],
    );
  });

  test('* takes every reference', async () => {
    assert.deepEqual(await included('Observation?_id=o2&_include=*'), ['Observation/o1', 'Patient/p2']);
    assert.deepEqual(await included('Observation?_id=o2&_include=Observation:*'), ['Observation/o1', 'Patient/p2']);
    assert.deepEqual(await included('Observation?_id=o2&_include=Observation:*:Patient'), ['Patient/p2']);
    assert.deepEqual(await included('Observation?_id=o2&_include=Patient:*'), []);
    assert.deepEqual(await included('Patient?_id=p1&_revinclude=*'), [
      'Observation/o1',
      'Observation/o3',
      'Patient/p2',
    ]);
    assert.deepEqual(await included('Patient?_id=p1&_revinclude=Observation:*'), ['Observation/o1', 'Observation/o3']);
    assert.deepEqual(
      await included('Observation?_id=o1&_include:iterate=*&_revinclude:iterate=*'),
      [
        ...['Observation/o2', 'Observation/o3', 'Observation/o4', 'Organization/top'],
        ...['Patient/p1', 'Patient/p2', 'Provenance/v1'],
        ...['Location/l1', 'Location/l2', 'Location/l3'],
      ].sort(),
    );
  });

  test('a target type narrows both', async () => {
    assert.deepEqual(await included('Provenance?_include=Provenance:target:Patient'), ['Patient/p2']);
    assert.deepEqual(await included('Patient?_id=p2&_revinclude=Provenance:target:Observation'), []);
    assert.deepEqual(await included('Patient?_id=p2&_revinclude=Provenance:target:Patient'), ['Provenance/v1']);
  });

  test('a reference to a version brings that version', async () => {
    for (const note of ['first', 'second']) {
      await fhir('PUT', 'Device/d1', { resourceType: 'Device', id: 'd1', distinctIdentifier: note });
    }
    await fhir('PUT', 'Observation/d-old', {
      ...{ resourceType: 'Observation', id: 'd-old', status: 'final', code: coded('d') },
      device: ref('Device/d1/_history/1'),
    });
    await fhir('PUT', 'Observation/d-new', {
      ...{ resourceType: 'Observation', id: 'd-new', status: 'final', code: coded('d') },
      device: ref('Device/d1/_history/2'),
    });
    const versions = async (query: string) =>
      entries(await ok(query))
        .filter(({ search }) => search!.mode === 'include')
        .map(({ resource }) => `${resource!.meta!.versionId} ${resource!.distinctIdentifier}`);
    assert.deepEqual(await versions('Observation?_id=d-old&_include=Observation:device'), ['1 first']);
    assert.deepEqual(await versions('Observation?_id=d-new&_include=Observation:device'), ['2 second']);
    assert.deepEqual((await versions('Observation?code=d&_include=Observation:device')).sort(), [
      '1 first',
      '2 second',
    ]);
    for (const id of ['d-old', 'd-new']) assert.equal((await fhir('DELETE', `Observation/${id}`)).status, 204);
  });

  test('canonical references lead to the resources with that url, and version if it is given', async () => {
    const include = '_include=QuestionnaireResponse:questionnaire';
    assert.deepEqual(await included(`QuestionnaireResponse?_id=r1&${include}`), ['Questionnaire/q2']);
    assert.deepEqual(await included(`QuestionnaireResponse?_id=r2&${include}`), [
      'Questionnaire/q1',
      'Questionnaire/q2',
    ]);
    assert.deepEqual(await included(`QuestionnaireResponse?${include}`), ['Questionnaire/q1', 'Questionnaire/q2']);
    const reverse = '_revinclude=QuestionnaireResponse:questionnaire';
    assert.deepEqual(await included(`Questionnaire?_id=q1&${reverse}`), ['QuestionnaireResponse/r2']);
    assert.deepEqual(await included(`Questionnaire?_id=q2&${reverse}`), [
      ...['QuestionnaireResponse/r1', 'QuestionnaireResponse/r2'],
    ]);
    assert.deepEqual(await included('Questionnaire?_id=q1&_revinclude=*'), ['QuestionnaireResponse/r2']);
  });

  test('what is deleted is left out', async () => {
    await fhir('PUT', 'Group/g1', { resourceType: 'Group', id: 'g1', type: 'person', actual: true });
    await fhir('PUT', 'Observation/g', {
      ...{ resourceType: 'Observation', id: 'g', status: 'final', code: coded('g'), subject: ref('Group/g1') },
    });
    assert.deepEqual(await included('Observation?_id=g&_include=Observation:subject'), ['Group/g1']);
    await fhir('DELETE', 'Group/g1');
    assert.deepEqual(await included('Observation?_id=g&_include=Observation:subject'), []);
    await fhir('DELETE', 'Observation/g');
  });
});

describe('_sort', () => {
  const order = async (query: string) => ids(await ok(query));

  test('by token and reference parameters; what has no value comes last either way', async () => {
    assert.deepEqual(await order('Observation?_sort=code,date'), ['o2', 'o3', 'o1', 'o4']);
    assert.deepEqual(await order('Observation?_sort=-code,-date'), ['o1', 'o3', 'o2', 'o4']);
    assert.deepEqual(await order('Observation?_sort=subject,-date'), ['o3', 'o1', 'o2', 'o4']);
    assert.deepEqual(await order('Observation?_sort=-patient,date'), ['o2', 'o1', 'o3', 'o4']);
    assert.deepEqual(await order('Observation?_sort=status,-date'), ['o3', 'o2', 'o1', 'o4']);
    assert.deepEqual(await order('Patient?_sort=-deceased'), ['p1', 'p2']);
    assert.deepEqual(await order('Patient?_sort=deceased'), ['p2', 'p1']);
    assert.deepEqual(await order('Patient?_sort=active'), ['p1', 'p2']);
    assert.deepEqual(await order('Observation?_sort=-code&_sort=-date'), ['o1', 'o3', 'o2', 'o4']);
  });

  test('pages of one hold any order', async () => {
    for (const sort of ['code,-date', '-code,date', 'subject,code,-_id', '-status,-patient,_lastUpdated', '_tag,_id']) {
      const whole = await order(`Observation?_sort=${sort}`);
      const seen: string[] = [];
      let url: string | undefined = `Observation?_sort=${sort}&_count=1`;
      while (url) {
        const page: Reply = await ok(url);
        seen.push(...ids(page));
        url = linkOf(page, 'next');
      }
      assert.deepEqual(seen, whole, sort);
    }
  });

  test('text that PostgreSQL has no character for sorts last and breaks nothing', async () => {
    await fhir('PUT', 'Basic/half', {
      resourceType: 'Basic',
      id: 'half',
      code: { coding: [{ code: 'z' }], text: '\ud83d' },
    });
    await fhir('PUT', 'Basic/one', { resourceType: 'Basic', id: 'one', code: { coding: [{ code: 'a' }] } });
    await fhir('PUT', 'Basic/two', {
      resourceType: 'Basic',
      id: 'two',
      code: { coding: [{ code: 'b' }], text: '\\ud83d' },
    });
    const found = await order('Basic?_sort=-code');
    assert.deepEqual(
      found.filter((id) => id !== 'half'),
      ['two', 'one'],
    );
  });

  test('composite and special parameters have no order', async () => {
    assertOutcome(await fhir('GET', 'Observation?_sort=code-value-quantity'), 400, 'not-supported', '_sort');
    assertOutcome(await fhir('GET', 'Location?_sort=near'), 400, 'not-supported', '_sort');
    assertOutcome(await fhir('GET', 'Bundle?_sort=composition'), 400, 'not-supported', '_sort');
    assertOutcome(
      await fhir('GET', "Observation?_sort=date');drop%20table%20change;--"),
      400,
      'not-supported',
      '_sort',
    );
  });
});

describe('search over several types', () => {
  test('_type names them; newest first over all', async () => {
    const reply = await ok('?_type=Location,Organization');
    assert.deepEqual(names(reply), ['Location/l3', 'Location/l2', 'Location/l1', 'Organization/top']);
    assert.equal(reply.json.total, 4);
    assert.equal(linkOf(reply, 'self'), `${fhir.base}?_type=Location,Organization`);
    assert.equal(entries(reply)[3]!.fullUrl, `${fhir.base}/Organization/top`);
  });

  test('without _type over all types', async () => {
    const reply = await ok('?_id=p1,o1,q1,nobody');
    assert.deepEqual(names(reply).sort(), ['Observation/o1', 'Patient/p1', 'Questionnaire/q1']);
    const all = await ok('?_count=1000&_total=accurate');
    assert.equal(all.json.total, entries(all).length);
    assert.ok(entries(all).length >= resources.length);
  });

  test('pages over types neither skip nor repeat, in any order', async () => {
    for (const sort of ['', '&_sort=_lastUpdated,_id', '&_sort=-_id', '&_sort=status,-_id']) {
      const path = `?_type=Observation,Questionnaire,QuestionnaireResponse${sort}`;
      const whole = names(await ok(path));
      assert.equal(whole.length, 8);
      const seen: string[] = [];
      let url: string | undefined = `${path}&_count=3`;
      while (url) {
        const page: Reply = await ok(url);
        assert.ok(entries(page).length <= 3);
        seen.push(...names(page));
        url = linkOf(page, 'next');
      }
      assert.deepEqual(seen, whole, sort);
    }
    assert.deepEqual(names(await ok('?_type=Patient,Organization&_sort=-_id')), [
      ...['Organization/top', 'Patient/p2', 'Patient/p1'],
    ]);
  });

  test('by criteria that all types have', async () => {
    assert.deepEqual(names(await ok('?_type=Observation,Questionnaire&status=active&_sort=_id')), [
      ...['Questionnaire/q1', 'Questionnaire/q2'],
    ]);
    const wrong = await fhir('GET', '?_type=Observation,Questionnaire&subject=Patient/p1');
    assertOutcome(wrong, 400, 'value', 'subject');
    assertOutcome(await fhir('GET', '?code=a'), 400, 'value', 'code');
    assert.equal(linkOf(await ok('?_type=Patient&nonsense=1'), 'self'), `${fhir.base}?_type=Patient`);
    const strict = await fhir('GET', '?_type=Patient,Group&nonsense=1', undefined, { Prefer: 'handling=strict' });
    assertOutcome(strict, 400, 'not-supported', 'nonsense');
  });

  test('by POST, with includes, totals and parts', async () => {
    const posted = await fhir('POST', '_search', '_type=Location,Organization&_count=1', FORM);
    assert.equal(posted.status, 200, posted.text);
    assert.deepEqual(names(posted), ['Location/l3']);
    assert.deepEqual(names(await ok(linkOf(posted, 'next')!)), ['Location/l2']);
    assert.deepEqual(await included('?_type=Location,Provenance&_include=*&_id=l1,v1'), [
      ...['Location/l2', 'Observation/o1', 'Organization/top', 'Patient/p2'],
    ]);
    const counted = await ok('?_type=Location,Organization&_summary=count');
    assert.deepEqual([counted.json.total, counted.json.entry], [4, undefined]);
    assert.equal((await ok('?_type=Location,Organization&_count=1&_total=accurate')).json.total, 4);
    const [part] = entries(await ok('?_type=Patient,Organization&_id=p1&_elements=name'));
    assert.deepEqual(Object.keys(part!.resource!), ['resourceType', 'id', 'meta', 'active', 'name', 'deceasedBoolean']);
  });

  test('what is wrong with _type', async () => {
    assertOutcome(await fhir('GET', '?_type=Patient,Nonsense'), 400, 'value', '_type');
    assertOutcome(await fhir('GET', '?_type='), 400, 'value', '_type');
    assertOutcome(await fhir('GET', '?_type=Patient&_type=Group'), 400, 'value', '_type');
    assertOutcome(await fhir('GET', '?_type=Patient&_cursor=abc'), 400, 'value', '_cursor');
  });
});
