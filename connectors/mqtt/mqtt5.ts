// MQTT 5 clients at a broker that speaks 3.1.1 (aedes 1.2): packets are translated both ways.
// https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html
// What 3.1.1 cannot say is not offered in CONNACK (shared subscriptions, subscription identifiers, topic aliases) or, being
// optional for a server to act on, left out: properties of PUBLISH, no-local, retain handling, will delay.
import { randomUUID } from 'node:crypto';
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet';

export interface Translator {
  /** Bytes of the client -> bytes for the broker. Throws on what ends the connection. */
  toBroker(chunk: Buffer): Buffer;
  /** Bytes of the broker -> bytes for the client. */
  toClient(chunk: Buffer): Buffer;
}

/** Ends the connection after `answer` (a DISCONNECT or CONNACK with the reason) went to the client. */
export class ProtocolError extends Error {
  readonly answer: Buffer;
  constructor(message: string, answer: Buffer) {
    super(message);
    this.name = 'ProtocolError';
    this.answer = answer;
  }
}

export interface TranslatorLimits {
  packetBytesMax: number;
  /** QoS 1 and 2 messages a client may have unacknowledged: Receive Maximum. */
  inFlightMax: number;
}

// CONNACK return codes of 3.1.1 -> reason codes of 5
const connackReasons: Readonly<Record<number, number>> = { 0: 0, 1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87 };
const unspecifiedError = 0x80;
const protocolErrorCode = 0x82;
const badAuthenticationMethod = 0x8c;
const topicAliasInvalid = 0x94;
const disconnectWithWill = 0x04;

export function createTranslator({ packetBytesMax, inFlightMax }: TranslatorLimits): Translator {
  const unsubscribing = new Map<number, number>();
  let assignedClientIdentifier: string | undefined;
  let sessionEnds = false;

  const connect = (packet: IConnectPacket): Packet => {
    if (packet.properties?.authenticationMethod !== undefined) {
      throw new ProtocolError('enhanced authentication', connackOf(badAuthenticationMethod));
    }
    const wantsSession = (packet.properties?.sessionExpiryInterval ?? 0) > 0;
    // 3.1.1 has one flag for "start anew" and "forget at the end": anew with a lasting session becomes anew and forget.
    const clean = packet.clean !== false || !wantsSession;
    sessionEnds = wantsSession && clean;
    if (packet.clientId === '') assignedClientIdentifier = `mqtt5-${randomUUID()}`;
    return {
      ...packet,
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean,
      clientId: assignedClientIdentifier ?? packet.clientId,
    };
  };

  const brokerPacket = (packet: Packet): Packet | undefined => {
    switch (packet.cmd) {
      case 'connect':
        return connect(packet);
      case 'publish':
        if (packet.topic === '' || packet.properties?.topicAlias !== undefined) {
          throw new ProtocolError('topic alias', disconnectOf(topicAliasInvalid));
        }
        return packet;
      case 'unsubscribe':
        unsubscribing.set(packet.messageId!, packet.unsubscriptions.length);
        return packet;
      case 'disconnect':
        // Without the broker seeing a DISCONNECT, it publishes the will.
        if (packet.reasonCode === disconnectWithWill) throw new ProtocolError('disconnect with will', Buffer.alloc(0));
        return packet;
      case 'auth':
        throw new ProtocolError('AUTH', disconnectOf(protocolErrorCode));
      default:
        return packet;
    }
  };

  const clientPacket = (packet: Packet): Packet => {
    if (packet.cmd === 'connack') {
      return {
        cmd: 'connack',
        sessionPresent: packet.sessionPresent,
        reasonCode: connackReasons[packet.returnCode ?? 0] ?? unspecifiedError,
        properties: {
          receiveMaximum: inFlightMax,
          maximumPacketSize: packetBytesMax,
          sharedSubscriptionAvailable: false,
          subscriptionIdentifiersAvailable: false,
          ...(assignedClientIdentifier === undefined ? {} : { assignedClientIdentifier }),
          ...(sessionEnds ? { sessionExpiryInterval: 0 } : {}),
        },
      };
    }
    if (packet.cmd === 'unsuback') {
      const count = unsubscribing.get(packet.messageId!) ?? 1;
      unsubscribing.delete(packet.messageId!);
      return { ...packet, granted: new Array<number>(count).fill(0) };
    }
    return packet;
  };

  return { toBroker: converter(5, 4, brokerPacket), toClient: converter(4, 5, clientPacket) };
}

function converter(from: 4 | 5, to: 4 | 5, convert: (packet: Packet) => Packet | undefined) {
  const input = parser({ protocolVersion: from });
  let output: Buffer[] = [];
  let failure: unknown;
  input.on('packet', (packet) => {
    if (failure) return;
    try {
      const converted = convert(packet);
      if (converted) output.push(generate(converted, { protocolVersion: to }));
    } catch (error) {
      failure = error;
    }
  });
  input.on('error', (error) => {
    failure ??= error;
  });
  return (chunk: Buffer): Buffer => {
    input.parse(chunk);
    if (failure) throw failure;
    const bytes = output.length === 1 ? output[0]! : Buffer.concat(output);
    output = [];
    return bytes;
  };
}

function connackOf(reasonCode: number): Buffer {
  return generate({ cmd: 'connack', sessionPresent: false, reasonCode }, { protocolVersion: 5 });
}

function disconnectOf(reasonCode: number): Buffer {
  return generate({ cmd: 'disconnect', reasonCode }, { protocolVersion: 5 });
}
