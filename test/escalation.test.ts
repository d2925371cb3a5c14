// From a critical result to the person on call and back: the rule, the roster, the message, its link, the alert.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { startPagerDuty, startTwilio, twilioAccount, waitFor } from '#platform/testing';
import { assertOutcome, type Client, createClient } from './client.ts';
import { startTestServer } from './server.ts';

const minuteMs = 60_000;
const instant = (afterMs: number): string => new Date(Date.now() + afterMs).toISOString();

async function setUp(t: TestContext) {
  const [twilio, pager] = [await startTwilio(t), await startPagerDuty(t)];
  const folder = mkdtempSync(path.join(tmpdir(), 'escalation-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const secret = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text);
    return { file: path.join(folder, name) };
  };
  const { sid, token, number } = twilioAccount;
  const endpoints = [
    { name: 'sms', template: 'twilio', url: twilio.url, accountSid: sid, authToken: secret('t', token), from: number },
    { name: 'pager', template: 'pagerduty', url: pager.url, routingKey: secret('k', 'k'.repeat(32)) },
  ];
  const server = await startTestServer({ ALERT_ENDPOINTS: JSON.stringify(endpoints) });
  t.after(() => server.stop());
  return { twilio, pager, server, client: createClient(server.fhirBaseUrl) };
}

async function put(client: Client, ...resources: Record<string, unknown>[]): Promise<void> {
  for (const resource of resources) {
    const { status, text } = await client('PUT', `${resource.resourceType}/${resource.id}`, resource);
    assert.ok(status === 201 || status === 200, text);
  }
}

const role = (id: string, telephone: string) => ({
  ...{ resourceType: 'PractitionerRole', id, active: true },
  telecom: [{ system: 'sms', value: telephone }],
});
const onCall = { coding: [{ system: 'http://example.org/service', code: 'on-call' }] };
const roster = (id: string, actor: string, from: number, to: number) => [
  { resourceType: 'Schedule', id, active: true, serviceType: [onCall], actor: [{ reference: actor }] },
  {
    ...{ resourceType: 'Slot', id, status: 'free', schedule: { reference: `Schedule/${id}` } },
    ...{ start: instant(from * minuteMs), end: instant(to * minuteMs) },
  },
];

const chain = (channels: string[]) => ({
  ...{ resourceType: 'PlanDefinition', id: 'chain', status: 'active', title: 'Ward' },
  type: {
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/plan-definition-type', code: 'workflow-definition' }],
  },
  action: [
    {
      title: 'Step 1',
      timingDuration: { value: 1, code: 'h', system: 'http://unitsofmeasure.org', unit: 'h' },
      extension: [
        { url: 'urn:cerebra:escalation-who', valueReference: { reference: 'CareTeam/t' } },
        { url: 'urn:cerebra:escalation-mode', valueCode: 'all' },
        ...channels.map((valueCode) => ({ url: 'urn:cerebra:escalation-channel', valueCode })),
      ],
    },
  ],
});

const rule = {
  ...{ resourceType: 'PlanDefinition', id: 'potassium', status: 'active', title: 'Potassium' },
  type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/plan-definition-type', code: 'eca-rule' }] },
  extension: [
    { url: 'urn:cerebra:alert:kind', valueCode: 'critical-value' },
    { url: 'urn:cerebra:alert:escalation', valueString: 'chain' },
  ],
  action: [
    {
      ...{ title: 'Critical potassium', priority: 'stat' },
      trigger: [
        {
          type: 'data-changed',
          data: [
            {
              type: 'Observation',
              codeFilter: [{ path: 'code', code: [{ system: 'http://loinc.org', code: '2823-3' }] }],
            },
          ],
        },
      ],
    },
  ],
};

const potassium = (value: number) => ({
  ...{ resourceType: 'Observation', id: 'k', status: 'final', subject: { reference: 'Patient/p' } },
  code: { coding: [{ system: 'http://loinc.org', code: '2823-3' }] },
  effectiveDateTime: instant(0),
  valueQuantity: { value, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
});

test('whoever has the roster is told, and acknowledges by the link', async (t) => {
  const { twilio, pager, server, client } = await setUp(t);
  await put(
    client,
    { resourceType: 'Patient', id: 'p', name: [{ family: 'DOE', given: ['JANE'] }] },
    role('day', '+15550100001'),
    role('night', '+15550100002'),
    ...roster('day', 'PractitionerRole/day', -600, -60),
    ...roster('night', 'PractitionerRole/night', -60, 600),
    {
      ...{ resourceType: 'CareTeam', id: 't', status: 'active' },
      participant: [
        { member: { reference: 'PractitionerRole/day' } },
        { member: { reference: 'PractitionerRole/night' } },
      ],
    },
    chain(['sms', 'pager']),
  );
  await put(client, { ...rule, id: 'critical-laboratory-values' });
  const faulty = await client('PUT', 'PlanDefinition/chain', chain(['fax']));
  assertOutcome(faulty, 400, 'invalid', 'PlanDefinition.action[0]');
  const admin = async (at: string) =>
    (await client('GET', `${server.rootUrl}/admin/${at}`)).json as Record<string, unknown>;
  const chains = (await admin('escalations/chains')).chains as Record<string, unknown>[];
  assert.deepEqual(
    chains.map(({ id, problem }) => [id, problem]),
    [['chain', undefined]],
  );
  await waitFor(async () => {
    const rules = (await admin('alerts/rules')).rules as Record<string, unknown>[];
    return rules.some(({ id, builtIn }) => id === 'critical-laboratory-values' && !builtIn);
  }, 'the rule');
  await put(client, potassium(6.9));
  await waitFor(() => twilio.taken.length > 0 && pager.taken.length > 0, 'the messages');
  const [message] = twilio.taken;
  assert.equal(message!.To, '+15550100002');
  assert.doesNotMatch(message!.Body, /6\.9|DOE|JANE|Patient/);
  const key = pager.taken[0]!.dedup_key;
  assert.equal(pager.incidents.get(key), 'triggered');
  const [, id] = key.split('/');

  const link = /http:\S+/.exec(message!.Body)![0];
  const page = await fetch(link);
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type')!, /^text\/html/);
  assert.match(await page.text(), /<form method="post">/);
  const open = await admin(`alerts/${id}`);
  assert.equal(open.status, 'active', JSON.stringify(open));
  const foreign = await fetch(link, { method: 'POST', headers: { Origin: 'https://evil.example' } });
  assert.equal(foreign.status, 403);
  await foreign.text();
  const done = await fetch(link, { method: 'POST', headers: { Origin: server.rootUrl } });
  assert.match(await done.text(), /Acknowledged\. Nobody else is called\./);
  const closed = await admin(`alerts/${id}`);
  assert.equal(closed.status, 'acknowledged', JSON.stringify(closed));
  await waitFor(() => pager.incidents.get(key) === 'acknowledged', 'the incident to be acknowledged');

  const told = await waitFor(async () => {
    const query = 'Communication?recipient=PractitionerRole/night&_tag=urn:cerebra:alert|escalation';
    const { json } = await client('GET', query);
    return Number(json.total) > 0 && json;
  }, 'the message to be recorded');
  assert.equal(told.total, 1, JSON.stringify(told));
  const [run] = (await admin(`alerts/${id}/history`)).escalations as { state: string; steps: { note: string }[] }[];
  assert.deepEqual([run!.state, run!.steps[0]!.note], ['acknowledged', 'PractitionerRole/day: not on call']);
  const tasks = (await client('GET', 'Task?status=completed')).json;
  assert.equal(tasks.total, 1);
  // Back to normal: the incident ends as well.
  await put(client, potassium(4.2));
  await waitFor(() => pager.incidents.get(key) === 'resolved', 'the incident to be resolved');
  assert.equal(twilio.taken.length, 1);

  const audited = await waitFor(async () => {
    const { json } = await client('GET', 'AuditEvent?patient=Patient/p&_tag=urn:cerebra:alert|audit&_count=50');
    const events = (json.entry as { resource: JsonObject }[]).map(({ resource }) => resource);
    return events.length === 5 && events;
  }, 'two messages, the acknowledgment, and two ends that were told');
  const kinds = audited.map(({ subtype, agent }) => [
    (subtype as JsonObject[])[0]!.code,
    (agent as { who?: JsonObject; altId?: string }[]).map(({ who, altId }) => who?.reference ?? altId).at(-1),
  ]);
  assert.deepEqual(kinds.sort(), [
    ['alert-acknowledged', 'PractitionerRole/night'],
    ['message-sent', 'PractitionerRole/night'],
    ...Array.from({ length: 3 }, () => ['message-sent', 'pager']),
  ]);
  const acknowledged = audited.find(({ action }) => action === 'U')!;
  const about = (acknowledged.entity as { what: JsonObject }[]).map(({ what }) => what.reference);
  const [task] = tasks.entry as { resource: { id: string } }[];
  const [sms] = told.entry as { resource: { id: string } }[];
  assert.deepEqual(about, [
    `Flag/${id}`,
    `Task/${task!.resource.id}`,
    `Communication/${sms!.resource.id}`,
    'PlanDefinition/chain',
    'Patient/p',
  ]);
  for (const event of audited) {
    assert.doesNotMatch(JSON.stringify(event), /6\.9 mmol|DOE|JANE|\+1555/);
    const { status, json } = await client('POST', 'AuditEvent/$validate', event);
    const issues = (json.issue as JsonObject[]).filter(({ severity }) => severity !== 'information');
    // The value set of subtypes is extensible and has none for what is done about alerts.
    assert.deepEqual(
      [status, ...issues.map(({ severity, expression }) => [severity, expression])],
      [200, ['warning', ['AuditEvent.subtype[0]']]],
    );
  }
});
