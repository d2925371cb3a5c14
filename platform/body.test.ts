import assert from 'node:assert/strict';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { readBody, readBodyOrHead } from './body.ts';
import { CerebraError } from './errors.ts';
import { waitFor } from './testing/index.ts';

async function serve(t: TestContext, handler: (request: IncomingMessage) => Promise<unknown>): Promise<number> {
  const server = createServer((request, response) => {
    handler(request).then(
      (value) => response.end(String(value)),
      (error: CerebraError) => {
        response.statusCode = error.status;
        response.end(error.code);
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('readBody', () => {
  const lengthOf = (bytesMax: number) => async (request: IncomingMessage) => (await readBody(request, bytesMax)).length;

  it('yields the whole body', async (t) => {
    const port = await serve(t, lengthOf(1_000_000));
    const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: Buffer.alloc(1_000_000) });
    assert.equal(await response.text(), '1000000');
  });

  it('yields an empty buffer without a body', async (t) => {
    const port = await serve(t, lengthOf(10));
    assert.equal(await (await fetch(`http://127.0.0.1:${port}`)).text(), '0');
  });

  it('refuses a body announced as too large', async (t) => {
    const port = await serve(t, lengthOf(10));
    const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: '12345678901' });
    assert.equal(response.status, 413);
    assert.equal(await response.text(), 'too-large');
  });

  it('refuses a body that turns out too large', async (t) => {
    const port = await serve(t, lengthOf(10));
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(Buffer.alloc(6));
        controller.enqueue(Buffer.alloc(6));
        controller.close();
      },
    });
    const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body, duplex: 'half' } as RequestInit);
    assert.equal(response.status, 413);
  });

  it('fails when the client breaks off', async (t) => {
    const outcome = Promise.withResolvers<string>();
    const port = await serve(t, async (request) => {
      const reading = readBody(request, 1_000);
      reading.then(
        () => outcome.resolve('complete'),
        (error: CerebraError) => outcome.resolve(error.code),
      );
      return reading;
    });
    const request = httpRequest({ port, method: 'POST', headers: { 'content-length': '100' } });
    request.on('error', () => {});
    request.write('half', () => request.destroy());
    assert.equal(await outcome.promise, 'invalid');
  });
});

describe('readBodyOrHead', () => {
  const shown = (bytesMax: number) => async (request: IncomingMessage) => {
    const { bytes, isWhole } = await readBodyOrHead(request, bytesMax, 4);
    return `${isWhole} ${bytes}`;
  };
  const text = 'abcdefghijk';
  const cases: [string, RequestInit & { duplex?: 'half' }, string][] = [
    ['a body within the limit', { body: text.slice(0, 10) }, 'true abcdefghij'],
    ['the head of one announced as too large', { body: text }, 'false abcd'],
    ['the head of one that turns out too large', { body: new Blob([text]).stream(), duplex: 'half' }, 'false abcd'],
  ];
  for (const [name, init, expected] of cases) {
    it(`yields ${name}`, async (t) => {
      const port = await serve(t, shown(10));
      const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', ...init });
      assert.equal(await response.text(), expected);
    });
  }

  it('yields the head of one that is too large decompressed', async (t) => {
    const port = await serve(t, shown(1_000));
    const init = { method: 'POST', body: gzipSync(text.repeat(1_000)), headers: { 'content-encoding': 'gzip' } };
    assert.equal(await (await fetch(`http://127.0.0.1:${port}`, init)).text(), 'false abcd');
  });
});

