// What the journal's endpoints take and give, for the OpenAPI document. https://spec.openapis.org/oas/v3.1.0
import type { AdminContent, JsonSchema } from '#platform';
import { messageStates } from './journal.ts';

const nullable = (type: string, more: JsonSchema = {}): JsonSchema => ({ type: [type, 'null'], ...more });
const instant = nullable('string', { format: 'date-time' });
const texts: JsonSchema = { type: 'array', items: { type: 'string' } };

const attemptProperties = {
  route: nullable('object', { properties: { id: { type: 'string' }, version: { type: 'integer' } } }),
  timingsUs: {
    type: 'object',
    description: 'Microseconds; null where it did not come to that',
    properties: {
      parse: nullable('integer'),
      map: nullable('integer'),
      store: nullable('integer'),
      ack: nullable('integer'),
    },
  },
  attemptedBy: nullable('string', { description: 'Who asked for the last attempt, where it was a person' }),
};

const messageProperties = {
  id: { type: 'string', description: 'Its number in the journal' },
  receivedAt: instant,
  finishedAt: instant,
  durationMs: nullable('integer'),
  source: {
    type: 'object',
    properties: { kind: nullable('string'), name: nullable('string'), peer: nullable('string') },
  },
  sender: { type: 'string', description: 'MSH-3|MSH-4' },
  controlId: { type: 'string' },
  controlIdReused: { type: 'boolean' },
  type: { type: 'string' },
  messageTime: nullable('string', { description: 'MSH-7 as it was sent' }),
  state: { type: 'string', enum: messageStates },
  ...attemptProperties,
  attempts: { type: 'integer' },
  deliveries: { type: 'integer', description: 'How often it came' },
  errorCode: nullable('string', { description: 'HL7 table 0357' }),
  error: nullable('string'),
  filtered: nullable('string', { description: 'Why its route let it go without effect' }),
  warnings: texts,
  wrote: { ...texts, description: 'Type/id/_history/version of each resource' },
  bytes: { type: 'integer' },
};

const messageExample = {
  id: '4711',
  receivedAt: '2026-01-31T12:00:00.000Z',
  finishedAt: '2026-01-31T12:00:00.012Z',
  durationMs: 12,
  source: { kind: 'mllp', name: 'default', peer: '10.0.0.7' },
  sender: 'LAB|NORTH',
  controlId: 'MSG00001',
  controlIdReused: false,
  type: 'ORU^R01',
  messageTime: '20260131120000+0000',
  state: 'acknowledged',
  route: { id: 'default', version: 1 },
  timingsUs: { parse: 60, map: 240, store: 4100, ack: 90 },
  attemptedBy: null,
  attempts: 1,
  deliveries: 1,
  errorCode: null,
  error: null,
  filtered: null,
  warnings: [],
  wrote: ['Patient/0198f3a0-0000-7000-8000-000000000001/_history/1'],
  bytes: 1874,
};

const next = { type: 'string', description: 'Give it as `after` for the next page; not there on the last' };

const pageOf = (name: string, properties: JsonSchema, example: unknown, more: JsonSchema = {}): AdminContent => ({
  schema: {
    type: 'object',
    required: [name],
    properties: { [name]: { type: 'array', items: { type: 'object', properties } }, next, ...more },
  },
  example: { [name]: [example] },
});

export const messagePage = pageOf('messages', messageProperties, messageExample, {
  unsearched: { type: 'integer', description: 'Latest messages that are not in the index yet and were not looked at' },
});

const resolution = nullable('object', {
  properties: { at: instant, author: { type: 'string' }, comment: { type: 'string' } },
});

export const deadLetterPage = pageOf(
  'deadLetters',
  { ...messageProperties, since: instant, resolution },
  {
    ...messageExample,
    state: 'failed',
    errorCode: '101',
    error: 'PID-3 is missing',
    since: messageExample.finishedAt,
    resolution: null,
  },
);

const reviewProperties = {
  id: { type: 'string' },
  message: { type: 'string', description: 'Number of the message' },
  kind: { type: 'string', enum: ['identity', 'merge', 'order', 'content', 'continuation'] },
  text: { type: 'string' },
  references: { ...texts, description: 'Resources it is about' },
  details: {},
  createdAt: instant,
  state: { type: 'string', enum: ['open', 'resolved'] },
  resolution,
};

const reviewExample = {
  id: '12',
  message: '4711',
  kind: 'identity',
  text: 'PID-3 names two patients',
  references: ['Patient/1', 'Patient/2'],
  details: null,
  createdAt: messageExample.finishedAt,
  state: 'open',
  resolution: null,
};

export const reviewPage = pageOf('reviews', reviewProperties, reviewExample);
export const reviewContent: AdminContent = {
  schema: { type: 'object', properties: reviewProperties },
  example: {
    ...reviewExample,
    state: 'resolved',
    resolution: { at: messageExample.finishedAt, author: 'kim', comment: 'Merged' },
  },
};

