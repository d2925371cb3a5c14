// Table websocket_client: up to which number a client had read its pings when it left, so that it is pinged when it comes
// back and there was something meanwhile.
import { createLoop, type Db, type Log, type Statement } from '#platform';

export interface Seen {
  /** What is known of the Subscription: the client's number, and how far events have been told. */
  look(id: string): Promise<{ seen: bigint; done: bigint }>;
  /** Remembered soon; never less than before. */
  remember(id: string, number: bigint): void;
  start(): void;
  /** Writes what is left. */
  stop(): Promise<void>;
}

const look: Statement = {
  name: 'websocket_look',
  text: `select coalesce((select seen_number from websocket_client where subscriber = $1), 0)::bigint as seen,
    coalesce((select done_number from subscriber where id = $1), 0)::bigint as done`,
};

// In the order of the ids: two servers that write the same rows wait for each other in turn and not in a circle.
const save: Statement = {
  name: 'websocket_seen',
  text: `insert into websocket_client as w (subscriber, seen_number)
    select * from unnest($1::text[], $2::bigint[]) as s (subscriber, number) order by s.subscriber collate "C"
    on conflict (subscriber) do update set seen_number = excluded.seen_number
    where w.seen_number < excluded.seen_number`,
};

const rowsMax = 1_000;

export function createSeen(db: Db, log: Log): Seen {
  const unsaved = new Map<string, bigint>();
  const work = async (): Promise<boolean> => {
    const rows = [...unsaved].slice(0, rowsMax);
    if (rows.length === 0) return false;
    await db.query(save, [rows.map(([id]) => id), rows.map(([, number]) => number)]);
    for (const [id, number] of rows) if (unsaved.get(id) === number) unsaved.delete(id);
    return unsaved.size > 0;
  };
  const loop = createLoop({
    work,
    onError: (err) => log.warn({ err }, 'what web socket clients have seen will be written later'),
    ...{ idleMsMin: 60_000, idleMsMax: 60_000, errorMs: 1_000 },
  });
  return {
    async look(id) {
      const [row] = await db.query<{ seen: bigint; done: bigint }>(look, [id]);
      const { seen, done } = row!;
      const later = unsaved.get(id) ?? 0n;
      return { seen: later > seen ? later : seen, done };
    },
    remember(id, number) {
      if (number <= (unsaved.get(id) ?? 0n)) return;
      unsaved.set(id, number);
      loop.wake();
    },
    start: loop.start,
    async stop() {
      await loop.stop();
      // What can't be written now costs a client one ping too many.
      while (await work().catch(() => false));
    },
  };
}
