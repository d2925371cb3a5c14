import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMadeFor, uuidv5, uuidv7 } from './ids.ts';

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

describe('isMadeFor', () => {
  const at = 1_700_000_000_000;

  it('takes what is written within the hour after, or by a clock a minute behind', () => {
    for (const ms of [at, at + 3_600_000, at - 60_000]) assert.equal(isMadeFor(uuidv7(at), ms), true, String(ms - at));
    for (const ms of [at + 3_600_001, at - 60_001]) assert.equal(isMadeFor(uuidv7(at), ms), false, String(ms - at));
  });

  it('takes no other ids', () => {
    const id = uuidv7(at);
    for (const other of ['', 'x', id.toUpperCase(), `${id}0`, id.replace('-7', '-4')]) {
      assert.equal(isMadeFor(other, at), false, other);
    }
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
