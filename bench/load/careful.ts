// Monitors that keep what was not acknowledged and send it again, over new connections, to whichever server is there now: what a
// replay over kill -9 needs.
import { setTimeout as pause } from 'node:timers/promises';
import mqtt, { type MqttClient } from 'mqtt';

export interface Publication {
  topic: string;
  payload: string;
}

export interface CarefulSender {
  /** Where the broker is now. */
  port(): number;
  connections: number;
  perSecond: number;
  seconds: number;
  /** What is measured at this moment; asked in the rhythm of `perSecond`, whether it can be sent or not. */
  next(): Publication;
}

export interface CarefulResult {
  acknowledged: number;
  /** Connections that were lost or refused. */
  lost: number;
}

const againMs = 200;
/** Of each connection, before the first of them is acknowledged. */
const underWayMax = 32;

/** One of them measures in its own rhythm and sends in order, each until it is acknowledged. */
export async function sendCarefully(sender: CarefulSender): Promise<CarefulResult> {
  const result: CarefulResult = { acknowledged: 0, lost: 0 };
  const stepMs = (sender.connections * 1_000) / sender.perSecond;
  const startMs = performance.now();
  const one = async (_none: unknown, place: number): Promise<void> => {
    const waiting: Publication[] = [];
    let client: MqttClient | undefined;
    let dueMs = startMs + (place / sender.connections) * stepMs;
    const endMs = startMs + sender.seconds * 1_000;
    for (; dueMs < endMs || waiting.length > 0; ) {
      for (; dueMs < endMs && dueMs <= performance.now(); dueMs += stepMs) waiting.push(sender.next());
      const underWay = waiting.slice(0, underWayMax);
      if (underWay.length === 0) {
        await pause(Math.max(1, dueMs - performance.now()));
        continue;
      }
      try {
        client ??= await connected(sender.port());
        await published(client, underWay);
        waiting.splice(0, underWay.length);
        result.acknowledged += underWay.length;
      } catch {
        client?.end(true);
        client = undefined;
        result.lost += 1;
        await pause(againMs);
      }
    }
    await client?.endAsync(true);
  };
  await Promise.all(Array.from({ length: sender.connections }, one));
  return result;
}

async function connected(port: number): Promise<MqttClient> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }, false);
  client.on('error', () => {});
  return client;
}

async function published(client: MqttClient, all: readonly Publication[]): Promise<void> {
  const closed = Promise.withResolvers<never>();
  const onClose = () => closed.reject(new Error('closed'));
  client.once('close', onClose);
  closed.promise.catch(() => {});
  try {
    if (!client.connected) throw new Error('closed');
    const acknowledged = all.map(({ topic, payload }) => client.publishAsync(topic, payload, { qos: 1 }));
    await Promise.race([Promise.all(acknowledged), closed.promise]);
  } finally {
    client.off('close', onClose);
  }
}
