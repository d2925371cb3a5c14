// $validate over HTTP: https://hl7.org/fhir/R4/resource-operation-validate.html
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createXmlCodec, loadDefinitions, type Resource } from '#fhir-model';
import { assertOutcome, type Reply } from './client.ts';
import { createChance } from './fuzz/chance.ts';
import { garble, makeResource, makeSpoilt } from './fuzz/resources.ts';
import { serveTests } from './server.ts';

const fhir = serveTests();

interface IssueShape {
  severity: string;
  code: string;
  diagnostics: string;
  expression?: string[];
  extension?: { url: string; valueInteger: number }[];
}

const issuesOf = (reply: Reply): IssueShape[] => {
  assert.equal(reply.status, 200, reply.text);
  assert.equal(reply.json.resourceType, 'OperationOutcome');
  return reply.json.issue as unknown as IssueShape[];
};

const EXTENSION = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-';

/** `severity code expression @line:column` */
const told = (reply: Reply): string[] =>
  issuesOf(reply).map(({ severity, code, expression = [], extension = [] }) => {
    const [line, column] = ['line', 'col'].map(
      (name) => extension.find(({ url }) => url === `${EXTENSION}${name}`)?.valueInteger,
    );
    return [severity, code, ...expression, ...(line === undefined ? [] : [`@${line}:${column}`])].join(' ');
  });

const ALL_OK = ['information informational'];
const patient = {
  resourceType: 'Patient',
  active: true,
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">A</div>' },
};
const parameters = (...parameter: object[]) => ({ resourceType: 'Parameters', parameter });

describe('a resource as it is', () => {
  test('valid: information that all is well', async () => {
    const reply = await fhir('POST', 'Patient/$validate', patient);
    assert.deepEqual(told(reply), ALL_OK);
    assert.equal(issuesOf(reply)[0]!.diagnostics, 'All OK');
    assert.deepEqual(told(await fhir('POST', '$validate', patient)), ALL_OK);
  });

  test('invalid: 200 with each fault, its place in the tree and in the text', async () => {
    const text =
      '{\n  "resourceType": "Patient",\n  "gender": "unknwon",\n  "name": [{"family": "A"},\n    {"given": [7]}]\n}';
    assert.deepEqual(told(await fhir('POST', 'Patient/$validate', text)), [
      'error code-invalid Patient.gender @3:3',
      'error structure Patient.name[1].given[0] @5:16',
    ]);
  });

  test('nothing is stored', async () => {
    assert.equal((await fhir('GET', 'Patient?_summary=count')).json.total, 0);
  });
});

const T = '\n';
const wrongGender = [
  '{',
  '  "resourceType": "Patient", "id": "x",',
  '  "gender": "male",',
  '  "birthDate": "1980-13-01"',
  '}',
].join(T);

describe('in a Parameters resource', () => {
  test('its faults have their places in the whole text', async () => {
    const text = `{ "resourceType": "Parameters", "parameter": [${T}{ "name": "mode", "valueCode": "create" },${T}{ "name": "resource", "resource":${T}${wrongGender} } ] }`;
    assert.deepEqual(told(await fhir('POST', 'Patient/$validate', text)), [
      'error value Patient.birthDate @7:3',
      'information informational',
    ]);
  });

  test('a Parameters resource of another kind is validated itself', async () => {
    const body = parameters({ name: 'a', valueString: 'b' });
    assert.deepEqual(told(await fhir('POST', '$validate', body)), ALL_OK);
    const wrong = parameters({ name: 'a', valueBoolean: 'b' });
    assert.deepEqual(told(await fhir('POST', 'Parameters/$validate', wrong)), [
      'error structure Parameters.parameter[0].valueBoolean @1:55',
    ]);
  });

  test('faults of the call itself are errors', async () => {
    const call = (...list: object[]) => fhir('POST', 'Patient/$validate', parameters(...list));
    const resource = { name: 'resource', resource: patient };
    assertOutcome(await call(resource, { name: 'mode', valueCode: 'destroy' }), 400, 'value', 'mode');
    assertOutcome(await call(resource, { name: 'profile', valueBoolean: true }), 400, 'value');
    assertOutcome(await call(resource, { name: 'other', valueCode: 'x' }), 400, 'not-supported', 'other');
    assertOutcome(await call({ name: 'mode', valueCode: 'create' }), 400, 'required', 'resource');
    assertOutcome(await call(resource, resource), 400, 'value', 'resource');
    assertOutcome(
      await fhir('POST', 'Patient/$validate?mode=create', parameters(resource, { name: 'mode', valueCode: 'create' })),
      400,
      'value',
      'mode',
    );
  });
});

