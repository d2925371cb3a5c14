// The process of the server under test: bin/server.ts with free ports, on the benchmark's PostgreSQL.
import { Session } from 'node:inspector/promises';
import { type Connection, createLog, readConfig } from '#platform';
import { keepHeap } from '../bin/heap.ts';
import { startServer } from '../bin/server.ts';
import { type CpuProfile, summarise } from './profile.ts';
import { serve } from './rpc.ts';

const { connection, poolMax } = JSON.parse(process.env.BENCH_OURS ?? '{}') as {
  connection: Connection;
  poolMax: number;
};
const config = readConfig({
  ...{ PORT: '0', MLLP_PORT: '0', MQTT_PORT: '0', POOL_MAX: String(poolMax), LOG_LEVEL: 'warn' },
  // The floor computes none: with them each vital sign would be several writes.
  SCORES: process.env.SCORES ?? 'none',
});
keepHeap();
const session = new Session();
let stop = async (): Promise<void> => undefined;

serve({
  async start() {
    const server = await startServer({ config, connection, log: createLog({ level: 'warn' }) });
    stop = server.stop;
    return { http: Number(new URL(server.rootUrl).port), mllp: server.mllpPort, mqtt: server.mqttPort };
  },
  cpuMs: () => (process.cpuUsage().user + process.cpuUsage().system) / 1_000,
  memory: () => ({ pid: process.pid, heapUsed: process.memoryUsage().heapUsed }),
  async profileStart() {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 200 });
    await session.post('Profiler.start');
  },
  async profileStop() {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    return { summary: summarise(profile as CpuProfile), profile };
  },
  stop: () => stop(),
});
