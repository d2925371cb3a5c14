// A request to the FHIR base and its response: https://hl7.org/fhir/R4/http.html
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Exchange {
  req: IncomingMessage;
  res: ServerResponse;
  /** Below the base, with its slash: `/Patient/1`; empty at the base itself. */
  path: string;
  /** Without its question mark. */
  queryString: string;
  /** The client's X-Request-Id, or a new one. */
  id: string;
}

/** What can't be told from a path at sight: the parts of a URL have to be parsed by who knows all forms of it. */
const unclear = /[#\s\u00a0\ufeff]/;

export interface Below {
  path: string;
  queryString: string;
}

/** Where a request's target is below `basePath` (`/fhir/R4`); undefined when it is elsewhere, or not told by the text alone. */
export function below(target: string, basePath: string): Below | undefined {
  if (!target.startsWith(basePath) || unclear.test(target)) return undefined;
  const question = target.indexOf('?');
  const end = question === -1 ? target.length : question;
  if (end > basePath.length && target[basePath.length] !== '/') return undefined;
  return { path: target.slice(basePath.length, end), queryString: target.slice(end + 1) };
}
