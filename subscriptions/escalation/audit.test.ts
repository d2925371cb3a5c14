// Each step of an escalation is audited: https://hl7.org/fhir/R4/auditevent.html
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject, Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { startPagerDuty, startSlack, startTwilio, testLog, waitFor } from '#platform/testing';
import type { Audit } from '../alerts/audit.ts';
import type { TestStore } from '../testing/store.ts';
import { recordOwn } from './record.ts';
import {
  alertOf,
  chainOf,
  createEscalationRig,
  pagerAt,
  passTime,
  practitioner,
  settled,
  slackAt,
  sms,
  smsAt,
} from './testing/rig.ts';

const system = 'urn:cerebra:alert-audit';
const dicom = 'http://dicom.nema.org/resources/ontology/DCM';
const codeOf = ({ subtype }: Resource): Json => (subtype as JsonObject[])[0]!.code!;

/** Those of one kind. */
const eventsOf = async (store: TestStore, kind: string): Promise<Resource[]> =>
  (await store.list('AuditEvent')).filter((event) => codeOf(event) === kind);

const one = async (store: TestStore, kind: string): Promise<Resource> => {
  const events = await eventsOf(store, kind);
  assert.equal(events.length, 1, kind);
  return events[0]!;
};

const detailOf = (event: Resource): Record<string, Json> =>
  Object.fromEntries(
    ((event.entity as JsonObject[])[0]!.detail as JsonObject[]).map(({ type, valueString }) => [type, valueString!]),
  );

