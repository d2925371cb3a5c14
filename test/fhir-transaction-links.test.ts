// What references between the entries of a transaction become: https://hl7.org/fhir/R4/http.html#trules,
// https://hl7.org/fhir/R4/bundle.html#references
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Element, type EntryIn, identified } from './bundle-entries.ts';
import { assertOutcome, entries, type Reply } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests();

const transaction = (...entry: EntryIn[]): Promise<Reply> =>
  fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
const post = (resource: Element, fullUrl?: string, extra: Record<string, string> = {}): EntryIn => ({
  ...(fullUrl === undefined ? {} : { fullUrl }),
  resource,
  request: { method: 'POST', url: resource.resourceType as string, ...extra },
});
const put = (resource: Element, fullUrl?: string, extra: Record<string, string> = {}): EntryIn => ({
  ...(fullUrl === undefined ? {} : { fullUrl }),
  resource,
  request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}`, ...extra },
});
const { patient } = identified('urn:l');
const observation = (subject: string, more: Element = {}): Element => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'links' },
  subject: { reference: subject },
  ...more,
});

/** `Type/id` of what each entry wrote or found. */
function names(reply: Reply): string[] {
  assert.equal(reply.status, 200, reply.text);
  return entries(reply).map((entry) => entry.response!.location!.replace(/\/_history\/.*/, ''));
}

const read = async (name: string | undefined): Promise<Element> => (await fhir('GET', name!)).json;
const subjectOf = async (name: string | undefined): Promise<unknown> =>
  ((await read(name)).subject as Element).reference;

describe('a reference to another entry', () => {
  const OTHER = 'http://other.example/fhir';

  test('by urn:oid', async () => {
    const [p, o] = names(
      await transaction(post(patient('oid'), 'urn:oid:1.2.3.4'), post(observation('urn:oid:1.2.3.4'))),
    );
    assert.equal(await subjectOf(o), p);
  });

  test('by an absolute URL of another server', async () => {
    const reply = await transaction(
      post(patient('abs'), `${OTHER}/Patient/23`),
      post(observation(`${OTHER}/Patient/23`), `${OTHER}/Observation/1`),
    );
    const [p, o] = names(reply);
    assert.equal(await subjectOf(o), p);
  });

  test('by a relative URL, under the root of the fullUrl of the entry that refers', async () => {
    const reply = await transaction(
      post(patient('rel'), `${OTHER}/Patient/23`),
      post(observation('Patient/23'), `${OTHER}/Observation/1`),
      post(observation('Patient/23'), 'http://third.example/Observation/1'),
      post(observation('Patient/24'), `${OTHER}/Observation/2`),
      post(observation('Patient/23')),
    );
    const [p, same, third, unknown, ours] = names(reply);
    assert.equal(await subjectOf(same), p);
    assert.equal(await subjectOf(third), 'Patient/23', 'the patient 23 of a third server is another');
    assert.equal(await subjectOf(unknown), 'Patient/24', 'what is not in the Bundle is left as it is');
    assert.equal(await subjectOf(ours), 'Patient/23', 'without a fullUrl a relative reference is one to this server');
  });

  test('by a relative URL to an entry whose fullUrl is one of this server', async () => {
    const reply = await transaction(
      post(patient('own'), `${fhir.base}/Patient/old-id`),
      post(observation('Patient/old-id'), 'urn:uuid:5b0ab1a5-0000-4000-8000-000000000001'),
    );
    const [p, o] = names(reply);
    assert.equal(await subjectOf(o), p);
  });

  test('in an update: another server’s fullUrl becomes the local one', async () => {
    const reply = await transaction(
      put(patient('upd', { id: 'links-upd' }), `${OTHER}/Patient/links-upd`),
      put(observation(`${OTHER}/Patient/links-upd`, { id: 'links-upd' })),
    );
    const [p, o] = names(reply);
    assert.equal(p, 'Patient/links-upd');
    assert.equal(await subjectOf(o), p);
  });

  test('a fullUrl of this server that names another resource than the request is refused', async () => {
    await fhir('PUT', 'Patient/links-mine', patient('mine', { id: 'links-mine' }));
    const wrong = put(patient('upd', { id: 'links-yours' }), `${fhir.base}/Patient/links-mine`);
    const about = put(observation('Patient/links-mine', { id: 'links-about' }));
    assertOutcome(await transaction(about, wrong), 400, 'invalid', 'Bundle.entry[1].fullUrl');
    assert.equal((await fhir('GET', 'Patient/links-yours')).status, 404);
    const right = { ...wrong, fullUrl: `${fhir.base}/Patient/links-yours` };
    assert.deepEqual(names(await transaction(about, right)), ['Observation/links-about', 'Patient/links-yours']);
    assert.equal(await subjectOf('Observation/links-about'), 'Patient/links-mine');
  });

  test('to a version: the one in the entry becomes the first here, any other is left', async () => {
    const reply = await transaction(
      post(patient('ver', { meta: { versionId: '7' } }), `${OTHER}/Patient/23`),
      post(observation(`${OTHER}/Patient/23/_history/7`)),
      post(observation('Patient/23/_history/7'), `${OTHER}/Observation/1`),
      post(observation(`${OTHER}/Patient/23/_history/6`)),
    );
    const [p, absolute, relative, older] = names(reply);
    assert.equal(await subjectOf(absolute), `${p}/_history/1`);
    assert.equal(await subjectOf(relative), `${p}/_history/1`);
    assert.equal(await subjectOf(older), `${OTHER}/Patient/23/_history/6`);
  });

  test('with a fragment, in contained resources, and both ways round', async () => {
    const [A, B] = ['urn:uuid:5b0ab1a5-0000-4000-8000-00000000000a', 'urn:uuid:5b0ab1a5-0000-4000-8000-00000000000b'];
    const reply = await transaction(
      post(patient('cyc-a', { link: [{ other: { reference: B }, type: 'seealso' }] }), A),
      post(patient('cyc-b', { link: [{ other: { reference: A }, type: 'seealso' }] }), B),
      post(
        observation(`${A}#part`, {
          contained: [{ resourceType: 'Specimen', id: 's', subject: { reference: B } }],
          specimen: { reference: '#s' },
        }),
      ),
    );
    const [a, b, o] = names(reply);
    const stored = await read(o);
    assert.deepEqual(stored.subject, { reference: `${a}#part` });
    assert.deepEqual((stored.contained as Element[])[0]!.subject, { reference: b });
    assert.deepEqual(stored.specimen, { reference: '#s' });
    assert.deepEqual((await read(a)).link, [{ other: { reference: b }, type: 'seealso' }]);
    assert.deepEqual((await read(b)).link, [{ other: { reference: a }, type: 'seealso' }]);
  });

  test('of type uri, url and oid, in extensions and narrative; canonicals, names and strings stay', async () => {
    const [A, OID] = ['urn:uuid:5b0ab1a5-0000-4000-8000-0000000000aa', 'urn:oid:1.2.3.99'];
    const image = `<img src="${A}" alt="x"/>`;
    const text = { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${image} ${A}</div>` };
    const named = `${OTHER}/ValueSet/v`;
    const reply = await transaction(
      post({ resourceType: 'Binary', contentType: 'image/png', data: 'AAAA' }, A),
      post(patient('uris'), OID),
      post({
        resourceType: 'DocumentReference',
        status: 'current',
        text,
        extension: [
          { url: 'http://x.example/oid', valueOid: OID },
          { url: 'http://x.example/canonical', valueCanonical: A },
          { url: 'http://x.example/nested', extension: [{ url: 'y', valueUri: `${A}#1` }] },
        ],
        identifier: [{ system: 'urn:ietf:rfc:3986', value: A }],
        content: [{ attachment: { contentType: 'image/png', url: A } }],
      }),
      post({ resourceType: 'ValueSet', status: 'draft', url: named }, named),
    );
    const [binary, subject, document, valueSet] = names(reply);
    const stored = await read(document);
    assert.equal((stored.content as { attachment: Element }[])[0]!.attachment.url, binary);
    const [oid, canonical, nested] = stored.extension as Element[];
    assert.equal(oid!.valueOid, subject);
    assert.equal(canonical!.valueCanonical, A);
    assert.equal((nested!.extension as Element[])[0]!.valueUri, `${binary}#1`);
    assert.deepEqual(stored.identifier, [{ system: 'urn:ietf:rfc:3986', value: A }]);
    const div = `<div xmlns="http://www.w3.org/1999/xhtml"><img src="${binary}" alt="x"/> ${A}</div>`;
    assert.equal((stored.text as Element).div, div);
    assert.equal((await read(valueSet)).url, named, 'what a ValueSet is called does not depend on where it is stored');
  });

  test('a system is still the system where the Bundle brings its CodeSystem under that very URL', async () => {
    const system = `${OTHER}/CodeSystem/colours`;
    const extended = `${OTHER}/StructureDefinition/shade`;
    const reply = await transaction(
      post({ resourceType: 'CodeSystem', status: 'draft', content: 'complete', url: system }, system),
      post({ resourceType: 'Basic', code: { text: 'in place of a definition' } }, extended),
      post({ resourceType: 'ValueSet', status: 'draft', compose: { include: [{ system }] } }),
      post(
        observation('Patient/any', {
          code: { coding: [{ system, code: 'red' }] },
          identifier: [{ system, value: '1' }],
          extension: [{ url: extended, valueUri: system }],
        }),
      ),
    );
    const [codes, , valueSet, o] = names(reply);
    const { code, identifier, extension } = await read(o);
    assert.deepEqual(code, { coding: [{ system, code: 'red' }] });
    assert.deepEqual(identifier, [{ system, value: '1' }]);
    assert.deepEqual(extension, [{ url: extended, valueUri: codes }]);
    assert.deepEqual((await read(valueSet)).compose, { include: [{ system }] });
    assert.equal((await read(codes)).url, system);
  });

  test('decimals keep their digits where references are put in', async () => {
    const urn = 'urn:uuid:5b0ab1a5-0000-4000-8000-0000000000dd';
    const body = JSON.stringify({
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        post(patient('dec'), urn, { ifNoneExist: 'identifier=urn:l|dec' }),
        post(observation(urn, { valueQuantity: { value: 'V' } })),
      ],
    }).replace('"V"', '1.500');
    const [, o] = names(await fhir('POST', '', body));
    assert.match((await fhir('GET', o!)).text, /"valueQuantity":\{"value":1\.500\}/);
  });

  test('from inside a Bundle that is stored is not ours to resolve', async () => {
    const [inner, outer] = [
      'urn:uuid:5b0ab1a5-0000-4000-8000-0000000000e1',
      'urn:uuid:5b0ab1a5-0000-4000-8000-0000000000e2',
    ];
    const document = {
      resourceType: 'Bundle',
      type: 'collection',
      entry: [
        { fullUrl: inner, resource: patient('inner') },
        { fullUrl: 'urn:uuid:5b0ab1a5-0000-4000-8000-0000000000e3', resource: observation(inner) },
      ],
    };
    const [, stored] = names(await transaction(post(patient('outer'), outer), post(document)));
    const kept = (await read(stored)).entry as { resource: Element }[];
    assert.deepEqual(kept[1]!.resource.subject, { reference: inner });
  });
});