describe('readBody, compressed', () => {
  const textOf = (bytesMax: number) => async (request: IncomingMessage) => String(await readBody(request, bytesMax));

  /** Status and text of the answer to these bytes. */
  async function post(port: number, encoding: string, body: Buffer | ReadableStream): Promise<[number, string]> {
    const init = { method: 'POST', body, headers: { 'content-encoding': encoding }, duplex: 'half' } as RequestInit;
    const response = await fetch(`http://127.0.0.1:${port}`, init);
    return [response.status, await response.text()];
  }

  const text = 'Größe in Fuß '.repeat(1000);
  const codings: [string, (bytes: Buffer) => Buffer][] = [
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['identity', (bytes) => bytes],
  ];
  for (const [coding, encode] of codings) {
    it(`reads ${coding}`, async (t) => {
      const port = await serve(t, textOf(100_000));
      assert.deepEqual(await post(port, coding, encode(Buffer.from(text))), [200, text]);
    });
  }

  it('refuses other codings, and several', async (t) => {
    const port = await serve(t, textOf(100_000));
    const bytes = gzipSync(Buffer.from('x'));
    for (const coding of ['zstd', 'gzip, gzip', 'gzip,br', 'constructor', '__proto__']) {
      assert.deepEqual(await post(port, coding, bytes), [415, 'unsupported-media-type'], coding);
    }
  });

  it('stops at the limit while it decompresses', async (t) => {
    const port = await serve(t, textOf(10_000));
    const bomb = Buffer.alloc(50_000_000);
    assert.deepEqual(await post(port, 'gzip', gzipSync(bomb)), [413, 'too-large']);
    assert.deepEqual(await post(port, 'br', brotliCompressSync(bomb)), [413, 'too-large']);
    assert.deepEqual(await post(port, 'deflate', deflateSync(bomb)), [413, 'too-large']);
  });

  it('counts what comes compressed as well: nothing comes out of empty blocks', async (t) => {
    const port = await serve(t, textOf(10_000));
    const emptyBlock = Buffer.from([0, 0, 0, 0xff, 0xff]);
    const blocks = Buffer.concat(Array.from({ length: 10_000 }, () => emptyBlock));
    const head = deflateSync(Buffer.alloc(0)).subarray(0, 2);
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(head);
        controller.enqueue(blocks);
        controller.close();
      },
    });
    assert.deepEqual(await post(port, 'deflate', body), [413, 'too-large']);
  });

  it('takes exactly the limit', async (t) => {
    const port = await serve(t, textOf(10_000));
    const [status, answer] = await post(port, 'gzip', gzipSync(Buffer.alloc(10_000, 'a')));
    assert.deepEqual([status, answer.length], [200, 10_000]);
    assert.equal((await post(port, 'gzip', gzipSync(Buffer.alloc(10_001, 'a'))))[0], 413);
  });

  it('refuses damaged and cut data, and goes on', async (t) => {
    const port = await serve(t, textOf(1_000_000));
    const good = gzipSync(Buffer.from(text));
    assert.deepEqual(await post(port, 'gzip', Buffer.from('this is no gzip')), [400, 'invalid']);
    assert.deepEqual(await post(port, 'gzip', good.subarray(0, good.length - 12)), [400, 'invalid']);
    assert.deepEqual(await post(port, 'br', Buffer.alloc(100, 0xff)), [400, 'invalid']);
    assert.deepEqual(await post(port, 'gzip', good), [200, text]);
  });

  it('fails when the client breaks off', async (t) => {
    const outcome = Promise.withResolvers<string>();
    const port = await serve(t, async (request) => {
      const reading = readBody(request, 1_000_000);
      reading.then(
        () => outcome.resolve('complete'),
        (error: CerebraError) => outcome.resolve(error.code),
      );
      return reading;
    });
    const headers = { 'content-length': '100000', 'content-encoding': 'gzip' };
    const request = httpRequest({ port, method: 'POST', headers });
    request.on('error', () => {});
    request.write(gzipSync(Buffer.from(text)).subarray(0, 50), () => request.destroy());
    assert.equal(await outcome.promise, 'invalid');
  });
});

describe('readBody with room to ask for', () => {
  const MB = 1024 * 1024;
  /** What is asked for goes to `asked`; `answer` says when it is given. */
  const serveAsking = (t: TestContext, bytesMax: number, asked: number[], answer: () => Promise<void>) =>
    serve(t, async (request) => {
      const bytes = await readBody(request, bytesMax, (expected) => {
        asked.push(expected);
        return answer();
      });
      return bytes.length;
    });
  const post = async (port: number, body: Buffer | ReadableStream, headers: Record<string, string> = {}) => {
    const init = { method: 'POST', body, headers, duplex: 'half' } as RequestInit;
    const response = await fetch(`http://127.0.0.1:${port}`, init);
    return [response.status, await response.text()];
  };
  const stream = (bytes: number) =>
    new ReadableStream({
      start(controller) {
        for (let sent = 0; sent < bytes; sent += MB / 4) controller.enqueue(Buffer.alloc(MB / 4));
        controller.close();
      },
    });

  it('asks for nothing up to a megabyte', async (t) => {
    const asked: number[] = [];
    const port = await serveAsking(t, 8 * MB, asked, () => Promise.resolve());
    assert.deepEqual(await post(port, Buffer.alloc(MB)), [200, String(MB)]);
    assert.deepEqual(await post(port, gzipSync(Buffer.alloc(MB)), { 'Content-Encoding': 'gzip' }), [200, String(MB)]);
    assert.deepEqual(asked, []);
  });

  it('asks once for what was announced, or for all that may come', async (t) => {
    const asked: number[] = [];
    const port = await serveAsking(t, 8 * MB, asked, () => Promise.resolve());
    assert.deepEqual(await post(port, Buffer.alloc(3 * MB)), [200, String(3 * MB)]);
    assert.deepEqual(await post(port, stream(3 * MB)), [200, String(3 * MB)]);
    const packed = gzipSync(Buffer.alloc(5 * MB));
    assert.deepEqual(await post(port, packed, { 'Content-Encoding': 'gzip' }), [200, String(5 * MB)]);
    assert.deepEqual(asked, [3 * MB, 8 * MB, 8 * MB]);
  });

  it('reads no further until there is room', async (t) => {
    let give = () => {};
    const given = new Promise<void>((resolve) => {
      give = resolve;
    });
    const asked: number[] = [];
    const port = await serveAsking(t, 8 * MB, asked, () => given);
    let isAnswered = false;
    const answer = post(port, stream(4 * MB)).finally(() => {
      isAnswered = true;
    });
    await waitFor(() => asked.length === 1, 'the question for room');
    assert.equal(isAnswered, false);
    give();
    assert.deepEqual(await answer, [200, String(4 * MB)]);
  });

  it('refuses when there is none, and takes in the rest', async (t) => {
    const none = () => Promise.reject(new CerebraError('unavailable', 'no room'));
    const port = await serveAsking(t, 8 * MB, [], none);
    assert.deepEqual(await post(port, Buffer.alloc(6 * MB)), [503, 'unavailable']);
    const packed = gzipSync(Buffer.alloc(6 * MB));
    assert.deepEqual(await post(port, packed, { 'Content-Encoding': 'gzip' }), [503, 'unavailable']);
  });

  it('still refuses what becomes too large', async (t) => {
    const port = await serveAsking(t, 2 * MB, [], () => Promise.resolve());
    assert.deepEqual(await post(port, stream(3 * MB)), [413, 'too-large']);
  });
});
