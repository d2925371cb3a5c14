// Operations on code systems over HTTP: https://hl7.org/fhir/R4/codesystem-operations.html,
// https://hl7.org/fhir/R4/terminology-service.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertOutcome, type Client, createClient, entries, type Reply } from './client.ts';
import {
  animals,
  assertRefused,
  CS,
  coding,
  designations,
  GENDER,
  type Part,
  partsOf,
  posted,
  properties,
  supplement,
  value,
  valueIn,
} from './code-systems.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let call: Client;

before(async () => {
  server = await startTestServer();
  call = createClient(server.fhirBaseUrl);
  for (const resource of [animals, supplement]) {
    assert.equal((await call('PUT', `CodeSystem/${resource.id}`, resource)).status, 201);
  }
});

after(() => server.stop());

describe('$lookup', () => {
  test('tells all there is to a code, in GET and POST', async () => {
    const got = await call('GET', `CodeSystem/$lookup?system=${CS}&code=cat`);
    assert.equal(value(got, 'name'), 'Animals');
    assert.equal(value(got, 'version'), '1.0');
    assert.equal(value(got, 'display'), 'Cat');
    assert.equal(value(got, 'definition'), 'It purrs');
    assert.equal(value(got, 'abstract'), false);
    assert.deepEqual(properties(got), ['inactive=false', 'parent=animal', 'child=kitten', 'legs=4', 'weight=4.5']);
    assert.deepEqual(designations(got), ['Cat', 'Katze']);
    assert.match(got.text, /"valueDecimal":4\.5/);
    const post = await call('POST', 'CodeSystem/$lookup', posted(coding('coding', CS, 'cat')));
    assert.equal(post.text, got.text);
  });

  test('only what was asked for', async () => {
    const of = (query: string) => call('GET', `CodeSystem/$lookup?system=${CS}&code=cat&${query}`);
    assert.deepEqual(properties(await of('property=legs')), ['legs=4']);
    assert.deepEqual(properties(await of('property=parent&property=inactive')), ['inactive=false', 'parent=animal']);
    assert.deepEqual(designations(await of('property=lang.de')), ['Katze']);
    assert.deepEqual(designations(await of('property=legs')), []);
    assert.equal(value(await of('displayLanguage=de-CH,en;q=0.5'), 'display'), 'Katze');
    assert.equal(value(await of('displayLanguage=it'), 'display'), 'Cat');
    const german = await call('GET', `CodeSystem/$lookup?system=${CS}&code=cat`, undefined, {
      'Accept-Language': 'de',
    });
    assert.equal(value(german, 'display'), 'Katze');
    const supplemented = await of('useSupplement=http://example.org/more');
    assert.deepEqual(designations(supplemented), ['Cat', 'Katze', 'chat']);
    assert.equal(value(supplemented, 'used-supplement'), 'http://example.org/more|2');
  });

  test("R4's own systems, and those that are rules", async () => {
    assert.equal(value(await call('GET', `CodeSystem/$lookup?system=${GENDER}&code=female`), 'display'), 'Female');
    const unit = await call('GET', 'CodeSystem/$lookup?system=http://unitsofmeasure.org&code=mg/dL');
    assert.equal(value(unit, 'display'), 'milligram per deciliter');
  });

  test('what is abstract or inactive', async () => {
    assert.equal(value(await call('GET', `CodeSystem/$lookup?system=${CS}&code=animal`), 'abstract'), true);
    const dodo = await call('GET', `CodeSystem/$lookup?system=${CS}&code=dodo`);
    assert.deepEqual(properties(dodo), ['inactive=true', 'parent=animal', 'status=retired']);
  });

  test('refuses what is not known, and what is not asked right', async () => {
    const get = (query: string) => call('GET', `CodeSystem/$lookup?${query}`);
    assertRefused(await get('system=http://none&code=a'), 404, 'not-found', /CodeSystem 'http:\/\/none'/);
    assertRefused(await get(`system=${CS}&code=Cat`), 404, 'not-found', /Unknown code 'Cat'/);
    assertRefused(await get(`system=${CS}&version=9&code=cat`), 404, 'not-found', /Valid versions: 1\.0/);
    assertRefused(await get('system=http://example.org/more&code=cat'), 400, 'invalid', /is a supplement/);
    assertRefused(await get(`system=${CS}&code=cat&useSupplement=http://none`), 422, 'business-rule', /http:\/\/none/);
    assertOutcome(await get('code=cat'), 400, 'required', 'system');
    assertOutcome(await get(`system=${CS}`), 400, 'required', 'code');
    assertOutcome(await get(`system=${CS}&code=cat&displayLanguage=--`), 400, 'value', 'displayLanguage');
    const both = posted(coding('coding', CS, 'cat'), { name: 'code', valueCode: 'cat' });
    assertOutcome(await call('POST', 'CodeSystem/$lookup', both), 400, 'value', 'coding');
  });

  test('of what the request brings along', async () => {
    const brought = { ...animals, version: '3', concept: [{ code: 'whale', display: 'Whale' }] };
    const body = posted(coding('coding', CS, 'whale'), { name: 'tx-resource', resource: brought });
    assert.equal(value(await call('POST', 'CodeSystem/$lookup', body), 'version'), '3');
    const wrong = [
      { code: 'd', valueDecimal: 'abc' },
      { code: 'i', valueInteger: true },
      { code: 's', valueString: 5 },
      { code: 'b', valueBoolean: 'true' },
      { code: '__proto__', valueString: 'kept' },
    ];
    const odd = { ...animals, concept: [{ code: 'whale', display: 7, property: wrong, designation: 'none' }] };
    const reply = await call(
      'POST',
      'CodeSystem/$lookup',
      posted(body.parameter[0]!, { name: 'tx-resource', resource: odd }),
    );
    assert.deepEqual(properties(reply), ['inactive=false', '__proto__=kept']);
  });
});

