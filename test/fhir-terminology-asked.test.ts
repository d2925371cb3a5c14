// What requests on terminology ask for: versions, dates, systems that list no codes, value sets that no resource defines.
// https://hl7.org/fhir/R4/terminology-service.html
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { assertOutcome, type Reply } from './client.ts';
import { serveTests } from './server.ts';
import {
  answer,
  assertRefused,
  COLOURS,
  inUrl,
  issuesOf,
  parameters,
  SET,
  valueSet,
  writeColours,
} from './value-sets.ts';

const fhir = serveTests();
const UCUM = 'http://unitsofmeasure.org';
const MOVED = 'http://example.org/cs/moved';
const UNDATED = 'http://example.org/cs/undated';

const expand = (query: Record<string, string>) => fhir('GET', `ValueSet/$expand?${inUrl(query)}`);
const validate = (query: Record<string, string>) => fhir('GET', `ValueSet/$validate-code?${inUrl(query)}`);
const posted = (compose: JsonObject, ...more: JsonObject[]) =>
  parameters({ name: 'valueSet', resource: valueSet('posted', compose) }, ...more);
const codes = (reply: Reply): string[] => {
  assert.equal(reply.status, 200, reply.text.slice(0, 500));
  const { contains = [] } = reply.json.expansion as { contains?: { code: string }[] };
  return contains.map(({ code }) => code);
};
const moved = (version: string, date: string, code: string): JsonObject => ({
  ...{ resourceType: 'CodeSystem', url: MOVED, version, date, status: 'active', content: 'complete' },
  ...{ valueSet: `${SET}moved`, concept: [{ code }] },
});
const undated: JsonObject = {
  ...{ resourceType: 'CodeSystem', url: UNDATED, status: 'active', content: 'complete', concept: [{ code: 'u' }] },
};
const dated = (version: string, date: string, code: string): JsonObject => ({
  ...valueSet('dated', { include: [{ system: UNDATED, concept: [{ code }] }] }),
  ...{ version, date },
});

