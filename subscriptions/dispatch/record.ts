// Records that deliveries have ended while the next ones are being sent, several in one statement: with a flush to disk for
// each, one Subscription was told of 280 events a second, whatever its receiver could take.
// What a crash finds unrecorded is sent again; more than `unrecordedMax` never is.
import type { Claim } from './deliveries.ts';
import type { End } from './ends.ts';

export interface RecorderOptions {
  claim: Claim;
  end: End;
  leaseMs: number;
  /** Deliveries that have been sent and are not recorded; with 0 each is recorded before the next is sent. */
  unrecordedMax: number;
}

export interface Recorder {
  /**
   * The next `count` deliveries, up to this number, were delivered. False when nothing more may be sent: the lease is lost or the
   * subscriber no longer active. Throws what the database did.
   */
  delivered(number: bigint, count: number): Promise<boolean>;
  /** Waits until everything is recorded; false and errors as above. */
  drain(): Promise<boolean>;
}

export function createRecorder({ claim, end, leaseMs, unrecordedMax }: RecorderOptions): Recorder {
  let waiting: { number: bigint; count: number } | undefined;
  let writing: Promise<void> | undefined;
  /** Sent and not recorded, those being written included. */
  let unrecorded = 0;
  let lost = false;
  let failure: unknown;

  const write = async (): Promise<void> => {
    try {
      while (waiting && !lost) {
        const { number, count } = waiting;
        waiting = undefined;
        lost = (await end(claim, number, { outcome: 'delivered' }, { release: false, leaseMs, count })) === 'lost';
        unrecorded -= count;
      }
    } catch (error) {
      failure = error;
    } finally {
      // Here and not in a continuation: what is delivered from now on begins another.
      writing = undefined;
    }
  };
  const drain = async (): Promise<boolean> => {
    await writing;
    if (failure !== undefined) throw failure;
    return !lost;
  };
  return {
    drain,
    async delivered(number, count) {
      waiting = { number, count: (waiting?.count ?? 0) + count };
      unrecorded += count;
      if (failure === undefined) writing ??= write();
      // A process that stood still, or a database that does: the lease may be another's by now.
      const isOld = performance.now() - claim.leasedMs > leaseMs / 2;
      if (lost) return false;
      if (isOld || unrecorded > unrecordedMax || failure !== undefined) return drain();
      return !lost;
    },
  };
}
