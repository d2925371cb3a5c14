// Orders with several TQ1: HL7 v2.9 chapter 4.5.4
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { mapLines, onlyResource } from '../../testing/mapped.ts';

const orderWith = (...timing: string[]): ReturnType<typeof mapLines> =>
  mapLines(
    'MSH|^~\\&|EHR|HOSP|X|Y|20240102030405||OML^O21^OML_O21|1|P|2.5.1',
    'PID|1||123^^^HOSP^MR||Doe^Jane',
    'ORC|NW|P1',
    ...timing,
    'OBR|1|P1||2345-7^Glucose^LN',
  );

describe('several TQ1 of an order', () => {
  it('are a note each, after the first', () => {
    const mapped = orderWith(
      'TQ1|1||Q8H||||20240102|20240107',
      'TQ1|2|2^mL|QD|0800~1200|||20240108||S|if febrile|call',
      'TQ1|3||^^^^2^d|||5^d',
      'TQ1|4||^^^^2^d|||5^d',
    );
    const request = onlyResource(mapped, 'ServiceRequest');
    assert.deepEqual((request.occurrenceTiming as JsonObject).repeat, {
      frequency: 1,
      period: 8,
      periodUnit: 'h',
      boundsPeriod: { start: '2024-01-02', end: '2024-01-07' },
    });
    assert.equal(request.priority, 'stat');
    assert.deepEqual(request.note, [
      {
        text: 'Further schedule: 2 mL; QD; at 08:00:00, 12:00:00; from 2024-01-08; if febrile; call; priority S',
      },
      { text: 'Further schedule: 1 per 2 d; for 5 d' },
    ]);
    assert.deepEqual(mapped.warnings, [
      'TQ1: R4 has a place for one schedule of a request; the others are notes of it',
    ]);
  });

  it('are the times of one schedule where they say nothing else', () => {
    const mapped = orderWith('TQ1|1||||||202401020800', 'TQ1|2||||||202401030800', 'TQ1|3||||||202401041000');
    const request = onlyResource(mapped, 'ServiceRequest');
    assert.deepEqual(request.occurrenceTiming, {
      event: ['2024-01-02T08:00:00Z', '2024-01-03T08:00:00Z', '2024-01-04T10:00:00Z'],
    });
    assert.equal(request.note, undefined);
    assert.deepEqual(mapped.warnings, []);
  });
});
