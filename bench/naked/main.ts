// The process of the naked servers.
import type { AddressInfo, Server } from 'node:net';
import type { Connection } from '#platform';
import { serve } from '../rpc.ts';
import { connectPool } from './database.ts';
import { createNakedBroker, createNakedMllp } from './feeds.ts';
import { createNakedHttp } from './http.ts';

export interface Ports {
  http: number;
  mllp: number;
  mqtt: number;
}

const { connection, poolMax } = JSON.parse(process.env.BENCH_NAKED ?? '{}') as {
  connection: Connection;
  poolMax: number;
};
const pool = connectPool(connection, poolMax);
const http = createNakedHttp(pool);

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

serve({
  async start(): Promise<Ports> {
    return {
      http: await listen(http.server),
      mllp: await listen(createNakedMllp(pool)),
      mqtt: await listen(await createNakedBroker(pool)),
    };
  },
  notify: ({ port }: { port?: number }) => http.notify(port),
  cpuMs: () => (process.cpuUsage().user + process.cpuUsage().system) / 1_000,
  stop: () => undefined,
});
