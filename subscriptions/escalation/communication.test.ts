// The Communication of a message that was sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { communicationOf } from './communication.ts';
import type { Facts } from './state.ts';

function about(subject: string, evidence: string[]) {
  const facts: Facts = {
    ...{ id: 'a1', rule: 'r', subject, key: '', severity: 'high', title: 'High', detail: '', evidence },
    ...{ atMs: 0, raisedMs: 0 },
  };
  const message = { id: 'm1', alert: 'a1', run: 1, number: 1, channel: 'email', step: 'Nurses', code: '1234', facts };
  return communicationOf({ ...message, kind: 'alert', recipient: 'Practitioner/1', detail: false }, 0).about;
}

test('it is about the Flag of the alert, where the alert has one, and what the alert rests on', () => {
  const observation = { reference: 'Observation/o' };
  assert.deepEqual(about('Patient/p', ['Observation/o']), [{ reference: 'Flag/a1' }, observation]);
  assert.deepEqual(about('Device/d', ['Observation/o']), [observation]);
  // Of a storm, or of a feed of HL7 messages; FHIR has no empty lists.
  assert.equal(about('', []), undefined);
});
