// Device readings as docs/devices.md shapes them, one a message.
import type { Random } from './random.ts';

const metrics: [metric: string, unit: string, low: number, span: number][] = [
  ['heart-rate', 'bpm', 55, 50],
  ['respiratory-rate', '/min', 11, 12],
  ['oxygen-saturation', '%', 92, 8],
  ['body-temperature', 'Cel', 36, 2],
];

/** `atMs` has to be new for each reading of a device: the Observation's id is made of device, metric and time. */
export function readingPayload(random: Random, atMs: number): string {
  const [metric, unit, low, span] = random.pick(metrics);
  return JSON.stringify({ time: new Date(atMs).toISOString(), metric, value: low + random.below(span), unit });
}
