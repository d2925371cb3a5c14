// A message's bytes -> its readings, still unchecked. The shapes are documented in docs/devices.md.
import { isRawJson, parseSentJson } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { PlacedFault } from './fault.ts';

export interface MessageLimits {
  payloadBytesMax: number;
  readingsPerMessageMax: number;
}

/** The readings of a message, or why it has none. */
export function decodeMessage(payload: Buffer, limits: MessageLimits): unknown[] | PlacedFault {
  if (payload.length > limits.payloadBytesMax) {
    return {
      reason: 'too-large',
      diagnostics: `The message has ${payload.length} bytes, the most is ${limits.payloadBytesMax}`,
    };
  }
  const message = parse(payload);
  if ('fault' in message) return message.fault;
  const readings = readingsOf(message.value);
  if (readings === undefined || readings.length === 0) {
    return {
      reason: 'invalid-message',
      diagnostics: 'The message is neither a reading, nor an array of readings, nor {"readings": […]}; or it has none',
    };
  }
  if (readings.length > limits.readingsPerMessageMax) {
    return {
      reason: 'too-many-readings',
      diagnostics: `The message has ${readings.length} readings, the most is ${limits.readingsPerMessageMax}`,
    };
  }
  return readings;
}

function readingsOf(message: unknown): unknown[] | undefined {
  if (Array.isArray(message)) return message;
  if (typeof message !== 'object' || message === null || isRawJson(message)) return undefined;
  if (!Object.hasOwn(message, 'readings')) return [message];
  const { readings } = message as { readings: unknown };
  return Array.isArray(readings) ? readings : undefined;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Numbers that would lose digits are RawJson in `value`. */
function parse(payload: Buffer): { value: unknown } | { fault: PlacedFault } {
  try {
    return { value: parseSentJson(utf8.decode(payload)).exact };
  } catch (error) {
    const diagnostics = isCerebraError(error) ? error.message : 'The message is not UTF-8';
    return { fault: { reason: 'invalid-json', diagnostics } };
  }
}
