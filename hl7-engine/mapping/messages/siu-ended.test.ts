// Appointments that end with all of their resources deleted (AIx-2, RGS-2): HL7 v2.9 chapter 10.4.4 and 10.6.3
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '#fhir-model';
import { mapLines, onlyResource, storedAfter, storedOf } from '../../testing/mapped.ts';

const header = (event: string, at = '20260301080000') =>
  `MSH|^~\\&|SCHED|CLINIC|EHR|HOSP|${at}+0100||SIU^${event}^SIU_S12|S${at}${event}|P|2.5.1`;
const sch = (status: string) => `SCH|A1^CLINIC|F1^SCHED|||||||30|min|||||||||||||||${status}|O1^EHR|O2^RIS`;
const pid = 'PID|1||P1^^^CLINIC^MR||TEST^JANE||19800102|F';
const ais = (code: string, action = '') => `AIS|1|${action}|${code}^Scan^L|20260401090000+0200|||30|min`;
const aip = 'AIP|1||77^Doc^Dora|D^Doctor^L||20260401090000+0200|||30|min';

for (const [event, word, status] of [
  ['S15', '', 'cancelled'],
  ['S17', '', 'entered-in-error'],
  ['S14', 'Cancelled', 'cancelled'],
] as const) {
  test(`${event} ${word} of one that was not known says when it was to be, and what`, () => {
    const mapped = mapLines(header(event), sch(word), pid, 'RGS|1|D', ais('X1'), aip);
    const { serviceType, participant, ...found } = onlyResource(mapped, 'Appointment');
    const times = ['2026-04-01T09:00:00+02:00', '2026-04-01T09:30:00+02:00'];
    assert.deepEqual([found.status, found.start, found.end], [status, ...times]);
    assert.equal((serviceType as JsonObject[]).length, 1);
    assert.equal((participant as JsonObject[]).at(-1)!.status, 'declined');
    if (word === '') assert.notEqual(onlyResource(mapped, 'ServiceRequest').code, undefined);
  });
}

test('one that ends by some of its services keeps the others, and its time', () => {
  const last = ais('X2').replace('0900', '1000');
  const first = [header('S12'), sch('Booked'), pid, ais('X1'), last];
  const end = [header('S15', '20260302080000'), sch(''), pid, last.replace('AIS|1||', 'AIS|1|D|')];
  const { serviceType, status, start } = storedOf(storedAfter(first, end).resources, 'Appointment')[0]!;
  const codes = (serviceType as unknown as { coding: JsonObject[] }[]).map(({ coding: [coding] }) => coding!.code);
  assert.deepEqual([codes, status, start], [['X1', 'X2'], 'cancelled', '2026-04-01T09:00:00+02:00']);
});
