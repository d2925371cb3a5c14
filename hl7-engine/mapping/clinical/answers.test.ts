// The answers to an order's questions stay the same when the filler's number comes.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { type Entry, entriesOf, mapLines, onlyEntry } from '../../testing/mapped.ts';

const msh = 'MSH|^~\\&|EHR|SOUTH|LAB|NORTH|20260301080000||OML^O21^OML_O21|M1|P|2.5.1';

const order = (filler: string, time = ''): string[] => [
  `ORC|XO|P1^EHR|${filler}`,
  `OBR|1|P1^EHR|${filler}|24323-8^Panel^LN`,
  `OBX|1|CWE|49541-6^Fasting status^LN||Y^Yes^HL70136||||||O|||${time}`,
];

const mapped = (...lines: string[]) => mapLines(msh, 'PID|1||777^^^HOSP^MR', ...lines);

const idOf = ({ url }: Entry): string => url.slice('Observation/'.length);

/** The ids that the message's answer may be stored under, where the request is stored as that of another message. */
function names(lines: string[], stored: string[]): { own: string; others: readonly string[]; alias: Entry['alias'] } {
  const message = mapped(...lines);
  const request = onlyEntry(message, 'ServiceRequest');
  const found = { ...onlyEntry(mapped(...stored), 'ServiceRequest').resource, id: 's' } as Resource;
  assert.equal(request.choose!([found]).match?.id, 's');
  const answer = onlyEntry(message, 'Observation');
  return { own: idOf(answer), others: answer.alias!.ids(), alias: answer.alias };
}

const [placers, fillers] = [order(''), order('F1^LAB')].map((lines) =>
  idOf(onlyEntry(mapped(...lines), 'Observation')),
);

test("an answer under the placer's number is found under the filler's, and the other way round", () => {
  const later = names(order('F1^LAB'), order(''));
  assert.deepEqual([later.own, later.others], [fillers, [placers]]);
  const before = names(order(''), order('F1^LAB'));
  assert.deepEqual([before.own, before.others], [placers, [fillers]]);
  const again = names(order('F1^LAB'), order('F1^LAB'));
  assert.deepEqual(again.others, [placers]);
});

test("a filler's number beside others of one placer's number tells nothing", () => {
  assert.deepEqual(names(order('F2^LAB'), order('F1^LAB')).others, []);
  const both = mapped(...order('F1^LAB'), ...order('F2^LAB'));
  const request = onlyEntry(both, 'ServiceRequest');
  request.choose!([{ ...onlyEntry(mapped(...order('')), 'ServiceRequest').resource, id: 's' }]);
  for (const { alias } of entriesOf(both, 'Observation')) assert.deepEqual(alias!.ids(), []);
});

test('an answer of another time is another one', () => {
  const { others, alias } = names(order('F1^LAB', '20260301070000'), order('', '20260301060000'));
  const at = (effectiveDateTime: string): Resource =>
    ({ resourceType: 'Observation', id: others[0], effectiveDateTime }) as JsonObject as Resource;
  assert.equal(alias!.fits(at('2026-03-01T07:00:00Z')), true);
  assert.equal(alias!.fits(at('2026-03-01T06:00:00Z')), false);
});
