// The resources that the load refers to, and the Subscription that watches it.
import assert from 'node:assert/strict';
import { waitFor } from '#platform/testing';
import { createClient } from '../client.ts';
import type { Receiver } from './receiver.ts';
import type { ServerProcess } from './server-process.ts';
import { codeSystem, deviceIds, patientId } from './workload.ts';

const subscriptionId = 'fault-subscription';

/** A patient, the devices and an active Subscription to the creates of the load. */
export async function setScene(server: ServerProcess, receiver: Receiver): Promise<void> {
  const client = createClient(server.fhirBaseUrl);
  const patient = { reference: `Patient/${patientId}` };
  const subscription = {
    resourceType: 'Subscription',
    id: subscriptionId,
    status: 'requested',
    reason: 'to see what is told',
    criteria: `Observation?code=${codeSystem}|create`,
    channel: { type: 'rest-hook', endpoint: receiver.url, payload: 'application/fhir+json' },
  };
  const resources = [
    { resourceType: 'Patient', id: patientId },
    ...deviceIds.map((id) => ({ resourceType: 'Device', id, patient })),
    subscription,
  ];
  for (const resource of resources) {
    const reply = await client('PUT', `${resource.resourceType}/${resource.id}`, resource);
    assert.equal(reply.status, 201, reply.text);
  }
  await waitFor(
    async () => (await client('GET', `Subscription/${subscriptionId}`)).json.status === 'active',
    'the Subscription to be active',
  );
}

/** Every create that was acknowledged was told of, and no event number was left out or given twice. */
export async function checkNotified(receiver: Receiver, ids: Iterable<string>): Promise<void> {
  const expected = [...ids];
  await waitFor(() => {
    const told = receiver.ids();
    return expected.every((id) => told.has(id));
  }, 'a notification for every acknowledged create');
  const numbers = [...receiver.events.keys()].sort((a, b) => a - b);
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, index) => index + 1),
    'event numbers without a gap',
  );
  for (const [number, ids] of receiver.events) assert.equal(ids.size, 1, `event ${number} is one event`);
}