describe('text that is no resource', () => {
  test('JSON: fatal, where it stops', async () => {
    assert.deepEqual(told(await fhir('POST', 'Patient/$validate', '{"resourceType":\n "Patient",}')), [
      'fatal structure @2:12',
    ]);
    assert.deepEqual(told(await fhir('POST', '$validate', '[]')), ['fatal structure']);
    assert.deepEqual(told(await fhir('POST', '$validate', '{"active":true}')), ['fatal structure']);
    assert.deepEqual(told(await fhir('POST', '$validate', '{"resourceType":"Patient","active":true,"active":false}')), [
      'fatal structure Patient.active @1:41',
    ]);
    assert.deepEqual(told(await fhir('POST', '$validate', { resourceType: 'Pasient' })), [
      'error structure Pasient.resourceType @1:2',
    ]);
  });

  test('none at all is an error, as is a type that is not read', async () => {
    assertOutcome(await fhir('POST', 'Patient/$validate'), 400, 'required', 'resource');
    assertOutcome(await fhir('GET', 'Patient/$validate'), 400, 'required', 'resource');
    assertOutcome(await fhir('POST', '$validate', 'a', { 'Content-Type': 'text/plain' }), 415, 'not-supported');
    assertOutcome(await fhir('POST', 'Observation/$validate', patient), 400, 'invalid', 'resource');
  });
});

describe('XML', () => {
  const XML = { 'Content-Type': 'application/fhir+xml' };
  const post = (text: string, path = 'Patient/$validate') => fhir('POST', path, text, XML);

  test('places are those of the tags', async () => {
    const text = [
      '<?xml version="1.0"?>',
      '<Patient xmlns="http://hl7.org/fhir">',
      '  <name><family value="A"/></name>',
      '  <name>',
      '    <given value="B"/><given value="C"/>',
      '    <period><start value="2020-30-01"/></period>',
      '  </name>',
      '  <gender value="x"/>',
      '</Patient>',
    ].join(T);
    assert.deepEqual(told(await post(text)), [
      'error value Patient.name[1].period.start @6:13',
      'error code-invalid Patient.gender @8:3',
    ]);
  });

  test('within Parameters the resource is found below them', async () => {
    const text = `<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="resource"/><resource>${T}<Patient><gender value="x"/></Patient></resource></parameter></Parameters>`;
    assert.deepEqual(told(await post(text)), ['error code-invalid Patient.gender @2:10']);
  });

  test('what cannot be read is fatal, where it stops', async () => {
    assert.deepEqual(told(await post('<Patient xmlns="http://hl7.org/fhir"><nam value="A"/></Patient>')), [
      'fatal structure Patient @1:38',
    ]);
    assert.match(
      told(await post('<Patient xmlns="http://hl7.org/fhir"><name></Patient>'))[0]!,
      /^fatal structure .*@1:\d+$/,
    );
  });
});

