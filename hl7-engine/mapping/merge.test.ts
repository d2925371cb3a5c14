import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { merging } from './merge.ts';
import { stampMs, stampWith } from './ordering.ts';

const patient = (rest: JsonObject): Resource => ({ resourceType: 'Patient', ...rest });

function stamped(time: string, rest: JsonObject): Resource {
  const resource = patient(rest);
  stampWith(resource, time);
  return resource;
}

describe('a message changes what is there', () => {
  it('clears elements, parts, items and extensions', () => {
    const existing = patient({
      gender: 'male',
      period: { start: '2026', end: '2027' },
      telecom: [
        { use: 'home', value: '1' },
        { use: 'work', value: '2' },
      ],
      extension: [{ url: 'urn:a', valueString: 'a' }],
      maritalStatus: { text: 'x' },
    });
    const cleared = [
      'gender',
      'period.end',
      'telecom[use=home]',
      'extension[url=urn:a]',
      'maritalStatus.text',
      'name',
      'x.y',
      'photo[url=z]',
    ];
    assert.deepEqual(merging({ cleared })(existing, patient({ birthDate: '1980' })), {
      resourceType: 'Patient',
      period: { start: '2026' },
      telecom: [{ use: 'work', value: '2' }],
      birthDate: '1980',
    });
    assert.deepEqual((existing.period as JsonObject).end, '2027', 'what was read is not changed');
  });

  it('has one form of a choice only', () => {
    const existing = patient({ deceasedBoolean: false, multipleBirthInteger: 2 });
    assert.deepEqual(merging({})(existing, patient({ deceasedDateTime: '2026' })), {
      resourceType: 'Patient',
      multipleBirthInteger: 2,
      deceasedDateTime: '2026',
    });
  });

  it('replaces parts by themselves where they are named', () => {
    const existing = patient({ period: { start: '2026-01-01' } });
    const merge = merging({ parts: new Set(['period']) });
    assert.deepEqual(merge(existing, patient({ period: { end: '2026-02-01' } })).period, {
      start: '2026-01-01',
      end: '2026-02-01',
    });
    assert.deepEqual(merging({})(existing, patient({ period: { end: '2026-02-01' } })).period, { end: '2026-02-01' });
  });

  it('keeps tags, versions and foreign extensions of meta', () => {
    const existing = patient({
      meta: { versionId: '3', tag: [{ code: 't' }], extension: [{ url: 'urn:x', valueCode: 'x' }] },
    });
    const merged = merging({})(existing, stamped('2026-03-01T08:00:00Z', { gender: 'male' }));
    assert.deepEqual(merged.meta, {
      versionId: '3',
      tag: [{ code: 't' }],
      extension: [
        { url: 'urn:x', valueCode: 'x' },
        { url: 'urn:cerebra:hl7v2-message-time', valueInstant: '2026-03-01T08:00:00Z' },
      ],
    });
  });
});

describe('messages in another order than they were sent', () => {
  const ordered = () => {
    const told: string[] = [];
    return { told, warnings: { add: (text: string) => told.push(text) } };
  };

  it('an older one changes nothing, and that is told', () => {
    const { told, warnings } = ordered();
    const existing = stamped('2026-03-01T08:00:00+01:00', { gender: 'male' });
    const incoming = stamped('2026-03-01T06:59:59Z', { gender: 'female' });
    assert.equal(merging({ ordered: { warnings } })(existing, incoming), existing);
    assert.deepEqual(told, ['Patient: older than what is stored; it stays as it is']);
  });

  it('a newer one, one of the same time and one without time do', () => {
    const { told, warnings } = ordered();
    const existing = stamped('2026-03-01T08:00:00+01:00', { gender: 'male' });
    for (const incoming of [
      stamped('2026-03-01T07:00:00.001Z', { gender: 'female' }),
      stamped('2026-03-01T07:00:00Z', { gender: 'female' }),
      patient({ gender: 'female' }),
    ]) {
      assert.equal(merging({ ordered: { warnings } })(existing, incoming).gender, 'female');
    }
    assert.equal(merging({ ordered: { warnings } })(patient({ gender: 'male' }), existing).gender, 'male');
    assert.deepEqual(told, []);
  });

  it('of the same time the one that has come further stays', () => {
    const { told, warnings } = ordered();
    const rank = (resource: JsonObject) => ['preliminary', 'final'].indexOf(String(resource.status));
    const merge = merging({ ordered: { warnings, rank } });
    const final = stamped('2026-03-01T08:00:00Z', { status: 'final' });
    const preliminary = stamped('2026-03-01T08:00:00Z', { status: 'preliminary' });
    assert.equal(merge(final, preliminary), final);
    assert.equal(merge(preliminary, final).status, 'final');
    assert.equal(told.length, 1);
  });

  it('a resource carries one time, the last that was set', () => {
    const resource = stamped('2026-03-01T08:00:00Z', {});
    stampWith(resource, '2026-03-01T09:00:00Z');
    assert.equal(stampMs(resource), Date.parse('2026-03-01T09:00:00Z'));
    assert.equal(((resource.meta as JsonObject).extension as unknown[]).length, 1);
    const none = patient({});
    stampWith(none, undefined);
    assert.deepEqual([stampMs(none), none.meta], [undefined, undefined]);
  });
});
