// What people do about an alert is audited, and nothing that is audited leads to an alert.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import {
  alertsOf,
  eventRule,
  ext,
  inForce,
  judged,
  onCode,
  quantity,
  reading,
  tasksOf,
} from '../testing/alert-rules.ts';
import { createRig, type Rig, type Server } from '../testing/rig.ts';
import { auditEventOf, isAudit } from './audit.ts';

const high = ext('high', 'Quantity', quantity(6, 'mmol/L'));
const rule = eventRule(
  't',
  'threshold',
  [ext('escalation', 'String', 'chain')],
  [{ title: 'High', priority: 'stat', extension: [high], trigger: [onCode('k')] }],
);

const ask = async (server: Server, action: string, id: string, body: JsonObject): Promise<void> => {
  const route = server.adminRoutes.find(({ path }) => path === `/admin/alerts/:id/${action}`)!;
  await route.handle({ params: { id }, query: new URLSearchParams(), body: Buffer.from(JSON.stringify(body)) });
};

const kindOf = ({ subtype }: Resource) => (subtype as JsonObject[])[0]!.code;
const events = async ({ store }: Rig) =>
  (await store.list('AuditEvent')).filter((one) => kindOf(one) !== 'step-skipped');

/** One alert that is open. */
async function raised(rig: Rig): Promise<string> {
  await inForce(rig, rule);
  await judged(rig, reading('o1', 7, 1));
  const text = `select id from alert where rule = 't'`;
  return (await rig.db.query<{ id: string }>({ text }))[0]!.id;
}

const lifecycle = 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle';

test('a snooze and an acknowledgment through the API, each with its change and once', async (t) => {
  const rig = await createRig(t);
  const nowMs = Date.UTC(2026, 0, 2);
  const server = await rig.start({ clock: { now: () => nowMs } });
  const id = await raised(rig);
  await ask(server, 'snooze', id, { by: 'Practitioner/1', minutes: 30 });
  const [snoozed] = await events(rig);
  const { id: eventId, meta: _, source: __, ...rest } = snoozed!;
  assert.match(eventId!, /^[0-9a-f-]{36}$/);
  const [task] = await tasksOf(rig);
  const entity = (rest.entity as JsonObject[]).map(({ what, detail }) => ({ what, ...(detail ? { detail } : {}) }));
  assert.deepEqual(
    { ...rest, entity },
    {
      resourceType: 'AuditEvent',
      type: { system: lifecycle, code: 'amend', display: 'Amend (Update) Record Lifecycle Event' },
      subtype: [{ system: 'urn:cerebra:alert-audit', code: 'alert-snoozed', display: 'Alert snoozed' }],
      action: 'U',
      recorded: '2026-01-02T00:00:00.000Z',
      outcome: '0',
      agent: [{ who: { reference: 'Practitioner/1' }, requestor: true }],
      entity: [
        {
          what: { reference: `Flag/${id}` },
          detail: [
            { type: 'rule', valueString: 't' },
            { type: 'until', valueString: '2026-01-02T00:30:00.000Z' },
          ],
        },
        { what: { reference: `Task/${task!.id}` } },
        { what: { reference: 'PlanDefinition/chain' } },
        { what: { reference: 'Patient/p1' } },
      ],
    },
  );
  await ask(server, 'acknowledge', id, { by: 'Ward\t3 ', note: 'potassium of DOE^JANE' });
  await assert.rejects(ask(server, 'acknowledge', id, { by: 'Ward 3' }), { code: 'business-rule' });
  const all = await events(rig);
  assert.deepEqual(all.map(kindOf).sort(), ['alert-acknowledged', 'alert-snoozed']);
  const acknowledged = all.find((one) => kindOf(one) === 'alert-acknowledged')!;
  assert.deepEqual(acknowledged.agent, [{ altId: 'Ward 3', requestor: true }]);
  assert.doesNotMatch(JSON.stringify(acknowledged), /DOE|potassium/);
});

