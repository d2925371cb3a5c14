// What is no HTTP request that can be answered by the application: https://www.rfc-editor.org/rfc/rfc9112,
// https://nodejs.org/api/http.html#event-clienterror. Node itself would answer with a status alone.
import { type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { operationOutcome } from '#fhir-model';

interface Fault {
  status: number;
  code: string;
  diagnostics: string;
}

const FAULTS: Record<string, Fault> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'too-long',
    diagnostics:
      'The URL and the headers are larger than 16 KiB together: a long search goes to [type]/_search with POST',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    code: 'too-long',
    diagnostics: 'The extensions of a chunk are larger than 16 KiB: leave them out',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'timeout',
    diagnostics: 'The request was not complete in time: send it anew over a new connection',
  },
};

/** The parser's reasons are its own words, never what was sent. */
const notHttp = (reason: string): Fault => ({
  status: 400,
  code: 'structure',
  diagnostics: `This is not an HTTP/1.1 request that can be read (${reason}): check its first line, headers and length`,
});

interface ClientError extends Error {
  code?: string;
  reason?: string;
  /** What was being read: with the start of the request, unless that came before. */
  rawPacket?: Buffer;
}

/** Its answer has no content: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2. Clients take what follows for no HTTP. */
const isHead = ({ rawPacket }: ClientError): boolean => rawPacket?.toString('latin1', 0, 5) === 'HEAD ';

function faultOf({ code = '', reason }: ClientError): Fault {
  return (Object.hasOwn(FAULTS, code) ? FAULTS[code] : undefined) ?? notHttp(reason ?? code);
}

function responseText({ status, code, diagnostics }: Fault, withoutBody = false): string {
  const body = JSON.stringify(operationOutcome([{ severity: 'error', code, diagnostics }]));
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Content-Type: application/fhir+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    withoutBody ? '' : body,
  ].join('\r\n');
}

/** Whether an earlier request of the connection is being answered: a second head in its body would look like a part of it. */
function isAnswering(socket: Socket & { _httpMessage?: { _headerSent?: boolean } | null }): boolean {
  return socket._httpMessage?._headerSent === true;
}

const EXPECTATION: Fault = {
  status: 417,
  code: 'not-supported',
  diagnostics: 'Expect can only be 100-continue: leave it out',
};

const TUNNEL: Fault = {
  status: 405,
  code: 'not-supported',
  diagnostics: 'CONNECT is not possible here: this server is no proxy',
};

/** Answers with an OperationOutcome what never becomes a request, and closes its connection. */
export function answerMalformed(server: Server): void {
  server.on('clientError', (error: ClientError, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) socket.destroy(error);
    else socket.end(responseText(faultOf(error), isHead(error)), () => socket.destroy());
  });
  server.on('connect', (_request, socket: Duplex) => {
    socket.on('error', () => socket.destroy());
    socket.end(responseText(TUNNEL), () => socket.destroy());
  });
  server.on('checkExpectation', (request, response) => {
    const { status, code, diagnostics } = EXPECTATION;
    request.resume();
    response.writeHead(status, { 'Content-Type': 'application/fhir+json; charset=utf-8', Connection: 'close' });
    response.end(JSON.stringify(operationOutcome([{ severity: 'error', code, diagnostics }])));
  });
}
