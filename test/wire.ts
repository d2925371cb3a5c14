// Requests as they go over the wire, for tests of formats and compression. fetch decompresses and adds headers of its own.
import assert from 'node:assert/strict';
import { request as httpRequest, type OutgoingHttpHeaders } from 'node:http';
import type { Resource } from '#fhir-model';

export interface WireReply {
  status: number;
  headers: Record<string, string | undefined>;
  /** As it came over the wire, compressed or not. */
  bytes: Buffer;
}

/** Sends to paths below `base`, just as they are. */
export function createWire(base: string) {
  const { hostname, port, pathname } = new URL(base);
  return (
    method: string,
    path: string,
    headers: OutgoingHttpHeaders = {},
    body?: string | Buffer,
  ): Promise<WireReply> =>
    new Promise((resolve, reject) => {
      // Node tells the length of a DELETE's or OPTIONS' body only if it is told to: the server would take it for the next request.
      const isFramed = body === undefined || 'Transfer-Encoding' in headers;
      const framed = isFramed ? headers : { 'Content-Length': String(Buffer.byteLength(body)), ...headers };
      const options = { hostname, port, method, path: `${pathname === '/' ? '' : pathname}${path}`, headers: framed };
      const request = httpRequest(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers as WireReply['headers'],
            bytes: Buffer.concat(chunks),
          }),
        );
      });
      request.on('error', reject);
      request.end(body);
    });
}

export const jsonOf = (reply: WireReply): Resource => JSON.parse(String(reply.bytes)) as Resource;

export interface IssueShape {
  severity: string;
  code: string;
  diagnostics: string;
  expression?: string[];
}

export function assertIssue(outcome: Resource, code: string, diagnostics: RegExp, expression?: string): void {
  assert.equal(outcome.resourceType, 'OperationOutcome');
  const issue = (outcome.issue as unknown as IssueShape[])[0]!;
  assert.equal(issue.code, code, issue.diagnostics);
  assert.match(issue.diagnostics, diagnostics);
  assert.deepEqual(issue.expression, expression === undefined ? undefined : [expression]);
}

export const fhirNamespace = 'xmlns="http://hl7.org/fhir"';

export const observationXml =
  `<?xml version="1.0" encoding="UTF-8"?>\n<!-- from a lab -->\n<Observation ${fhirNamespace}>` +
  '<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p>K&#160;&lt; 3 &amp; more</p></div></text>' +
  '<status value="final"/><code><coding><system value="http://loinc.org"/><code value="2823-3"/></coding></code>' +
  '<effectiveDateTime value="2024-01-02"><extension url="http://e.example/x"><valueString value="a&quot;b&#10;c"/></extension></effectiveDateTime>' +
  '<valueQuantity id="v"><value value="6.10"/><unit value="mmol/L"/></valueQuantity></Observation>';

/** With the id that a PUT needs. */
export const identifiedXml = (id: string): string =>
  observationXml.replace('<text>', () => `<id value="${id}"/><text>`);
