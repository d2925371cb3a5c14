// HL7 over HTTP: https://hapifhir.github.io/hapi-hl7v2/hapi-hl7overhttp/specification.html
import { isUtf8 } from 'node:buffer';
import { encodingExists } from 'iconv-lite';
import { CerebraError, type Log } from '#platform';
import { readBatch } from '../message/batch.ts';
import { loadDictionary } from '../message/dictionary.ts';
import { parseMessage } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { fromXml } from '../message/v2xml/read.ts';
import { toXml } from '../message/v2xml/write.ts';
import { wideCharset } from '../message/wide.ts';
import { readAnswer } from '../outbound/answer.ts';
import type { HandleMessage, RefuseHead, Source } from '../seams.ts';
import { createAddressList, plainAddress } from './addresses.ts';
import { defaultListener, type HttpListenerConfig } from './config.ts';
import { inCharset, withoutFrame } from './content.ts';
import type { Traffic, WayStatus } from './traffic.ts';

/** In values that pass between processes. */
export interface Hl7HttpRequest {
  /** Of `/hl7/{listener}`; `default` for `/hl7`. */
  listener: string;
  /** The header, '' when there is none. */
  contentType: string;
  /** The client's address. */
  peer: string;
  body: Uint8Array;
  /** False: more was sent than the server takes, and `body` is the beginning. */
  isWhole: boolean;
}

export interface Hl7HttpAnswer {
  status: number;
  headers: Record<string, string>;
  body: Uint8Array;
}

export interface Hl7Http {
  /** Throws CerebraError: `not-found`, `forbidden`, `unsupported-media-type`, `too-large`, `required`, `unavailable`. */
  post(request: Hl7HttpRequest): Promise<Hl7HttpAnswer>;
  status(): WayStatus[];
}

export interface Hl7HttpOptions {
  messageBytesMax: number;
  log: Log;
  handle: HandleMessage;
  refuse: RefuseHead;
  trafficOf(kind: 'http', listener: string): Traffic;
}

/** Vertical bars, as they are called in the wild; '' where the client says nothing. */
const barTypes = new Set([
  '',
  'application/hl7-v2',
  'application/hl7-v2+er7',
  'x-application/hl7-v2',
  'x-application/hl7-v2+er7',
  'text/plain',
]);

/** v2.xml: https://www.hl7.org/implement/standards/product_brief.cfm?product_id=214 */
const xmlTypes = new Set(['application/hl7-v2+xml', 'x-application/hl7-v2+xml', 'application/xml', 'text/xml']);

interface Endpoint extends HttpListenerConfig {
  messageBytesMax: number;
  traffic: Traffic;
  admits(address: string): boolean;
}

export function createHl7Http(configs: readonly HttpListenerConfig[], options: Hl7HttpOptions): Hl7Http {
  const all: HttpListenerConfig[] = [{ kind: 'http', name: defaultListener, statusByAck: false }, ...configs];
  const endpoints = new Map(all.map((config) => [config.name, endpointOf(config, options)]));
  return {
    async post(request) {
      const endpoint = endpoints.get(request.listener);
      if (endpoint === undefined) throw new CerebraError('not-found', noListener(request.listener));
      const raw = contentOf(request, endpoint);
      const source: Source = { kind: 'http', name: endpoint.name, peer: plainAddress(request.peer) };
      if (!request.isWhole || request.body.length > endpoint.messageBytesMax)
        return refuseLarge(raw, source, endpoint, options);
      endpoint.traffic.frame('whole');
      const { type } = mediaType(request.contentType);
      const send = xmlTypes.has(type) ? acknowledgeXml : acknowledge;
      return answerOf(await send(raw, source, options), endpoint, type);
    },
    status: () => [...endpoints.values()].map(({ name, traffic }) => ({ name, kind: 'http', ...traffic.counts() })),
  };
}

function endpointOf(config: HttpListenerConfig, options: Hl7HttpOptions): Endpoint {
  const list = config.allow && createAddressList(config.allow);
  return {
    ...config,
    messageBytesMax: config.messageBytesMax ?? options.messageBytesMax,
    traffic: options.trafficOf('http', config.name),
    admits: (address) => list?.has(address) ?? true,
  };
}

const noListener = (name: string): string =>
  `There is no HTTP listener '${name.slice(0, 64)}': see HL7_LISTENERS, or send to /hl7`;

