// Topic names: https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718106

/** What the connector subscribes to. `+` matches an empty level too, so an empty device id is seen and put aside. */
export const readingsTopicFilter = 'devices/+/readings';

const readingsTopic = /^devices\/([^/]*)\/readings$/;
const deviceCharactersMax = 512;

export type DeviceKey = { id: string } | { system: string; value: string };

export function isReadingsTopic(topic: string): boolean {
  return readingsTopic.test(topic);
}

/**
 * The device a readings topic names: an id or identifier value, or `system|value`; percent-encoding is undone.
 * Undefined when the level is empty, longer than 512 characters, badly encoded or has control characters.
 */
export function deviceKeyOf(topic: string): DeviceKey | undefined {
  const text = decoded(readingsTopic.exec(topic)?.[1] ?? '');
  // U+FFFD is what the MQTT parser makes of bytes that are not UTF-8.
  if (text === undefined || text === '' || text.length > deviceCharactersMax || /[\p{Cc}\ufffd]/u.test(text)) {
    return undefined;
  }
  const bar = text.indexOf('|');
  if (bar < 0) return { id: text };
  const key = { system: text.slice(0, bar), value: text.slice(bar + 1) };
  return key.value === '' ? undefined : key;
}

function decoded(level: string): string | undefined {
  if (!level.includes('%')) return level;
  try {
    return decodeURIComponent(level);
  } catch {
    return undefined;
  }
}
