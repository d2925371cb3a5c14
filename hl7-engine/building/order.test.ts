// What becomes of a ServiceRequest as an order: what is no order goes nowhere, a cancelled one that is wanted after all is new.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import { buildFrom, wantedMessage } from './build.ts';
import { createGraph } from './graph.ts';
import { buildTarget } from './target.ts';

async function built(more: JsonObject, state?: string, type = 'OML') {
  const graph = createGraph();
  graph.add({ resourceType: 'Patient', id: '1', identifier: [{ system: 'urn:id:HOSP', value: '1' }] });
  const focus = graph.add({
    ...{ resourceType: 'ServiceRequest', id: 's', status: 'active', intent: 'order', code: { text: 'K' } },
    ...{ subject: { reference: 'Patient/1' }, ...more },
  } as unknown as Resource);
  const common = { wanted: wantedMessage(type), focus, graph, target: buildTarget({}), controlId: '1', nowMs: 0 };
  return buildFrom({ ...common, told: { state } });
}

const refused: [element: string, more: JsonObject][] = [
  ['status', { status: 'draft' }],
  ['intent', { intent: 'proposal' }],
  ['intent', { intent: 'plan' }],
  ['intent', { intent: 'directive' }],
  ['intent', { intent: 'option' }],
  ['code', { code: undefined as never }],
  ['doNotPerform', { doNotPerform: true }],
];

for (const [element, more] of refused) {
  test(`no order is made of ${JSON.stringify(more)}`, async () => {
    for (const type of ['OML', 'ORM']) {
      await assert.rejects(
        built(more, undefined, type),
        (error: unknown) =>
          isCerebraError(error, 'business-rule') && error.message.startsWith(`ServiceRequest.${element}: `),
      );
    }
  });
}

for (const intent of ['order', 'original-order', 'reflex-order', 'filler-order', 'instance-order']) {
  test(`${intent} is an order`, async () => assert.equal((await built({ intent })).message.get('ORC-1'), 'NW'));
}

const controls: [before: string | undefined, status: string, control: string][] = [
  [undefined, 'active', 'NW'],
  ['active', 'active', 'XO'],
  ['active', 'on-hold', 'HD'],
  ['on-hold', 'active', 'RL'],
  [undefined, 'on-hold', 'HD'],
  ['on-hold unheard', 'on-hold', 'HD'],
  ['on-hold unheard', 'active', 'NW'],
  ['on-hold unheard', 'revoked', 'CA'],
  ['active', 'completed', 'SC'],
  ['active', 'revoked', 'CA'],
  ['active', 'entered-in-error', 'CA'],
  ['revoked', 'active', 'NW'],
  ['entered-in-error', 'active', 'NW'],
];

for (const [before, status, control] of controls) {
  test(`${status} after ${before ?? 'nothing'} is ${control}`, async () => {
    assert.equal((await built({ status }, before)).message.get('ORC-1'), control);
  });
}

test('of an order that was never sent and is on hold it is kept that nothing was ordered', () => {
  const { builder } = wantedMessage('OML');
  const states: [before: string | undefined, status: string, state: string][] = [
    [undefined, 'on-hold', 'on-hold unheard'],
    ['on-hold unheard', 'on-hold', 'on-hold unheard'],
    ['revoked', 'on-hold', 'on-hold unheard'],
    ['active', 'on-hold', 'on-hold'],
    ['on-hold', 'on-hold', 'on-hold'],
    ['on-hold unheard', 'active', 'active'],
  ];
  for (const [before, status, state] of states)
    assert.equal(builder.stateOf!({ resourceType: 'ServiceRequest', status }, { state: before }), state);
});

test('a draft that is taken back before it was sent is told to nobody', async () => {
  const { builder } = wantedMessage('OML');
  const kept = builder.unsentOf!({ resourceType: 'ServiceRequest', status: 'draft' });
  assert.equal(builder.unsentOf!({ resourceType: 'ServiceRequest', status: 'active' }), undefined);
  for (const status of ['revoked', 'entered-in-error']) {
    await assert.rejects(
      built({ status }, kept),
      (error: unknown) => isCerebraError(error, 'business-rule') && error.message.startsWith('ServiceRequest.status: '),
    );
    assert.equal((await built({ status })).message.get('ORC-1'), 'CA', 'nobody knows what was sent of it before');
  }
  assert.equal((await built({}, kept)).message.get('ORC-1'), 'NW');
  assert.equal((await built({ status: 'on-hold' }, kept)).message.get('ORC-1'), 'HD');
  assert.equal(
    builder.stateOf!({ resourceType: 'ServiceRequest', status: 'on-hold' }, { state: kept }),
    'on-hold unheard',
  );
});

test('what no field takes is told', async () => {
  const { warnings } = await built({ performer: [{ display: 'LAB' }], patientInstruction: 'fast' });
  assert.deepEqual(warnings, [
    'ServiceRequest.performer has no place in the message',
    'ServiceRequest.patientInstruction has no place in the message',
  ]);
});
