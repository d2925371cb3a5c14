// A whole server in this process, on a database of its own and free ports.

import { readConfig } from '#platform';
import { testConnection, testLog } from '#platform/testing';
import { type RunningServer, startServer } from '../bin/server.ts';

export type TestServer = RunningServer;

/** `environment` adds to or overrides the variables. The caller stops it before the file ends. */
export async function startTestServer(environment: Record<string, string> = {}): Promise<TestServer> {
  const config = readConfig({ PORT: '0', MLLP_PORT: '0', MQTT_PORT: '0', ...environment });
  return startServer({ config, log: testLog(), connection: await testConnection() });
}
