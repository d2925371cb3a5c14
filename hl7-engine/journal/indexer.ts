// Keeps the search index up to date beside the path of the messages, in the pauses that the loop makes.
import { createLoop, type Db, type Log } from '#platform';
import { BLOCK_MESSAGES_MIN, indexNext, indexStale, settledNumber, uniteBlocks } from './index-blocks.ts';

export interface Indexer {
  start(): void;
  stop(): Promise<void>;
  /** One pass: everything that can be indexed now. `fewest`: not for less messages than these. For tests and after a load. */
  pass(fewest?: number): Promise<void>;
}

export interface IndexerOptions {
  db: Db;
  log: Log;
}

/** A writer that has not ended after so long is waited for by a later pass. */
const WRITERS_WAIT_MS = 2_000;
const WRITERS_LOOK_MS = 20;
/** Blocks written before small ones are united. */
const ROUND_BLOCKS = 16;
/** From the end of a pass to the next. */
const PASS_MS = 1_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function settled(db: Db): Promise<bigint | undefined> {
  const until = performance.now() + WRITERS_WAIT_MS;
  return settledNumber(db, async () => {
    if (performance.now() > until) return false;
    await pause(WRITERS_LOOK_MS);
    return true;
  });
}

export function createIndexer({ db, log }: IndexerOptions): Indexer {
  async function pass(fewest: number = BLOCK_MESSAGES_MIN): Promise<void> {
    const until = await settled(db);
    for (let more = until !== undefined && !stopping; more; ) {
      let blocks = 0;
      while (!stopping && blocks < ROUND_BLOCKS && (await indexNext(db, until!, fewest)) > 0) blocks++;
      while (!stopping && (await uniteBlocks(db)));
      more = blocks === ROUND_BLOCKS && !stopping;
    }
    while (!stopping && (await indexStale(db)) > 0);
  }
  let stopping = false;
  const loop = createLoop({
    work: async () => {
      await pass();
      return false;
    },
    onError: (err) => log.warn({ err }, 'HL7 search index'),
    idleMsMin: PASS_MS,
    idleMsMax: PASS_MS,
    errorMs: 10 * PASS_MS,
  });
  return {
    start() {
      stopping = false;
      loop.start();
    },
    async stop() {
      stopping = true;
      await loop.stop();
    },
    pass,
  };
}