const systemObject = {
  ...{ system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type', code: '2', display: 'System Object' },
};
const role = (code: string, display: string) => ({
  ...{ system: 'http://terminology.hl7.org/CodeSystem/object-role', code, display },
});

test('a message that is sent: who told whom of which alert, in references alone', async (t) => {
  const rig = await createEscalationRig(t);
  const twilio = await startTwilio(t);
  await rig.put(
    practitioner('a', [sms('+15550100001')]),
    chainOf([{ who: ['Practitioner/a'], channels: ['sms'], detail: true }]),
  );
  const server = await rig.start({ endpoints: [smsAt(twilio)] });
  await server.raise(alertOf('a1'));
  const run = await settled(server, 'a1', { sms: 'sent' });
  const [communication] = await rig.store.list('Communication');
  const { id, meta, ...event } = await one(rig.store, 'message-sent');
  assert.deepEqual(meta!.tag, [{ system: 'urn:cerebra:alert', code: 'audit' }]);
  assert.match(id!, /^[0-9a-f-]{36}$/);
  assert.deepEqual(event, {
    resourceType: 'AuditEvent',
    type: {
      system: 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle',
      code: 'transmit',
      display: 'Transmit Record Lifecycle Event',
    },
    subtype: [{ system, code: 'message-sent', display: 'Message sent' }],
    action: 'E',
    recorded: communication!.sent,
    outcome: '0',
    agent: [
      {
        type: { coding: [{ system: dicom, code: '110153', display: 'Source Role ID' }] },
        name: 'Cerebra',
        requestor: true,
      },
      {
        type: { coding: [{ system: dicom, code: '110152', display: 'Destination Role ID' }] },
        who: { reference: 'Practitioner/a' },
        requestor: false,
      },
    ],
    source: {
      observer: { display: 'Cerebra' },
      type: [
        {
          ...{ system: 'http://terminology.hl7.org/CodeSystem/security-source-type', code: '4' },
          display: 'Application Server',
        },
      ],
    },
    entity: [
      {
        what: { reference: 'Flag/a1' },
        type: systemObject,
        role: role('4', 'Domain Resource'),
        detail: [
          { type: 'rule', valueString: 'critical-potassium' },
          { type: 'run', valueString: '1' },
          { type: 'step', valueString: '1' },
          { type: 'channel', valueString: 'sms' },
          { type: 'tells', valueString: 'alert' },
        ],
      },
      {
        what: { reference: `Communication/${run.messages[0]!.id}` },
        type: systemObject,
        role: role('4', 'Domain Resource'),
      },
      { what: { reference: 'PlanDefinition/chain' }, type: systemObject, role: role('5', 'Master file') },
      {
        what: { reference: 'Patient/p1' },
        type: { ...systemObject, code: '1', display: 'Person' },
        role: role('1', 'Patient'),
      },
    ],
  });
});

test('what is refused for good, a step that reaches nobody, and the end of the chain', async (t) => {
  const rig = await createEscalationRig(t);
  const [slack, pager] = [await startSlack(t), await startPagerDuty(t)];
  await rig.put(
    chainOf([{ channels: ['slack'] }, { who: ['Practitioner/none'], channels: ['sms'] }, { channels: ['pager'] }]),
  );
  const server = await rig.start({ endpoints: [slackAt(slack), pagerAt(pager)] });
  slack.fail.push({ status: 404, text: 'no_service for +15550100001' });
  await server.raise(alertOf('a1', { subject: '' }));
  await settled(server, 'a1', { slack: 'failed', pager: 'sent' });
  const failed = await one(rig.store, 'message-failed');
  assert.deepEqual([failed.outcome, failed.outcomeDesc], ['8', undefined]);
  assert.deepEqual((failed.agent as JsonObject[])[1]!.altId, 'slack');
  const [what, ...others] = (failed.entity as JsonObject[]).map(({ what }) => what as JsonObject);
  assert.deepEqual(what, { identifier: { system: 'urn:cerebra:alert', value: 'a1' } });
  assert.deepEqual(
    others.map(({ reference }) => String(reference).split('/')[0]),
    ['Communication', 'PlanDefinition'],
  );
  const skipped = await one(rig.store, 'step-skipped');
  assert.deepEqual([skipped.outcome, detailOf(skipped)], ['8', { rule: 'critical-potassium', run: '1', step: '2' }]);
  assert.deepEqual(skipped.agent, [
    { type: { coding: [{ system: dicom, code: '110150', display: 'Application' }] }, name: 'Cerebra', requestor: true },
  ]);
  assert.deepEqual(detailOf(await one(rig.store, 'message-sent')).step, '3');
  await passTime(rig.db, 'a1');
  await waitFor(async () => (await server.history('a1')).at(-1)!.state === 'exhausted', 'the end');
  const exhausted = await one(rig.store, 'chain-exhausted');
  assert.deepEqual(
    [exhausted.outcome, detailOf(exhausted)],
    ['8', { rule: 'critical-potassium', run: '1', step: '3' }],
  );
});

test('a message that a server was killed over, of an alert that is over: sent once, then not needed any more', async (t) => {
  const rig = await createEscalationRig(t);
  const slack = await startSlack(t);
  await rig.put(chainOf([{ channels: ['slack'] }]));
  const server = await rig.start({ endpoints: [slackAt(slack)] });
  const asIfKilled = `update escalation_message set state = 'sending', due_at = statement_timestamp()`;
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { slack: 'sent' });
  // Sent again, under the same id: it is audited once.
  await rig.db.query({ text: asIfKilled });
  await settled(server, 'a1', { slack: 'sent' });
  await waitFor(() => slack.taken.length === 2, 'the second time');
  await settled(server, 'a1', { slack: 'sent' });
  const sent = await one(rig.store, 'message-sent');
  await server.finish('a1', 'acknowledged');
  await rig.db.query({ text: asIfKilled });
  await settled(server, 'a1', { slack: 'cancelled' });
  const skipped = await one(rig.store, 'message-skipped');
  assert.equal(skipped.outcome, '4');
  assert.deepEqual(detailOf(skipped), detailOf(sent));
  assert.equal(slack.taken.length, 2);
  const text = `select count(*)::int as count from test_version where type = 'AuditEvent'`;
  assert.deepEqual(await rig.db.query({ text }), [{ count: 2 }]);
});

test('what another server has taken over is not audited; a Communication that is refused leaves the audit', async (t) => {
  const rig = await createEscalationRig(t);
  const slack = await startSlack(t);
  await rig.put(chainOf([{ channels: ['slack'] }]));
  const server = await rig.start({ endpoints: [slackAt(slack)] });
  const recorder = { db: rig.db, writer: rig.store.writer, scope: { kind: 'everything' } as const, log: testLog() };
  const audit: Audit = { kind: 'chain-exhausted', key: 'a0|1|1', atMs: 0, alert: alertOf('a0'), detail: {} };
  assert.equal(await recordOwn(recorder, audit, async () => false), false);
  assert.deepEqual(await rig.store.list('AuditEvent'), []);
  assert.equal(await recordOwn(recorder, audit, async () => true), true);
  assert.equal((await rig.store.list('AuditEvent')).length, 1);
  rig.store.failWrites(new CerebraError('invalid', 'refused'), 1);
  await server.raise(alertOf('a1'));
  await settled(server, 'a1', { slack: 'sent' });
  assert.deepEqual(await rig.store.list('Communication'), []);
  assert.equal((await eventsOf(rig.store, 'message-sent')).length, 1);
  assert.equal(slack.taken.length, 1);
});
