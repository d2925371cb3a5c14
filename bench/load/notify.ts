// Latency from sending a write to the receipt of its notification: commit → notification with the write itself before it.
import { createRandom } from '../data/random.ts';
import { requestPool } from '../data/requests.ts';
import { type Measured, open, Tally } from './exchange.ts';
import { httpParser } from './parsers.ts';
import type { Receiver } from './receiver.ts';

export interface NotifyLoad {
  port: number;
  seconds: number;
  firstNumber: number;
  /** Writes a second; undefined: one at a time, the next a random moment after the notification of the one before. */
  rate?: number;
}

const deadlineMs = 10_000;
const connections = 16;
/** Between two writes at idle, so that they do not fall in step with a poll of the dispatcher. */
const pauseMsMax = 20;

const identifierOf = (request: Buffer): string => /"(B\d{10})"/.exec(request.toString('latin1'))![1]!;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Sender {
  send(bytes: Buffer): Promise<void>;
  close(): void;
}

async function openSender(port: number): Promise<Sender> {
  const socket = await open(port);
  const parser = httpParser();
  let answered: PromiseWithResolvers<void> | undefined;
  socket.on('data', (chunk) =>
    parser.push(chunk, (failure) => (failure ? answered?.reject(new Error(failure)) : answered?.resolve())),
  );
  return {
    send(bytes) {
      answered = Promise.withResolvers<void>();
      socket.write(bytes);
      return answered.promise;
    },
    close: () => socket.destroy(),
  };
}

export async function notifyLoad(load: NotifyLoad, receiver: Receiver): Promise<Measured> {
  const tally = new Tally();
  const startMs = performance.now();
  const endMs = startMs + load.seconds * 1_000;
  const senders = await Promise.all(
    Array.from({ length: load.rate === undefined ? 1 : connections }, () => openSender(load.port)),
  );
  const pool = requestPool('create', load.firstNumber);
  const one = async (sender: Sender): Promise<void> => {
    const bytes = pool.next();
    const sentMs = performance.now();
    const received = receiver.await(identifierOf(bytes), deadlineMs);
    await Promise.all([sender.send(bytes), received]).then(
      async () => tally.add((await received) - sentMs),
      (error: Error) => tally.add(deadlineMs, error.message),
    );
  };
  if (load.rate === undefined) await oneByOne(() => one(senders[0]!), endMs);
  else await atRate(load.rate, [...senders], one, startMs, endMs);
  for (const sender of senders) sender.close();
  return tally.measured((performance.now() - startMs) / 1_000);
}

async function oneByOne(one: () => Promise<void>, endMs: number): Promise<void> {
  const random = createRandom(7);
  while (performance.now() < endMs) {
    await one();
    await pause(random.next() * pauseMsMax);
  }
}

/** Open loop: a write is sent when its time has come, if one of the senders is free. */
async function atRate(
  rate: number,
  free: Sender[],
  one: (sender: Sender) => Promise<void>,
  startMs: number,
  endMs: number,
): Promise<void> {
  const running = new Set<Promise<void>>();
  for (let sent = 0; performance.now() < endMs; ) {
    const sender = performance.now() < startMs + (sent * 1_000) / rate ? undefined : free.pop();
    if (!sender) {
      await pause(1);
      continue;
    }
    sent += 1;
    const work = one({ ...sender, send: (bytes) => sender.send(bytes).finally(() => free.unshift(sender)) });
    running.add(work);
    work.finally(() => running.delete(work));
  }
  await Promise.all(running);
}
