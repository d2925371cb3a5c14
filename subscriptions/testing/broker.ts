// A double of a Kafka broker: it speaks what a producer needs of the protocol (https://kafka.apache.org/protocol), in the versions
// before compact fields, checks what it gets and keeps it. One node or more, any topic, three partitions each.
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Reader, readRecordsBatch, Writer } from '@platformatic/kafka';

export interface StoredRecord {
  topic: string;
  partition: number;
  offset: number;
  key: string;
  value: string;
  headers: Record<string, string>;
}

export interface TestBroker {
  /** `127.0.0.1:12345` */
  address: string;
  /** In the order of their arrival. */
  records: StoredRecord[];
  /** The next produce requests: refused with this code, or stored and left without an answer. */
  next: (number | 'no answer')[];
  /** Of each node. */
  addresses: string[];
  /** Topics that are not there, and are not made. */
  missing: Set<string>;
  /** That node, 1, 2 …, leads all partitions from now on; the others refuse to take messages. */
  lead(node: number): void;
  /** Stands still in the midst of the next request that does not come whole; then yields what makes it read on, to the connection's end. */
  stall(): Promise<() => Promise<void>>;
  /** Drops all connections, of one node or of all, and takes no more until `open`. */
  shut(node?: number): Promise<void>;
  open(): Promise<void>;
  close(): Promise<void>;
}

export interface TestBrokerOptions {
  nodes?: number;
  /** Who may come: by SASL PLAIN. */
  sasl?: { username: string; password: string };
  /** As PEM. */
  tls?: { cert: string; key: string };
}

const apis = {
  produce: 0,
  metadata: 3,
  saslHandshake: 17,
  apiVersions: 18,
  initProducerId: 22,
  saslAuthenticate: 36,
} as const;
const versions: [key: number, min: number, max: number][] = [
  [apis.produce, 3, 7],
  [apis.metadata, 4, 5],
  [apis.apiVersions, 0, 3],
  [apis.initProducerId, 0, 1],
  [apis.saslHandshake, 1, 1],
  [apis.saslAuthenticate, 1, 1],
];
const partitions = 3;
const noError = 0;

interface State {
  batchBytesMax: number;
  sasl: TestBrokerOptions['sasl'];
  /** Of each node. */
  ports: number[];
  leader: number;
  missing: Set<string>;
  records: StoredRecord[];
  offsets: Map<string, number>;
  /** By producer and partition: the sequence number that must come next. */
  sequences: Map<string, number>;
  next: (number | 'no answer')[];
  producers: number;
  stalled?: (readOn: () => Promise<void>) => void;
}

/** `batchBytesMax`: message.max.bytes, which is of a batch of messages; the default is that of Kafka. */
export async function startTestBroker(
  batchBytesMax = 1_048_588,
  { nodes: count = 1, sasl, tls }: TestBrokerOptions = {},
): Promise<TestBroker> {
  const state: State = {
    ...{ batchBytesMax, sasl, ports: [], leader: 1, missing: new Set() },
    ...{ records: [], offsets: new Map(), sequences: new Map(), next: [], producers: 0 },
  };
  const nodes = Array.from({ length: count }, (_, at) => createNode(state, at + 1, tls));
  for (const node of nodes) state.ports.push(await node.listen(0));
  const shut = async (which?: number) => {
    for (const [at, node] of nodes.entries()) if (which === undefined || which === at + 1) await node.shut();
  };
  const addresses = state.ports.map((port) => `127.0.0.1:${port}`);
  return {
    ...{ address: addresses[0]!, addresses, records: state.records, next: state.next, missing: state.missing },
    lead(node) {
      state.leader = node;
    },
    stall: () =>
      new Promise((resolve) => {
        state.stalled = resolve;
      }),
    shut,
    async open() {
      for (const [at, node] of nodes.entries()) await node.listen(state.ports[at]!);
    },
    close: () => shut(),
  };
}

function createNode(state: State, node: number, tls: TestBrokerOptions['tls']) {
  const sockets = new Set<Socket>();
  const accept = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    serve(state, node, socket);
  };
  let server: Server | undefined;
  return {
    listen(port: number): Promise<number> {
      const opened: Server = tls ? createTlsServer(tls, accept) : createServer(accept);
      server ??= opened;
      return new Promise((resolve) => {
        if (server !== opened) resolve(port);
        else opened.listen(port, '127.0.0.1', () => resolve((opened.address() as { port: number }).port));
      });
    },
    async shut(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      const closing = server;
      server = undefined;
      if (closing) await new Promise<void>((resolve) => closing.close(() => resolve()));
    },
  };
}

/** Each request and each answer has its length before it, four bytes. */
function serve(state: State, node: number, socket: Socket): void {
  let kept = Buffer.alloc(0);
  const guest: Guest = { node, isKnown: state.sasl === undefined };
  socket.on('data', (chunk) => {
    kept = Buffer.concat([kept, chunk as Buffer]);
    while (kept.length >= 4 && kept.length >= 4 + kept.readInt32BE(0)) {
      const end = 4 + kept.readInt32BE(0);
      const answer = answerTo(state, guest, kept.subarray(4, end));
      kept = kept.subarray(end);
      if (!answer) return void socket.destroy();
      const length = Buffer.alloc(4);
      length.writeInt32BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    }
    if (kept.length === 0 || !state.stalled) return;
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.pause();
    state.stalled(() => {
      socket.resume();
      return closed;
    });
    delete state.stalled;
  });
}

/** Who is at the other end of a connection, and of which node it is. */
interface Guest {
  node: number;
  isKnown: boolean;
}

