// Why a message or a reading was put aside. The codes are documented in docs/devices.md.

export const faultReasons = [
  'invalid-topic',
  'too-large',
  'invalid-json',
  'invalid-message',
  'too-many-readings',
  'unknown-device',
  'ambiguous-device',
  'inactive-device',
  'device-without-patient',
  'device-moved',
  'invalid-reading',
  'unknown-metric',
  'invalid-time',
  'invalid-value',
  'implausible-value',
  'invalid-unit',
  'conflicting-reading',
  'rejected',
] as const;

export type FaultReason = (typeof faultReasons)[number];

export interface Fault {
  reason: FaultReason;
  diagnostics: string;
}

/** The fault of one reading, by its place in the message; undefined stands for the whole message. */
export interface PlacedFault extends Fault {
  reading?: number;
}

const quotedCharactersMax = 80;

/** A value of the sender's as JSON, cut short, for diagnostics. Escapes keep control characters out of the table. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length <= quotedCharactersMax ? text : `${text.slice(0, quotedCharactersMax)}…`;
}
