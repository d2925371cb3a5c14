import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { uuidv5, uuidv7 } from './ids.ts';

describe('uuidv7', () => {
  it('holds the time, the version and the variant', () => {
    // The instant of RFC 9562, A.6
    assert.match(uuidv7(0x017f22e279b0), /^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('is new each time', () => {
    const ids = new Set(Array.from({ length: 10_000 }, () => uuidv7(1_700_000_000_000)));
    assert.equal(ids.size, 10_000);
  });

  it('sorts by time as text', () => {
    assert.ok(uuidv7(1_700_000_000_000) < uuidv7(1_700_000_000_001));
  });

  it('cuts a fraction of the millisecond', () => {
    assert.equal(uuidv7(1_700_000_000_000.9).slice(0, 13), uuidv7(1_700_000_000_000).slice(0, 13));
  });
});

describe('uuidv5', () => {
  it('is the one of RFC 9562, A.4', () => {
    const dns = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';
    assert.equal(uuidv5(dns, 'www.example.com'), '2ed6657d-e927-568b-95e1-2665a8aea6a2');
  });

  it('refuses a namespace that is no UUID', () => {
    assert.throws(() => uuidv5('x', 'name'), RangeError);
  });
});
