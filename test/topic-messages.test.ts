// One server told by another, in FHIR messages: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#fhir-messaging
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { entries } from './client.ts';
import { serveTests } from './server.ts';

const sender = serveTests();
const receiver = serveTests();

const guide = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition';

/** A Subscription at the sender, once it is decided. */
async function subscribe(): Promise<Resource> {
  const created = await sender('POST', 'Subscription', {
    ...{ resourceType: 'Subscription', status: 'requested', reason: 'a test', criteria: 'urn:cerebra:topic:admission' },
    channel: {
      ...{ type: 'message', endpoint: receiver.base, payload: 'application/fhir+json' },
      _payload: { extension: [{ url: `${guide}/backport-payload-content`, valueCode: 'full-resource' }] },
    },
  });
  assert.equal(created.status, 201, created.text);
  return waitFor(async () => {
    const { json } = await sender('GET', `Subscription/${created.json.id}`);
    return json.status === 'requested' ? undefined : json;
  }, 'the Subscription to be checked') as Promise<Resource>;
}

/** What the receiver has stored of notifications, in their order. */
async function told(): Promise<Resource[]> {
  const found = await receiver('GET', 'Bundle?type=history&_sort=_lastUpdated');
  return entries(found).map(({ resource }) => resource as Resource);
}

test('a server that processes such messages stores the notifications; one that does not says so', async () => {
  const refused = await subscribe();
  assert.deepEqual(
    [refused.status, refused.error],
    ['error', 'The handshake failed. The endpoint answered the message with fatal-error'],
  );
  assert.deepEqual(await told(), []);
  const definition = await receiver('POST', 'MessageDefinition', {
    ...{ resourceType: 'MessageDefinition', status: 'active', date: '2026-01-01', category: 'notification' },
    eventCoding: { system: 'urn:cerebra:message-event', code: 'subscription-notification' },
  });
  assert.equal(definition.status, 201, definition.text);
  const { status, error } = await subscribe();
  assert.equal(status, 'active', String(error));
  await sender('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p' });
  const stay = {
    ...{ resourceType: 'Encounter', id: 'e', status: 'in-progress', class: { code: 'IMP' } },
    subject: { reference: 'Patient/p' },
  };
  assert.equal((await sender('PUT', 'Encounter/e', stay)).status, 201);
  const [handshake, event] = (await waitFor(async () => {
    const found = await told();
    return found.length >= 2 ? found : undefined;
  }, 'a handshake and an event')) as Resource[];
  const contents = (bundle: Resource | undefined) =>
    (bundle!.entry as unknown as { fullUrl: string; resource: Resource }[]).map(({ fullUrl, resource }) => [
      fullUrl.startsWith('urn:uuid:') ? 'status' : fullUrl,
      resource.resourceType,
    ]);
  const own = ['status', 'Parameters'];
  assert.deepEqual(contents(handshake), [own]);
  assert.deepEqual(contents(event).slice(0, 2), [own, [`${sender.base}/Encounter/e`, 'Encounter']]);
  const type = (bundle: Resource | undefined) =>
    (bundle!.entry as unknown as { resource: { parameter: JsonObject[] } }[])[0]!.resource.parameter.find(
      ({ name }) => name === 'type',
    )!.valueCode;
  assert.deepEqual([type(handshake), type(event)], ['handshake', 'event-notification']);
});
