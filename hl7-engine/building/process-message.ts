// $process-message: https://hl7.org/fhir/R4/messageheader-operation-process-message.html and https://hl7.org/fhir/R4/messaging.html.
// The content is stored in one transaction, the answer with it: whoever sends the message again gets that answer and no second effect.
import { createHash } from 'node:crypto';
import {
  type AccessScope,
  type OperationAnswer,
  type OperationRequest,
  type OperationSpec,
  one,
  operationOutcome,
  type Resource,
  type ResourceReader,
  type ResourceWriter,
  stringify,
} from '#fhir-model';
import { CerebraError, type Clock, isCerebraError, type Log, uuidv7 } from '#platform';
import { derivedId } from '../mapping/derived-id.ts';
import { tokenCriterion } from '../mapping/identifiers.ts';
import { isObject, text } from './building.ts';
import { type MessageContent, messageContent } from './message-entries.ts';
import { type MessageResponder, processMessageAt, withAsync } from './message-responder.ts';

export interface ProcessMessageParts {
  clock: Clock;
  log: Log;
  /** Our own FHIR base. */
  baseUrl: string;
  reader(): ResourceReader;
  writer(): ResourceWriter;
  /** Sends answers to where they are wanted; without it they are only given at once. */
  responder?: MessageResponder | undefined;
}

const answerSystem = 'urn:cerebra:process-message';
const contentSystem = 'urn:cerebra:message-content';

/** Messages whose consequence is that their content is stored: http://terminology.hl7.org/CodeSystem/message-events */
const storedEvents = new Set([
  ...[
    'MedicationAdministration-Complete',
    'MedicationAdministration-Nullification',
    'MedicationAdministration-Recording',
  ],
  ...['MedicationAdministration-Update', 'admin-notify', 'diagnosticreport-provide', 'observation-provide'],
]);
const categories = new Set(['consequence', 'currency', 'notification']);

interface MessageEvent {
  system: string | undefined;
  code: string;
}

function eventOf(header: Resource): MessageEvent {
  const coding = isObject(header.eventCoding) ? header.eventCoding : undefined;
  const code = text(coding?.code) ?? text(header.eventUri);
  if (code !== undefined) return { system: text(coding?.system), code };
  throw new CerebraError('required', 'MessageHeader.event[x] says what the message is for', {
    expression: ['MessageHeader.event[x]'],
  });
}

/** One of those above, or one that a stored MessageDefinition has and that asks for nothing but to be stored. */
async function assertKnown(
  parts: ProcessMessageParts,
  { system, code }: MessageEvent,
  scope: AccessScope,
): Promise<void> {
  const isListed = system === undefined || system === 'http://terminology.hl7.org/CodeSystem/message-events';
  if (isListed && storedEvents.has(code)) return;
  const found = await parts
    .reader()
    .search('MessageDefinition', `${tokenCriterion('event', system, code)}&status=active`, scope);
  const definitions = found.resources.map(({ body }) => JSON.parse(body) as { category?: string });
  if (definitions.some(({ category }) => categories.has(category ?? ''))) return;
  const known = [...storedEvents].join(', ');
  const words = `No message for the event ${code.slice(0, 80)} is processed here: there are ${known}, and those of stored MessageDefinitions that are active and of category consequence, currency or notification`;
  throw new CerebraError('unsupported', words, { expression: ['MessageHeader.event[x]'] });
}

interface MessageKey {
  /** Token of the stored answer. */
  value: string;
  content: string;
}

/** Who sends, and the message's own name. https://hl7.org/fhir/R4/messaging.html#4.2.1 */
function keyOf(bundle: Resource, { header, fullUrl }: MessageContent): MessageKey {
  const source = isObject(header.source) ? text(header.source.endpoint) : undefined;
  const identifier = isObject(bundle.identifier) ? bundle.identifier : {};
  const name = header.id ?? fullUrl ?? text(identifier.value);
  if (name === undefined) {
    const words = 'A message needs MessageHeader.id: without it a repetition could not be told from another message';
    throw new CerebraError('required', words, { expression: ['MessageHeader.id'] });
  }
  const hash = (...words: (string | undefined)[]): string =>
    createHash('sha256')
      .update(JSON.stringify(words.map((word) => word ?? null)))
      .digest('hex');
  return {
    value: hash(source, name),
    content: hash(
      stringify({ ...bundle, id: undefined, meta: undefined, timestamp: undefined, identifier: undefined }),
    ),
  };
}