describe('what is asked', () => {
  before(async () => {
    await writeColours(fhir);
    const resources = [
      moved('1', '2010', 'old'),
      moved('2', '2020-06-15', 'new'),
      undated,
      dated('1', '2010-01', 'u'),
      dated('2', '2020-01', 'none'),
    ];
    for (const resource of resources)
      assert.equal((await fhir('POST', String(resource.resourceType), resource)).status, 201);
  });

  describe('versions of systems', () => {
    const wanted = `A definition for CodeSystem '${COLOURS}' version '2.0' could not be found`;

    test('one that is not here is named, and those that are', async () => {
      for (const name of ['check-system-version', 'force-system-version', 'system-version']) {
        const query = { url: `${COLOURS}?fhir_vs`, [name]: `${COLOURS}|2.0` };
        const text = assertRefused(await expand(query), 404, 'not-found', 'not-found');
        assert.equal(text, `${wanted}, so the value set cannot be expanded. Valid versions: 1.0`);
        const { result, message, issues } = answer(await validate({ ...query, system: COLOURS, code: 'red' }));
        assert.equal(result, false);
        assert.equal(message, `${wanted}, so the code cannot be validated. Valid versions: 1.0`);
        assert.deepEqual(issuesOf(issues), [['error', 'not-found', 'not-found', 'system']]);
      }
      const fixed = posted({ include: [{ system: COLOURS, version: '2.0' }] });
      assert.match(
        assertRefused(await fhir('POST', 'ValueSet/$expand', fixed), 404, 'not-found', 'not-found'),
        /'2\.0'.*1\.0$/,
      );
      assert.equal((await expand({ url: `${COLOURS}?fhir_vs`, 'check-system-version': `${COLOURS}|1.0` })).status, 200);
    });

    test('a version parameter without a version is refused', async () => {
      const wrong = { 'force-system-version': 'garbage', 'system-version': COLOURS, 'check-system-version': '|1.0' };
      for (const [name, value] of Object.entries(wrong)) {
        assertOutcome(await expand({ url: `${SET}all`, [name]: value }), 400, 'value', name);
        const query = { url: `${SET}all`, system: COLOURS, code: 'red', [name]: value };
        assertOutcome(await validate(query), 400, 'value', name);
      }
    });
  });

  describe('date', () => {
    const url = `${MOVED}?fhir_vs`;

    test('the latest version that is not later than it', async () => {
      assert.deepEqual(codes(await expand({ url })), ['new']);
      const asOf = async (date: string, more = {}) => codes(await expand({ url, date, ...more }));
      assert.deepEqual(await asOf('2015-03-01'), ['old']);
      assert.deepEqual(await asOf('2020-06-14'), ['old']);
      assert.deepEqual(await asOf('2020-06-15'), ['new']);
      // The whole of the year counts.
      assert.deepEqual(await asOf('2020'), ['new']);
      // A version that is named is taken at its word, as is a system that tells no date.
      assert.deepEqual(await asOf('2015', { 'force-system-version': `${MOVED}|2` }), ['new']);
      assert.deepEqual(codes(await expand({ url: `${UNDATED}?fhir_vs`, date: '1990' })), ['u']);
      const lookup = answer(
        await fhir('GET', `CodeSystem/$lookup?${inUrl({ system: MOVED, code: 'old', date: '2015' })}`),
      );
      assert.equal(lookup.version, '1');
      const old = { url: MOVED, code: 'old' };
      assert.equal(
        answer(await fhir('GET', `CodeSystem/$validate-code?${inUrl({ ...old, date: '2015' })}`)).result,
        true,
      );
      assert.equal(answer(await fhir('GET', `CodeSystem/$validate-code?${inUrl(old)}`)).result, false);
    });

    test('of value sets too', async () => {
      assert.deepEqual(codes(await expand({ url: `${SET}dated`, date: '2015' })), ['u']);
      assert.deepEqual(codes(await expand({ url: `${SET}dated` })), []);
      const of = { url: `${SET}dated`, system: UNDATED, code: 'u' };
      assert.equal(answer(await validate({ ...of, date: '2015' })).result, true);
      assert.equal(answer(await validate(of)).result, false);
    });

    test('none of that time is not found', async () => {
      const known = 'Known are 2 (2020-06-15), 1 (2010)';
      const text = `No version of the CodeSystem '${MOVED}' is known that is not later than 2009. ${known}`;
      assert.equal(assertRefused(await expand({ url, date: '2009' }), 404, 'not-found', 'not-found'), text);
      const lookup = await fhir('GET', `CodeSystem/$lookup?${inUrl({ system: MOVED, code: 'old', date: '2009' })}`);
      assert.equal(assertRefused(lookup, 404, 'not-found', 'not-found'), text);
      const set = assertRefused(await expand({ url: `${SET}dated`, date: '2009' }), 404, 'not-found', 'not-found');
      assert.match(
        set,
        /^No version of the value set '.*dated' is known that is not later than 2009\. Known are 2 \(2020-01\), 1/,
      );
    });
  });

  describe('units by what they measure', () => {
    const units = (property: string, op: string, value: string, concept?: JsonObject[]) => ({
      include: [{ system: UCUM, ...(concept && { concept }), filter: [{ property, op, value }] }],
    });
    const ofUnit = (code: string) => [
      { name: 'code', valueCode: code },
      { name: 'system', valueUri: UCUM },
    ];
    const has = async (compose: JsonObject, code: string) =>
      answer(await fhir('POST', 'ValueSet/$validate-code', posted(compose, ...ofUnit(code)))).result;

    test('filters property and canonical', async () => {
      const mass = units('property', '=', 'mass');
      const results = await Promise.all(['mg', 'kg', 'mg/dL', 'm', 'milligram'].map((code) => has(mass, code)));
      assert.deepEqual(results, [true, true, false, false, false]);
      assert.equal(await has(units('canonical', '=', 'g'), 'mg'), true);
      assert.equal(await has(units('canonical', '=', 'g/L'), 'mg/dL'), true);
      assert.equal(await has(units('canonical', '=', 'g'), 'L'), false);
      assert.equal(await has(units('canonical', 'in', 'g,L'), 'mL'), true);
      // Arbitrary units are comparable with no other, numbers neither.
      assert.equal(await has(units('canonical', '=', '1'), '[iU]'), false);
      assert.equal(await has(units('canonical', '=', '[iU]'), '[iU]'), true);
    });

    test('can be listed where they are named only', async () => {
      const mass = units('property', '=', 'mass');
      assertOutcome(await fhir('POST', 'ValueSet/$expand', posted(mass)), 400, 'too-costly');
      const some = { include: [...units('property', '=', 'mass', [{ code: 'mg' }, { code: 'm' }]).include] };
      assert.deepEqual(codes(await fhir('POST', 'ValueSet/$expand', posted(some))), ['mg']);
      const active = posted(
        { include: [{ system: UCUM, concept: [{ code: 'mg' }] }] },
        { name: 'activeOnly', valueBoolean: true },
      );
      assert.deepEqual(codes(await fhir('POST', 'ValueSet/$expand', active)), ['mg']);
    });

    test('a filter that asks for what is not there is refused', async () => {
      const ask = (compose: JsonObject) => fhir('POST', 'ValueSet/$validate-code', posted(compose, ...ofUnit('mg')));
      assertOutcome(await ask(units('property', '=', 'volume')), 400, 'value');
      assertOutcome(await ask(units('canonical', '=', 'gramme')), 400, 'value');
      assertOutcome(await ask(units('colour', '=', 'red')), 400, 'value');
      assertOutcome(await ask(units('concept', 'is-a', 'g')), 400, 'not-supported');
    });
  });

  describe('value sets', () => {
    test('what a stored CodeSystem names as its valueSet is all its codes', async () => {
      assert.deepEqual(codes(await expand({ url: `${SET}moved` })), ['new']);
      assert.deepEqual(codes(await expand({ url: `${SET}moved|1` })), ['old']);
      assert.equal(answer(await validate({ url: `${SET}moved`, system: MOVED, code: 'new' })).result, true);
      const url = 'http://example.org/cs/late';
      const late = { ...moved('1', '2010', 'x'), url, valueSet: `${SET}late` };
      assertRefused(await expand({ url: `${SET}late` }), 404, 'not-found', 'not-found');
      const { id } = (await fhir('POST', 'CodeSystem', late)).json;
      assert.deepEqual(codes(await expand({ url: `${SET}late` })), ['x']);
      assert.equal((await fhir('PUT', `CodeSystem/${id}`, { ...late, id, valueSet: `${SET}later` })).status, 200);
      assertRefused(await expand({ url: `${SET}late` }), 404, 'not-found', 'not-found');
      assert.deepEqual(codes(await expand({ url: `${SET}later` })), ['x']);
      assert.equal((await fhir('DELETE', `CodeSystem/${id}`)).status, 204);
      assertRefused(await expand({ url: `${SET}later` }), 404, 'not-found', 'not-found');
    });

    test('codes of a system that is named with its version and without it are listed once', async () => {
      const both = async (...versions: (string | undefined)[]) => {
        const include = versions.map((version) => ({ system: MOVED, ...(version !== undefined && { version }) }));
        const reply = await fhir('POST', 'ValueSet/$expand', posted({ include }));
        return [codes(reply), (reply.json.expansion as JsonObject).total];
      };
      assert.deepEqual(await both(undefined, '2'), [['new'], 1]);
      assert.deepEqual(await both('2', undefined, '1'), [['new', 'old'], 2]);
    });

    test('listed codes stand in their order, and of systems that are not known, where inactive ones are left out', async () => {
      const list = (system: string, ...listed: string[]) => ({ system, concept: listed.map((code) => ({ code })) });
      const expanded = async (...include: JsonObject[]) =>
        codes(await fhir('POST', 'ValueSet/$expand', posted({ inactive: false, include })));
      const unknown = 'http://example.org/cs/none';
      assert.deepEqual(await expanded(list(COLOURS, 'blue', 'puce', 'red'), list(unknown, 'x')), ['blue', 'red', 'x']);
      const has = async (code: string) => {
        const asked = [
          { name: 'code', valueCode: code },
          { name: 'system', valueUri: unknown },
        ];
        const compose = { inactive: false, include: [list(unknown, 'x')] };
        return answer(await fhir('POST', 'ValueSet/$validate-code', posted(compose, ...asked))).result;
      };
      assert.deepEqual([await has('x'), await has('y')], [true, false]);
      const bare = posted({ inactive: false, include: [list(unknown, 'x')] }, { name: 'code', valueCode: 'x' });
      const inferred = answer(await fhir('POST', 'ValueSet/$validate-code', bare));
      assert.deepEqual([inferred.result, inferred.system], [true, unknown]);
    });

    test('a code that a fragment does not have: valid in all of the fragment, leaving out inactive ones or not', async () => {
      const system = 'http://example.org/cs/part';
      const part = { resourceType: 'CodeSystem', url: system, status: 'active', content: 'fragment' };
      const asked = [
        { name: 'tx-resource', resource: { ...part, concept: [{ code: 'x' }] } },
        { name: 'code', valueCode: 'y' },
        { name: 'system', valueUri: system },
      ];
      for (const compose of [{ include: [{ system }] }, { inactive: false, include: [{ system }] }]) {
        assert.equal(
          answer(await fhir('POST', 'ValueSet/$validate-code', posted(compose, ...asked))).result,
          true,
          JSON.stringify(compose),
        );
      }
    });

    test('all but some codes of a system that is not known: nobody can tell what those are', async () => {
      const system = 'http://example.org/cs/none';
      const whole = { include: [{ system }], exclude: [{ system, concept: [{ code: 'y' }] }] };
      const asked = [
        { name: 'code', valueCode: 'x' },
        { name: 'system', valueUri: system },
      ];
      for (const compose of [whole, { ...whole, inactive: false }]) {
        const told = answer(await fhir('POST', 'ValueSet/$validate-code', posted(compose, ...asked)));
        assert.deepEqual([told.result, told['x-caused-by-unknown-system']], [false, system]);
      }
    });

    test('an include of nothing, or of codes without a system, is refused', async () => {
      const include = 'ValueSet.compose.include[0]';
      const ask = (operation: string, compose: JsonObject) =>
        fhir(
          'POST',
          `ValueSet/${operation}`,
          posted(compose, { name: 'code', valueCode: 'red' }, { name: 'system', valueUri: COLOURS }),
        );
      const wrong: [JsonObject, string][] = [
        [{ concept: [{ code: 'red' }] }, `${include}.system`],
        [{ filter: [{ property: 'concept', op: 'is-a', value: 'red' }] }, `${include}.system`],
        [{ concept: [{ code: 'red' }], valueSet: [`${SET}all`] }, `${include}.system`],
        [{ version: '1' }, include],
      ];
      for (const [set, at] of wrong) {
        const reply = await fhir('POST', 'ValueSet/$expand', posted({ include: [set] }));
        assertRefused(reply, 400, 'invalid', 'vs-invalid');
        assert.deepEqual(
          issuesOf(reply.json).map((issue) => issue[3]),
          [at],
        );
        assertRefused(await ask('$validate-code', { include: [set] }), 400, 'invalid', 'vs-invalid');
      }
    });

    test("child-of is asked in R5's extension of op", async () => {
      const children = (op: JsonObject) =>
        posted({ include: [{ system: COLOURS, filter: [{ property: 'concept', ...op, value: 'colour' }] }] });
      const url = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.compose.include.filter.op';
      const extended = children({ _op: { extension: [{ url, valueCode: 'child-of' }] } });
      assert.deepEqual(codes(await fhir('POST', 'ValueSet/$expand', extended)), ['red', 'blue', 'puce']);
      assert.equal((await fhir('POST', 'ValueSet/$expand', children({ op: 'child-of' }))).status, 400);
    });
  });

  test("$translate without a map goes by R4's own too", async () => {
    const v3 = 'http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender';
    const gender = 'http://hl7.org/fhir/administrative-gender';
    const translate = (query: Record<string, string>) => fhir('GET', `ConceptMap/$translate?${inUrl(query)}`);
    const conceptOf = (reply: Reply) => {
      const { result, match } = answer(reply);
      assert.equal(result, true);
      const parts = match as { name: string; valueCoding?: JsonObject; valueUri?: string }[];
      const { system, code } = parts.find(({ name }) => name === 'concept')!.valueCoding!;
      return [system, code, parts.find(({ name }) => name === 'source')!.valueUri];
    };
    const map = 'http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v3|4.0.1';
    const forth = { system: gender, code: 'male', targetsystem: v3 };
    assert.deepEqual(conceptOf(await translate(forth)), [v3, 'M', map]);
    const back = { system: v3, code: 'F', targetsystem: gender, reverse: 'true' };
    assert.deepEqual(conceptOf(await translate(back)), [gender, 'female', map]);
    assert.equal(answer(await translate({ ...forth, targetsystem: COLOURS })).result, false);
    assert.equal(answer(await translate({ ...forth, target: `${SET}none` })).result, false);
  });

  test('$validate-code of a code system needs to know which one', async () => {
    const ask = (query: string) => fhir('GET', `CodeSystem/$validate-code?${query}`);
    assertOutcome(await ask('code=red'), 400, 'required', 'url');
    assertOutcome(await ask('code=red&version=1.0'), 400, 'required', 'url');
    assert.equal(answer(await ask(inUrl({ url: COLOURS, code: 'red' }))).result, true);
    assert.equal(answer(await ask(inUrl({ system: COLOURS, code: 'red' }))).result, true);
    const coding = parameters({ name: 'coding', valueCoding: { code: 'red' } });
    assert.equal(answer(await fhir('POST', 'CodeSystem/$validate-code', coding)).result, false);
  });
});
