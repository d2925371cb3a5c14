// What was sent, what was acknowledged, and what the server said instead.

export const kinds = ['create', 'change', 'bundle', 'message', 'reading'] as const;
export type Kind = (typeof kinds)[number];

export interface Ledger {
  /** A number never sent before. */
  send(kind: Kind): number;
  /** `told`: what the acknowledgement says, a create's id, a change's version. */
  acknowledge(kind: Kind, number: number, told?: string): void;
  /** An answer that is no acknowledgement. */
  refuse(kind: Kind, answer: string): void;
  sent(kind: Kind): number[];
  acknowledged(kind: Kind): Map<number, string>;
  /** Every answer that was no acknowledgement, and how often it came. */
  refusals(): Map<string, number>;
  forgetRefusals(): void;
  /** Calls `then` at the acknowledgement that completes `each` of every kind and `total` of all, from now on. */
  whenMore(each: number, total: number, then: () => void): void;
}

export function createLedger(): Ledger {
  const books = new Map(kinds.map((kind) => [kind, { sent: 0, acknowledged: new Map<number, string>() }]));
  const refusals = new Map<string, number>();
  let check: () => void = () => {};
  const counts = () => kinds.map((kind) => books.get(kind)!.acknowledged.size);
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  return {
    send: (kind) => books.get(kind)!.sent++,
    acknowledge(kind, number, told = '') {
      books.get(kind)!.acknowledged.set(number, told);
      check();
    },
    refuse(kind, answer) {
      const name = `${kind}: ${answer}`;
      refusals.set(name, (refusals.get(name) ?? 0) + 1);
    },
    sent: (kind) => Array.from({ length: books.get(kind)!.sent }, (_, number) => number),
    acknowledged: (kind) => books.get(kind)!.acknowledged,
    refusals: () => refusals,
    forgetRefusals: () => refusals.clear(),
    whenMore(each, total, then) {
      const before = counts();
      check = () => {
        const more = counts().map((count, index) => count - before[index]!);
        if (Math.min(...more) < each || sum(more) < total) return;
        check = () => {};
        then();
      };
    },
  };
}
