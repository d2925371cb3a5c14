// The floor for HTTP: a plain server that parses the body and does one insert, update or select.
import { randomUUID } from 'node:crypto';
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type pg from 'pg';
import { fhirPath } from '../data/requests.ts';
import { statements } from './database.ts';

interface Resource {
  resourceType: string;
  entry?: { resource: Resource }[];
}

export interface NakedHttp {
  server: Server;
  /** Where each create is posted to after its insert; undefined: nowhere. */
  notify(port: number | undefined): void;
}

function textOf(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => resolve(Buffer.concat(chunks).toString()));
    request.on('error', reject);
  });
}

function send(response: ServerResponse, status: number, body: string): void {
  const headers = { 'content-type': 'application/fhir+json', 'content-length': Buffer.byteLength(body) };
  response.writeHead(status, headers).end(body);
}

async function createAll(pool: pg.Pool, bundle: Resource): Promise<string> {
  const entries = bundle.entry ?? [];
  const ids = entries.map(() => randomUUID());
  const bodies = entries.map(({ resource }) => JSON.stringify(resource));
  await pool.query({ ...statements.createMany, values: [ids, bodies] });
  const answers = ids.map((id) => ({ response: { status: '201 Created', location: id } }));
  return JSON.stringify({ resourceType: 'Bundle', type: 'transaction-response', entry: answers });
}

async function post(pool: pg.Pool, request: IncomingMessage, notify: (body: string) => void): Promise<string> {
  const body = await textOf(request);
  const resource = JSON.parse(body) as Resource;
  if (resource.resourceType === 'Bundle') return createAll(pool, resource);
  await pool.query({ ...statements.create, values: [randomUUID(), body] });
  notify(body);
  return body;
}

async function put(pool: pg.Pool, request: IncomingMessage, id: string): Promise<string> {
  const body = await textOf(request);
  JSON.parse(body);
  await pool.query({ ...statements.update, values: [id, body] });
  return body;
}

async function search(pool: pg.Pool, query: string): Promise<string> {
  const parameters = new URLSearchParams(query);
  const find = (name: string): string => parameters.get(name)?.split('|').at(-1) ?? '';
  const statement = parameters.has('code')
    ? { ...statements.byCode, values: [find('code')] }
    : parameters.has('identifier')
      ? { ...statements.byIdentifier, values: [find('identifier')] }
      : { ...statements.byPatient, values: [find('patient')] };
  const { rows } = await pool.query<{ body: string }>(statement);
  const entries = rows.map(({ body }) => `{"resource":${body}}`);
  return `{"resourceType":"Bundle","type":"searchset","entry":[${entries.join(',')}]}`;
}

async function read(pool: pg.Pool, id: string): Promise<string> {
  const { rows } = await pool.query<{ body: string }>({ ...statements.read, values: [id] });
  return rows[0]?.body ?? '';
}

function get(pool: pg.Pool, url: string): Promise<string> {
  const question = url.indexOf('?');
  return question < 0 ? read(pool, idOf(url)) : search(pool, url.slice(question + 1));
}

const idOf = (url: string): string => url.slice(url.lastIndexOf('/') + 1);

export function createNakedHttp(pool: pg.Pool): NakedHttp {
  const agent = new Agent({ keepAlive: true });
  let receiverPort: number | undefined;

  const notify = (body: string): void => {
    if (receiverPort === undefined) return;
    const headers = { 'content-type': 'application/fhir+json', 'content-length': Buffer.byteLength(body) };
    httpRequest({ agent, host: '127.0.0.1', port: receiverPort, method: 'POST', headers }, (answer) =>
      answer.resume(),
    ).end(body);
  };

  const answer = async (request: IncomingMessage): Promise<[status: number, body: string]> => {
    const { method, url = '' } = request;
    if (!url.startsWith(fhirPath)) return [404, ''];
    if (method === 'GET') return [200, await get(pool, url)];
    if (method === 'PUT') return [200, await put(pool, request, idOf(url))];
    return [201, await post(pool, request, notify)];
  };

  const server = createServer((request, response) => {
    answer(request).then(
      ([status, body]) => send(response, status, body),
      (error: Error) => send(response, 500, error.message),
    );
  });
  return {
    server,
    notify(port) {
      receiverPort = port;
    },
  };
}
