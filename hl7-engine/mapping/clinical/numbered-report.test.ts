// Reports by the placer's number alone, many of them in one message.
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseMessage } from '../../message/message.ts';
import { entriesOf } from '../../testing/mapped.ts';
import type { Mapped } from '../context.ts';
import { namedZone } from '../datetime.ts';
import { mapMessage } from '../map.ts';

const head = ['MSH|^~\\&|LAB|HA|EHR|X|20260131120000||ORU^R01^ORU_R01|R1|P|2.5.1', 'PID|1||7^^^HA^MR'];

const obr = (placer: string, filler = ''): string =>
  `OBR|1|${placer}|${filler}|24323-8^Panel^LN|||20260131080000|||||||||||||||||F`;

/** Maps the message and counts how often its segments were asked for. */
function mapped(lines: string[]): { result: Mapped; reads: number } {
  const message = parseMessage(Buffer.from([...head, ...lines].join('\r')));
  const { segments } = message;
  let reads = 0;
  const counted = Object.defineProperty({ ...message }, 'segments', {
    get: () => {
      reads++;
      return segments;
    },
  });
  return { result: mapMessage(counted, 'm1', { zone: namedZone('UTC'), identifierSystems: {} }), reads };
}

test('a message is not read once more for each of its orders', () => {
  const orders = (count: number): string[] => Array.from({ length: count }, (_, index) => obr(`P${index}`));
  assert.equal(mapped(orders(200)).reads, mapped(orders(2)).reads);
});

test("the placer's number alone means none of the reports that have the filler's beside it", () => {
  const { result } = mapped([obr('P1', 'F1'), obr('P1', 'F2'), obr('P1'), obr('P2')]);
  assert.deepEqual(
    entriesOf(result, 'DiagnosticReport').map(({ url }) => decodeURIComponent(url).replaceAll(/&code=[^&]*/g, '')),
    [
      'DiagnosticReport?identifier=urn:id:HA:order-filler|F1',
      'DiagnosticReport?identifier=urn:id:HA:order-filler|F2',
      'DiagnosticReport?identifier=urn:id:HA:order-placer|P1&identifier:not=urn:id:HA:order-filler|F1,urn:id:HA:order-filler|F2',
      'DiagnosticReport?identifier=urn:id:HA:order-placer|P2',
    ],
  );
});
