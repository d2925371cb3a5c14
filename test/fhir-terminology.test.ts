// Operations on code systems over HTTP: https://hl7.org/fhir/R4/codesystem-operations.html,
// https://hl7.org/fhir/R4/terminology-service.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertOutcome, type Client, createClient, entries, type Reply } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let call: Client;

const CS = 'http://example.org/animals';
const GENDER = 'http://hl7.org/fhir/administrative-gender';

const animals = {
  ...{ resourceType: 'CodeSystem', id: 'animals', url: CS, version: '1.0', name: 'Animals', language: 'en' },
  ...{ status: 'active', caseSensitive: true, hierarchyMeaning: 'is-a', content: 'complete' },
  property: [
    { code: 'legs', type: 'integer' },
    { code: 'notSelectable', type: 'boolean', uri: 'http://hl7.org/fhir/concept-properties#notSelectable' },
  ],
  concept: [
    {
      ...{ code: 'animal', display: 'Animal', property: [{ code: 'notSelectable', valueBoolean: true }] },
      concept: [
        {
          ...{ code: 'cat', display: 'Cat', definition: 'It purrs' },
          designation: [{ language: 'de', use: { system: 'http://use', code: 'common' }, value: 'Katze' }],
          property: [
            { code: 'legs', valueInteger: 4 },
            { code: 'weight', valueDecimal: 4.5 },
          ],
          concept: [{ code: 'kitten', display: 'Kitten', property: [{ code: 'legs', valueInteger: 4 }] }],
        },
        { code: 'bird', display: 'Bird', property: [{ code: 'legs', valueInteger: 2 }] },
        { code: 'dodo', display: 'Dodo', property: [{ code: 'status', valueCode: 'retired' }] },
      ],
    },
    { code: 'stone', display: 'Stone' },
  ],
};
const supplement = {
  ...{ resourceType: 'CodeSystem', id: 'more', url: 'http://example.org/more', version: '2', status: 'active' },
  ...{ content: 'supplement', supplements: CS },
  concept: [{ code: 'cat', designation: [{ language: 'fr', value: 'chat' }] }],
};

before(async () => {
  server = await startTestServer();
  call = createClient(server.fhirBaseUrl);
  for (const resource of [animals, supplement]) {
    assert.equal((await call('PUT', `CodeSystem/${resource.id}`, resource)).status, 201);
  }
});

after(() => server.stop());

interface Part {
  name: string;
  part?: Part[];
  [value: string]: unknown;
}

const partsOf = (reply: Reply): Part[] => (reply.json.parameter ?? []) as unknown as Part[];
const valueIn = (part: Part | undefined): unknown =>
  Object.entries(part ?? {}).find(([key]) => key.startsWith('value'))?.[1];
const value = (reply: Reply, name: string): unknown => {
  assert.equal(reply.status, 200, reply.text);
  return valueIn(partsOf(reply).find((part) => part.name === name));
};
/** `legs=4` of each property. */
const properties = (reply: Reply): string[] =>
  partsOf(reply)
    .filter(({ name }) => name === 'property')
    .map(({ part = [] }) =>
      ['code', 'value'].map((name) => valueIn(part.find((each) => each.name === name))).join('='),
    );
const designations = (reply: Reply): unknown[] =>
  partsOf(reply)
    .filter(({ name }) => name === 'designation')
    .map(({ part = [] }) => valueIn(part.find(({ name }) => name === 'value')));
const posted = (...parameter: object[]) => ({ resourceType: 'Parameters', parameter });
const coding = (name: string, system: string, code: string, more: object = {}) => ({
  name,
  valueCoding: { system, code, ...more },
});

/** Outcomes of the terminology ecosystem tell in `details`. */
function assertRefused(reply: Reply, status: number, code: string, text: RegExp): void {
  assert.equal(reply.status, status, reply.text);
  const [issue] = reply.json.issue as unknown as { code: string; details: { text: string } }[];
  assert.equal(issue?.code, code);
  assert.match(issue?.details.text ?? '', text);
}

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
    assert.equal(value(await get('code=cat'), 'result'), false);
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

