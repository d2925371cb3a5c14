// Lines of one bill that share its number (FT1-2): HL7 v2.9 chapter 6.5.1.2.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { entriesOf, mapLines, onlyEntry, segment, storedAfter, storedOf } from '../../testing/mapped.ts';

const dft = (at: string, ...lines: string[]) => [
  `MSH|^~\\&|BILL|CLINIC|EHR|HOSP|${at}||DFT^P03^DFT_P03|F${at}|P|2.5.1`,
  ...[`EVN|P03|${at}`, 'PID|1||P1^^^CLINIC^MR||TEST^JANE||19800102|F||||||||||ACC1', ...lines],
];
const visit = 'FT1|1|T1||20260228|20260301|CG|99213^Visit^C4|||2|150.50&USD|75.25&USD';
const count = visit.replaceAll('99213^Visit', '85025^Count');
const three = (line: string) => line.replace('|||2|', '|||3|');
const dated = (line: string, at: string) => line.replace('||20260228|', `||${at}|`);

/** Code, quantity and day of the charges after the messages, each a day later than the one before. */
function charged(...messages: string[][]) {
  const sent = messages.map((lines, day) => dft(`2026030${day + 1}080000`, ...lines));
  return storedOf(storedAfter(...sent).resources, 'ChargeItem').map(({ code, quantity, occurrenceDateTime }) => [
    (code as unknown as { coding: JsonObject[] }).coding[0]!.code,
    (quantity as unknown as JsonObject).value,
    occurrenceDateTime,
  ]);
}

it('keeps lines of one number apart, and says so', () => {
  const day = '2026-02-28';
  const { warnings } = storedAfter(dft('20260301080000', visit, count));
  assert.ok(warnings.includes('FT1-2: the number of another charge of the message; told apart by FT1-7 and FT1-4'));
  const both = [
    ['99213', 2, day],
    ['85025', 2, day],
  ];
  assert.deepEqual(charged([visit, count, visit], [visit, count, visit]), both);
});

it('overwrites no line by another one, whichever of them are sent again', () => {
  for (const again of [[three(count)], [three(count), visit], [visit, three(count)]]) {
    assert.deepEqual(charged([visit, count], again), [
      ['99213', 2, '2026-02-28'],
      ['85025', 3, '2026-02-28'],
    ]);
  }
});

it('makes no further charge of a date that is corrected; two of one code are told apart by it', () => {
  const corrected = [dated(visit, '20260227'), dated(count, '20260227')];
  assert.deepEqual(charged([visit, count], corrected), [
    ['99213', 2, '2026-02-27'],
    ['85025', 2, '2026-02-27'],
  ]);
  const days = [visit, dated(visit, '20260227'), dated(visit, '20260226')];
  const three = ['2026-02-28', '2026-02-27', '2026-02-26'].map((day) => ['99213', 2, day]);
  assert.deepEqual(charged([...days, visit], days.toReversed()), three);
});

it('charges no line twice where a bill grows', () => {
  const next = dated(visit, '20260301');
  const days = ['2026-02-28', '2026-03-01'];
  assert.deepEqual(
    charged([visit], [next, visit], [visit, next]),
    days.map((day) => ['99213', 2, day]),
  );
});

it('tells lines apart by words and by FT1-25; a payment of the number is none of them', () => {
  const countOf = (...lines: string[]) => entriesOf(mapLines(...dft('20260301080000', ...lines)), 'ChargeItem').length;
  const words = visit.replace('99213^Visit^C4', '^Visit');
  assert.equal(countOf(words, words.replace('^Visit', '^Count')), 2);
  const procedure = (code: string) => segment('FT1', { 1: '1', 2: 'T1', 4: '20260228', 6: 'CG', 10: '1', 25: code });
  assert.equal(countOf(procedure('99213^^C4'), procedure('85025^^C4')), 2);
  const payment = dated(visit, '20260301').replace('|CG|', '|PY|');
  const { warnings } = storedAfter(dft('20260301080000', visit, payment));
  assert.deepEqual(
    warnings.filter((one) => one.startsWith('FT1-2')),
    [],
  );
  const charges = [[visit], [visit, payment]].map((lines) => mapLines(...dft('20260301080000', ...lines)));
  const [url, beside] = charges.map((mapped) => onlyEntry(mapped, 'ChargeItem').url);
  assert.equal(beside, url);
});

it('tells of two of one number, code and time that differ; of one that is sent twice it does not', () => {
  const told = (...lines: string[]) =>
    storedAfter(dft('20260301080000', ...lines)).warnings.filter((one) => one.includes('only one of them'));
  assert.deepEqual(told(visit, three(visit)), [
    'FT1-2: two charges have one number, code (FT1-7) and time (FT1-4): only one of them has a place',
  ]);
  assert.deepEqual(told(visit, visit), []);
  const numberless = visit.replace('|T1|', '||');
  assert.deepEqual(told(visit, numberless, three(numberless)), []);
  const alternate = (code: string) => visit.replace('99213^Visit^C4', `^^^${code}`);
  const charges = (...codes: string[]) =>
    entriesOf(mapLines(...dft('20260301080000', ...codes.map(alternate))), 'ChargeItem').length;
  assert.equal(charges('A1', 'A2'), 2);
  assert.equal(charges('A1', 'A1^Visit'), 1);
});

it('knows their claim by the number', () => {
  const pv1 = 'PV1|1|O|||||7^Doc^Dora|||||||||||7||V1';
  const in1 = segment('IN1', { 1: '1', 2: 'PLAN1^Plan', 3: 'PAYER1', 4: 'Payer One', 16: 'TEST^JANE', 17: 'SEL' });
  const claimOf = (...charges: string[]) =>
    onlyEntry(mapLines(...dft('20260301080000', pv1, ...charges, in1)), 'Claim').url;
  assert.equal(claimOf(visit, count), claimOf(visit, visit));
  assert.equal(claimOf(count, visit), claimOf(visit, count));
});