function answerTo(state: State, guest: Guest, request: Buffer): Buffer | undefined {
  const reader = Reader.from(request);
  const key = reader.readInt16();
  const version = reader.readInt16();
  const correlation = reader.readInt32();
  reader.readNullableString(false);
  // The header of requests with compact fields ends with tags.
  if (key === apis.apiVersions && version >= 3) reader.readTaggedFields();
  const writer = Writer.create().appendInt32(correlation);
  const isOpen = key === apis.apiVersions || key === apis.saslHandshake || key === apis.saslAuthenticate;
  // A broker closes the connection of who asks for something before it has said who it is.
  if (!guest.isKnown && !isOpen) return undefined;
  switch (key) {
    case apis.saslHandshake:
      return writer.appendInt16(noError).appendArray(['PLAIN'], (w, name) => w.appendString(name, false), false, false)
        .buffer;
    case apis.saslAuthenticate:
      return authenticate(state, guest, reader, writer).buffer;
    case apis.apiVersions:
      return apiVersions(writer, version).buffer;
    case apis.metadata:
      return metadata(state, reader, writer).buffer;
    case apis.initProducerId:
      return writer
        .appendInt32(0)
        .appendInt16(noError)
        .appendInt64(BigInt(++state.producers))
        .appendInt16(0).buffer;
    case apis.produce:
      return produce(state, guest.node, reader, writer)?.buffer;
    default:
      throw new Error(`the double of a broker has no API ${key}`);
  }
}

function apiVersions(writer: Writer, version: number): Writer {
  const compact = version >= 3;
  writer
    .appendInt16(noError)
    .appendArray(
      versions,
      (w, [key, min, max]) => w.appendInt16(key).appendInt16(min).appendInt16(max),
      compact,
      compact,
    );
  writer.appendInt32(0);
  return compact ? writer.appendTaggedFields() : writer;
}

function authenticate({ sasl }: State, guest: Guest, reader: Reader, writer: Writer): Writer {
  const [, username, password] = String(reader.readBytes(false)).split('\0');
  guest.isKnown = username === sasl?.username && password === sasl?.password;
  return writer
    .appendInt16(guest.isKnown ? noError : saslAuthenticationFailed)
    .appendString(guest.isKnown ? null : 'Authentication failed', false)
    .appendBytes(Buffer.alloc(0), false)
    .appendInt64(0n);
}

function metadata({ ports, leader, missing }: State, reader: Reader, writer: Writer): Writer {
  const topics = reader.readArray((r) => r.readString(false), false, false);
  return writer
    .appendInt32(0)
    .appendArray(
      ports,
      (w, port, at) =>
        w
          .appendInt32(at + 1)
          .appendString('127.0.0.1', false)
          .appendInt32(port)
          .appendString(null, false),
      false,
      false,
    )
    .appendString('test', false)
    .appendInt32(1)
    .appendArray(
      topics,
      (w, topic) =>
        w
          .appendInt16(missing.has(topic) ? unknownTopic : noError)
          .appendString(topic, false)
          .appendBoolean(false)
          .appendArray(
            Array.from({ length: missing.has(topic) ? 0 : partitions }, (_, index) => index),
            (inner, partition) => {
              inner.appendInt16(noError).appendInt32(partition).appendInt32(leader);
              for (const nodes of [[leader], [leader], []]) {
                inner.appendArray(nodes, (each, node) => each.appendInt32(node), false, false);
              }
            },
            false,
            false,
          ),
      false,
      false,
    );
}

const unknownTopic = 3;
const notLeader = 6;
const tooLarge = 10;
const outOfOrder = 45;
const saslAuthenticationFailed = 58;

/** Undefined: no answer. */
function produce(state: State, node: number, reader: Reader, writer: Writer): Writer | undefined {
  reader.readNullableString(false);
  const acks = reader.readInt16();
  if (acks !== -1) throw new Error(`acks is ${acks}: only all replicas in sync are safe`);
  reader.readInt32();
  const now = node === state.leader ? state.next.shift() : notLeader;
  const answers = reader.readArray(
    (r) => {
      const topic = r.readString(false);
      const parts = r.readArray(
        (each) => {
          const partition = each.readInt32();
          const bytes = each.readBytes(false);
          const code = typeof now === 'number' ? now : store(state, topic, partition, bytes);
          return { partition, code };
        },
        false,
        false,
      );
      return { topic, parts };
    },
    false,
    false,
  );
  if (now === 'no answer') return undefined;
  return writer
    .appendArray(
      answers,
      (w, { topic, parts }) =>
        w
          .appendString(topic, false)
          .appendArray(
            parts,
            (each, { partition, code }) =>
              each.appendInt32(partition).appendInt16(code).appendInt64(0n).appendInt64(-1n).appendInt64(0n),
            false,
            false,
          ),
      false,
      false,
    )
    .appendInt32(0);
}

/** What an idempotent producer sends again is not stored again; what leaves a gap is refused. */
function store(state: State, topic: string, partition: number, bytes: Buffer): number {
  if (bytes.length > state.batchBytesMax) return tooLarge;
  const batch = readRecordsBatch(Reader.from(bytes));
  const place = `${batch.producerId}/${topic}/${partition}`;
  const expected = state.sequences.get(place) ?? 0;
  if (batch.firstSequence < expected) return noError;
  if (batch.firstSequence > expected) return outOfOrder;
  state.sequences.set(place, expected + batch.records.length);
  for (const { key, value, headers } of batch.records) {
    const offset = state.offsets.get(`${topic}/${partition}`) ?? 0;
    state.offsets.set(`${topic}/${partition}`, offset + 1);
    state.records.push({
      topic,
      partition,
      offset,
      key: String(key),
      value: String(value),
      headers: Object.fromEntries(headers.map(([name, text]) => [String(name), String(text)])),
    });
  }
  return noError;
}
