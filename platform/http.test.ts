import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import Koa from 'koa';
import { CerebraError } from './errors.ts';
import { type AdminRoute, adminRouter, operationsRouter, type ReadinessProbe } from './http.ts';
import { createMetrics } from './metrics.ts';
import { testLog } from './testing/index.ts';

async function listen(t: TestContext, server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function serveKoa(t: TestContext, middleware: Koa.Middleware): Promise<string> {
  const app = new Koa({ asyncLocalStorage: false }).use(middleware);
  return `http://127.0.0.1:${await listen(t, createServer(app.callback()))}`;
}

describe('adminRouter', () => {
  const routes: AdminRoute[] = [
    {
      method: 'GET',
      path: '/admin/letters/:id',
      summary: 'One letter',
      handle: async ({ params, query }) => ({ status: 200, body: { id: params.id, query: query.get('q'), big: 5n } }),
    },
    { method: 'POST', path: '/admin/letters/:id/retry', summary: 'Retry', handle: async () => ({ status: 204 }) },
    {
      method: 'POST',
      path: '/admin/echo',
      summary: 'Echo',
      handle: async ({ body }) => ({ status: 201, body: body.toString() }),
    },
    {
      method: 'PUT',
      path: '/admin/letters/:id',
      summary: 'Changes a letter',
      handle: async ({ headers, params }) => ({ status: 200, body: { id: params.id, ifMatch: headers?.['if-match'] } }),
    },
    {
      method: 'DELETE',
      path: '/admin/letters/:id',
      summary: 'Removes a letter',
      handle: async () => ({ status: 204 }),
    },
    {
      method: 'GET',
      path: '/admin/missing',
      summary: 'Fails',
      handle: () => Promise.reject(new CerebraError('not-found', 'no such letter')),
    },
    {
      method: 'GET',
      path: '/admin/page',
      summary: 'A page',
      handle: async () => ({
        status: 410,
        text: { type: 'text/html; charset=utf-8', text: '<p>Käse' },
        headers: { 'Cache-Control': 'no-store' },
      }),
    },
    { method: 'GET', path: '/admin/broken', summary: 'Breaks', handle: () => Promise.reject(new Error('Testfamily')) },
  ];
  const started = (t: TestContext) => serveKoa(t, adminRouter(routes, testLog()));

  it('passes path segments and query', async (t) => {
    const response = await fetch(`${await started(t)}/admin/letters/a%2Fb?q=1`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
    assert.deepEqual(await response.json(), { id: 'a/b', query: '1', big: '5' });
  });

  it('lets nobody keep an answer, unless it says otherwise', async (t) => {
    const kept: AdminRoute = {
      ...{ method: 'GET', path: '/admin/kept', summary: 'Kept' },
      handle: async () => ({ status: 200, body: {}, headers: { 'Cache-Control': 'private' } }),
    };
    const base = await serveKoa(t, adminRouter([...routes, kept], testLog()));
    const headersOf = async (path: string) => (await fetch(base + path)).headers;
    const plain = await headersOf('/admin/letters/7');
    assert.deepEqual([plain.get('cache-control'), plain.get('x-content-type-options')], ['no-store', 'nosniff']);
    assert.equal((await headersOf('/admin/kept')).get('cache-control'), 'private');
  });

  it('sends text of another type, with headers', async (t) => {
    const response = await fetch(`${await started(t)}/admin/page`);
    assert.equal(response.status, 410);
    assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(await response.text(), '<p>Käse');
  });

  it('passes the body', async (t) => {
    const response = await fetch(`${await started(t)}/admin/echo`, { method: 'POST', body: 'hello' });
    assert.equal(response.status, 201);
    assert.equal(await response.json(), 'hello');
  });

  it('passes headers; one path takes several methods', async (t) => {
    const base = await started(t);
    const put = await fetch(`${base}/admin/letters/7`, { method: 'PUT', headers: { 'If-Match': '"3"' } });
    assert.deepEqual(await put.json(), { id: '7', ifMatch: '"3"' });
    assert.equal((await fetch(`${base}/admin/letters/7`, { method: 'DELETE' })).status, 204);
    const post = await fetch(`${base}/admin/letters/7`, { method: 'POST' });
    assert.equal(post.headers.get('allow'), 'GET, HEAD, PUT, DELETE');
  });

  it('answers without a body', async (t) => {
    const response = await fetch(`${await started(t)}/admin/letters/7/retry`, { method: 'POST' });
    assert.equal(response.status, 204);
  });

  it('passes on what is not its own', async (t) => {
    for (const path of ['/admin/letters', '/admin/letters/7/other', '/x/admin/echo']) {
      assert.equal((await fetch((await started(t)) + path)).status, 404);
    }
  });

  it('answers HEAD as GET, without the body', async (t) => {
    const base = await started(t);
    const get = await fetch(`${base}/admin/letters/7`);
    const head = await fetch(`${base}/admin/letters/7`, { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(await head.text(), '');
    for (const name of ['content-type', 'content-length']) assert.equal(head.headers.get(name), get.headers.get(name));
    assert.equal((await fetch(`${base}/admin/missing`, { method: 'HEAD' })).status, 404);
  });

  it('names the methods that are possible', async (t) => {
    const response = await fetch(`${await started(t)}/admin/echo`, { method: 'DELETE' });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get('allow'), 'POST');
  });

  it('answers errors in JSON, and says nothing of unexpected ones', async (t) => {
    const base = await started(t);
    const missing = await fetch(`${base}/admin/missing`);
    assert.equal(missing.status, 404);
    assert.deepEqual(await missing.json(), { error: { code: 'not-found', message: 'no such letter' } });
    const broken = await fetch(`${base}/admin/broken`);
    assert.equal(broken.status, 500);
    assert.deepEqual(await broken.json(), { error: { code: 'internal', message: 'Internal error' } });
  });

  it('refuses wrong percent-encoding and large bodies', async (t) => {
    const base = await started(t);
    assert.equal((await fetch(`${base}/admin/letters/%E0%A4%A`)).status, 400);
    const large = await fetch(`${base}/admin/echo`, { method: 'POST', body: Buffer.alloc(1024 * 1024 + 1) });
    assert.equal(large.status, 413);
  });
});

describe('operationsRouter', () => {
  const probe = (name: string, ready: () => Promise<boolean>): ReadinessProbe => ({ name, ready });

  it('answers health and metrics', async (t) => {
    const metrics = createMetrics();
    metrics.counter('x_total', 'x').inc();
    const base = await serveKoa(t, operationsRouter([], metrics));
    assert.deepEqual(await (await fetch(`${base}/healthz`)).json(), { status: 'ok' });
    const response = await fetch(`${base}/metrics`);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(await response.text(), /^x_total 1$/m);
    assert.equal((await fetch(`${base}/other`)).status, 404);
  });

  it('is ready when every part is', async (t) => {
    const base = await serveKoa(t, operationsRouter([probe('database', async () => true)], createMetrics()));
    const response = await fetch(`${base}/readyz`);
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { status: 'ready', parts: { database: 'ready' } });
  });

  it('is not ready when a part is not, fails or hangs', async (t) => {
    const probes = [
      probe('up', async () => true),
      probe('down', async () => false),
      probe('broken', () => Promise.reject(new Error('x'))),
      probe('hanging', () => new Promise<boolean>(() => {})),
    ];
    const response = await fetch(`${await serveKoa(t, operationsRouter(probes, createMetrics()))}/readyz`);
    assert.equal(response.status, 503);
    const parts = { up: 'ready', down: 'not ready', broken: 'not ready', hanging: 'not ready' };
    assert.deepEqual(await response.json(), { status: 'not ready', parts });
  });
});
