// A button in Slack: signed with its time, for one alert, answered to the one who clicked.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { slackClick, startReceiver, startSlack, waitFor } from '#platform/testing';
import { isSignedBySlack } from './slack-button.ts';
import { alertOf, chainOf, createEscalationRig, settled, slackAt } from './testing/rig.ts';

test("Slack's own example of a signature", () => {
  // https://docs.slack.dev/authentication/verifying-requests-from-slack: the body, time, secret and signature shown there.
  const body = Buffer.from(
    'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar' +
      '&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com' +
      '%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
  );
  const secret = '8f742231b10e8888abcd99yyyzzz85a5';
  const signature = 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503';
  const headers = { 'x-slack-request-timestamp': '1531420618', 'x-slack-signature': signature };
  assert.equal(isSignedBySlack(body, headers, secret), true);
  for (const other of [
    { ...headers, 'x-slack-request-timestamp': '1531420619' },
    { ...headers, 'x-slack-request-timestamp': 'now' },
    { ...headers, 'x-slack-signature': signature.replace('v0', 'v1') },
    { ...headers, 'x-slack-signature': 'v0=a2' },
    { 'x-slack-signature': signature },
    {},
  ]) {
    assert.equal(isSignedBySlack(body, other, secret), false, JSON.stringify(other));
  }
  assert.equal(isSignedBySlack(Buffer.concat([body, Buffer.from('x')]), headers, secret), false);
  assert.equal(isSignedBySlack(body, headers, `${secret}x`), false);
});

const secret = 's'.repeat(32);
const user = { id: 'U1', username: 'nurse.test', name: 'nurse.test', team_id: 'T1' };
const path = '/alerts/interactions/slack';

async function setUp(t: TestContext) {
  const rig = await createEscalationRig(t);
  const [slack, answers] = [await startSlack(t), await startReceiver(t)];
  await rig.put(chainOf([{ channels: ['slack'] }]));
  const server = await rig.start({
    endpoints: [{ name: 'slack', template: 'slack', url: slack.url, signingSecret: secret }],
  });
  const [now] = await rig.db.query<{ s: number }>({ text: 'select extract(epoch from now())::int as s' });
  const click = (more: Partial<Parameters<typeof slackClick>[0]> = {}) =>
    server.call('POST', path, {
      ...slackClick({ secret, message: slack.taken[0]!, atSeconds: now!.s, user, responseUrl: answers.url, ...more }),
    });
  await server.raise(alertOf('a1', { title: 'High <k>' }));
  await settled(server, 'a1', { slack: 'sent' });
  return { ...rig, server, slack, answers, click, nowSeconds: now!.s };
}

test('a click acknowledges, and whoever clicked is told; a second one changes nothing', async (t) => {
  const { server, answers, click } = await setUp(t);
  assert.deepEqual((await click()).status, 200);
  const note = 'by the button of a message, as nurse.test (U1)';
  assert.deepEqual(server.acknowledged, [{ id: 'a1', by: 'slack', note }]);
  assert.equal((await settled(server, 'a1', {})).messages[0]!.acknowledgedThrough, true);
  await click();
  assert.equal(server.acknowledged.length, 1);
  await waitFor(() => answers.received.length === 2, 'both answers');
  const texts = answers.received.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
  assert.deepEqual(
    new Set(texts.map(({ text }) => text)),
    new Set([
      'Acknowledged: High &lt;k&gt;. Nobody else is called.',
      'Not open any more: somebody has taken care of it, or it is over.',
    ]),
  );
  for (const { response_type, replace_original } of texts)
    assert.deepEqual([response_type, replace_original], ['ephemeral', false]);
});

test('what is forged, played back, expired, of another endpoint, or something else acknowledges nothing', async (t) => {
  const { server, slack, click, nowSeconds, start } = await setUp(t);
  await assert.rejects(click({ secret: 'x'.repeat(32) }), { code: 'forbidden', message: /signingSecret/ });
  for (const atSeconds of [nowSeconds - 400, nowSeconds + 400])
    await assert.rejects(click({ atSeconds }), { code: 'forbidden', message: /five minutes/ });
  const given = { secret, message: slack.taken[0]!, atSeconds: nowSeconds, user, responseUrl: '' };
  const button = slack.taken[0]!.blocks.find(({ accessory }) => accessory)!;
  const withButton = (change: object) => ({
    ...given.message,
    blocks: [{ ...button, accessory: { ...button.accessory!, ...change } }],
  });
  assert.equal((await click({ message: withButton({ action_id: 'other' }) })).status, 200);
  assert.equal((await click({ message: withButton({ value: `${button.accessory!.value}x` }) })).status, 200);
  const { headers } = slackClick(given);
  await assert.rejects(server.call('POST', path, { headers, body: 'payload=%7B' }), { code: 'forbidden' });
  const huge = server.call('POST', path, { headers, body: `payload=${'x'.repeat(70_000)}` });
  await assert.rejects(huge, { code: 'too-large' });
  const plain = await start({ endpoints: [slackAt(slack)], limits: { linkMs: 1 } });
  await assert.rejects(plain.call('POST', path, slackClick(given)), { code: 'not-found' });
  assert.deepEqual([server.acknowledged, plain.acknowledged], [[], []]);
});