describe('$find-matches', () => {
  const find = (...parameter: object[]) =>
    call('POST', 'CodeSystem/$find-matches', posted({ name: 'system', valueUri: CS }, ...parameter));
  const property = (code: string, given: object) => ({
    name: 'property',
    part: [
      { name: 'code', valueCode: code },
      { name: 'value', ...given },
    ],
  });
  const exact = (yes: boolean) => ({ name: 'exact', valueBoolean: yes });
  /** `cat`, or `bird -legs` for one without the legs. */
  const matches = (reply: Reply): string[] => {
    assert.equal(reply.status, 200, reply.text);
    return partsOf(reply).map(({ part = [] }) => {
      const { code } = valueIn(part[0]) as { code: string };
      const missing = part.filter(({ name }) => name === 'unmatched').map((each) => ` -${valueIn(each.part?.[0])}`);
      return code + missing.join('');
    });
  };

  test('codes that have all, else as much as possible', async () => {
    const four = property('legs', { valueInteger: 4 });
    assert.deepEqual(matches(await find(exact(true), four)), ['cat', 'kitten']);
    assert.deepEqual(matches(await find(exact(true), four, property('parent', { valueCode: 'cat' }))), ['kitten']);
    const bird = property('parent', { valueCode: 'bird' });
    assert.deepEqual(matches(await find(exact(true), four, bird)), ['cat -parent', 'kitten -parent']);
    assert.deepEqual(matches(await find(exact(true), property('legs', { valueInteger: 9 }))), []);
  });

  test('for people by words, too', async () => {
    const reply = await find(exact(false), property('text', { valueString: 'kit' }));
    assert.deepEqual(matches(reply), ['kitten']);
    assert.match(reply.text, /"name":"comment"/);
    assert.deepEqual(matches(await find(exact(true), property('display', { valueString: 'kit' }))), []);
  });

  test('refused without properties', async () => {
    assertOutcome(await find(exact(true)), 400, 'required', 'property');
    assertOutcome(await find(property('legs', { valueInteger: 4 })), 400, 'required', 'exact');
  });
});

describe('$closure', () => {
  const closure = (name: string, ...parameter: object[]) =>
    call('POST', '$closure', posted({ name: 'name', valueString: name }, ...parameter));
  /** `kitten<cat` */
  const pairs = (reply: Reply): string[] => {
    assert.equal(reply.status, 200, reply.text);
    const groups = (reply.json.group ?? []) as unknown as {
      element: { code: string; target: { code: string; equivalence: string }[] }[];
    }[];
    return groups.flatMap(({ element }) =>
      element.flatMap(({ code, target }) =>
        target.map((each) => `${code}${each.equivalence === 'subsumes' ? '<' : '?'}${each.code}`),
      ),
    );
  };

  test('begins, grows, and is told again', async () => {
    const begun = await closure('mine');
    assert.deepEqual([begun.json.version, pairs(begun)], ['0', []]);
    const first = await closure('mine', coding('concept', CS, 'kitten'), coding('concept', CS, 'stone'));
    assert.deepEqual([first.json.version, pairs(first)], ['1', []]);
    const second = await closure('mine', coding('concept', CS, 'animal'), coding('concept', CS, 'cat'));
    assert.deepEqual([second.json.version, pairs(second).sort()], ['2', ['cat<animal', 'kitten<animal', 'kitten<cat']]);
    const again = await closure('mine', coding('concept', CS, 'cat'));
    assert.deepEqual([again.json.version, pairs(again)], ['3', []]);
    const since = await closure('mine', { name: 'version', valueString: '1' });
    assert.deepEqual([since.json.version, pairs(since)], ['3', pairs(second).sort()]);
    assert.deepEqual(pairs(await closure('mine', { name: 'version', valueString: '3' })), []);
    assert.deepEqual((await closure('mine')).json.version, '0');
    assert.deepEqual(pairs(await closure('mine', coding('concept', CS, 'cat'))), []);
  });

  test('two that add at once lose nothing', async () => {
    await closure('both');
    const added = await Promise.all(
      ['kitten', 'cat', 'animal'].map((code) => closure('both', coding('concept', CS, code))),
    );
    assert.deepEqual(added.flatMap(pairs).sort(), ['cat<animal', 'kitten<animal', 'kitten<cat']);
  });

  test('refuses what is not there', async () => {
    assertOutcome(await closure('nobody', coding('concept', CS, 'cat')), 404, 'not-found', 'name');
    await closure('some');
    assertRefused(await closure('some', coding('concept', CS, 'x')), 404, 'not-found', /Unknown code 'x'/);
    assertOutcome(await closure('some', { name: 'version', valueString: '7' }), 400, 'value', 'version');
    assertOutcome(await closure('some', { name: 'concept', valueCoding: { code: 'cat' } }), 400, 'required', 'concept');
    assertOutcome(await call('GET', '$closure?name=some'), 405, 'not-supported');
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
