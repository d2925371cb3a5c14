// Defining search parameters over HTTP: https://hl7.org/fhir/R4/searchparameter.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { readConfig } from '#platform';
import { testConnection, testLog } from '#platform/testing';
import { startServer } from '../bin/server.ts';
import { assertOutcome, type Client, createClient, entries } from './client.ts';
import {
  EXTENSION,
  extended,
  indexesIn,
  lackingIn,
  matchesIn,
  outcomesIn,
  parameter,
  stepsOf,
  URL,
  valueIn,
} from './custom-parameters.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;
const step = stepsOf(() => fhir);

before(async () => {
  server = await startTestServer();
  fhir = createClient(server.fhirBaseUrl);
});
after(() => server.stop());

const colour = (id: string, code: string): Resource =>
  extended('Patient', id, { colour: { valueCodeableConcept: { coding: [{ system: 'urn:colours', code }] } } });

describe('a custom SearchParameter', () => {
  test('finds new resources at once and old ones after $reindex; until then searches say so', async () => {
    await step.put(colour('old', 'red'));
    const id = await step.create(
      parameter('colour', 'Patient', 'token', `Patient.${valueIn('colour', ' as CodeableConcept')}`),
    );
    await step.put(colour('new', 'red'), colour('other', 'blue'));
    assert.deepEqual(await step.states(id), { Patient: 'none' });

    const partly = await step.search('Patient?colour=urn:colours|red');
    assert.deepEqual(matchesIn(partly), ['new']);
    assert.deepEqual(lackingIn(partly), ['colour']);
    assert.equal(partly.json.total, undefined);
    const [issue] = outcomesIn(partly)[0]!.resource!.issue as unknown as JsonObject[];
    assert.match(
      String(issue!.diagnostics),
      /POST \S+\/Patient\/\$reindex completes it, \S+\/SearchParameter\/\$index-status/,
    );
    assertOutcome(await step.strictly('Patient?colour=red'), 422, 'incomplete', 'colour');
    assertOutcome(await step.search('Patient?colour=red&_summary=count'), 422, 'incomplete', 'colour');
    assertOutcome(await step.search('Patient?colour=red&_count=0'), 422, 'incomplete', 'colour');

    const job = await step.reindex('Patient');
    assert.deepEqual(await step.states(id), { Patient: 'complete' });
    const [index] = indexesIn(await fhir('GET', `SearchParameter/${id}/$index-status`));
    assert.deepEqual([index!.definition, index!.code, index!.job], [`${URL}/Patient-colour`, 'colour', job]);
    assert.deepEqual(await step.found('Patient?colour=urn:colours|red'), ['new', 'old']);
    assert.equal((await step.strictly('Patient?colour=red&_summary=count')).json.total, 2);
  });

  test('of a type without resources is complete at once', async () => {
    const id = await step.create(parameter('remark', 'Flag', 'string', `Flag.${valueIn('remark')}`));
    assert.deepEqual(await step.states(id), { Flag: 'complete' });
    const flag = { status: 'active', code: { text: 'x' }, subject: { reference: 'Patient/new' } };
    await step.put(extended('Flag', 'f', { remark: { valueString: 'Careful' } }, flag));
    assert.deepEqual(await step.found('Flag?remark=care'), ['f']);
  });

  test('whose path ends at an extension has its value', async () => {
    const more = { target: ['Practitioner'] };
    await step.create(
      parameter('seen-by', 'Substance', 'reference', `Substance.extension('${EXTENSION}/seen-by')`, more),
    );
    const seen = { 'seen-by': { valueReference: { reference: 'Practitioner/p' } } };
    await step.put(extended('Substance', 'seen', seen, { code: { text: 'x' } }));
    assert.deepEqual(await step.found('Substance?seen-by=Practitioner/p'), ['seen']);
    // Of another guide, which says the same.
    for (const [i, end] of ['', '.value'].entries()) {
      const other = { ...more, url: `${URL}/seen-by-${i}` };
      const expression = `Substance.extension('${EXTENSION}/seen-by')${end}`;
      await step.create(parameter('seen-by', 'Substance', 'reference', expression, other));
    }
    assert.deepEqual(await step.found('Substance?seen-by=Practitioner/p'), ['seen']);
  });

  test('stands in the CapabilityStatement with its state', async () => {
    const told = async (): Promise<JsonObject | undefined> => {
      const { json } = await fhir('GET', 'metadata');
      const [rest] = json.rest as unknown as { resource: { type: string; searchParam: JsonObject[] }[] }[];
      const { searchParam } = rest!.resource.find(({ type }) => type === 'Encounter')!;
      return searchParam.find(({ name }) => name === 'shift');
    };
    const encounter = { status: 'planned', class: { code: 'AMB' } };
    await step.put(extended('Encounter', 'e', { shift: { valueCode: 'night' } }, encounter));
    assert.equal(await told(), undefined);
    const id = await step.create(parameter('shift', 'Encounter', 'token', `Encounter.${valueIn('shift')}`));
    assert.deepEqual(await told(), {
      ...{ name: 'shift', definition: `${URL}/Encounter-shift`, type: 'token' },
      documentation: 'The shift. Not all resources are indexed by it yet: see SearchParameter/$index-status',
    });
    await step.reindex('Encounter');
    assert.equal((await told())!.documentation, 'The shift');
    assert.equal((await fhir('DELETE', `SearchParameter/${id}`)).status, 204);
    assert.equal(await told(), undefined);
  });

  test('is used while it is active, whatever changes it: PUT, PATCH, DELETE', async () => {
    const draft = parameter('rank', 'Practitioner', 'token', `Practitioner.${valueIn('rank')}`, { status: 'draft' });
    const id = await step.create(draft);
    const ranked = (name: string) => extended('Practitioner', name, { rank: { valueCode: 'a' } });
    await step.put(ranked('one'));
    const unknown = async () => assertOutcome(await step.strictly('Practitioner?rank=a'), 400, 'not-supported', 'rank');
    await unknown();
    assert.deepEqual(await step.states(id), { '': 'unused' });
    const [index] = indexesIn(await fhir('GET', `SearchParameter/${id}/$index-status`));
    assert.equal(index!.reason, 'Its status is draft, not active');

    const patch = [{ op: 'replace', path: '/status', value: 'active' }];
    const headers = { 'Content-Type': 'application/json-patch+json' };
    assert.equal((await fhir('PATCH', `SearchParameter/${id}`, patch, headers)).status, 200);
    await step.reindex('Practitioner');
    assert.deepEqual(await step.found('Practitioner?rank=a'), ['one']);

    await step.put({ ...draft, id, status: 'retired' });
    await unknown();
    // What came meanwhile was not indexed.
    await step.put(ranked('two'));
    await step.put({ ...draft, id, status: 'active' });
    assert.deepEqual(await step.states(id), { Practitioner: 'none' });
    assert.deepEqual(lackingIn(await step.search('Practitioner?rank=a')), ['rank']);
    await step.reindex('Practitioner');
    assert.deepEqual(await step.found('Practitioner?rank=a'), ['one', 'two']);
    // Told otherwise, it is the same definition.
    await step.put({ ...draft, id, status: 'active', description: 'Another' });
    assert.deepEqual(await step.states(id), { Practitioner: 'complete' });
    assert.equal((await fhir('DELETE', `SearchParameter/${id}`)).status, 204);
    await unknown();
    assertOutcome(await fhir('GET', `SearchParameter/${id}/$index-status`), 410, 'deleted');
  });

  test('with another expression is another one', async () => {
    const names = parameter('called', 'Organization', 'string', 'Organization.name');
    await step.put({ resourceType: 'Organization', id: 'o', name: 'Alpha', alias: ['Beta'] });
    const id = await step.create(names);
    await step.reindex('Organization');
    assert.deepEqual(await step.found('Organization?called=alpha'), ['o']);
    await step.put({ ...names, id, expression: 'Organization.alias' });
    assert.deepEqual(await step.states(id), { Organization: 'none' });
    assert.deepEqual(lackingIn(await step.search('Organization?called=alpha')), ['called']);
    await step.reindex('Organization');
    assert.deepEqual(await step.found('Organization?called=alpha'), []);
    assert.deepEqual(await step.found('Organization?called=beta'), ['o']);
  });

  test('of Resource and DomainResource is one of each type', async () => {
    const all = await step.create(parameter('spoken', 'Resource', 'token', 'Resource.language'));
    assert.equal(Object.keys(await step.states(all)).length, 146);
    await step.put({ resourceType: 'Basic', id: 'b', language: 'en', code: { text: 'x' } });
    assert.deepEqual(await step.found('Basic?spoken=en'), ['b']);
    const domain = parameter('seen', 'DomainResource', 'token', `DomainResource.${valueIn('seen')}`);
    const states = await step.states(await step.create(domain));
    assert.deepEqual([states.Basic, states.Device, states.Binary], ['none', 'complete', undefined]);
    const [first] = entries(await step.search('?_type=Device,Location&seen=x'));
    assert.equal(first, undefined);
  });

  test('comes in Bundles too, and to another server of the same database at once', async () => {
    const connection = await testConnection();
    const config = readConfig({ PORT: '0', MLLP_PORT: '0', MQTT_PORT: '0' });
    const start = async () => startServer({ config, log: testLog(), connection });
    const [one, two] = [await start(), await start()];
    try {
      const clients = [createClient(one.fhirBaseUrl), createClient(two.fhirBaseUrl)] as const;
      const [first, second] = [stepsOf(() => clients[0]), stepsOf(() => clients[1])];
      await second.put(colour('old', 'red'));
      const resource = parameter(
        'colour',
        'Patient',
        'token',
        `Patient.${valueIn('colour', '.ofType(CodeableConcept)')}`,
      );
      const bundle = { resourceType: 'Bundle', type: 'transaction' };
      const request = { method: 'POST', url: 'SearchParameter' };
      const reply = await clients[0]('POST', '', { ...bundle, entry: [{ resource, request }] });
      assert.equal(reply.status, 200, reply.text);
      // Each step through the server that has not heard of the one before.
      await second.put(colour('new', 'red'));
      assert.deepEqual(await lackingIn(await second.search('Patient?colour=red')), ['colour']);
      await first.reindex('Patient');
      assert.deepEqual(await second.found('Patient?colour=red'), ['new', 'old']);
      const [{ parameter: reference } = {}] = indexesIn(
        await clients[1]('GET', 'SearchParameter/$index-status?type=Patient'),
      );
      const path = (reference as { reference: string }).reference;
      const found = await clients[1]('GET', path);
      await second.put({ ...found.json, expression: `Patient.${valueIn('shade', '.ofType(CodeableConcept)')}` });
      assertOutcome(await first.strictly('Patient?colour=red'), 422, 'incomplete', 'colour');
      await second.reindex('Patient');
      assert.deepEqual(await first.found('Patient?colour=red'), []);
      assert.equal((await clients[1]('DELETE', path)).status, 204);
      assertOutcome(await first.strictly('Patient?colour=red'), 400, 'not-supported', 'colour');
    } finally {
      await one.stop();
      await two.stop();
    }
  });
});

