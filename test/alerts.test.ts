// Rules of alerting over HTTP: refused when they are wrong, asked of the store, dry-run, seen by operators.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { assertOutcome, entries } from './client.ts';
import { serveTests } from './server.ts';
import { healthy, kinds, totals, observation as vitalSign } from './vital-signs.ts';

const call = serveTests({ SCORES: 'news2' });
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

const contextQuery = (expression: string): JsonObject => ({
  url: 'urn:cerebra:alert:query',
  valueExpression: { name: 'orders', language: 'application/x-fhir-query', expression },
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
      [],
      { ...action, extension: [high, extension('low', { valueQuantity: millimoles(7) })] },
      'invalid',
      'PlanDefinition.action[0]',
    ],
    [
      [extension('owner', { valueReference: { reference: 'Observation/1' } })],
      action,
      'invalid',
      'PlanDefinition.extension[1]',
    ],
    [
      [contextQuery('MedicationRequest?patiant={{%resource.subject.reference}}')],
      { ...action, ...condition('%orders.exists()') },
      'invalid',
      'PlanDefinition.extension[1].valueExpression.expression',
    ],
    [
      [extension('acknowledge-within', { valueDuration: { value: 5, code: 'kg' } })],
      action,
      'invalid',
      'PlanDefinition.extension[1].valueDuration',
    ],
    // It judges one resource: a window would be passed over.
    [
      [extension('window', { valueDuration: { value: 5, code: 'min' } })],
      action,
      'not-supported',
      'PlanDefinition.extension[1]',
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
  const query = contextQuery(
    'MedicationRequest?status=active&subject={{%resource.subject.reference}}&code=http://x|spironolactone',
  );
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
  // It goes as far as the change stream: other writes may hold it back for a moment.
  const dry = await waitFor(async () => {
    const found = await admin('POST', `/admin/alerts/rules/${rule.id}/dry-run?wait=20`);
    assert.equal(found.status, 200);
    return Number(found.json.judged) >= 2 && found;
  }, 'both to be judged');
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
  // It goes as far as the change stream: other writes may hold it back for a moment.
  const json = await waitFor(async () => {
    const dry = await admin('POST', '/admin/alerts/dry-run?wait=20', rule);
    assert.equal(dry.status, 200);
    return dry.json.fired!.length > 0 && dry.json;
  }, 'something to have fired');
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
  // What is refused has not begun: the next one is not told to wait for it.
  assert.equal((await admin('POST', '/admin/alerts/dry-run?wait=-1', rule)).status, 400);
  assert.equal((await admin('POST', '/admin/alerts/dry-run?wait=20', rule)).status, 200);
});

test('a rule on what is no reason of a Communication tells of it, once, and not of what it wrote itself, nor of what that led to', async () => {
  const on = (type: string, data: JsonObject = {}, more: JsonObject = {}) => ({
    trigger: [{ type: 'data-changed', data: [{ type, ...data }], ...more }],
  });
  const inProgress = { extension: [extension('criteria', { valueString: 'Encounter?status=in-progress' })] };
  const tagged = (...names: string[]) => ({
    codeFilter: [{ searchParam: '_tag', code: names.map((code) => ({ system: 'urn:cerebra:alert', code })) }],
  });
  const byId = extension('key', { valueString: '%resource.id' });
  const emergency = {
    title: 'Emergency',
    ...on('Encounter', {}, inProgress),
    ...condition("%resource.class.code = 'EMER'"),
  };
  await put(planDefinition('emergency', 'threshold', [], emergency));
  await put(planDefinition('denied', 'claim', [], { title: 'Denied', ...on('ClaimResponse') }));
  // They tell of each other's Flags, and would for ever.
  const active = condition("%resource.status = 'active'");
  const ofFlags = {
    title: 'Flag of a flag',
    ...on('Flag', tagged('emergency', 'denied', 'flags', 'others')),
    ...active,
  };
  await put(planDefinition('flags', 'threshold', [byId], ofFlags));
  const ofThose = { title: 'Flag of that', ...on('Flag', tagged('flags')), ...active };
  await put(planDefinition('others', 'threshold', [byId], ofThose));
  await put({ resourceType: 'Patient', id: 'p3' });
  const patient = { reference: 'Patient/p3' };
  await put({
    ...{ resourceType: 'Encounter', id: 'e1', status: 'in-progress', subject: patient },
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'EMER' },
  });
  await put({
    ...{ resourceType: 'ClaimResponse', id: 'c1', status: 'active', use: 'claim', outcome: 'error', patient },
    ...{ type: { text: 'institutional' }, created: '2026-01-01', insurer: { display: 'TEST' } },
  });
  const open = async () => (await admin('GET', '/admin/alerts?patient=p3')).json.alerts!;
  await waitFor(async () => (await open()).length >= 6, 'all alerts');
  // Their own Flags have gone through the stream once this one has.
  await put(observation('late', 'p1', 7, 60));
  await waitFor(async () => {
    const { json } = await admin('GET', '/admin/alerts?patient=p1&rule=potassium-with-spironolactone');
    return (json.alerts![0]!.evidence as unknown as string[])[0] === 'Observation/late';
  }, 'the last change');
  const found = (await open()).map(({ rule, evidence }) => `${rule}: ${(evidence as unknown as string[]).length}`);
  assert.deepEqual(found.sort(), ['denied: 1', 'emergency: 1', 'flags: 1', 'flags: 1', 'others: 1', 'others: 1']);
  const [told] = entries(await call('GET', 'Communication?subject=Patient/p3&_tag=urn:cerebra:alert|emergency'));
  const { reasonReference, about } = told!.resource as Resource & { about: JsonObject[] };
  assert.deepEqual([reasonReference, about[0]], [undefined, { reference: 'Encounter/e1' }]);
  const [{ id } = {}] = await open();
  const body = '{"by": "TEST", "minutes": 1000000000.0}';
  const reply = await call('POST', `${root()}/admin/alerts/${String(id)}/snooze`, body);
  assert.equal(reply.status, 400, reply.text);
});

