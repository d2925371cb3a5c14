// Searching by custom search parameters: https://hl7.org/fhir/R4/search.html
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { assertOutcome, type Client, createClient, ids } from './client.ts';
import { extended, includedIn, lackingIn, matchesIn, parameter, stepsOf, valueIn } from './custom-parameters.ts';
import { startReceiver } from './fault/receiver.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;
const step = stepsOf(() => fhir);

before(async () => {
  server = await startTestServer();
  fhir = createClient(server.fhirBaseUrl);
});
after(() => server.stop());

const observed = { status: 'final', code: { text: 'x' } };
const observation = (id: string, values: Record<string, object>, more: object = {}): Resource =>
  extended('Observation', id, values, { ...observed, ...more });

describe('what not all resources are indexed by', () => {
  before(async () => {
    await step.put(
      { resourceType: 'Patient', id: 'p1', name: [{ family: 'Alpha' }] },
      { resourceType: 'Patient', id: 'p2', name: [{ family: 'Beta' }] },
      observation('before', {
        room: { valueString: 'green' },
        witness: { valueReference: { reference: 'Patient/p1' } },
      }),
    );
    await step.create(parameter('room', 'Observation', 'string', `Observation.${valueIn('room')}`));
    await step.create(
      parameter('witness', 'Observation', 'reference', `Observation.${valueIn('witness', ' as Reference')}`, {
        target: ['Patient'],
      }),
    );
    await step.put(
      observation('after', {
        room: { valueString: 'green' },
        witness: { valueReference: { reference: 'Patient/p2' } },
      }),
      observation('other', { room: { valueString: 'blue' } }, { subject: { reference: 'Patient/p1' } }),
    );
  });

  const partial: [string, string, string[]][] = [
    ['Observation?room=green', 'room', ['after']],
    ['Observation?room:missing=true', 'room', ['before']],
    ['Observation?witness:Patient.name=beta', 'witness', ['after']],
    ['Patient?_has:Observation:witness:status=final', 'witness', ['p2']],
    ['Patient?_has:Observation:subject:room=blue', 'room', ['p1']],
    ['Observation?_filter=room eq green', 'room', ['after']],
    ['Observation?_sort=room&status=final', 'room', ['after', 'before', 'other']],
    ['Observation?_include=Observation:witness&room=green', 'room witness', ['after']],
    ['Observation?_include=Observation:*', 'witness', ['after', 'before', 'other']],
    ['Observation?_include=*', 'witness', ['after', 'before', 'other']],
    ['Patient?_revinclude=Observation:witness', 'witness', ['p1', 'p2']],
    ['Patient?_revinclude=*', 'witness', ['p1', 'p2']],
  ];
  for (const [query, codes, matches] of partial) {
    test(query, async () => {
      const reply = await step.search(query);
      assert.equal(reply.status, 200, reply.text);
      assert.deepEqual(lackingIn(reply), codes.split(' '));
      assert.deepEqual(matchesIn(reply).sort(), matches);
      assertOutcome(await step.strictly(query), 422, 'incomplete');
    });
  }

  test('other searches say nothing of it', async () => {
    for (const query of [
      'Observation?status=final',
      'Patient?_include=*',
      'Observation?_include=Observation:subject',
    ]) {
      assert.deepEqual(lackingIn(await step.strictly(query)), [], query);
    }
  });

  test('no condition is decided by it', async () => {
    const criteria = 'room=yellow';
    const fresh = observation('never', { room: { valueString: 'yellow' } });
    const { id: _id, ...posted } = fresh;
    const refused = async (call: Promise<Awaited<ReturnType<Client>>>, expression: string) => {
      const issue = assertOutcome(await call, 422, 'incomplete', expression);
      assert.match(issue.diagnostics, /What criteria decide could come twice/);
    };
    await refused(fhir('POST', 'Observation', posted, { 'If-None-Exist': criteria }), 'room');
    await refused(fhir('PUT', `Observation?${criteria}`, posted), 'room');
    await refused(fhir('DELETE', `Observation?${criteria}`), 'room');
    const patch = [{ op: 'replace', path: '/status', value: 'amended' }];
    await refused(
      fhir('PATCH', `Observation?${criteria}`, patch, { 'Content-Type': 'application/json-patch+json' }),
      'room',
    );
    const entry = [{ resource: posted, request: { method: 'POST', url: 'Observation', ifNoneExist: criteria } }];
    await refused(fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry }), 'room');
    const subject = { reference: `Observation?${criteria}` };
    const report = { resourceType: 'DiagnosticReport', ...observed, result: [subject] };
    const linked = [{ resource: report, request: { method: 'POST', url: 'DiagnosticReport' } }];
    await refused(fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: linked }), 'room');
    assert.deepEqual(matchesIn(await step.search('Observation?_summary=false')).sort(), ['after', 'before', 'other']);
  });

  test('completed, it does all of that', async () => {
    await step.reindex('Observation');
    for (const [query, expected] of [
      ['Observation?room=green', ['after', 'before']],
      ['Observation?room:missing=true', []],
      ['Observation?witness:Patient.name=alpha', ['before']],
      ['Patient?_has:Observation:witness:room=green', ['p1', 'p2']],
      ['Observation?_filter=room eq green', ['after', 'before']],
    ] as const) {
      assert.deepEqual(await step.found(query), expected, query);
    }
    assert.deepEqual(matchesIn(await step.strictly('Observation?_sort=room,_id')), ['other', 'after', 'before']);
    const included = await step.strictly('Observation?_id=before&_include=Observation:witness');
    assert.deepEqual(includedIn(included), ['p1']);
    assert.deepEqual(includedIn(await step.strictly('Patient?_id=p2&_revinclude=Observation:witness')), ['after']);
    const yellow = extended('Observation', 'x', { room: { valueString: 'yellow' } }, observed);
    const { id: _id, ...posted } = yellow;
    const create = () => fhir('POST', 'Observation', posted, { 'If-None-Exist': 'room=yellow' });
    assert.equal((await create()).status, 201);
    assert.equal((await create()).status, 200);
  });
});

