// $closure and $find-matches over HTTP: https://hl7.org/fhir/R4/conceptmap-operation-closure.html,
// https://hl7.org/fhir/R4/codesystem-operation-find-matches.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertOutcome, type Client, createClient, type Reply } from './client.ts';
import { animals, assertRefused, CS, coding, partsOf, posted, valueIn } from './code-systems.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let call: Client;

before(async () => {
  server = await startTestServer();
  call = createClient(server.fhirBaseUrl);
  assert.equal((await call('PUT', 'CodeSystem/animals', animals)).status, 201);
});
after(() => server.stop());

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
