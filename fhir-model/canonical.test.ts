import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseVersion, compareVersions, isWithin, parseCanonical } from './canonical.ts';

test('a canonical has a url and perhaps a version; a fragment is passed over', () => {
  assert.deepEqual(parseCanonical('http://x/vs'), { url: 'http://x/vs', version: undefined });
  assert.deepEqual(parseCanonical('http://x/vs|1.0#part'), { url: 'http://x/vs', version: '1.0' });
  assert.deepEqual(parseCanonical('http://x/vs|'), { url: 'http://x/vs', version: undefined });
  assert.deepEqual(parseCanonical('#inner'), { url: '', version: undefined });
});

test('versions in their order', () => {
  const ascending = [
    ...['', 'current', 'dev', '0.9', '1.0.0-ballot', '1.0.0-ballot.2', '1.0.0-ballot.10', '1.0.0-ballot.x', '1.0.0'],
    ...['1.0.1', '1.9.0', '1.10.0', '2.9', '7.0.0', '2018-07-31', '2018-08-12', '20230101', '12042023', '20240101'],
    ...['01022024', '12022024'],
  ];
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries()) assert.equal(compareVersions(a, b), Math.sign(i - j), `${a} with ${b}`);
  }
  assert.equal(compareVersions('1.0', '1.0.0'), 0);
  assert.equal(compareVersions('1.0.0+build.1', '1.0.0+build.2'), 0);
});

test('a version that is the beginning of others means the latest of them', () => {
  const versions = ['6.10.0', '6.1.2', '6.1.0', '6.0.0'].map((version) => ({ version }));
  const chosen = (wanted?: string) => chooseVersion(versions, wanted)?.version;
  assert.equal(chosen(), '6.10.0');
  assert.equal(chosen('6.1'), '6.1.2');
  assert.equal(chosen('6.1.x'), '6.1.2');
  assert.equal(chosen('6'), '6.10.0');
  assert.equal(chosen('6.1.0'), '6.1.0');
  assert.equal(chosen('6.2'), undefined);
  assert.equal(chosen('5'), undefined);
  assert.equal(isWithin('*', '1.2.3'), true);
  assert.equal(isWithin('6.1.x', '6.1'), false);
});