test('parameters of all types', async () => {
  const kinds: [string, string, object, string[], string[]][] = [
    [
      'when',
      'date',
      { valuePeriod: { start: '2024-01-01', end: '2024-02-01' } },
      ['when=2024', 'when=lt2024-03'],
      ['when=2023'],
    ],
    ['score', 'number', { valueDecimal: 7.5 }, ['score=7.5', 'score=gt7'], ['score=9']],
    [
      'dose',
      'quantity',
      { valueQuantity: { value: 5, system: 'http://unitsofmeasure.org', code: 'g' } },
      ['dose=5000|http://unitsofmeasure.org|mg', 'dose=gt4'],
      ['dose=6'],
    ],
    [
      'site',
      'uri',
      { valueUri: 'http://example.org/a' },
      ['site=http://example.org/a', 'site:below=http://example.org'],
      ['site=http://example.org'],
    ],
    ['nick', 'string', { valueString: 'Zoë' }, ['nick=zoe', 'nick:exact=Zoë', 'nick:contains=o'], ['nick:exact=zoe']],
    [
      'mark',
      'token',
      { valueCodeableConcept: { coding: [{ system: 'urn:s', code: 'a', display: 'Apple' }] } },
      ['mark=urn:s|a', 'mark:text=app', 'mark:not=b'],
      ['mark=urn:t|a'],
    ],
  ];
  for (const [code, type] of kinds) await step.create(parameter(code, 'Device', type, `Device.${valueIn(code)}`));
  // What only a whole FHIRPath engine can evaluate.
  await step.create(parameter('initial', 'Device', 'string', 'Device.deviceName.name.first().substring(0, 1).upper()'));
  const values = Object.fromEntries(kinds.map(([code, , value]) => [code, value]));
  const deviceName = [{ name: 'pump', type: 'other' }];
  await step.put(extended('Device', 'd', values, { deviceName }), { resourceType: 'Device', id: 'none' });
  for (const [, , , hits, misses] of kinds) {
    for (const hit of hits) {
      const found = await step.found(`Device?${hit}`);
      assert.deepEqual(
        found.filter((id) => id === 'd'),
        ['d'],
        hit,
      );
    }
    for (const miss of misses) assert.deepEqual(await step.found(`Device?${miss}`), [], miss);
  }
  assert.deepEqual(await step.found('Device?initial:exact=P'), ['d']);
});