describe('modes', () => {
  const at = (id: string, query = '') => `Patient/${id}/$validate${query}`;
  const information = 'information informational';

  test('create: not of an instance; the id is not kept', async () => {
    assert.deepEqual(told(await fhir('POST', 'Patient/$validate?mode=create', patient)), ALL_OK);
    const issues = issuesOf(await fhir('POST', 'Patient/$validate?mode=create', { ...patient, id: 'x' }));
    assert.match(issues[0]!.diagnostics, /gives a new id/);
    assertOutcome(await fhir('POST', at('x', '?mode=create'), patient), 400, 'value', 'mode');
  });

  test('update: the id is the URL’s, If-Match the current version', async () => {
    await fhir('PUT', 'Patient/m', { ...patient, id: 'm' });
    assert.deepEqual(told(await fhir('POST', at('m', '?mode=update'), { ...patient, id: 'm' })), ALL_OK);
    assert.deepEqual(told(await fhir('POST', at('m', '?mode=update'), { ...patient, id: 'n' })), [
      'error invalid Patient.id @1:131',
    ]);
    assert.deepEqual(told(await fhir('POST', at('m', '?mode=update'), patient)), ['error required Patient.id @1:1']);
    const outdated = await fhir('POST', at('m', '?mode=update'), { ...patient, id: 'm' }, { 'If-Match': 'W/"7"' });
    assert.deepEqual(told(outdated), ['error conflict If-Match']);
    assert.deepEqual(told(await fhir('POST', at('new', '?mode=update'), { ...patient, id: 'new' })), [information]);
    assertOutcome(await fhir('POST', 'Patient/$validate?mode=update', patient), 400, 'value', 'mode');
    const tag = [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }];
    const part = await fhir('POST', at('m', '?mode=update'), { ...patient, id: 'm', meta: { tag } });
    assert.deepEqual(
      told(part).map((text) => text.split(' @')[0]),
      ['error business-rule Patient.meta.tag'],
    );
    // Without a body: the stored resource as an update would have it.
    assert.deepEqual(told(await fhir('POST', at('m', '?mode=update'))), ALL_OK);
    assert.deepEqual(told(await fhir('GET', at('m', '?mode=update'))), ALL_OK);
    assert.deepEqual(told(await fhir('GET', at('m', '?mode=update'), undefined, { 'If-Match': 'W/"7"' })), [
      'error conflict If-Match',
    ]);
    assert.equal((await fhir('GET', 'Patient/m')).json.meta?.versionId, '1');
  });

  test('delete: needs no resource, deletes nothing', async () => {
    await fhir('PUT', 'Patient/d', { ...patient, id: 'd' });
    assert.deepEqual(told(await fhir('GET', at('d', '?mode=delete'))), ALL_OK);
    assert.deepEqual(
      told(await fhir('POST', at('d'), parameters({ name: 'mode', valueCode: 'delete' }), { 'If-Match': 'W/"2"' })),
      ['error conflict If-Match'],
    );
    assert.deepEqual(told(await fhir('GET', at('none', '?mode=delete'))), [information]);
    assert.equal((await fhir('GET', 'Patient/d')).status, 200);
  });

  test('without a resource the stored one is validated', async () => {
    await fhir('PUT', 'Patient/s', { ...patient, id: 's' });
    assert.deepEqual(told(await fhir('GET', at('s'))), ALL_OK);
    assert.deepEqual(told(await fhir('POST', at('s'))), ALL_OK);
    assertOutcome(await fhir('GET', at('none')), 404, 'not-found');
    await fhir('DELETE', 'Patient/s');
    assertOutcome(await fhir('GET', at('s')), 410, 'deleted');
  });
});

