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

describe('times of the day', () => {
  it('are kept beside a pattern that names a time of the day, which is the code', () => {
    const timingOf = (tq1: string) => onlyResource(orderWith(tq1), 'ServiceRequest').occurrenceTiming as JsonObject;
    const table = 'http://terminology.hl7.org/CodeSystem/v2-0335';
    assert.deepEqual(timingOf('TQ1|1||QHS|2200'), {
      repeat: { frequency: 1, period: 1, periodUnit: 'd', timeOfDay: ['22:00:00'] },
      code: { coding: [{ system: table, code: 'QHS' }] },
    });
    assert.deepEqual(timingOf('TQ1|1||AC|0730~1130'), {
      repeat: { timeOfDay: ['07:30:00', '11:30:00'] },
      code: { coding: [{ system: table, code: 'AC' }] },
    });
    assert.deepEqual(timingOf('TQ1|1||QHS').repeat, { frequency: 1, period: 1, periodUnit: 'd', when: ['HS'] });
  });
});

describe('how long', () => {
  it('ends on the last day of the period, in the month that follows too', () => {
    const end = (start: string, duration: string) => {
      const { occurrenceTiming } = onlyResource(orderWith(`TQ1|1||BID|||${duration}|${start}`), 'ServiceRequest');
      return (((occurrenceTiming as JsonObject).repeat as JsonObject).boundsPeriod as JsonObject).end;
    };
    assert.deepEqual(
      [
        end('20260301', '5^d'),
        end('20260115', '1^mo'),
        end('20260131', '1^mo'),
        end('20240229', '1^a'),
        end('202603010800', '5^d'),
        end('202603010800-0500', '36^h'),
        end('20260301', '36^h'),
      ],
      [
        ...['2026-03-05', '2026-02-14', '2026-02-27', '2025-02-27'],
        ...['2026-03-06T08:00:00Z', '2026-03-02T20:00:00-05:00', undefined],
      ],
    );
  });
});

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