test('a composite of R4’s parts and custom ones, by the element', async () => {
  const method = parameter('part-method', 'Specimen', 'token', 'Specimen.collection.method');
  await step.create({ ...parameter('stage', 'Specimen', 'token', 'Specimen.processing.procedure') });
  await step.create({ ...parameter('additive', 'Specimen', 'reference', 'Specimen.processing.additive') });
  await step.create(method);
  const component = [
    { definition: `http://example.org/fhir/SearchParameter/Specimen-stage`, expression: 'procedure' },
    { definition: `http://example.org/fhir/SearchParameter/Specimen-additive`, expression: 'additive' },
  ];
  await step.create(parameter('stage-additive', 'Specimen', 'composite', 'Specimen.processing', { component }));
  const processing = [
    { procedure: { coding: [{ system: 'urn:p', code: 'a' }] }, additive: [{ reference: 'Substance/1' }] },
    { procedure: { coding: [{ system: 'urn:p', code: 'b' }] }, additive: [{ reference: 'Substance/2' }] },
  ];
  await step.put({ resourceType: 'Specimen', id: 's', processing } as Resource);
  assert.deepEqual(await step.found('Specimen?stage-additive=urn:p|a$Substance/1'), ['s']);
  assert.deepEqual(await step.found('Specimen?stage-additive=a$Substance/2'), []);
  // A part that is defined anew makes the whole one incomplete.
  const { json } = await fhir('GET', 'SearchParameter?code=stage');
  const [{ resource }] = json.entry as unknown as [{ resource: Resource }];
  await step.put({ ...resource, type: 'string', expression: 'Specimen.processing.description' });
  assertOutcome(await step.strictly('Specimen?stage=x'), 422, 'incomplete', 'stage');
});

test('a Subscription listens by it, and to what it means now', async (t) => {
  const receiver = await startReceiver(t);
  const noted = (id: string, name: string): Resource =>
    extended('Location', id, { [name]: { valueString: 'alarm' } }, { name: id });
  const resource = parameter('note', 'Location', 'string', `Location.${valueIn('note')}`);
  const id = await step.create(resource);
  const channel = { type: 'rest-hook', endpoint: receiver.url, payload: 'application/fhir+json' };
  const subscription = {
    resourceType: 'Subscription',
    status: 'requested',
    reason: 'x',
    criteria: 'Location?note=alarm',
    channel,
  };
  const path = `Subscription/${await step.create(subscription as Resource)}`;
  const status = async () => (await fhir('GET', path)).json.status;
  await waitFor(async () => (await status()) === 'active', 'the Subscription to be active');
  const heard = () => [...receiver.ids()];
  await step.put(noted('l1', 'other'), noted('l2', 'note'));
  await waitFor(() => heard().length > 0, 'a notification');
  await step.put({ ...resource, id, expression: `Location.${valueIn('other')}` });
  await step.put(noted('l3', 'note'), noted('l4', 'other'));
  await waitFor(() => heard().length > 1, 'another notification');
  assert.deepEqual(heard(), ['l2', 'l4']);
  // Without it nothing says what is listened for.
  await fhir('DELETE', `SearchParameter/${id}`);
  await waitFor(async () => (await status()) === 'error', 'the Subscription to be in error');
  assert.match(String((await fhir('GET', path)).json.error), /note/);
});

test('GraphQL and $lastn refuse what they could only answer in part', async () => {
  const given = parameter('shift', 'Observation', 'token', `Observation.${valueIn('shift')}`);
  await step.create(given);
  const last = await fhir('GET', 'Observation/$lastn?subject=Patient/p1&code=x&shift=night');
  assertOutcome(last, 422, 'incomplete', 'shift');
  const graph = await fhir('GET', `$graphql?query=${encodeURIComponent('{ObservationList(shift: "night") {id}}')}`);
  assert.match(graph.text, /Not all resources of type Observation are indexed/);
});

test('in _contained it is looked at in memory', async () => {
  await step.create(parameter('badge', 'Practitioner', 'string', `Practitioner.${valueIn('badge')}`));
  const inner = extended('Practitioner', 'in', { badge: { valueString: 'gold' } });
  const patient = {
    resourceType: 'Patient',
    contained: [inner],
    generalPractitioner: [{ reference: '#in' }],
  } as Resource;
  const id = await step.create(patient);
  const reply = await step.strictly('Practitioner?badge=gold&_contained=true');
  assert.equal(reply.status, 200, reply.text);
  assert.deepEqual(ids(reply), [id]);
});