describe('refused', () => {
  const fine = parameter('fine', 'Patient', 'string', 'Patient.name.given');
  const cases: [string, object, string, string][] = [
    ['an unknown type', { base: ['Patient', 'Persona'] }, 'code-invalid', 'SearchParameter.base[1]'],
    ['a code that is no name', { code: 'a b' }, 'value', 'SearchParameter.code'],
    ['a code of R4’s common parameters', { code: '_id' }, 'value', 'SearchParameter.code'],
    [
      'R4’s own code',
      { code: 'birthdate', type: 'date', expression: 'Patient.birthDate' },
      'duplicate',
      'SearchParameter.code',
    ],
    [
      'R4’s own url',
      { url: 'http://hl7.org/fhir/SearchParameter/Patient-active' },
      'business-rule',
      'SearchParameter.url',
    ],
    ['no expression', { expression: undefined }, 'required', 'SearchParameter.expression'],
    ['no FHIRPath', { expression: 'Patient.name.(' }, 'value', 'SearchParameter.expression'],
    ['an unknown element', { expression: 'Patient.nmae' }, 'value', 'SearchParameter.expression'],
    ['another type’s path', { expression: 'Practitioner.name' }, 'value', 'SearchParameter.expression'],
    ['elements of another kind', { type: 'date' }, 'value', 'SearchParameter.expression'],
    ['what never ends', { expression: 'Patient.repeat(contact)' }, 'value', 'SearchParameter.expression'],
    ['special', { type: 'special' }, 'not-supported', 'SearchParameter.type'],
    [
      'an unknown target',
      { type: 'reference', expression: 'Patient.link.other', target: ['Nobody'] },
      'code-invalid',
      'SearchParameter.target[0]',
    ],
    ['a composite of nothing', { type: 'composite', expression: 'Patient' }, 'required', 'SearchParameter.component'],
    [
      'a composite of too many',
      {
        type: 'composite',
        expression: 'Patient.contact',
        component: Array(11).fill({ definition: 'urn:x', expression: 'x' }),
      },
      'too-costly',
      'SearchParameter.component',
    ],
    [
      'a component that is none',
      {
        ...{ type: 'composite', expression: 'Patient.contact' },
        component: [
          { definition: 'http://hl7.org/fhir/SearchParameter/individual-gender', expression: 'gender' },
          { definition: 'urn:nothing', expression: 'name' },
        ],
      },
      'value',
      'SearchParameter.component[1].definition',
    ],
  ];
  for (const [name, change, code, expression] of cases) {
    test(name, async () => {
      assertOutcome(await fhir('POST', 'SearchParameter', { ...fine, ...change }), 400, code, expression);
      // Of what nobody uses the structure alone counts.
      if (!('base' in change) && !('target' in change)) {
        assert.equal((await fhir('POST', 'SearchParameter', { ...fine, ...change, status: 'draft' })).status, 201);
      }
    });
  }

  test('a second one of the same code; its own update is none', async () => {
    const resource = parameter('taken', 'Patient', 'string', 'Patient.name.given');
    const id = await step.create(resource);
    const other = {
      ...resource,
      url: `${URL}/other`,
      base: ['Person', 'Patient'],
      expression: 'Person.name | Patient.name',
    };
    const issue = assertOutcome(await fhir('POST', 'SearchParameter', other), 400, 'duplicate', 'SearchParameter.code');
    assert.match(issue.diagnostics, new RegExp(`Patient has 'taken' already, defined by SearchParameter/${id}`));
    await step.put({ ...resource, id, expression: 'Patient.name.family' });
    assert.deepEqual(await step.states(id), { Patient: 'none' });
  });

  test('a second composite of the same code and elements, unless it has the same parts', async () => {
    const R4 = 'http://hl7.org/fhir/SearchParameter/';
    const part = (name: string) => ({ definition: `${R4}Condition-${name}`, expression: name });
    const composite = (name: string, ...parts: string[]) =>
      parameter('pair', 'Condition', 'composite', 'Condition', {
        ...{ url: `${URL}/pair-${name}`, component: parts.map(part) },
      });
    await step.create(composite('one', 'severity', 'category'));
    await step.create(composite('same', 'severity', 'category'));
    const other = await fhir('POST', 'SearchParameter', composite('other', 'category', 'severity'));
    assertOutcome(other, 400, 'duplicate', 'SearchParameter.code');
  });

  test('in a Bundle with the entry’s place', async () => {
    const resource = { ...fine, expression: 'Patient.nmae' };
    const entry = [{ resource, request: { method: 'POST', url: 'SearchParameter' } }];
    const reply = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
    assertOutcome(reply, 400, 'value', 'Bundle.entry[0].resource.expression');
  });

  test('R4’s own is stored and changes nothing', async () => {
    const { json } = await fhir('GET', 'metadata');
    const url = 'http://hl7.org/fhir/SearchParameter/Patient-active';
    const own = { ...parameter('active', 'Patient', 'token', 'Patient.active'), url };
    const id = await step.create(own);
    assert.deepEqual(await step.states(id), { '': 'unused' });
    assert.deepEqual((await fhir('GET', 'metadata')).json.rest, json.rest);
  });
});