describe('profile', () => {
  const VITAL_SIGNS = 'http://hl7.org/fhir/StructureDefinition/vitalsigns';
  const observation = { resourceType: 'Observation', status: 'final', code: { text: 'Rate' } };

  test('one that is named, and one that is claimed, are checked', async () => {
    const wanted = (path: string, body: object) => fhir('POST', path, body).then(told);
    const named = await wanted(`Observation/$validate?profile=${VITAL_SIGNS}`, observation);
    assert.ok(
      named.some((line) => line.startsWith('error required Observation.subject')),
      named.join(T),
    );
    const claimed = await wanted('Observation/$validate', { ...observation, meta: { profile: [VITAL_SIGNS] } });
    assert.ok(
      claimed.some((line) => line.startsWith('error required Observation.subject')),
      claimed.join(T),
    );
    const versioned = await wanted(`Observation/$validate?profile=${VITAL_SIGNS}|4.0.1`, observation);
    assert.deepEqual(versioned, named);
  });

  test('one that is not known cannot be checked: 400', async () => {
    const unknown = 'http://example.org/StructureDefinition/none';
    const path = `Observation/$validate?profile=${VITAL_SIGNS},${unknown}`;
    const { diagnostics } = assertOutcome(await fhir('POST', path, observation), 400, 'value', 'profile');
    assert.match(diagnostics, /StructureDefinition\/none' is not known here/);
    assertOutcome(await fhir('POST', 'Observation/$validate?mode=profile', observation), 400, 'value', 'profile');
  });

  test('the CapabilityStatement and the OperationDefinition tell of it', async () => {
    const { json } = await fhir('GET', 'OperationDefinition/Resource-validate');
    assert.deepEqual([json.system, json.type, json.instance, json.code], [true, true, true, 'validate']);
    assert.match((await fhir('GET', 'metadata')).text, /OperationDefinition\/Resource-validate/);
  });
});

describe('whatever is sent', () => {
  const XML = { 'Content-Type': 'application/fhir+xml' };

  test('each of 600 spoilt and garbled resources is answered with its faults, and each place is in the text', async () => {
    const chance = createChance(71);
    const codec = createXmlCodec(await loadDefinitions());
    for (let i = 0; i < 600; i++) {
      const wantsXml = chance.once(4);
      const whole = wantsXml
        ? codec.write(makeResource(chance) as Resource, true)
        : JSON.stringify(makeSpoilt(chance), null, 1);
      const text = wantsXml || chance.once(3) ? garble(whole, chance) : whole;
      if (text.trim() === '') continue;
      const reply = await fhir('POST', '$validate', text, wantsXml ? XML : {});
      const lines = text.split('\n');
      for (const { severity, extension = [] } of issuesOf(reply)) {
        assert.match(severity, /^(fatal|error|warning|information)$/);
        const [line, column] = extension.map(({ valueInteger }) => valueInteger);
        if (line === undefined) continue;
        assert.ok(line >= 1 && line <= lines.length, `line ${line} of ${lines.length}: ${reply.text.slice(0, 500)}`);
        assert.ok(
          column! >= 1 && column! <= lines[line - 1]!.length + 1,
          `${text.slice(0, 300)} ${reply.text.slice(0, 500)}`,
        );
      }
    }
  });

  test('limits: profiles, issues', async () => {
    const many = Array.from({ length: 21 }, (_, i) => `http://example.org/${i}`).join(',');
    assertOutcome(await fhir('POST', `Patient/$validate?profile=${many}`, patient), 400, 'too-costly', 'profile');
    const name = Array.from({ length: 3000 }, () => ({ use: 'wrong' }));
    assert.equal(issuesOf(await fhir('POST', 'Patient/$validate', { ...patient, name })).length, 500);
  });

  test('in a Bundle it is one entry among others, without places: its text is not the one that was sent', async () => {
    const entry = [{ request: { method: 'POST', url: 'Patient/$validate' }, resource: { ...patient, gender: 'x' } }];
    const reply = await fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry });
    assert.equal(reply.status, 200, reply.text);
    const [answer] = reply.json.entry as unknown as { resource: { issue: object[] }; response: { status: string } }[];
    assert.deepEqual([answer!.response.status.slice(0, 3), answer!.resource.issue.length], ['200', 1]);
    const [issue] = answer!.resource.issue as { code: string; expression: string[]; extension?: object[] }[];
    assert.deepEqual(
      [issue!.code, issue!.expression, issue!.extension],
      ['code-invalid', ['Patient.gender'], undefined],
    );
  });

  test('references to what is not here are a warning', async () => {
    const wrong = { ...patient, managingOrganization: { reference: 'Organization/nowhere' } };
    const lines = told(await fhir('POST', 'Patient/$validate', wrong));
    assert.deepEqual(
      lines.map((line) => line.split(' ').slice(0, 3).join(' ')),
      ['warning not-found Patient.managingOrganization'],
    );
  });
});

describe('VERSION_REQUIRED', () => {
  const strict = serveTests({ VERSION_REQUIRED: 'Patient' });

  test('an update or delete of what is there needs If-Match, and says so', async () => {
    const stored = { ...patient, id: 'v' };
    assert.equal((await strict('PUT', 'Patient/v', stored)).status, 201);
    const update = (headers: Record<string, string> = {}) =>
      strict('POST', 'Patient/v/$validate?mode=update', stored, headers);
    assert.deepEqual(told(await update()), ['error required If-Match']);
    assert.deepEqual(told(await update({ 'If-Match': '*' })), ['error required If-Match']);
    assert.deepEqual(told(await update({ 'If-Match': 'W/"1"' })), ALL_OK);
    assert.deepEqual(told(await strict('GET', 'Patient/v/$validate?mode=delete')), ['error required If-Match']);
    const created = await strict('POST', 'Patient/w/$validate?mode=update', { ...patient, id: 'w' });
    assert.deepEqual(told(created), ALL_OK);
  });
});
