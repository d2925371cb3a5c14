// The current versions of what a Subscription is told next, read together: read one after the other each was a statement of its
// own, a quarter of what a notification cost. None is older than `freshMs` when it is sent, and none older than the one sent
// before it: a window is read as one, and the next one after it.
import type { AccessScope, ResourceReader, StoredVersion } from '#fhir-model';
import type { Claim, Delivery } from '../dispatch/deliveries.ts';

export interface ReadAhead {
  /** What will be delivered under a claim, in order. */
  begin(claim: Claim, deliveries: readonly Delivery[]): void;
  /** As ResourceReader.read, of what a delivery is about. */
  read(claim: Claim, delivery: Delivery, scope: AccessScope): Promise<StoredVersion | undefined>;
}

interface Window {
  scope: AccessScope;
  readMs: number;
  versions: Map<Delivery, Promise<StoredVersion | undefined>>;
}

interface Batch {
  deliveries: readonly Delivery[];
  window: Window | undefined;
  /** Deliveries that the next window has: twice as many each time, as long as they are small and told in time. */
  size: number;
}

const freshMs = 250;
const sizeMax = 16;
/** Of longer bodies one is held at a time. */
const charactersMax = 64 * 1024;

/** `nowMs`: a clock that never goes back. */
export function createReadAhead(
  reader: Pick<ResourceReader, 'read'>,
  nowMs: () => number = () => performance.now(),
): ReadAhead {
  const batches = new WeakMap<Claim, Batch>();

  const open = (batch: Batch, at: number, scope: AccessScope): Window => {
    const versions: Window['versions'] = new Map();
    const byKey = new Map<string, Promise<StoredVersion | undefined>>();
    const some = batch.deliveries.slice(at, at + batch.size);
    batch.size = Math.min(2 * batch.size, sizeMax);
    const onFound = (found: StoredVersion | undefined) => {
      if (found && found.body.length > charactersMax) batch.size = 1;
    };
    for (const delivery of some) {
      const { type, id } = delivery;
      const key = `${type}/${id}`;
      const found = byKey.get(key) ?? reader.read(type, id, scope);
      if (!byKey.has(key)) found.then(onFound, () => {});
      byKey.set(key, found);
      versions.set(delivery, found);
    }
    return { scope, readMs: nowMs(), versions };
  };

  return {
    begin(claim, deliveries) {
      batches.set(claim, { deliveries, window: undefined, size: 1 });
    },
    read(claim, delivery, scope) {
      const batch = batches.get(claim);
      const at = batch?.deliveries.indexOf(delivery) ?? -1;
      if (!batch || at < 0) return reader.read(delivery.type, delivery.id, scope);
      const { window } = batch;
      const found = window?.versions.get(delivery);
      if (found && window?.scope === scope && nowMs() - window.readMs < freshMs) return found;
      // What was read in vain: the receiver is slow.
      if (found) batch.size = 1;
      batch.window = open(batch, at, scope);
      return batch.window.versions.get(delivery)!;
    },
  };
}
