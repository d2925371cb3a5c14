// A subscriber that outlives the servers: which events it was told of.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { TestContext } from 'node:test';

export interface Receiver {
  url: string;
  /** Event number → ids of the resources that came under it. */
  events: Map<number, Set<string>>;
  ids(): Set<string>;
}

/** Answers each notification with 200, after it is recorded. */
export async function startReceiver(t: TestContext): Promise<Receiver> {
  const events = new Map<number, Set<string>>();
  const server = createServer(async (request, response) => {
    const body = (await json(request).catch(() => undefined)) as { id: string } | undefined;
    if (body) {
      const number = Number(request.headers['x-cerebra-event-number']);
      events.set(number, (events.get(number) ?? new Set()).add(body.id));
    }
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/notified`,
    events,
    ids: () => new Set([...events.values()].flatMap((ids) => [...ids])),
  };
}
