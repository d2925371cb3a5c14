import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHosts } from './hosts.ts';

const create = (hostRequestsMax: number, hostFaultsMax: number, backoffMsMin = 60_000) =>
  createHosts({
    limits: { hostRequestsMax, hostFaultsMax },
    pause: { backoffMsMin, backoffMsMax: 600_000 },
    random: () => 1,
  });

test('a host gets so many requests at a time, what has no host any number', () => {
  const hosts = create(2, 5);
  assert.equal(hosts.enter('a:80'), 'entered');
  assert.equal(hosts.enter('a:80'), 'entered');
  assert.deepEqual(hosts.enter('a:80'), { waitMs: 0 });
  assert.equal(hosts.enter('b:80'), 'entered');
  assert.deepEqual(hosts.full(), ['a:80']);
  hosts.leave('a:80');
  assert.deepEqual(hosts.full(), []);
  assert.equal(hosts.enter('a:80'), 'entered');
  for (let i = 0; i < 10; i++) assert.equal(hosts.enter(''), 'entered');
  hosts.leave('');
});

test('after faults in a row it is left alone, then tried by one at a time, and open after a success', () => {
  const hosts = create(4, 2, 60_000);
  hosts.enter('a:80');
  hosts.report('a:80', true);
  hosts.report('a:80', false);
  hosts.report('a:80', true);
  assert.equal(hosts.enter('a:80'), 'entered');
  hosts.report('a:80', true);
  hosts.leave('a:80');
  hosts.leave('a:80');
  const verdict = hosts.enter('a:80');
  assert.ok(typeof verdict === 'object' && verdict.waitMs > 0 && verdict.waitMs <= 60_000, JSON.stringify(verdict));

  const soon = create(4, 2, 0);
  soon.enter('a:80');
  soon.report('a:80', true);
  soon.report('a:80', true);
  soon.leave('a:80');
  assert.equal(soon.enter('a:80'), 'entered');
  assert.deepEqual(soon.enter('a:80'), { waitMs: 0 });
  assert.deepEqual(soon.full(), ['a:80']);
  soon.report('a:80', false);
  assert.deepEqual(soon.full(), []);
  assert.equal(soon.enter('a:80'), 'entered');
});