/** The message in the request, once it is clear that it may be sent here, and in this form. */
function contentOf({ contentType, peer, body, isWhole }: Hl7HttpRequest, endpoint: Endpoint): Buffer {
  if (!endpoint.admits(plainAddress(peer))) {
    endpoint.traffic.refused('address');
    throw new CerebraError('forbidden', 'This address may not send here');
  }
  const { type, charset } = mediaType(contentType);
  if (!barTypes.has(type) && !xmlTypes.has(type)) {
    const text = `'${type.slice(0, 80)}' is not read here: send application/hl7-v2, application/hl7-v2+xml or text/plain`;
    throw new CerebraError('unsupported-media-type', text);
  }
  const isKnown: boolean = charset === undefined || encodingExists(charset);
  if (!isKnown) throw new CerebraError('unsupported-media-type', `The charset '${charset?.slice(0, 40)}' is not known`);
  if (isWhole && body.length === 0) throw new CerebraError('required', 'The body has no message');
  const raw = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  // XML tells its own.
  return xmlTypes.has(type) ? raw : inCharset(withoutFrame(raw), charset);
}

/** Its beginning is journalled, as that of a frame would be. Throws `too-large`. */
async function refuseLarge(
  head: Buffer,
  source: Source,
  { traffic, messageBytesMax }: Endpoint,
  options: Hl7HttpOptions,
): Promise<never> {
  const text = `The message is larger than ${Math.min(messageBytesMax, options.messageBytesMax)} bytes`;
  traffic.frame('oversize');
  await options.refuse(head, source, new Refusal('AR', '207', text));
  throw new CerebraError('too-large', text);
}

function mediaType(header: string): { type: string; charset: string | undefined } {
  const [type = '', ...parameters] = header.split(';');
  const charset = parameters.map((one) => /^\s*charset\s*=\s*"?([^"\s]+)"?\s*$/i.exec(one)?.[1]).find(Boolean);
  return { type: type.trim().toLowerCase(), charset };
}

/** An acknowledgment, and what is sent of it. */
interface Answered {
  ack: Buffer;
  body: Buffer;
}

/** A response has room for one: of a commit and an application acknowledgment the later. */
async function acknowledge(
  raw: Buffer,
  source: Source,
  { handle, log }: Hl7HttpOptions,
): Promise<Answered | undefined> {
  let last: Buffer | undefined;
  try {
    await handle(raw, source, async (ack) => {
      last = ack;
    });
  } catch (cause) {
    log.error({ err: cause }, 'HL7 message over HTTP not journalled');
    throw new CerebraError('unavailable', 'The message could not be journalled: send it again', { cause });
  }
  return last && { ack: last, body: last };
}

/** The same in XML: what comes is journalled with vertical bars, or as it is where it can't be read. */
async function acknowledgeXml(xml: Buffer, source: Source, options: Hl7HttpOptions): Promise<Answered | undefined> {
  const dictionary = await loadDictionary();
  const ack = await acknowledgeXmlContent(xml, source, options);
  return ack && { ack: ack.ack, body: Buffer.from(toXml(parseMessage(ack.ack), dictionary)) };
}

async function acknowledgeXmlContent(
  xml: Buffer,
  source: Source,
  options: Hl7HttpOptions,
): Promise<Answered | undefined> {
  let raw: Buffer;
  try {
    raw = fromXml(xml).raw;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const ack = await options.refuse(xml, source, error);
    return { ack, body: ack };
  }
  return acknowledge(raw, source, options);
}

function answerOf(answered: Answered | undefined, endpoint: Endpoint, type: string): Hl7HttpAnswer {
  if (answered === undefined) return { status: 204, headers: {}, body: Buffer.alloc(0) };
  const { ack, body } = answered;
  const sent = type || 'application/hl7-v2';
  return {
    status: endpoint.statusByAck ? statusOf(ack) : 200,
    headers: { 'Content-Type': `${sent}${charsetOf(body)}` },
    body,
  };
}

/** UTF-16 is valid UTF-8 too, as long as its letters are ASCII. With a byte order mark its name says nothing of the order. */
function charsetOf(body: Buffer): string {
  const wide = wideCharset(body);
  if (wide === undefined) return isUtf8(body) ? '; charset=utf-8' : '';
  const hasMark = body[0] === 0xfe || body[0] === 0xff || body[2] === 0xfe;
  return `; charset=${hasMark ? wide.slice(0, 6) : wide}`;
}

/**
 * The specification has 200 for every acknowledgment; its reference implementation, and who talks to it, has these. Of a batch the
 * worst: who looks at the status alone sends it once more, and what was accepted has its effect once.
 */
function statusOf(ack: Buffer): number {
  const answers = readBatch(ack).groups.flatMap(({ messages }) => messages);
  const codes = new Set(answers.map(({ raw }) => readAnswer(raw)?.code));
  if (codes.has('AE') || codes.has('CE')) return 500;
  return codes.has('AR') || codes.has('CR') ? 400 : 200;
}
