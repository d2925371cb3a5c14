// Random changes of a few Observations, for what is kept and brought up to date while they happen.
import assert from 'node:assert/strict';
import type { Resource, TransactionEntry } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { createWriter } from '../ports.ts';
import { everything } from '../testing.ts';

const ids = Array.from({ length: 12 }, (_, i) => `o${i}`);

/** `next(n)` yields a whole number from 0 to n - 1, `observation` what is written. */
export function createChanges(next: (below: number) => number, observation: (id: string) => Resource & { id: string }) {
  function change(): TransactionEntry {
    const id = ids[next(ids.length)]!;
    const kind = next(4);
    if (kind === 0) return { method: 'DELETE', url: `Observation/${id}` };
    if (kind === 1) return { method: 'POST', url: 'Observation', resource: observation('x') };
    return { method: 'PUT', url: `Observation/${id}`, resource: observation(id) };
  }
  /** One to four, of different resources. */
  return (): TransactionEntry[] => [
    ...new Map(Array.from({ length: 1 + next(4) }, change).map((entry) => [entry.url, entry])).values(),
  ];
}

/** Two at the same resource may meet: one of them is then refused. */
export const write = (core: Core, entries: TransactionEntry[]) =>
  createWriter(core)
    .transaction(entries, { scope: everything })
    .catch((error: unknown) => assert.ok(isCerebraError(error, 'version-conflict'), String(error)));

/** Three write `changes` while two read again and again by `read`. */
export async function writeWhileReading(core: Core, changes: () => TransactionEntry[], read: () => Promise<unknown>) {
  let running = true;
  const writer = async () => {
    for (let i = 0; i < 25; i++) await write(core, changes());
  };
  const reader = async () => {
    while (running) await read();
  };
  const reading = [reader(), reader()];
  await Promise.all([writer(), writer(), writer()]);
  running = false;
  await Promise.all(reading);
}