type ResponseCode = 'ok' | 'transient-error' | 'fatal-error';

function responseBundle(
  parts: ProcessMessageParts,
  header: Resource,
  code: ResponseCode,
  outcome?: Resource,
): Resource {
  const nowMs = parts.clock.now();
  const id = uuidv7(nowMs);
  const source = isObject(header.source) ? header.source : {};
  const endpoint = text(source.endpoint);
  const { eventCoding, eventUri } = header;
  const own = {
    ...{ resourceType: 'MessageHeader', id },
    ...(eventCoding === undefined ? { eventUri } : { eventCoding }),
    ...(endpoint === undefined ? {} : { destination: [{ name: text(source.name) ?? endpoint, endpoint }] }),
    source: { name: 'Cerebra', endpoint: `${parts.baseUrl}/$process-message` },
    response: {
      ...{ identifier: header.id ?? 'unknown', code },
      ...(outcome === undefined ? {} : { details: { reference: `urn:uuid:${outcome.id}` } }),
    },
  };
  const entry = [own, ...(outcome === undefined ? [] : [outcome])].map((resource) => ({
    fullUrl: `urn:uuid:${resource.id}`,
    resource: resource as Resource,
  }));
  const timestamp = new Date(nowMs).toISOString();
  return { resourceType: 'Bundle', type: 'message', timestamp, entry } as unknown as Resource;
}

interface Found {
  text: string;
  content: string;
}

async function storedAnswer(
  parts: ProcessMessageParts,
  { value }: MessageKey,
  scope: AccessScope,
): Promise<Found | undefined> {
  const page = await parts.reader().search('Bundle', tokenCriterion('identifier', answerSystem, value), scope);
  const [found] = page.resources;
  if (found === undefined) return undefined;
  const { meta } = JSON.parse(found.body) as Resource;
  const content = (meta?.tag ?? []).find(({ system }) => system === contentSystem)?.code;
  return { text: found.body, content: text(content) ?? '' };
}

function repeated(found: Found, { content }: MessageKey): string {
  if (found.content === content) return found.text;
  const words = 'A message of this MessageHeader.id came before with other content: a new message needs a new id';
  throw new CerebraError('duplicate', words, { expression: ['MessageHeader.id'] });
}

/** Somebody else stored the answer meanwhile: what this one wrote is taken back. */
class Overtaken extends Error {}

async function store(
  parts: ProcessMessageParts,
  { header, entries }: MessageContent,
  key: MessageKey,
  scope: AccessScope,
): Promise<string> {
  const answer = responseBundle(parts, header, 'ok');
  const resource = {
    ...answer,
    meta: { tag: [{ system: contentSystem, code: key.content }] },
    identifier: { system: answerSystem, value: key.value },
  } as Resource;
  const ifNoneExist = tokenCriterion('identifier', answerSystem, key.value);
  let body = '';
  await parts.writer().transaction([...entries, { method: 'POST', url: 'Bundle', ifNoneExist, resource }], {
    scope,
    async within(_tx, results) {
      const own = results.at(-1)!;
      if (own.op !== 'create') throw new Overtaken();
      body = own.body;
    },
  });
  return body;
}

async function processed(
  parts: ProcessMessageParts,
  bundle: Resource,
  content: MessageContent,
  scope: AccessScope,
): Promise<string> {
  const key = keyOf(bundle, content);
  const before = await storedAnswer(parts, key, scope);
  if (before !== undefined) return repeated(before, key);
  await assertKnown(parts, eventOf(content.header), scope);
  try {
    return await store(parts, content, key, scope);
  } catch (error) {
    if (!(error instanceof Overtaken)) throw error;
    const found = await storedAnswer(parts, key, scope);
    if (found === undefined) throw new CerebraError('unavailable', 'The message is being processed: send it again');
    return repeated(found, key);
  }
}