const attempt = {
  type: 'object',
  properties: {
    number: { type: 'integer' },
    finishedAt: instant,
    state: { type: 'string' },
    ...attemptProperties,
    errorCode: nullable('string'),
    error: nullable('string'),
    warnings: texts,
    wrote: texts,
  },
};

export const messageContent: AdminContent = {
  schema: {
    type: 'object',
    properties: {
      ...messageProperties,
      raw: { type: 'string', format: 'byte', description: 'The bytes, base64' },
      text: { type: 'string', description: 'The same to read: one segment a line' },
      ack: nullable('string', { description: 'The application acknowledgment, base64' }),
      ackText: nullable('string'),
      attemptHistory: { type: 'array', items: attempt },
      reviews: { type: 'array', items: { type: 'object', properties: reviewProperties } },
      outbound: { type: 'array', description: 'Messages to destinations that it caused', items: { type: 'object' } },
    },
  },
  example: {
    ...messageExample,
    raw: 'TVNIfF5+XCZ8',
    text: 'MSH|^~\\&|…',
    ack: 'TVNIfF5+XCZ8',
    ackText: 'MSH|^~\\&|…',
    attemptHistory: [],
    reviews: [],
  },
};

export const parsedContent: AdminContent = {
  schema: {
    type: 'object',
    properties: {
      version: { type: 'string' },
      charset: { type: 'string' },
      segments: { type: 'array', items: { type: 'object' } },
      cut: { type: 'boolean', description: 'There is more than an answer holds' },
    },
  },
  example: {
    version: '2.5.1',
    charset: 'utf-8',
    segments: [
      {
        segment: 'PID',
        path: 'PID',
        name: 'Patient Identification',
        fields: [
          { path: 'PID-3', name: 'Patient Identifier List', type: 'CX', parts: [{ path: 'PID-3.1', value: '777' }] },
        ],
      },
    ],
  },
};

export const mappedContent: AdminContent = {
  description: 'What its route as it is now would make of it; nothing is stored',
  schema: { type: 'object' },
};

export const writtenContent: AdminContent = {
  schema: {
    type: 'object',
    properties: {
      wrote: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            reference: { type: 'string' },
            type: { type: 'string' },
            id: { type: 'string' },
            version: { type: 'integer' },
            url: { type: 'string' },
          },
        },
      },
    },
  },
  example: {
    wrote: [
      { reference: 'Patient/1/_history/2', type: 'Patient', id: '1', version: 2, url: '/fhir/R4/Patient/1/_history/2' },
    ],
  },
};

const author = { type: 'string', minLength: 1, maxLength: 200, description: 'Who decides' };
const comment = { type: 'string', minLength: 1, maxLength: 2000, description: 'Why' };

export const authorContent: AdminContent = {
  schema: { type: 'object', properties: { author } },
  example: { author: 'kim' },
};

export const resolutionContent: AdminContent = {
  schema: { type: 'object', required: ['author', 'comment'], properties: { author, comment } },
  example: { author: 'kim', comment: 'Sent again by the laboratory under another number' },
};

const runProperties = {
  id: { type: 'string' },
  status: { type: 'string', enum: ['waiting', 'running', 'paused', 'cancelled', 'done', 'failed'] },
  filter: { type: 'object' },
  total: nullable('integer', { description: 'Messages that match; null until they are counted' }),
  done: { type: 'integer' },
  remaining: nullable('integer'),
  failures: { type: 'integer', description: 'Of the done ones, those that failed' },
  failed: {
    type: 'array',
    items: { type: 'object', properties: { message: { type: 'string' }, error: { type: 'string' } } },
  },
  messagesPerSecond: nullable('number'),
  requestedBy: nullable('string'),
  createdAt: instant,
  startedAt: instant,
  endedAt: instant,
  error: nullable('string'),
};

const runExample = {
  id: '0198f3a0-0000-7000-8000-00000000000a',
  status: 'running',
  filter: { state: 'failed', type: 'ORU^R01' },
  total: 1200,
  done: 300,
  remaining: 900,
  failures: 2,
  failed: [{ message: '4711', error: 'PID-3 is missing' }],
  messagesPerSecond: 180.5,
  requestedBy: 'kim',
  createdAt: messageExample.receivedAt,
  startedAt: messageExample.receivedAt,
  endedAt: null,
  error: null,
};

export const runContent: AdminContent = { schema: { type: 'object', properties: runProperties }, example: runExample };
export const runPage = pageOf('runs', runProperties, runExample);

export const runRequest = (filter: JsonSchema): AdminContent => ({
  schema: { type: 'object', required: ['filter', 'author'], properties: { filter, author } },
  example: { filter: { state: 'failed', type: 'ORU^R01' }, author: 'kim' },
});
