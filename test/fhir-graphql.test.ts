// $graphql over HTTP: https://hl7.org/fhir/R4/graphql.html#invoking
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { assertOutcome, type Client, createClient, type Reply } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let client: Client;

before(async () => {
  server = await startTestServer();
  client = createClient(server.fhirBaseUrl);
  await client('PUT', 'Patient/a', {
    resourceType: 'Patient',
    id: 'a',
    name: [{ family: 'Testperson', given: ['Alpha'] }],
  });
  await client('PUT', 'Observation/o', {
    resourceType: 'Observation',
    id: 'o',
    status: 'final',
    code: { text: 'x' },
    subject: { reference: 'Patient/a' },
  });
});

after(() => server.stop());

const isJson = (reply: Reply) => assert.equal(reply.headers.get('content-type'), 'application/json; charset=utf-8');

const answers = (reply: Reply, data: unknown) => {
  assert.deepEqual([reply.status, reply.json], [200, { data }], reply.text);
  isJson(reply);
};

function fails(reply: Reply, status: number, message: RegExp) {
  assert.equal(reply.status, status, reply.text);
  isJson(reply);
  const { data, errors } = reply.json as unknown as {
    data: null;
    errors: { message: string; extensions: { resource: unknown } }[];
  };
  assert.equal(data, null);
  assert.match(errors[0]!.message, message);
  assert.equal((errors[0]!.extensions.resource as { resourceType: string }).resourceType, 'OperationOutcome');
}

const encoded = (query: string, more = '') => `query=${encodeURIComponent(query)}${more}`;
const name = { name: [{ family: 'Testperson', given: ['Alpha'] }] };
const plain = { Accept: 'application/json' };

describe('a query', () => {
  it('in the URL, at a resource, a type and the base', async () => {
    answers(await client('GET', `Patient/a/$graphql?${encoded('{name{family,given}}')}`, undefined, plain), name);
    answers(await client('GET', `Patient/$graphql?${encoded('{PatientList{id}}')}`), { PatientList: [{ id: 'a' }] });
    answers(await client('GET', `$graphql?${encoded('{Patient(id:a){id}}')}`), { Patient: { id: 'a' } });
  });

  it('in the URL, with variables and the name of the operation', async () => {
    const two = 'query A($use: code) { name(use: $use) { family } } query B { id }';
    const more = `&variables=${encodeURIComponent('{"use":"old"}')}&operationName=A`;
    answers(await client('GET', `Patient/a/$graphql?${encoded(two, more)}`), {});
  });

  it('as application/graphql', async () => {
    const headers = { 'Content-Type': 'application/graphql' };
    answers(await client('POST', 'Patient/a/$graphql', '{ name { family given } }', headers), name);
    answers(await client('POST', '$graphql?operationName=B', 'query A { x } query B { PatientList { id } }', headers), {
      PatientList: [{ id: 'a' }],
    });
  });

  it('as application/json, and as what clients of GraphQL accept', async () => {
    const headers = {
      'Content-Type': 'application/json; charset=utf-8',
      Accept: 'application/graphql-response+json, application/json;q=0.9',
    };
    const query =
      'query Q($id: ID!) { Observation(id: $id) { subject { resource { ... on Patient { name { family given } } } } } }';
    const body = { query, variables: { id: 'o' }, operationName: 'Q', extensions: {} };
    answers(await client('POST', '$graphql', body, headers), { Observation: { subject: { resource: name } } });
  });

  it('as Parameters, in FHIR’s media type and in JSON’s', async () => {
    const parameters = { resourceType: 'Parameters', parameter: [{ name: 'query', valueString: '{ id }' }] };
    answers(await client('POST', 'Patient/a/$graphql', parameters), { id: 'a' });
    answers(await client('POST', 'Patient/a/$graphql', parameters, { 'Content-Type': 'application/json' }), {
      id: 'a',
    });
    const xml =
      '<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="query"/><valueString value="{ id }"/></parameter></Parameters>';
    answers(await client('POST', 'Patient/a/$graphql', xml, { 'Content-Type': 'application/fhir+xml' }), { id: 'a' });
  });
});