describe('resolve-as-version-specific', () => {
  const extension = [
    { url: 'http://hl7.org/fhir/StructureDefinition/resolve-as-version-specific', valueBoolean: true },
  ];
  const provenance = (reference: string): Element => ({
    resourceType: 'Provenance',
    recorded: '2024-01-01T00:00:00Z',
    agent: [{ who: { display: 'somebody' } }],
    target: [{ reference, extension }],
  });

  test('makes references to the versions that are written', async () => {
    await fhir('PUT', 'Patient/vs', patient('vs', { id: 'vs' }));
    const urn = 'urn:uuid:5b0ab1a5-0000-4000-8000-0000000000f1';
    const reply = await transaction(
      put(patient('vs', { id: 'vs', active: true })),
      post(patient('vs-new'), urn),
      post(provenance('Patient/vs')),
      post(provenance(urn)),
    );
    const [, created, ofUpdate, ofCreate] = names(reply);
    assert.deepEqual((await read(ofUpdate)).target, [{ reference: 'Patient/vs/_history/2' }]);
    assert.deepEqual((await read(ofCreate)).target, [{ reference: `${created}/_history/1` }]);
  });

  test('is refused for what the transaction does not write', async () => {
    const expression = 'Bundle.entry[0].resource.target[0].reference';
    assertOutcome(await transaction(post(provenance('Patient/elsewhere'))), 400, 'invalid', expression);
  });
});