describe('$validate-code', () => {
  const get = (query: string) => call('GET', `CodeSystem/$validate-code?${query}`);

  test('by code, coding and CodeableConcept', async () => {
    const plain = await get(`url=${CS}&code=cat&display=cat`);
    assert.deepEqual([value(plain, 'result'), value(plain, 'display')], [true, 'Cat']);
    assert.equal(value(await get(`url=${CS}&code=unicorn`), 'result'), false);
    const post = (...parameter: object[]) => call('POST', 'CodeSystem/$validate-code', posted(...parameter));
    assert.equal(value(await post(coding('coding', CS, 'bird')), 'result'), true);
    const other = await post({ name: 'url', valueUri: CS }, coding('coding', GENDER, 'female'));
    assert.equal(value(other, 'result'), false);
    const concept = (...codes: string[]) => ({
      name: 'codeableConcept',
      valueCodeableConcept: { coding: codes.map((code) => ({ system: CS, code })) },
    });
    assert.equal(value(await post(concept('unicorn', 'bird')), 'result'), true);
    assert.equal(value(await post(concept('unicorn')), 'result'), false);
    const textOnly = { name: 'codeableConcept', valueCodeableConcept: { text: 'A cat' } };
    assert.equal(value(await post(textOnly), 'result'), false);
    const given = { name: 'codeSystem', resource: { ...animals, concept: [{ code: 'whale' }] } };
    assert.equal(value(await post(given, { name: 'code', valueCode: 'whale' }), 'result'), true);
  });

  test('at the instance', async () => {
    const reply = await call('GET', 'CodeSystem/animals/$validate-code?code=cat');
    assert.equal(value(reply, 'result'), true);
    assertOutcome(await call('GET', 'CodeSystem/none/$validate-code?code=cat'), 404, 'not-found');
  });

  test('displays, abstract and inactive codes', async () => {
    const wrong = await get(`url=${CS}&code=cat&display=Dog`);
    assert.equal(value(wrong, 'result'), false);
    assert.match(String(value(wrong, 'message')), /Wrong Display Name 'Dog'/);
    assert.equal(value(await get(`url=${CS}&code=cat&display=Dog&lenient-display-validation=true`), 'result'), true);
    assert.equal(value(await get(`url=${CS}&code=cat&display=Katze&displayLanguage=de`), 'result'), true);
    assert.equal(value(await get(`url=${CS}&code=animal`), 'result'), true);
    assert.equal(value(await get(`url=${CS}&code=animal&abstract=false`), 'result'), false);
    const dodo = await get(`url=${CS}&code=dodo`);
    assert.deepEqual([value(dodo, 'result'), value(dodo, 'inactive')], [true, true]);
  });

  test('what is not known is no error but an answer', async () => {
    const system = await get('url=http://none&code=a');
    assert.equal(value(system, 'result'), false);
    assert.equal(value(system, 'x-unknown-system'), 'http://none');
    assert.match(
      String(value(await get(`url=${CS}&version=7&code=a`), 'message')),
      /version '7'.*Valid versions: 1\.0/,
    );
    assert.match(
      String(value(await get('url=http://unitsofmeasure.org&code=milligram'), 'message')),
      /not a unit of UCUM/,
    );
    assertOutcome(await get(`url=${CS}`), 400, 'required', 'code');
    assertOutcome(await get('code=cat'), 400, 'required', 'url');
  });
});

