// A double of a Kafka broker: it speaks what a producer needs of the protocol (https://kafka.apache.org/protocol), in the versions
// before compact fields, checks what it gets and keeps it. One broker, any topic, three partitions each.
import { createServer, type Socket } from 'node:net';
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
  /** Drops all connections and takes no more until `open`. */
  shut(): Promise<void>;
  open(): Promise<void>;
  close(): Promise<void>;
}

const apis = { produce: 0, metadata: 3, apiVersions: 18, initProducerId: 22 } as const;
const versions: [key: number, min: number, max: number][] = [
  [apis.produce, 3, 7],
  [apis.metadata, 4, 5],
  [apis.apiVersions, 0, 3],
  [apis.initProducerId, 0, 1],
];
const partitions = 3;
const noError = 0;

interface State {
  batchBytesMax: number;
  port: number;
  records: StoredRecord[];
  offsets: Map<string, number>;
  /** By producer and partition: the sequence number that must come next. */
  sequences: Map<string, number>;
  next: (number | 'no answer')[];
  producers: number;
}

/** `batchBytesMax`: message.max.bytes, which is of a batch of messages; the default is that of Kafka. */
export async function startTestBroker(batchBytesMax = 1_048_588): Promise<TestBroker> {
  const state: State = {
    ...{ batchBytesMax, port: 0, records: [], offsets: new Map(), sequences: new Map(), next: [], producers: 0 },
  };
  const sockets = new Set<Socket>();
  const listen = (port: number) =>
    new Promise<ReturnType<typeof createServer>>((resolve) => {
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        socket.on('error', () => {});
        serve(state, socket);
      });
      server.listen(port, '127.0.0.1', () => resolve(server));
    });
  let server = await listen(0);
  state.port = (server.address() as { port: number }).port;
  const shut = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return {
    address: `127.0.0.1:${state.port}`,
    records: state.records,
    next: state.next,
    shut,
    async open() {
      server = await listen(state.port);
    },
    close: shut,
  };
}

/** Each request and each answer has its length before it, four bytes. */
function serve(state: State, socket: Socket): void {
  let kept = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    kept = Buffer.concat([kept, chunk as Buffer]);
    while (kept.length >= 4 && kept.length >= 4 + kept.readInt32BE(0)) {
      const end = 4 + kept.readInt32BE(0);
      const answer = answerTo(state, kept.subarray(4, end));
      kept = kept.subarray(end);
      if (!answer) return void socket.destroy();
      const length = Buffer.alloc(4);
      length.writeInt32BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    }
  });
}

function answerTo(state: State, request: Buffer): Buffer | undefined {
  const reader = Reader.from(request);
  const key = reader.readInt16();
  const version = reader.readInt16();
  const correlation = reader.readInt32();
  reader.readNullableString(false);
  // The header of requests with compact fields ends with tags.
  if (key === apis.apiVersions && version >= 3) reader.readTaggedFields();
  const writer = Writer.create().appendInt32(correlation);
  switch (key) {
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
      return produce(state, reader, writer)?.buffer;
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

function metadata({ port }: State, reader: Reader, writer: Writer): Writer {
  const topics = reader.readArray((r) => r.readString(false), false, false);
  return writer
    .appendInt32(0)
    .appendArray(
      [1],
      (w, node) => w.appendInt32(node).appendString('127.0.0.1', false).appendInt32(port).appendString(null, false),
      false,
      false,
    )
    .appendString('test', false)
    .appendInt32(1)
    .appendArray(
      topics,
      (w, topic) =>
        w
          .appendInt16(noError)
          .appendString(topic, false)
          .appendBoolean(false)
          .appendArray(
            Array.from({ length: partitions }, (_, index) => index),
            (inner, partition) => {
              inner.appendInt16(noError).appendInt32(partition).appendInt32(1);
              for (const nodes of [[1], [1], []]) {
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

const tooLarge = 10;
const outOfOrder = 45;

/** Undefined: no answer. */
function produce(state: State, reader: Reader, writer: Writer): Writer | undefined {
  reader.readNullableString(false);
  const acks = reader.readInt16();
  if (acks !== -1) throw new Error(`acks is ${acks}: only all replicas in sync are safe`);
  reader.readInt32();
  const now = state.next.shift();
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
