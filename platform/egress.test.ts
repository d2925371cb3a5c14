import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { test } from 'node:test';
import { createEgress, type EgressAllow } from './egress.ts';

const refused = (url: string, allow: EgressAllow = []) => createEgress(allow).refuseUrl(new URL(url)) !== undefined;

test('addresses that are always closed, in whatever notation', () => {
  const closed = [
    ...['169.254.169.254', '169.254.0.1', '0.0.0.0', '100.100.100.200', '192.0.0.192', '224.0.0.1', '255.255.255.255'],
    ...['2852039166', '0xa9fea9fe', '0251.0376.0251.0376', '169.254.43518'],
    ...['[::]', '[fe80::1]', '[fd00:ec2::254]', '[ff02::1]', '[::ffff:169.254.169.254]', '[::ffff:a9fe:a9fe]'],
    ...[
      '[64:ff9b::a9fe:a9fe]',
      '[64:ff9b:1::a9fe:a9fe]',
      '[64:ff9b:1:7::169.254.169.254]',
      '[2002:a9fe:a9fe::1]',
      '[::169.254.169.254]',
    ],
  ];
  for (const host of closed) {
    assert.equal(
      refused(`http://${host}/`, ['loopback', 'private', '169.254.0.0/16', '::/0', '0.0.0.0/0']),
      true,
      host,
    );
  }
});

test('loopback and private ranges are closed unless opened', () => {
  const cases: [string, string][] = [
    ['127.0.0.1', 'loopback'],
    ['127.9.9.9', 'loopback'],
    ['[::1]', 'loopback'],
    ['[::ffff:127.0.0.1]', 'loopback'],
    ['10.1.2.3', 'private'],
    ['172.31.0.1', 'private'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'private'],
    ['[fd12::1]', 'private'],
    ['[::ffff:10.0.0.1]', 'private'],
    ['10.1.2.3', '10.1.0.0/16'],
    ['[fd12::1]', 'fd12::/16'],
  ];
  for (const [host, allow] of cases) {
    assert.equal(refused(`http://${host}/`), true, host);
    assert.equal(refused(`http://${host}/`, [allow]), false, `${host} with ${allow}`);
  }
  assert.equal(refused('http://10.2.0.1/', ['10.1.0.0/16', 'loopback']), true);
});

test('public addresses and names pass the first check', () => {
  for (const host of ['example.org', '8.8.8.8', '172.32.0.1', '[2600::1]', 'localhost']) {
    assert.equal(refused(`https://${host}/x`), false, host);
  }
});

test('what is no http URL', () => {
  for (const url of [
    'ftp://example.org/',
    'file:///etc/passwd',
    'http://user@example.org/',
    'http://:p@example.org/',
  ]) {
    assert.equal(refused(url), true, url);
  }
});

test('a range that can not be read', () => {
  for (const entry of ['10.0.0.0', '10.0.0.0/33', 'lan', '10.0.0.0/', 'fd00::/129', '']) {
    assert.throws(() => createEgress([entry]), { code: 'config' }, entry);
  }
});

const lookup = (hostname: string, allow: EgressAllow, all: boolean) =>
  new Promise<string | LookupAddress[]>((resolve, reject) => {
    createEgress(allow).lookup(hostname, { all }, (error, address) => (error ? reject(error) : resolve(address)));
  });

test('a name is judged by the addresses it has when it is connected', async () => {
  await assert.rejects(lookup('localhost', [], true), { code: 'EGRESS' });
  await assert.rejects(lookup('localhost', ['private'], false), { code: 'EGRESS' });
  const all = (await lookup('localhost', ['loopback'], true)) as LookupAddress[];
  assert.ok(all.every(({ address }) => address === '127.0.0.1' || address === '::1'));
  assert.match((await lookup('localhost', ['loopback'], false)) as string, /^(127\.0\.0\.1|::1)$/);
});
