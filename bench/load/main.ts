// The load generator's process.
import { oruMessage } from '../data/hl7.ts';
import { createRandom } from '../data/random.ts';
import { readingPayload } from '../data/readings.ts';
import { type RequestKind, requestPool } from '../data/requests.ts';
import { deviceCount, deviceId } from '../data/resources.ts';
import { serve } from '../rpc.ts';
import { closedLoop, type Measured } from './exchange.ts';
import { type NotifyLoad, notifyLoad } from './notify.ts';
import { httpParser, mllpBlock, mllpParser, mqttConnect, mqttParser, mqttPublish } from './parsers.ts';
import { startReceiver } from './receiver.ts';

export interface HttpLoad {
  port: number;
  kind: RequestKind;
  connections: number;
  seconds: number;
  firstNumber: number;
}

export interface FeedLoad {
  port: number;
  connections: number;
  window: number;
  seconds: number;
  /** Numbers from here on are new. */
  firstNumber: number;
  perSecond?: number;
}

const receiver = await startReceiver();

function http({ port, kind, connections, seconds, firstNumber }: HttpLoad): Promise<Measured> {
  const pool = requestPool(kind, firstNumber);
  return closedLoop({ port, connections, seconds, window: 1, parser: httpParser, next: () => pool.next() });
}

function mllp({ firstNumber, ...load }: FeedLoad): Promise<Measured> {
  const random = createRandom(firstNumber);
  let number = firstNumber;
  return closedLoop({ ...load, parser: mllpParser, next: () => mllpBlock(oruMessage(random, number++)) });
}

/** Readings lie one millisecond apart, from 2024 on. */
const readingsStartMs = Date.UTC(2024, 0, 1);

function mqtt({ firstNumber, ...load }: FeedLoad): Promise<Measured> {
  const random = createRandom(firstNumber);
  let number = firstNumber;
  return closedLoop({
    ...load,
    parser: mqttParser,
    hello: (connection) => mqttConnect(`bench-${firstNumber}-${connection}`),
    next: () => {
      number += 1;
      const topic = `devices/${deviceId(number % deviceCount)}/readings`;
      return mqttPublish(topic, (number % 65_535) + 1, readingPayload(random, readingsStartMs + number));
    },
  });
}

serve({
  http,
  mllp,
  mqtt,
  notify: (load: NotifyLoad) => notifyLoad(load, receiver),
  receiverPort: () => receiver.port,
  stop: () => undefined,
});
