// A plain HTTP client for black-box tests: what goes over the wire, nothing hidden.
import assert from 'node:assert/strict';
import type { Resource } from '#fhir-model';

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  /** The parsed body; an empty object when there is none. */
  json: Resource & Record<string, unknown>;
}

export interface Client {
  (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  base: string;
}

/** A body that is a string or bytes is sent as it is, anything else as FHIR JSON. */
export function createClient(base: string): Client {
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const init: RequestInit = { method, headers: { 'Content-Type': 'application/fhir+json', ...headers } };
    if (body !== undefined)
      init.body = typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body);
    const response = await fetch(path.startsWith('http') ? path : `${base}${path === '' ? '' : `/${path}`}`, init);
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: text === '' ? {} : JSON.parse(text) };
  };
  return Object.assign(call, { base });
}

/** Creates the resource; yields `Type/id`. */
export async function createWith(fhir: Client, resource: object): Promise<string> {
  const reply = await fhir('POST', (resource as { resourceType: string }).resourceType, resource);
  assert.equal(reply.status, 201, reply.text);
  return `${reply.json.resourceType}/${reply.json.id}`;
}

/** Puts the resource at `path`, `Type/id`. */
export const putWith = (fhir: Client, path: string, resource: object, headers?: Record<string, string>) =>
  fhir('PUT', path, { ...resource, id: path.split('/')[1] }, headers);

interface IssueShape {
  severity: string;
  code: string;
  diagnostics: string;
  expression?: string[];
}

/** Asserts an OperationOutcome with this status, issue code and (when given) expression; yields the first issue. */
export function assertOutcome(reply: Reply, status: number, code: string, expression?: string): IssueShape {
  assert.equal(reply.status, status, reply.text.slice(0, 500));
  assert.equal(reply.json.resourceType, 'OperationOutcome');
  const issue = (reply.json.issue as unknown as IssueShape[])[0]!;
  assert.equal(issue.code, code, reply.text.slice(0, 500));
  assert.ok(issue.diagnostics.length > 10, 'diagnostics tell what is wrong');
  if (expression !== undefined) assert.deepEqual(issue.expression, [expression]);
  return issue;
}

export interface EntryShape {
  fullUrl?: string;
  resource?: Resource;
  search?: { mode: string };
  request?: { method: string; url: string };
  response?: { status: string; location?: string; etag?: string; lastModified?: string; outcome?: Resource };
}

export const entries = (reply: Reply): EntryShape[] => (reply.json.entry ?? []) as unknown as EntryShape[];

export const ids = (reply: Reply): string[] => entries(reply).map((entry) => entry.resource?.id ?? '');

export const linkOf = (reply: Reply, relation: string): string | undefined =>
  (reply.json.link as unknown as { relation: string; url: string }[]).find((link) => link.relation === relation)?.url;