/** Where the answer is sent to, and what of the request says so. */
interface AnswerAddress {
  url: string;
  place: string;
}

/** Undefined where the answer goes nowhere but back. A message that answers another one is answered by none. */
function answerAddress({ input }: OperationRequest, { header }: MessageContent): AnswerAddress | undefined {
  if (isObject(header.response)) return undefined;
  const named = one<string>(input, 'response-url');
  if (named !== undefined) return { url: withAsync(named), place: 'response-url' };
  if (one<boolean>(input, 'async') !== true) return undefined;
  const source = isObject(header.source) ? text(header.source.endpoint) : undefined;
  return { url: processMessageAt(source ?? ''), place: 'MessageHeader.source.endpoint' };
}

/** Accepting a message includes to know where to answer: https://hl7.org/fhir/R4/messageheader-operation-process-message.html */
function assertAnswerable({ responder }: ProcessMessageParts, { url, place }: AnswerAddress): void {
  const refusal = responder === undefined ? 'Answers are only given at once here' : responder.refuse(url);
  if (refusal === undefined) return;
  const advice =
    responder !== undefined && place !== 'response-url' ? ' Parameter response-url can name another one.' : '';
  throw new CerebraError('invalid-parameter', `The answer cannot be sent to ${place}. ${refusal}.${advice}`, {
    expression: [place],
  });
}

/** Faults of the transaction's entries, told by where they stand in the message. */
function asSent(outcome: Resource, { places }: MessageContent): Resource {
  const words = stringify(outcome).replaceAll(
    /(?<=Bundle\.entry\[)\d+(?=\])/g,
    (index) => `${places[Number(index)] ?? index}`,
  );
  return JSON.parse(words) as Resource;
}

async function processMessage(parts: ProcessMessageParts, request: OperationRequest): Promise<OperationAnswer> {
  const bundle = one<Resource>(request.input, 'content')!;
  const content = messageContent(bundle, parts.baseUrl);
  const isAsync = one<boolean>(request.input, 'async') === true;
  const address = answerAddress(request, content);
  if (address !== undefined) assertAnswerable(parts, address);
  try {
    const answer = await processed(parts, bundle, content, request.scope);
    if (address !== undefined) await parts.responder!.send(address.url, (JSON.parse(answer) as { id: string }).id);
    return isAsync ? { status: 202 } : { text: answer };
  } catch (error) {
    // Who asked for an answer by another way takes any 2xx for the promise of one.
    if (!isCerebraError(error) || isAsync) throw error;
    const id = derivedId('OperationOutcome', [content.header.id, String(parts.clock.now())]);
    const outcome = { ...asSent(operationOutcome(error.issues), content), id } as Resource;
    if (error.status >= 500) parts.log.warn({ err: error }, 'a FHIR message could not be processed');
    return {
      resource: responseBundle(parts, content.header, error.status >= 500 ? 'transient-error' : 'fatal-error', outcome),
    };
  }
}

export const processMessageOperation = (parts: ProcessMessageParts): OperationSpec => ({
  name: 'process-message',
  title: 'Process a message',
  description:
    'Stores the content of a FHIR message in one transaction and answers with a message; a repetition has no second effect',
  url: 'http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message',
  type: [],
  ...{ system: true, typeLevel: false, instanceLevel: false, affectsState: true },
  parameters: [
    {
      name: 'content',
      use: 'in',
      min: 1,
      max: '1',
      type: 'Bundle',
      documentation: 'Of type message, the MessageHeader first',
    },
    {
      name: 'async',
      use: 'in',
      min: 0,
      max: '1',
      type: 'boolean',
      documentation: 'Answer 202 once it is stored, and send the message that answers',
    },
    {
      name: 'response-url',
      use: 'in',
      min: 0,
      max: '1',
      type: 'url',
      documentation: 'Where that message goes; default $process-message below MessageHeader.source.endpoint',
    },
    { name: 'return', use: 'out', min: 0, max: '1', type: 'Bundle', documentation: 'The message that answers' },
  ],
  run: (request) => processMessage(parts, request),
});
