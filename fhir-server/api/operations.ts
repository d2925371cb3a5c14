// Operations over HTTP: https://hl7.org/fhir/R4/operations.html#executing
import { isUtf8 } from 'node:buffer';
import { type OperationAnswer, type Resource, stringify } from '#fhir-model';
import type { Core } from '../interactions/core.ts';
import { namedQueryDefinition } from '../interactions/named-queries.ts';
import { definitionId, operationDefinition } from '../operations/definition.ts';
import { findOperation, invoke, type OperationCall, type OperationTarget } from '../operations/invoke.ts';
import { formatOfContent } from './negotiate.ts';
import {
  type Answer,
  assertSingle,
  type FhirRequest,
  mediaType,
  readBytes,
  readResource,
  readText,
} from './request.ts';
import type { Route } from './routes.ts';

/** The target in the segments `$name`, `type/$name`, `type/id/$name` or `type/id/_history/vid/$name`. */
function targetOf(segments: readonly string[]): OperationTarget {
  const name = (segments.at(-1) ?? '').slice(1);
  const [type, id, , version] = segments.slice(0, -1);
  if (type === undefined) return { name };
  if (id === undefined) return { name, type };
  if (version === undefined) return { name, type, id };
  // A version that no resource can have is one that isn't there.
  return { name, type, id, version: /^\d{1,9}$/.test(version) ? Number(version) : 0 };
}

const isEmpty = ({ req }: FhirRequest): boolean =>
  req.headers['content-length'] === '0' ||
  (req.headers['content-length'] === undefined && req.headers['transfer-encoding'] === undefined);

async function readFhirText(request: FhirRequest): Promise<NonNullable<OperationCall['body']>> {
  assertSingle(request.req, 'content-type');
  const type = `application/fhir+${formatOfContent(request.req.headers['content-type'])}`;
  const text = await readText(request);
  return request.isEntry ? { type, text, rewritten: true } : { type, text };
}

async function readUtf8(request: FhirRequest, type: string): Promise<NonNullable<OperationCall['body']>> {
  return { type, text: await readText(request) };
}

async function readAnyText(request: FhirRequest, type: string): Promise<NonNullable<OperationCall['body']>> {
  const bytes = await readBytes(request);
  return isUtf8(bytes) ? { type, text: bytes.toString('utf8') } : { type, text: '', bytes };
}

async function addBody(core: Core, request: FhirRequest, call: OperationCall): Promise<void> {
  if (isEmpty(request)) return;
  const type = mediaType(request.req.headers['content-type']);
  const { bodyTypes = [], takesText, takesBytes } = findOperation(core, call.target);
  if (takesText) call.body = await readFhirText(request);
  else if (bodyTypes.includes(type)) call.body = await (takesBytes ? readAnyText : readUtf8)(request, type);
  else call.resource = await readResource(request);
}

function answerOf(answer: OperationAnswer): Answer {
  const { status = 200, location } = answer;
  const headers = { ...answer.headers };
  if (location !== undefined && status === 202) headers['Content-Location'] = location;
  const base: Answer = { status, ...(Object.keys(headers).length > 0 ? { headers } : {}) };
  if (location !== undefined && status !== 202) base.location = location;
  if ('resource' in answer) return { ...base, body: stringify(answer.resource) };
  if ('text' in answer) return { ...base, body: answer.text };
  if ('json' in answer) return { ...base, body: answer.json, contentType: 'application/json; charset=utf-8' };
  return base;
}

const handle =
  (method: 'GET' | 'POST') =>
  async (core: Core, request: FhirRequest): Promise<Answer> => {
    const { pairs, scope, strict } = request;
    const call: OperationCall = { target: targetOf(request.segments), method, pairs, scope, strict };
    const ifMatch = request.req.headers['if-match'];
    if (ifMatch !== undefined) call.ifMatch = ifMatch;
    const acceptLanguage = request.req.headers['accept-language'];
    if (acceptLanguage !== undefined) call.acceptLanguage = acceptLanguage;
    if (method === 'POST') await addBody(core, request, call);
    return answerOf(await invoke(core, call));
  };

const PLACES = ['$op', ':type/$op', ':type/:id/$op', ':type/:id/_history/:vid/$op'];

/** Any operation at each of its levels; which ones there are, `core.operations` tells. */
export const operationRoutes: readonly Route[] = PLACES.flatMap((path) =>
  (['GET', 'POST'] as const).map(
    (method): Route => ({ method, path, interaction: 'operation', level: 'none', handle: handle(method) }),
  ),
);

/** The OperationDefinition of an operation of this server, which is not among what is stored. */
export function builtInDefinition(core: Core, id: string): Resource | undefined {
  const spec = core.operations.find((one) => definitionId(one) === id);
  return spec ? operationDefinition(spec) : namedQueryDefinition(core, id);
}
