// What operators ask of escalation in a wrong way is refused, with the parameter.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCerebraError } from '#platform';
import { chainOf, createEscalationRig, practitioner } from './testing/rig.ts';

test('unknown and unreadable parameters are named', async (t) => {
  const rig = await createEscalationRig(t);
  const server = await rig.start();
  const chain = JSON.stringify(chainOf([{ channels: ['websocket'] }]));
  const refusal = (method: string, path: string, query: string) =>
    server.call(method, path, { query, body: chain }).then(
      () => 'taken',
      (error: unknown) => isCerebraError(error, 'invalid-parameter') && error.issues[0]?.expression,
    );
  const check = '/admin/escalations/check';
  assert.deepEqual(await refusal('GET', '/admin/escalations', 'after=2026-13-45T99%3A99%3A99Z_a'), ['after']);
  assert.deepEqual(await refusal('GET', '/admin/escalations', 'afer=x'), ['afer']);
  assert.deepEqual(await refusal('POST', check, 'at=tonight'), ['at']);
  assert.deepEqual(await refusal('POST', check, 'severity=grave'), ['severity']);
  assert.deepEqual(await refusal('POST', check, 'patiant=Patient%2F1'), ['patiant']);
  assert.equal(await refusal('POST', check, 'severity=high&at=2026-01-05T20%3A00%3A00Z'), 'taken');
});

test('a rehearsal waits for no step that is passed over: a web socket beside mails is no reason to', async (t) => {
  const rig = await createEscalationRig(t);
  await rig.put(practitioner('a', []));
  const server = await rig.start();
  const told = async (...channels: string[]) => {
    const chain = chainOf([
      { who: ['Practitioner/a'], channels, wait: 600 },
      { who: ['Practitioner/a'], channels: ['websocket'] },
    ]);
    const query = 'at=2026-01-05T20%3A00%3A00Z';
    const { body } = await server.call('POST', '/admin/escalations/check', { query, body: JSON.stringify(chain) });
    return (body as { steps: { at: string }[] }).steps.map(({ at }) => at);
  };
  const [now, later] = ['2026-01-05T20:00:00.000Z', '2026-01-05T20:10:00.000Z'];
  assert.deepEqual(await told('websocket', 'email'), [now, now]);
  assert.deepEqual(await told('websocket'), [now, later]);
});