test('a composite of two quantities converts the units of both', async () => {
  const UCUM = 'http://unitsofmeasure.org';
  await step.create(parameter('onset-years', 'Condition', 'quantity', 'Condition.onset.ofType(Age)'));
  await step.create(parameter('abatement-years', 'Condition', 'quantity', 'Condition.abatement.ofType(Age)'));
  const component = [
    { definition: 'http://example.org/fhir/SearchParameter/Condition-onset-years', expression: 'onset.ofType(Age)' },
    {
      definition: 'http://example.org/fhir/SearchParameter/Condition-abatement-years',
      expression: 'abatement.ofType(Age)',
    },
  ];
  await step.create(parameter('years', 'Condition', 'composite', 'Condition', { component }));
  const age = (value: number, code: string) => ({ value, code, system: UCUM });
  const condition = (id: string, onsetAge: object, abatementAge: object) =>
    ({ resourceType: 'Condition', id, subject: { display: 'x' }, onsetAge, abatementAge }) as unknown as Resource;
  await step.put(
    condition('years', age(1, 'a'), age(2, 'a')),
    condition('months', age(12, 'mo'), age(24, 'mo')),
    condition('mixed', age(12, 'mo'), age(2, 'a')),
    condition('other', age(12, 'mo'), age(36, 'mo')),
  );
  const both = ['mixed', 'months', 'years'];
  assert.deepEqual(await step.found(`Condition?years=1|${UCUM}|a$2|${UCUM}|a`), both);
  assert.deepEqual(await step.found(`Condition?years=12|${UCUM}|mo$24|${UCUM}|mo`), both);
  assert.deepEqual(await step.found(`Condition?years=1|${UCUM}|a$gt2.5|${UCUM}|a`), ['other']);
  assert.deepEqual(await step.found(`Condition?years=1|${UCUM}|a$24|${UCUM}|a`), []);
});

test('parameters over values of any type', async () => {
  await step.create(parameter('input-kind', 'Task', 'token', 'Task.input.type'));
  await step.create(parameter('input-amount', 'Task', 'quantity', 'Task.input.value'));
  await step.create(parameter('input-of', 'Task', 'reference', 'Task.input.value'));
  const component = (value: string) => [
    { definition: 'http://example.org/fhir/SearchParameter/Task-input-kind', expression: 'type' },
    { definition: `http://example.org/fhir/SearchParameter/Task-${value}`, expression: 'value' },
  ];
  const composite = (code: string, value: string) =>
    step.create(parameter(code, 'Task', 'composite', 'Task.input', { component: component(value) }));
  await composite('kind-amount', 'input-amount');
  await composite('kind-of', 'input-of');
  const type = (code: string) => ({ coding: [{ system: 'urn:k', code }] });
  const input = [
    { type: type('dose'), valueQuantity: { value: 5, system: 'http://unitsofmeasure.org', code: 'g' } },
    { type: type('span'), valueDuration: { value: 2, system: 'http://unitsofmeasure.org', code: 'h' } },
    { type: type('range'), valueRange: { low: { value: 7 }, high: { value: 9 } } },
    { type: type('who'), valueReference: { reference: 'Patient/t' } },
    { type: type('how'), valueCanonical: 'http://example.org/plan|2' },
    { type: type('where'), valueUri: 'urn:place' },
  ];
  await step.put({ resourceType: 'Task', id: 'open', status: 'draft', intent: 'plan', input } as unknown as Resource);
  for (const hit of [
    'input-amount=5000|http://unitsofmeasure.org|mg',
    'input-amount=120|http://unitsofmeasure.org|min',
    'input-amount=ge7',
    'input-of=Patient/t',
    'input-of=http://example.org/plan',
    'input-of=urn:place',
    'kind-amount=dose$5000|http://unitsofmeasure.org|mg',
    'kind-amount=urn:k|range$gt8',
    'kind-of=who$Patient/t',
    'kind-of=how$http://example.org/plan|2',
  ])
    assert.deepEqual(await step.found(`Task?${hit}`), ['open'], hit);
  for (const miss of ['kind-amount=dose$2||h', 'kind-of=dose$Patient/t', 'kind-of=where$Patient/t'])
    assert.deepEqual(await step.found(`Task?${miss}`), [], miss);
});
