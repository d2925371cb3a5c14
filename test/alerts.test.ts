// Rules of alerting over HTTP: refused when they are wrong, asked of the store, dry-run, seen by operators.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { assertOutcome, entries } from './client.ts';
import { serveTests } from './server.ts';

const call = serveTests();
const root = () => call.base.replace(/\/fhir\/R4$/, '');
const admin = async (method: string, path: string, body?: unknown) =>
  (await call(method, `${root()}${path}`, body)) as unknown as {
    status: number;
    json: JsonObject & Record<string, JsonObject[]>;
  };

const extension = (name: string, value: JsonObject): JsonObject => ({ url: `urn:cerebra:alert:${name}`, ...value });
const millimoles = (value: number): JsonObject => ({ value, system: 'http://unitsofmeasure.org', code: 'mmol/L' });
const trigger = [
  { type: 'data-changed', data: [{ type: 'Observation', codeFilter: [{ path: 'code', code: [{ code: 'k' }] }] }] },
];
const condition = (expression: string): JsonObject => ({
  condition: [{ kind: 'applicability', expression: { language: 'text/fhirpath', expression } }],
});

const planDefinition = (id: string, kind: string, extensions: JsonObject[], action: JsonObject): Resource => ({
  ...{ resourceType: 'PlanDefinition', id, status: 'active', action: [action] },
  type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/plan-definition-type', code: 'eca-rule' }] },
  extension: [extension('kind', { valueCode: kind }), ...extensions],
});

const observation = (id: string, patient: string, value: number, minute: number): Resource => ({
  ...{ resourceType: 'Observation', id, status: 'final', code: { coding: [{ system: 'http://x', code: 'k' }] } },
  subject: { reference: `Patient/${patient}` },
  effectiveDateTime: new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString(),
  valueQuantity: { ...millimoles(value), unit: 'mmol/L' },
});

const high = extension('high', { valueQuantity: millimoles(6) });
const put = async (resource: Resource) => {
  const reply = await call('PUT', `${resource.resourceType}/${resource.id}`, resource);
  assert.ok(reply.status === 200 || reply.status === 201, reply.text);
};

test('a wrong rule is refused, with the element at fault; other PlanDefinitions are left alone', async () => {
  const action = { title: 'High', extension: [high], trigger };
  const cases: [JsonObject[], JsonObject, string, string][] = [
    [[], { trigger }, 'required', 'PlanDefinition.action[0].title'],
    [
      [],
      { ...action, trigger: [{ type: 'data-changed', data: [{ type: 'Quantity' }] }] },
      'invalid',
      'PlanDefinition.action[0].trigger[0].data[0]',
    ],
    [
      [],
      { ...action, ...condition('%nobody.exists()') },
      'invalid',
      'PlanDefinition.action[0].condition[0].expression.expression',
    ],
    [
      [],
      { ...action, extension: [high, extension('higher', { valueCode: 'x' })] },
      'not-supported',
      'PlanDefinition.action[0].extension[1]',
    ],
    [
      [extension('window', { valueDuration: { value: 5, code: 'kg' } })],
      action,
      'invalid',
      'PlanDefinition.extension[1].valueDuration',
    ],
  ];
  for (const [extensions, one, code, expression] of cases) {
    const reply = await call('POST', 'PlanDefinition', planDefinition('x', 'threshold', extensions, one));
    if (reply.json.resourceType === 'OperationOutcome') assert.ok([400, 422].includes(reply.status), reply.text);
    assertOutcome(reply, reply.status, code, expression);
  }
  const other = { resourceType: 'PlanDefinition', status: 'active', title: 'An order set' };
  assert.equal((await call('POST', 'PlanDefinition', other)).status, 201);
});

test('a rule asks the store, raises an alert, and a dry run finds the same', async () => {
  await put({ resourceType: 'Patient', id: 'p1' });
  await put({ resourceType: 'Patient', id: 'p2' });
  await put({
    ...{
      resourceType: 'MedicationRequest',
      id: 'm1',
      status: 'active',
      intent: 'order',
      subject: { reference: 'Patient/p1' },
    },
    medicationCodeableConcept: { coding: [{ system: 'http://x', code: 'spironolactone' }] },
  });
  const query = {
    url: 'urn:cerebra:alert:query',
    valueExpression: {
      ...{ name: 'orders', language: 'application/x-fhir-query' },
      expression:
        'MedicationRequest?status=active&subject={{%resource.subject.reference}}&code=http://x|spironolactone',
    },
  };
  const rule = planDefinition(
    'potassium-with-spironolactone',
    'threshold',
    [query, extension('detected-issue', { valueBoolean: true })],
    {
      ...{ title: 'High potassium with spironolactone', priority: 'stat', extension: [high], trigger },
      ...condition('%orders.exists()'),
    },
  );
  await put(rule);
  await put(observation('o1', 'p1', 6.5, 1));
  await put(observation('o2', 'p2', 6.5, 2));
  const flags = await waitFor(async () => {
    const found = entries(await call('GET', 'Flag?patient=Patient/p1'));
    return found.length > 0 ? found : undefined;
  }, 'the Flag');
  assert.equal(flags.length, 1);
  const issues = entries(await call('GET', 'DetectedIssue?patient=Patient/p1'));
  assert.equal(issues.length, 1);
  const { json } = await admin('GET', '/admin/alerts?patient=p1&status=open');
  assert.deepEqual(
    json.alerts!.map(({ rule, status, severity, detail }) => [rule, status, severity, detail]),
    [['potassium-with-spironolactone', 'active', 'critical', '6.5 mmol/L (limit 6 mmol/L)']],
  );
  const dry = await admin('POST', `/admin/alerts/rules/${rule.id}/dry-run?wait=20`);
  assert.equal(dry.status, 200);
  assert.deepEqual([dry.json.state, dry.json.judged, dry.json.raised], ['done', 2, 1]);
  assert.deepEqual(
    dry.json.fired!.map(({ subject }) => subject),
    ['Patient/p1'],
  );
  assert.deepEqual(entries(await call('GET', 'Flag?patient=Patient/p2')), []);
});

test('a rule that was never stored is dry-run, and a wrong one is refused', async () => {
  const change = extension('change', { valueQuantity: millimoles(1) });
  const window = extension('window', { valueDuration: { value: 1, code: 'h' } });
  const rule = planDefinition('never-stored', 'delta', [window], { title: 'Changed', extension: [change], trigger });
  await put(observation('d1', 'p2', 4, 10));
  await put(observation('d2', 'p2', 5.5, 20));
  const { status, json } = await admin('POST', '/admin/alerts/dry-run?wait=20', rule);
  assert.equal(status, 200);
  // 6.5 of the test before is in the window, too.
  assert.deepEqual(
    json.fired!.map(({ subject, detail }) => [subject, detail]),
    [['Patient/p2', 'from 6.5 mmol/L to 4 mmol/L within 8 min']],
  );
  const wrong = await admin('POST', '/admin/alerts/dry-run', { ...rule, action: [] });
  assert.equal(wrong.status, 400);
  const backwards = await admin('POST', '/admin/alerts/dry-run?from=2026-02-01&to=2026-01-01', rule);
  assert.equal(backwards.status, 400);
  assert.equal((await admin('GET', '/admin/alerts/dry-runs/nobody')).status, 404);
});
