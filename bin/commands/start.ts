// `cerebra start`: the server, until a signal stops it.
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type Config, endOnUncaught, stopOnSignals } from '#platform';
import { keepHeap, tidyHeap } from '../heap.ts';
import { memoryAdvice, memoryBytes } from '../memory.ts';
import type { RunningServer } from '../server.ts';
import { configOrExit, fail, logOf } from './begin.ts';

/** One table: where everything is, and which parts are embedded. */
function readyTable(server: RunningServer, config: Config, startedMs: number): string {
  const { embedded, rootUrl, host } = server;
  const authority = host.includes(':') ? `[${host}]` : host;
  const database = config.DATABASE_URL ? 'external (DATABASE_URL)' : 'embedded PostgreSQL 18';
  const rows: [string, string, string][] = [
    ['FHIR R4', server.fhirBaseUrl, ''],
    ['HL7v2 MLLP', `${authority}:${server.mllpPort}`, ''],
    ...[...server.mllpPorts]
      .filter(([, port]) => port !== server.mllpPort)
      .map(([name, port]): [string, string, string] => [`MLLP ${name}`, `port ${port}`, 'HL7_LISTENERS']),
    [
      'MQTT',
      embedded.mqtt ? `${authority}:${server.mqttPort}` : 'external (MQTT_URL)',
      embedded.mqtt ? 'embedded broker' : 'external broker',
    ],
    ['Health', `${rootUrl}/healthz`, `${rootUrl}/readyz`],
    ['Metrics', `${rootUrl}/metrics`, 'Prometheus'],
    ['Data folder', path.resolve(config.DATA_DIR), database],
    ['Queue', embedded.queue === 'redis' ? 'Redis (REDIS_URL)' : 'PostgreSQL', 'BullMQ'],
    ...(config.WORKERS > 1 ? [['HTTP', `${config.WORKERS} worker processes`, ''] as [string, string, string]] : []),
    ['Access', 'open', `to everybody on ${host}`],
  ];
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map(([a, b, c]) => `  ${a.padEnd(widths[0]!)}  ${b.padEnd(widths[1]!)}  ${c}`.trimEnd());
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  return `\nCerebra is ready after ${seconds} s. Ctrl-C stops it.\n\n${lines.join('\n')}\n`;
}

/** `--workers N` goes before WORKERS. */
function startEnvironment(args: string[]): Record<string, string | undefined> {
  try {
    const { values } = parseArgs({ args, options: { workers: { type: 'string' } } });
    return values.workers === undefined ? process.env : { ...process.env, WORKERS: values.workers };
  } catch (error) {
    return fail('Cerebra could not start', (error as Error).message);
  }
}

export async function run(args: string[]): Promise<void> {
  const startedMs = performance.now() - process.uptime() * 1000;
  const config = configOrExit(startEnvironment(args));
  const log = logOf(config);
  endOnUncaught(log);
  keepHeap();
  const advice = memoryAdvice(config, memoryBytes());
  if (advice !== undefined) log.warn(advice);
  let stopping = false;
  const stop = async (): Promise<void> => {
    stopping = true;
    // A start under way is not cut short: a half-started PostgreSQL would have to recover.
    const server = await starting.catch(() => undefined);
    await server?.stop();
  };
  const options = {
    config,
    log,
    onLost: (error: unknown) => void stop().finally(() => fail('Cerebra stopped', error, config)),
  };
  // A configuration with a fault is told before all this is read.
  const { startServer } = await import('../server.ts');
  const { startCluster } = await import('../workers/primary.ts');
  const starting = config.WORKERS > 1 ? startCluster(options, config.WORKERS) : startServer(options);
  stopOnSignals({ stop }, log);
  try {
    const server = await starting;
    await tidyHeap();
    if (!stopping) console.log(readyTable(server, config, startedMs));
  } catch (error) {
    fail('Cerebra could not start', error, config);
  }
}
