// The server that suites share: started when the first of them needs it.
import { type Client, createClient } from '../client.ts';
import { startTestServer, type TestServer } from '../server.ts';

let starting: Promise<TestServer> | undefined;

export async function sharedServer(): Promise<Client> {
  starting ??= startTestServer();
  return createClient((await starting).fhirBaseUrl);
}

export async function stopSharedServer(): Promise<void> {
  const server = await starting?.catch(() => undefined);
  starting = undefined;
  await server?.stop();
}
