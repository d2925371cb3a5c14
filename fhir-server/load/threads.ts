// The preparing threads, seen from the process that loads.
import { Worker } from 'node:worker_threads';
import type { CodeToValidate } from '#fhir-model';
import type { Snapshot } from '../parameters/published.ts';
import type { Asks, PreparedJob, Settings, Source } from './types.ts';

type FromThread =
  | { kind: 'done'; job: number; prepared: PreparedJob }
  | { kind: 'failed'; job: number; error: unknown }
  | { kind: 'ask'; ask: number; what: 'numbers'; argument: number }
  | { kind: 'ask'; ask: number; what: 'matches'; argument: string[] }
  | { kind: 'ask'; ask: number; what: 'definition'; argument: { type: string; canonical: string } }
  | { kind: 'ask'; ask: number; what: 'codes'; argument: CodeToValidate[] };

export interface Prepared extends PreparedJob {
  /** To be called when all of it is committed. */
  committed(): void;
}

export interface Threads {
  /** Given to the thread with the least to do; the sources' bytes are gone from here. */
  prepare(sources: Source[]): Promise<Prepared>;
  /** These search parameters are in force now. */
  take(snapshot: Snapshot): void;
  close(): Promise<void>;
}

interface Thread {
  worker: Worker;
  jobs: Map<number, PromiseWithResolvers<PreparedJob>>;
}

const file = new URL('./thread.ts', import.meta.url);

type Question = Extract<FromThread, { kind: 'ask' }>;

function answer(asks: Asks, question: Question): Promise<unknown> {
  switch (question.what) {
    case 'numbers':
      return asks.numbers(question.argument);
    case 'matches':
      return asks.matches(question.argument);
    case 'definition':
      return asks.definition(question.argument);
    case 'codes':
      return asks.codes(question.argument);
  }
}

function startThread(settings: Settings, asks: Asks): Thread {
  const worker = new Worker(file, { workerData: settings });
  const jobs: Thread['jobs'] = new Map();
  const fail = (error: unknown): void => {
    for (const job of jobs.values()) job.reject(error);
    jobs.clear();
  };
  const end = (number: number): PromiseWithResolvers<PreparedJob> | undefined => {
    const job = jobs.get(number);
    jobs.delete(number);
    return job;
  };
  worker.on('message', (message: FromThread) => {
    if (message.kind === 'done') end(message.job)?.resolve(message.prepared);
    else if (message.kind === 'failed') end(message.job)?.reject(message.error);
    else {
      answer(asks, message).then((value) => worker.postMessage({ kind: 'answer', ask: message.ask, value }), fail);
    }
  });
  worker.on('error', fail);
  worker.on('exit', () => fail(new Error('a preparing thread has ended')));
  return { worker, jobs };
}

export function startThreads(count: number, settings: Settings, asks: Asks): Threads {
  const threads = Array.from({ length: count }, () => startThread(settings, asks));
  let next = 0;
  return {
    prepare(sources) {
      const thread = threads.reduce((least, one) => (one.jobs.size < least.jobs.size ? one : least));
      const job = Promise.withResolvers<PreparedJob>();
      const number = next++;
      thread.jobs.set(number, job);
      // Views of a larger buffer are copied, whole buffers handed over.
      const buffers = sources.flatMap(({ bytes }) => (bytes.length === bytes.buffer.byteLength ? [bytes.buffer] : []));
      thread.worker.postMessage({ kind: 'job', job: number, sources }, buffers);
      const committed = () => thread.worker.postMessage({ kind: 'committed', job: number });
      return job.promise.then((prepared) => ({ ...prepared, committed }));
    },
    take(snapshot) {
      for (const { worker } of threads) worker.postMessage({ kind: 'parameters', snapshot });
    },
    async close() {
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}
