// Pages in a browser: what of a request tells that it may not have what is here.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { namesUs, originsOf, ownOrigins, refuseForeignHosts } from './cors.ts';
import { acceptWebSockets } from './web-sockets.ts';

const own = ownOrigins('http://127.0.0.1:8080', 'https://fhir.example.org:8443/fhir/R4');
const origins = { own, allowed: originsOf('https://app.example.org') };

test('a Host names this server by an address, localhost, or a name that is configured', () => {
  const isOurs = namesUs(origins);
  const ours = ['127.0.0.1:8080', '[::1]:8080', '10.2.3.4', 'localhost', 'LOCALHOST:9999', 'x.localhost'];
  const named = ['fhir.example.org', 'FHIR.example.org.:8443', 'app.example.org', '', undefined];
  const others = [
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '[::1].evil',
  ];
  // Twice: the second answer is one that was kept.
  for (const host of [...ours, ...named, ...ours, ...named]) assert.equal(isOurs(host), true, host);
  for (const host of [...others, ...others]) assert.equal(isOurs(host), false, host);
  assert.equal(namesUs({ own, allowed: originsOf('*') })('evil.example'), true);
});

test('a request under another name is refused with the reason, but for what has no data', async (t) => {
  const server = createServer(refuseForeignHosts(origins, (_, response) => response.end('data')));
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const ask = async (path: string, host: string) => {
    const [response] = await once(request({ port, path, headers: { host } }).end(), 'response');
    let text = '';
    for await (const part of response.setEncoding('utf8')) text += part;
    return [response.statusCode, text];
  };
  const refusal =
    '{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"forbidden","diagnostics":"The Host header names no address of this server: set BASE_URL to the one that clients use, or have the proxy send Host: localhost"}]}';
  assert.deepEqual(await ask('/fhir/R4/Patient', 'evil.example'), [403, refusal]);
  assert.deepEqual(await ask('/admin/hl7/messages', `evil.example:${port}`), [403, refusal]);
  assert.deepEqual(await ask('/fhir/R4/Patient', `localhost:${port}`), [200, 'data']);
  assert.deepEqual(await ask('/healthz', 'evil.example'), [200, 'data']);
  // A URL with a name of its own goes before the header.
  assert.deepEqual(await ask('http://evil.example/fhir/R4/Patient', 'localhost'), [403, refusal]);
  assert.deepEqual(await ask('http://localhost/fhir/R4/Patient', 'evil.example'), [200, 'data']);
});

test('a web socket under another name is refused', async (t) => {
  const server = createServer();
  t.after(() => server.close());
  const taken: (string | undefined)[] = [];
  acceptWebSockets(server, {
    ...{ fhirBaseUrl: 'http://127.0.0.1:8080/fhir/R4', origins },
    take: ({ headers }, socket) => {
      taken.push(headers.host);
      socket.end('HTTP/1.1 418 Taken\r\nConnection: close\r\n\r\n');
    },
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const ask = async (host: string) => {
    const headers = { host, connection: 'Upgrade', upgrade: 'websocket' };
    const [response] = await once(request({ port, path: '/ws/patient/p', headers }).end(), 'response');
    response.resume();
    return response.statusCode;
  };
  assert.deepEqual([await ask('evil.example'), await ask('localhost')], [403, 418]);
  assert.deepEqual(taken, ['localhost']);
});
