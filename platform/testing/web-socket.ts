// A web socket client for tests. https://www.rfc-editor.org/rfc/rfc6455
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { type ClientOptions, WebSocket } from 'ws';
import { waitFor } from './wait.ts';

export interface TestSocket {
  /** All that was said to the client. */
  heard: string[];
  say(text: string | Buffer): void;
  /** Waits until so much was heard. */
  hears(count: number): Promise<string[]>;
  /** Waits until the ping frame has come, and been answered, that follows what was heard. */
  confirms(): Promise<unknown>;
  /** Closing handshake; yields the code. */
  leave(): Promise<number>;
  /** Resolves with the code when the server closes. */
  closed: Promise<number>;
  raw: WebSocket;
}

/** Open when it resolves; ended after the test. */
export async function openSocket(t: TestContext, url: string, options: ClientOptions = {}): Promise<TestSocket> {
  const raw = new WebSocket(url, options);
  const heard: string[] = [];
  let isConfirmed = false;
  raw.on('message', (data) => {
    isConfirmed = false;
    heard.push(String(data));
  });
  raw.on('ping', () => {
    isConfirmed = true;
  });
  raw.on('error', () => {});
  const closed = new Promise<number>((resolve) => raw.on('close', resolve));
  t.after(async () => {
    raw.terminate();
    await closed;
  });
  await once(raw, 'open');
  return {
    heard,
    raw,
    closed,
    say: (text) => raw.send(text),
    hears: (count) => waitFor(() => heard.length >= count && heard, `${count} texts, not ${JSON.stringify(heard)}`),
    confirms: () => waitFor(() => isConfirmed, 'the ping frame after what was heard'),
    leave: () => {
      raw.close();
      return closed;
    },
  };
}