describe('a mutation', () => {
  it('is posted, and writes as REST does', async () => {
    const query = 'mutation M($res: PatientInput!) { PatientCreate(res: $res) { id meta { versionId } } }';
    const body = { query, variables: { res: { name: [{ family: 'Posted' }] } } };
    const reply = await client('POST', '$graphql', body, { 'Content-Type': 'application/json' });
    const { data } = reply.json as unknown as { data: { PatientCreate: { id: string; meta: object } } };
    const { id, meta } = data.PatientCreate;
    assert.deepEqual([reply.status, meta], [200, { versionId: '1' }]);
    const read = await client('GET', `Patient/${id}`);
    assert.deepEqual(read.json.name, [{ family: 'Posted' }]);
    const headers = { 'Content-Type': 'application/graphql', 'If-Match': 'W/"2"' };
    const refused = await client('POST', 'Patient/$graphql', `mutation { PatientDelete(id: "${id}") }`, headers);
    assert.equal(refused.status, 412, refused.text);
    answers(
      await client('POST', '$graphql', `mutation { PatientDelete(id: "${id}") }`, {
        'Content-Type': 'application/graphql',
      }),
      {
        PatientDelete: null,
      },
    );
    assert.equal((await client('GET', `Patient/${id}`)).status, 410);
  });

  it('is no GET, and nothing of a transaction', async () => {
    const query = 'mutation { PatientDelete(id: "a") }';
    fails(await client('GET', `$graphql?${encoded(query)}`), 405, /in the body of a POST/);
    const parameters = { resourceType: 'Parameters', parameter: [{ name: 'query', valueString: query }] };
    const entry = [{ request: { method: 'POST', url: '$graphql' }, resource: parameters }];
    const reply = await client('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
    assertOutcome(reply, 400, 'not-supported', 'Bundle.entry[0].request.url');
    answers(await client('GET', 'Patient/a/$graphql?query={id}'), { id: 'a' });
  });
});

it('tells its schema', async () => {
  const query = '{ __schema { queryType { name } } __type(name: "Patient") { kind interfaces { name } } }';
  const patient = { kind: 'OBJECT', interfaces: [{ name: 'DomainResource' }, { name: 'Resource' }] };
  const told = { __schema: { queryType: { name: 'Query' } }, __type: patient };
  answers(await client('GET', `$graphql?${encoded(query)}`), told);
  answers(await client('POST', '$graphql', query, { 'Content-Type': 'application/graphql' }), told);
});

describe('an error', () => {
  it('has its status, and the form of GraphQL', async () => {
    fails(await client('GET', 'Patient/a/$graphql'), 400, /needs a query/);
    fails(await client('GET', `Patient/a/$graphql?${encoded('{ nme }')}`), 400, /Patient has no field 'nme'/);
    fails(await client('GET', `Patient/none/$graphql?${encoded('{ id }')}`), 404, /Patient\/none is not known/);
    fails(await client('POST', '$graphql', '{ not json', { 'Content-Type': 'application/json' }), 400, /Not JSON/);
    fails(await client('POST', '$graphql', [], { 'Content-Type': 'application/json' }), 400, /must be a JSON object/);
    fails(
      await client('POST', '$graphql', { query: 1 }, { 'Content-Type': 'application/json' }),
      400,
      /'query' must be a string/,
    );
    fails(
      await client('POST', '$graphql', { query: '{ x }', variables: [] }, { 'Content-Type': 'application/json' }),
      400,
      /'variables'/,
    );
    fails(await client('GET', `$graphql?${encoded('{ x }', '&variables=x')}`), 400, /Not JSON/);
  });

  it('of the call itself is an OperationOutcome, as of every operation', async () => {
    assertOutcome(await client('GET', '$graphql?quer=x'), 400, 'not-supported', 'quer');
    assertOutcome(await client('GET', 'Patent/$graphql?query=x'), 404, 'not-supported');
    assertOutcome(
      await client('POST', '$graphql', 'x', { 'Content-Type': 'text/plain' }),
      415,
      'not-supported',
      'Content-Type',
    );
  });

  it('comes soon for what is deep, long or repeated, and the server goes on', async () => {
    const post = (body: string) =>
      client('POST', 'Patient/a/$graphql', body, { 'Content-Type': 'application/graphql' });
    const hostile = [
      '{a'.repeat(40_000),
      '['.repeat(90_000),
      '{ id(x: '.concat('['.repeat(45_000)),
      `{ ${'...A '.repeat(9_000)} } fragment A on Patient { id }`,
      `{ ${Array.from({ length: 1900 }, (_, i) => `a${i}: contained { id }`).join(' ')} }`,
      `query Q(${Array.from({ length: 5000 }, (_, i) => `$v${i}: Int`).join(' ')}) { id }`,
      Array.from({ length: 3000 }, (_, i) => `fragment F${i} on Patient { ...F${i + 1} }`)
        .join(' ')
        .concat(' { ...F0 }'),
      '\u0000',
      '{ id \u0000 }',
      '{ "',
      '"""',
      '{ id @include(if: $x) }',
      '{ __proto__ { constructor } }',
      '{ constructor }',
    ];
    for (const query of hostile) {
      const { status, text } = await post(query);
      assert.ok(status === 400 || status === 200, `${query.slice(0, 40)}: ${status} ${text.slice(0, 200)}`);
    }
    answers(await post('{ id }'), { id: 'a' });
  });
});

it('is in the CapabilityStatement, and described', async () => {
  const { json } = await client('GET', 'metadata');
  const [rest] = json.rest as unknown as {
    operation: { name: string }[];
    resource: { type: string; operation: { name: string }[] }[];
  }[];
  assert.ok(rest!.operation.some(({ name: each }) => each === 'graphql'));
  const ofPatient = rest!.resource.find(({ type }) => type === 'Patient')!.operation.map(({ name: each }) => each);
  for (const each of ['graphql', 'match', 'merge', 'member-match']) assert.ok(ofPatient.includes(each), each);
  for (const id of ['Resource-graphql', 'Patient-match', 'Patient-merge', 'member-match']) {
    assert.equal((await client('GET', `OperationDefinition/${id}`)).status, 200, id);
  }
});
