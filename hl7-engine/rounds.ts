// Messages that go round: what a route sends on may come in here again, by another name of this host or through other engines that
// leave it as it is, and be sent on again. own-ways.ts knows of addresses; here it is told by the bytes themselves.
import { hash } from 'node:crypto';
import { Refusal } from './message/refusal.ts';

export interface Rounds {
  /** How often what these bytes were made of has been sent from here and has come back. */
  of(raw: Buffer): number;
  /** What is sent of a message, as it came, that has come back so often. */
  sent(bodies: readonly Buffer[], raw: Buffer, rounds: number): void;
}

/** Routes that hand to each other over listeners of this server make a few rounds on purpose, never so many. */
export const roundsMax = 16;

/** Of what has been sent the latest are known, some 100 bytes each; what has come back is kept apart, so that nothing else displaces it. */
const knownMax = 20_000;

const keyOf = (body: Buffer): string => hash('sha1', body, 'base64');

export function createRounds(): Rounds {
  const first = new Map<string, number>();
  const again = new Map<string, number>();
  return {
    of(raw) {
      const key = keyOf(raw);
      return again.get(key) ?? first.get(key) ?? 0;
    },
    sent(bodies, raw, rounds) {
      const known = rounds === 0 ? first : again;
      for (const body of bodies) {
        // The same bytes have one effect, and may be tried any number of times.
        if (body.equals(raw)) continue;
        const key = keyOf(body);
        known.delete(key);
        known.set(key, rounds + 1);
        if (known.size > knownMax) known.delete(known.keys().next().value!);
      }
    },
  };
}

/** `destinations`: where it would go once more. */
export function endless(destinations: readonly string[]): Refusal {
  const names = [...new Set(destinations)].join(', ');
  const text =
    `This message has come back ${roundsMax} times from where this server sent it: one of its destinations (${names}) leads back ` +
    'to it. Send elsewhere, or give the route a match that leaves out what comes back';
  return new Refusal('AE', '207', text);
}