test('what is over before anybody has acted says so; what was acknowledged before does not', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const id = await raised(rig);
  await judged(rig, reading('o2', 5, 2));
  assert.deepEqual((await events(rig)).map(kindOf), ['alert-cleared']);
  await judged(rig, reading('o3', 7, 3));
  const text = `select id from alert where rule = 't' and status = 'active'`;
  const [second] = await rig.db.query<{ id: string }>({ text });
  assert.notEqual(second!.id, id);
  await ask(server, 'acknowledge', second!.id, { by: 'Practitioner/1' });
  await judged(rig, reading('o4', 5, 4));
  assert.deepEqual((await events(rig)).map(kindOf).sort(), ['alert-acknowledged', 'alert-cleared']);
});

test('closed by hand it is over, once, and says by whom and why; what comes next is another alert', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const id = await raised(rig);
  await assert.rejects(ask(server, 'close', id, { note: 'x' }), { code: 'required' });
  await assert.rejects(ask(server, 'close', 'nobody', { by: 'Practitioner/1' }), { code: 'not-found' });
  await ask(server, 'close', id, { by: 'Practitioner/1', note: 'The probe had come off' });
  await assert.rejects(ask(server, 'close', id, { by: 'Practitioner/1' }), {
    code: 'business-rule',
    message: 'It can not be closed: it is resolved',
  });
  await assert.rejects(ask(server, 'acknowledge', id, { by: 'Practitioner/1' }), { code: 'business-rule' });
  const row = `select a.status, a.note, e.state from alert a join escalation e on e.alert = a.id where a.id = $1
    order by e.run desc limit 1`;
  assert.deepEqual(await rig.db.query({ text: row }, [id]), [
    { status: 'resolved', note: 'Closed by Practitioner/1: The probe had come off', state: 'closed' },
  ]);
  assert.deepEqual(
    (await rig.store.list('Flag')).map(({ status }) => status),
    ['inactive'],
  );
  assert.deepEqual(
    (await tasksOf(rig)).map(({ status }) => status),
    ['cancelled'],
  );
  const all = await events(rig);
  assert.deepEqual(all.map(kindOf), ['alert-closed']);
  assert.deepEqual(all[0]!.agent, [{ who: { reference: 'Practitioner/1' }, requestor: true }]);
  assert.doesNotMatch(JSON.stringify(all), /probe/);

  await judged(rig, reading('o2', 8, 2));
  assert.deepEqual(
    (await alertsOf(rig.db, 't')).map(({ episode, status }) => [episode, status]),
    [
      [1, 'resolved'],
      [2, 'active'],
    ],
  );
});

test('when the row can not be saved nothing is audited', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const id = await raised(rig);
  rig.store.failWrites(new Error('gone'), 1);
  await assert.rejects(ask(server, 'acknowledge', id, { by: 'Practitioner/1' }), /gone/);
  assert.deepEqual(await events(rig), []);
  // Somebody else is faster, again and again.
  const text = `create function faster() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger faster before update on alert for each row execute function faster()`;
  await rig.db.query({ text });
  await assert.rejects(ask(server, 'acknowledge', id, { by: 'Practitioner/1' }), { code: 'version-conflict' });
  await rig.db.query({ text: 'drop trigger faster on alert; drop function faster()' });
  assert.deepEqual(await events(rig), []);
  assert.equal((await alertsOf(rig.db, 't'))[0]!.status, 'active');
});

test('a rule about AuditEvents sees those of others, and none of alerts', async (t) => {
  const rig = await createRig(t);
  const server = await rig.start();
  const trigger = [{ type: 'data-changed', data: [{ type: 'AuditEvent' }] }];
  const condition = [
    { kind: 'applicability', expression: { language: 'text/fhirpath', expression: 'status.exists().not()' } },
  ];
  await inForce(
    rig,
    eventRule('audits', 'threshold', [], [{ title: 'Audited', priority: 'stat', trigger, condition }]),
  );
  const id = await raised(rig);
  await ask(server, 'acknowledge', id, { by: 'Practitioner/1' });
  const [ours] = await events(rig);
  assert.equal(isAudit(ours!), true);
  await judged(rig);
  assert.deepEqual(await alertsOf(rig.db, 'audits'), []);
  const { meta: _, ...foreign } = auditEventOf({
    ...{ kind: 'message-sent', key: 'x', atMs: 0, detail: {} },
    alert: { id: 'x', rule: 'r', subject: 'Patient/p1' },
  });
  await judged(rig, { ...foreign, id: 'foreign' } as Resource & { id: string });
  assert.equal((await alertsOf(rig.db, 'audits')).length, 1);
});