test('values from before a rule was in force count, whomever they are about', async () => {
  const code = { coding: [{ system: 'http://x', code: 'before' }] };
  const by = (subject: JsonObject) => (id: string, value: number, minute: number) => ({
    ...observation(id, 'x', value, minute),
    ...{ subject, code },
  });
  const known = by({ reference: 'Patient/p1' });
  const logical = by({ type: 'Patient', identifier: { system: 'http://x', value: 'a|b,c' } });
  for (const one of [known, logical]) {
    const name = one === known ? 'k' : 'l';
    await put(one(`${name}1`, 4, 0));
    await put(one(`${name}2`, 4.5, 10));
  }
  // Of a type whose clinical time can't be searched by.
  const condition = { resourceType: 'Condition', id: 'before', subject: { reference: 'Patient/p1' } };
  await put({ ...condition, code: { coding: [{ system: 'http://x', code: 'renal' }] } });
  const on = (type: string, code: string) => ({
    ...{ type: 'data-changed', name: code },
    data: [{ type, codeFilter: [{ path: 'code', code: [{ system: 'http://x', code }] }] }],
  });
  const window = extension('window', { valueDuration: { value: 30, code: 'd' } });
  const change = extension('change', { valueQuantity: millimoles(2) });
  const [readings, renal] = [on('Observation', 'before'), on('Condition', 'renal')];
  const jump = { title: 'Jump', extension: [change], trigger: [readings] };
  await put(planDefinition('before-delta', 'delta', [window], jump));
  const both = { title: 'Both', trigger: [readings, renal] };
  await put(planDefinition('before-combination', 'combination', [window], both));
  // Observations of 2026-01-01, and a Condition of now: the newest must not be further away than the window.
  const now = { effectiveDateTime: new Date().toISOString() };
  await put(known('k3', 6.2, 20));
  await put(logical('l3', 6.2, 20));
  await put({ ...known('k4', 6.2, 20), ...now });
  const alerts = await waitFor(async () => {
    const found = ['before-delta', 'before-combination'].map((rule) => admin('GET', `/admin/alerts?rule=${rule}`));
    const rows = (await Promise.all(found)).flatMap(({ json }) => json.alerts!);
    return rows.length > 2 ? rows : undefined;
  }, 'the alerts');
  assert.deepEqual(
    alerts.map(({ subject, title, detail }) => [subject, title, detail]),
    [
      ['http://x|a|b,c', 'Jump', 'from 4 mmol/L to 6.2 mmol/L within 20 min'],
      ['Patient/p1', 'Jump', 'from 4 mmol/L to 6.2 mmol/L within 20 min'],
      ['Patient/p1', 'Both', 'before, renal'],
    ],
  );
});

