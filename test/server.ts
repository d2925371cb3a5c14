// A whole server in this process, on a database of its own and free ports.
import { devNull } from 'node:os';
import { before } from 'node:test';
import { readConfig } from '#platform';
import { beforeDrop, testConnection, testLog } from '#platform/testing';
import { type RunningServer, startServer } from '../bin/server.ts';
import { type Client, createClient } from './client.ts';

export type TestServer = RunningServer;

/** No routes of the machine's own. `environment` adds to or overrides the variables. Stopped at the latest before its database goes. */
export async function startTestServer(environment: Record<string, string> = {}, log = testLog()): Promise<TestServer> {
  const config = readConfig({
    PORT: '0',
    MLLP_PORT: '0',
    MQTT_PORT: '0',
    HL7_ROUTES_DIR: devNull,
    HL7_PROFILES_DIR: devNull,
    // Tests that send much at once are not about how long a slow machine takes for it.
    ...{ ACQUIRE_TIMEOUT_MS: '120000', SEARCH_TIMEOUT_MS: '120000' },
    ...{ STATEMENT_TIMEOUT_MS: '300000', IDLE_TRANSACTION_TIMEOUT_MS: '120000' },
    // Each vital sign would lead to more resources: what tests count are their own.
    SCORES: 'none',
    ...environment,
  });
  const connection = await testConnection();
  const server = await startServer({ config, log, connection });
  beforeDrop(connection.database, () => server.stop());
  return server;
}

/** A client of a server that runs for the tests of the file that calls this. */
export function serveTests(environment?: Record<string, string>): Client {
  let client: Client;
  before(async () => {
    const server = await startTestServer(environment);
    client = createClient(server.fhirBaseUrl);
  });
  const call = (...request: Parameters<Client>) => client(...request);
  return Object.defineProperty(call, 'base', { get: () => client.base }) as Client;
}
