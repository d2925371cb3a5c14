// Fixed headers of MQTT packets: https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718020

export interface FrameGuard {
  /** Looks through the next bytes of a connection; false as soon as a packet announces more than allowed. */
  passes(chunk: Buffer): boolean;
}

/**
 * Follows packet lengths only. The broker's parser collects a whole packet, up to 256 MB, before anybody can refuse it;
 * this refuses at its header.
 */
export function createFrameGuard(packetBytesMax: number): FrameGuard {
  /** Bytes of the current packet still to come; undefined inside a header. */
  let remaining: number | undefined;
  let headerBytes = 0;
  let length = 0;

  const readHeader = (byte: number): boolean => {
    headerBytes++;
    if (headerBytes === 1) return true;
    length += (byte & 0x7f) * 128 ** (headerBytes - 2);
    if ((byte & 0x80) !== 0) return headerBytes < 5;
    remaining = length;
    headerBytes = 0;
    length = 0;
    return remaining <= packetBytesMax;
  };

  return {
    passes(chunk) {
      let at = 0;
      while (at < chunk.length) {
        if (remaining === undefined || remaining === 0) {
          remaining = undefined;
          if (!readHeader(chunk[at++]!)) return false;
        } else {
          const step = Math.min(remaining, chunk.length - at);
          remaining -= step;
          at += step;
        }
      }
      return true;
    },
  };
}

/**
 * Protocol level of the CONNECT a connection begins with (3, 4 or 5); undefined while more bytes are needed, 0 when it
 * begins with anything else.
 */
export function protocolLevelOf(start: Buffer): number | undefined {
  if (start.length === 0) return undefined;
  if (start[0] !== 0x10) return 0;
  let at = 1;
  while (at < 5 && at < start.length && (start[at]! & 0x80) !== 0) at++;
  const nameAt = at + 1;
  if (start.length < nameAt + 2) return undefined;
  const levelAt = nameAt + 2 + start.readUInt16BE(nameAt);
  if (levelAt > 16) return 0;
  const level = start[levelAt];
  return level === undefined ? undefined : level & 0x7f;
}
