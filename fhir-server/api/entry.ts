// An entry of a Bundle as a request of its own: https://hl7.org/fhir/R4/http.html#transaction
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { stringify, type TransactionEntry } from '#fhir-model';
import { searchPairs } from '../interactions/search.ts';
import { plainJson } from './negotiate.ts';
import type { FhirRequest } from './request.ts';

/** Beyond these Node warns of a leak; ten are too few for eight searches and Node's own. */
const LISTENERS_MAX = 32;

const JSON_TYPE = 'application/fhir+json';

function headersOf(entry: TransactionEntry, body: Buffer | undefined): IncomingHttpHeaders {
  const { ifMatch, ifNoneMatch, ifModifiedSince } = entry;
  return {
    accept: JSON_TYPE,
    ...(body === undefined ? {} : { 'content-type': JSON_TYPE, 'content-length': String(body.length) }),
    ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
    ...(ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch }),
    ...(ifModifiedSince === undefined ? {} : { 'if-modified-since': ifModifiedSince }),
  };
}

/** The message that would have brought the entry, over the connection that has brought them all. */
function messageOf(entry: TransactionEntry, outer: IncomingMessage): IncomingMessage {
  const body = entry.resource === undefined ? undefined : Buffer.from(stringify(entry.resource));
  const message = Readable.from(body === undefined ? [] : [body], { objectMode: false });
  const { socket } = outer;
  // Entries run side by side, and each search listens for the client's hanging up.
  if (socket.getMaxListeners() < LISTENERS_MAX) socket.setMaxListeners(LISTENERS_MAX);
  const { method } = entry;
  return Object.assign(message, { method, headers: headersOf(entry, body), socket, complete: true }) as IncomingMessage;
}

/** `segments` are those of the entry's url, which is relative to the base. */
export function entryRequest(outer: FhirRequest, entry: TransactionEntry, segments: string[]): FhirRequest {
  const start = entry.url.indexOf('?');
  const queryString = start === -1 ? '' : entry.url.slice(start + 1);
  return {
    ...outer,
    req: messageOf(entry, outer.req),
    room: undefined,
    isEntry: true,
    segments,
    pairs: searchPairs(queryString),
    queryString,
    prefer: 'representation',
    asked: plainJson,
  };
}