test('a vital sign that turns out to be something else: its alert was an error, its scores are without it', async () => {
  const pulse = {
    ...{ type: 'data-changed' },
    data: [
      { type: 'Observation', codeFilter: [{ path: 'code', code: [{ system: 'http://loinc.org', code: '8867-4' }] }] },
    ],
  };
  const fast = extension('high', { valueQuantity: { value: 120, system: 'http://unitsofmeasure.org', code: '/min' } });
  await put(planDefinition('pulse', 'threshold', [], { title: 'Fast', extension: [fast], trigger: [pulse] }));
  await put({ resourceType: 'Patient', id: 'recoded', birthDate: '1950-05-05' });
  const at = { patient: 'recoded', minutes: 0 };
  for (const [name, kind] of healthy()) await put(vitalSign({ id: `recoded-${name}`, ...at, ...kind }));
  const scores = async () =>
    entries(await call('GET', 'Observation?subject=Patient/recoded&_tag=urn:cerebra:score|news2')).map(
      ({ resource }) => resource!,
    );
  const flags = async () =>
    entries(await call('GET', 'Flag?subject=Patient/recoded&_tag=urn:cerebra:alert|pulse'))
      .map(({ resource }) => String(resource!.status))
      .sort();
  const told = async (what: string, total: number | null, statuses: string[]) => {
    await waitFor(async () => {
      const now = [totals(await scores()), await flags()];
      return JSON.stringify(now) === JSON.stringify([[[0, total]], statuses]);
    }, what);
    return (await scores())[0]!.status;
  };
  await told('the score of all', 0, []);
  const wrong = vitalSign({ id: 'recoded-pulse', ...at, ...kinds.pulse(131) });
  await put(wrong);
  assert.equal(await told('the alert, and 3 points', 3, ['active']), 'amended');
  const code = { coding: [{ system: 'http://loinc.org', code: '29463-7' }] };
  await put({ ...wrong, code });
  assert.equal(await told('neither', null, ['entered-in-error']), 'amended');
  const [alert] = (await admin('GET', '/admin/alerts?rule=pulse')).json.alerts!;
  assert.deepEqual([alert!.status, alert!.evidence], ['resolved', ['Observation/recoded-pulse']]);
  const from = new Date(Date.now() - 3_600_000).toISOString();
  const dry = await admin('POST', `/admin/alerts/rules/pulse/dry-run?from=${from}&wait=20`);
  assert.deepEqual([dry.json.state, dry.json.raised, dry.json.resolved], ['done', 1, 1]);
  await put(wrong);
  assert.equal(await told('both again', 3, ['active', 'entered-in-error']), 'amended');
});

test('alerts end with their rule, and by hand, whatever they rest on', async () => {
  const code = { coding: [{ system: 'http://x', code: 'ends' }] };
  const on = [
    { type: 'data-changed', data: [{ type: 'Observation', codeFilter: [{ path: 'code', code: [{ code: 'ends' }] }] }] },
  ];
  const within = extension('acknowledge-within', { valueDuration: { value: 5, code: 'min' } });
  const action = (title: string) => ({ title, priority: 'routine', extension: [high], trigger: on });
  const deleted = planDefinition('ends-deleted', 'threshold', [within], action('Deleted'));
  await put(deleted);
  await put(planDefinition('ends-closed', 'threshold', [within], action('Closed')));
  await put({ resourceType: 'Patient', id: 'ends' });
  // A clock that is ahead.
  const effectiveDateTime = new Date(Date.now() + 4 * 60_000).toISOString();
  await put({ ...observation('ends', 'ends', 7, 0), code, effectiveDateTime });
  const alerts = async () => (await admin('GET', '/admin/alerts?patient=ends')).json.alerts!;
  const seen = async () => {
    const [flags, tasks] = await Promise.all([
      call('GET', 'Flag?patient=Patient/ends'),
      call('GET', 'Task?patient=Patient/ends'),
    ]);
    const shown = [
      ...(await alerts()).map(({ rule, status }) => `${rule} ${status}`),
      ...entries(flags).map(({ resource }) => `${(resource!.code as JsonObject).text} ${resource!.status}`),
      ...entries(tasks).map(({ resource }) => `${resource!.description} ${resource!.status}`),
    ];
    return shown.sort();
  };
  const open = (title: string, id: string) => [`${title} active`, `${title} requested`, `${id} active`];
  const over = (title: string, id: string) => [`${title} cancelled`, `${title} inactive`, `${id} resolved`];
  await waitFor(async () => (await alerts()).length === 2, 'both alerts');
  assert.deepEqual(await seen(), [...open('Closed', 'ends-closed'), ...open('Deleted', 'ends-deleted')].sort());

  assert.equal((await call('DELETE', 'PlanDefinition/ends-deleted')).status, 204);
  await waitFor(async () => (await alerts()).some(({ status }) => status === 'resolved'), 'the end with the rule');
  assert.deepEqual(await seen(), [...open('Closed', 'ends-closed'), ...over('Deleted', 'ends-deleted')].sort());

  const [{ id } = {}] = (await alerts()).filter(({ status }) => status === 'active');
  const closed = await admin('POST', `/admin/alerts/${String(id)}/close`, { by: 'Ward 3', note: 'TEST' });
  assert.deepEqual([closed.status, closed.json.status, closed.json.note], [200, 'resolved', 'Closed by Ward 3: TEST']);
  assert.deepEqual(await seen(), [...over('Closed', 'ends-closed'), ...over('Deleted', 'ends-deleted')].sort());
  assert.equal((await admin('POST', `/admin/alerts/${String(id)}/close`, { by: 'Ward 3' })).status, 422);
});