describe('$batch-validate-code', () => {
  const validation = (...parameter: object[]) => ({ name: 'validation', resource: posted(...parameter) });
  const results = (reply: Reply): unknown[] => {
    assert.equal(reply.status, 200, reply.text);
    return partsOf(reply).map(({ resource }) => {
      const { resourceType, parameter } = resource as { resourceType: string; parameter: Part[] };
      return resourceType === 'Parameters' ? valueIn(parameter.find(({ name }) => name === 'result')) : resourceType;
    });
  };

  test('answers each in its turn', async () => {
    const code = (valueCode: string) => ({ name: 'code', valueCode });
    const body = posted(
      { name: 'url', valueUri: CS },
      validation(code('cat')),
      validation(code('unicorn')),
      validation(code('female'), { name: 'url', valueUri: GENDER }),
      validation({ name: 'url', valueUri: CS }),
      validation(code('cat'), { name: 'nonsense', valueString: 'x' }),
      validation({ name: 'code', valueInteger: 1 }),
      validation(coding('coding', CS, 'bird')),
    );
    const reply = await call('POST', 'CodeSystem/$batch-validate-code', body);
    const refused = 'OperationOutcome';
    assert.deepEqual(results(reply), [true, false, true, refused, refused, refused, true]);
    const sets = posted(
      { name: 'url', valueUri: `${CS}?fhir_vs=isa/cat` },
      ...['kitten', 'bird'].map((each) => validation(coding('coding', CS, each))),
    );
    assert.deepEqual(results(await call('POST', 'ValueSet/$batch-validate-code', sets)), [true, false]);
    const none = posted({ name: 'url', valueUri: CS });
    assertOutcome(await call('POST', 'CodeSystem/$batch-validate-code', none), 400, 'required', 'validation');
  });
});

describe('$subsumes', () => {
  const get = (query: string, at = 'CodeSystem') => call('GET', `${at}/$subsumes?${query}`);

  test('all four outcomes', async () => {
    const of = async (a: string, b: string) => value(await get(`system=${CS}&codeA=${a}&codeB=${b}`), 'outcome');
    assert.equal(await of('animal', 'kitten'), 'subsumes');
    assert.equal(await of('kitten', 'animal'), 'subsumed-by');
    assert.equal(await of('cat', 'cat'), 'equivalent');
    assert.equal(await of('cat', 'bird'), 'not-subsumed');
  });

  test('at the instance, and of codings', async () => {
    assert.equal(value(await get('codeA=animal&codeB=cat', 'CodeSystem/animals'), 'outcome'), 'subsumes');
    const body = posted(coding('codingA', CS, 'cat', { version: '1.0' }), coding('codingB', CS, 'animal'));
    assert.equal(value(await call('POST', 'CodeSystem/$subsumes', body), 'outcome'), 'subsumed-by');
  });

  test('refuses what is not known or does not fit', async () => {
    assertRefused(await get(`system=${CS}&codeA=cat&codeB=x`), 404, 'not-found', /Unknown code 'x'/);
    assertRefused(await get('system=http://none&codeA=cat&codeB=x'), 404, 'not-found', /http:\/\/none/);
    assertOutcome(await get(`system=${CS}&codeA=cat`), 400, 'required', 'codeB');
    assertOutcome(await get('codeA=cat&codeB=cat'), 400, 'required', 'system');
    const body = posted(coding('codingA', CS, 'cat'), coding('codingB', GENDER, 'female'));
    assertOutcome(await call('POST', 'CodeSystem/$subsumes', body), 400, 'value', 'codingB');
  });
});