describe('a reference to nowhere', () => {
  const NOWHERE = 'urn:uuid:5b0ab1a5-0000-4000-8000-ffffffffffff';

  for (const urn of [NOWHERE, 'urn:oid:1.2.3.4.5.6', `${NOWHERE}#x`]) {
    test(`${urn} is refused with its place`, async () => {
      const inside = observation('Patient/1', { performer: [{ display: 'x' }, { reference: urn }] });
      const reply = await transaction(post(patient('nowhere')), post(inside));
      assertOutcome(reply, 400, 'invalid', 'Bundle.entry[1].resource.performer[1].reference');
      assert.equal((await fhir('GET', 'Patient?identifier=urn:l|nowhere&_total=accurate')).json.total, 0);
    });
  }

  test('to a conditional delete that finds nothing', async () => {
    const remove: EntryIn = {
      fullUrl: NOWHERE,
      request: { method: 'DELETE', url: 'Patient?identifier=urn:l|no-such' },
    };
    const expression = 'Bundle.entry[1].resource.subject.reference';
    assertOutcome(await transaction(remove, post(observation(NOWHERE))), 400, 'invalid', expression);
  });

  test('a reference to an entry that is deleted names what is gone, as a Provenance must', async () => {
    await fhir('PUT', 'Patient/link-gone', patient('link-gone', { id: 'link-gone' }));
    const remove: EntryIn = { fullUrl: NOWHERE, request: { method: 'DELETE', url: 'Patient/link-gone' } };
    const reply = await transaction(remove, post(observation(NOWHERE)));
    assert.equal(reply.status, 200, reply.text);
    const name = entries(reply)[1]!.response!.location!.replace(/\/_history.*/, '');
    assert.equal(await subjectOf(name), 'Patient/link-gone');
    assert.equal((await fhir('GET', 'Patient/link-gone')).status, 410);
  });

  test('a urn in an element that is no reference is left', async () => {
    const [name] = names(
      await transaction(post(patient('sys', { extension: [{ url: 'http://x', valueUri: NOWHERE }] }))),
    );
    assert.deepEqual((await read(name)).extension, [{ url: 'http://x', valueUri: NOWHERE }]);
  });
});