describe('the service', () => {
  test('answers of what was written just now', async () => {
    const url = 'http://example.org/changing';
    const system = (...codes: string[]) => ({
      ...{ resourceType: 'CodeSystem', id: 'changing', url, status: 'active', content: 'complete' },
      concept: codes.map((code) => ({ code })),
    });
    const has = async (code: string) =>
      value(await call('GET', `CodeSystem/$validate-code?url=${url}&code=${code}`), 'result');
    assert.equal(await has('a'), false);
    await call('PUT', 'CodeSystem/changing', system('a'));
    assert.equal(await has('a'), true);
    await call('PUT', 'CodeSystem/changing', system('b'));
    assert.deepEqual([await has('a'), await has('b')], [false, true]);
    await call('DELETE', 'CodeSystem/changing');
    assert.equal(await has('b'), false);
  });

  test('tells what it has and can', async () => {
    const { json } = await call('GET', 'metadata?mode=terminology');
    const systems = json.codeSystem as unknown as { uri: string; version?: { code?: string; isDefault: boolean }[] }[];
    const uris = systems.map(({ uri }) => uri);
    assert.deepEqual(uris, [...uris].sort());
    assert.deepEqual(systems.find(({ uri }) => uri === CS)?.version, [
      { code: '1.0', isDefault: true, compositional: false },
    ]);
    assert.ok(uris.includes('http://unitsofmeasure.org'));
    assert.ok(!uris.includes('http://example.org/more'), 'a supplement is no system');
    assert.deepEqual(systems.find(({ uri }) => uri === GENDER)?.version, [
      { code: '4.0.1', isDefault: true, compositional: false },
    ]);
    assert.ok(uris.includes('http://terminology.hl7.org/CodeSystem/v3-NullFlavor'));
    assert.ok(!uris.includes('http://snomed.info/sct'), 'of which R4 has a description and no codes');
    assert.equal(new Set(uris).size, uris.length);
    const stored = await call('POST', 'TerminologyCapabilities', json);
    assert.equal(stored.status, 201, stored.text);
  });

  test('answers many questions in one batch', async () => {
    const entry = ['cat', 'x'].map((code) => ({
      request: { method: 'GET', url: `CodeSystem/$validate-code?url=${CS}&code=${code}` },
    }));
    const reply = await call('POST', '', { resourceType: 'Bundle', type: 'batch', entry });
    const results = entries(reply).map(({ resource }) =>
      (resource!.parameter as unknown as Part[]).find(({ name }) => name === 'result'),
    );
    assert.deepEqual(results.map(valueIn), [true, false]);
  });

  test('is what searches by hierarchy and value set ask', async () => {
    const condition = (code: string) => ({
      ...{ resourceType: 'Condition', subject: { reference: 'Patient/none' } },
      code: { coding: [{ system: CS, code }] },
    });
    for (const code of ['kitten', 'bird', 'stone']) {
      const { status } = await call('POST', 'Condition', condition(code));
      assert.equal(status, 201);
    }
    const found = async (query: string) => {
      const reply = await call('GET', `Condition?${query}`);
      assert.equal(reply.status, 200, reply.text);
      return entries(reply)
        .map(({ resource }) => (resource!.code as unknown as { coding: { code: string }[] }).coding[0]?.code)
        .sort();
    };
    assert.deepEqual(await found(`code:below=${CS}|cat`), ['kitten']);
    assert.deepEqual(await found(`code:below=${CS}|animal`), ['bird', 'kitten']);
    assert.deepEqual(await found(`code:in=${encodeURIComponent(`${CS}?fhir_vs=isa/animal`)}`), ['bird', 'kitten']);
    assert.deepEqual(await found(`code:not-in=${encodeURIComponent(`${CS}?fhir_vs=isa/animal`)}`), ['stone']);
    assertOutcome(await call('GET', `Condition?code:below=${CS}|none`), 400, 'value', 'code:below');
  });
});