describe('a conditional reference', () => {
  const to = (value: string): string => `Patient?identifier=urn:l|${value}`;

  test('means what the same transaction creates, in either order and without its fullUrl', async () => {
    const reply = await transaction(post(observation(to('cr-new'))), post(patient('cr-new')));
    const [o, p] = names(reply);
    assert.equal(await subjectOf(o), p);
  });

  test('means what is there in the end: not what is deleted, but what an update has made match', async () => {
    await fhir('PUT', 'Patient/cr-old', patient('cr-x', { id: 'cr-old' }));
    await fhir('PUT', 'Patient/cr-upd', patient('cr-y', { id: 'cr-upd' }));
    const reply = await transaction(
      post(observation(to('cr-x'))),
      { request: { method: 'DELETE', url: 'Patient/cr-old' } },
      put(patient('cr-x', { id: 'cr-upd' })),
    );
    assert.equal(reply.status, 200, reply.text);
    const name = entries(reply)[0]!.response!.location!.replace(/\/_history.*/, '');
    assert.equal(await subjectOf(name), 'Patient/cr-upd');
    const history = await fhir('GET', 'Patient/cr-upd/_history');
    assert.equal(entries(history).length, 2, 'written once');
  });

  test('that two match in the end is refused, though one did before', async () => {
    await fhir('POST', 'Patient', patient('cr-two'));
    const reply = await transaction(post(patient('cr-two')), post(observation(to('cr-two'))));
    assertOutcome(reply, 412, 'multiple-matches', 'Bundle.entry[1].resource.subject.reference');
    assert.equal((await fhir('GET', `${to('cr-two')}&_total=accurate`)).json.total, 1);
  });

  test('below our base, in contained resources and extensions, the same one many times', async () => {
    const { json } = await fhir('POST', 'Patient', patient('cr-many'));
    const reference = `${fhir.base}/${to('cr-many')}`;
    const [o] = names(
      await transaction(
        post(
          observation(to('cr-many'), {
            contained: [{ resourceType: 'Specimen', id: 's', subject: { reference } }],
            extension: [{ url: 'http://x', valueReference: { reference } }],
            focus: [{ reference }, { reference: to('cr-many') }],
            specimen: { reference: '#s' },
          }),
        ),
      ),
    );
    const expected = { reference: `Patient/${json.id}` };
    const stored = await read(o);
    assert.deepEqual(stored.subject, expected);
    assert.deepEqual(stored.focus, [expected, expected]);
    assert.deepEqual((stored.contained as Element[])[0]!.subject, expected);
    assert.deepEqual((stored.extension as Element[])[0]!.valueReference, expected);
  });

  test('through a chain sees what the transaction writes', async () => {
    const urn = 'urn:uuid:5b0ab1a5-0000-4000-8000-00000000cccc';
    const organization = { resourceType: 'Organization', name: 'chained-org' };
    const member = patient('cr-chain', { managingOrganization: { reference: urn } });
    const reply = await transaction(
      post(organization, urn),
      post(member),
      post(observation('Patient?organization.name=chained-org')),
    );
    const [, p, o] = names(reply);
    assert.equal(await subjectOf(o), p);
  });

  const wrong: [string, string, number, string][] = [
    ['an unknown type', 'Nothing?identifier=x', 400, 'invalid'],
    ['an unknown parameter', 'Patient?no-such=x', 400, 'invalid'],
    ['no criteria', 'Patient?_count=1', 400, 'invalid'],
    ['no match', 'Patient?identifier=urn:l|never', 412, 'conflict'],
  ];
  for (const [what, reference, status, code] of wrong) {
    test(`with ${what} is refused with its place`, async () => {
      const reply = await transaction(post(observation(reference)));
      assertOutcome(reply, status, code, 'Bundle.entry[0].resource.subject.reference');
    });
  }
});
