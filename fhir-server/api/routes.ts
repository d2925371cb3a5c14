// The FHIR API as data: routes and the CapabilityStatement are both made of this list.
// https://hl7.org/fhir/R4/http.html#summary
import { type AnswerEntry, postBundle } from '../interactions/bundle.ts';
import type { Core } from '../interactions/core.ts';
import { metadata } from './metadata.ts';
import { operationRoutes } from './operations.ts';
import { historyOf, read, vread } from './reads.ts';
import { type Answer, type FhirRequest, readResource } from './request.ts';
import { searchRoutes } from './search-routes.ts';
import { create, patch, remove, update } from './writes.ts';

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
  /** Segments; `:name` stands for any. */
  path: string;
  /** Its name in metrics, and in the CapabilityStatement where it is a code of one of these value sets. */
  interaction: string;
  level: 'type' | 'system' | 'none';
  handle(core: Core, request: FhirRequest): Promise<Answer>;
}

async function bundle(core: Core, request: FhirRequest): Promise<Answer> {
  const resource = await readResource(request);
  const { scope, prefer = 'minimal', onFault } = request;
  const answer: AnswerEntry = (seen, entry) => request.answerEntry(seen, request, entry);
  const body = await postBundle(core, resource, { scope, prefer, answer, onFault });
  return { status: 200, body };
}

const capabilities = (core: Core, request: FhirRequest): Promise<Answer> => metadata(core, request, routes);

export const routes: readonly Route[] = [
  { method: 'GET', path: ':type/:id', interaction: 'read', level: 'type', handle: read },
  { method: 'GET', path: ':type/:id/_history/:vid', interaction: 'vread', level: 'type', handle: vread },
  { method: 'PUT', path: ':type/:id', interaction: 'update', level: 'type', handle: update },
  { method: 'PATCH', path: ':type/:id', interaction: 'patch', level: 'type', handle: patch },
  { method: 'DELETE', path: ':type/:id', interaction: 'delete', level: 'type', handle: remove },
  {
    method: 'GET',
    path: ':type/:id/_history',
    interaction: 'history-instance',
    level: 'type',
    handle: historyOf('instance'),
  },
  { method: 'GET', path: ':type/_history', interaction: 'history-type', level: 'type', handle: historyOf('type') },
  { method: 'POST', path: ':type', interaction: 'create', level: 'type', handle: create },
  ...searchRoutes,
  { method: 'PUT', path: ':type', interaction: 'conditional-update', level: 'none', handle: update },
  { method: 'PATCH', path: ':type', interaction: 'conditional-patch', level: 'none', handle: patch },
  { method: 'DELETE', path: ':type', interaction: 'conditional-delete', level: 'none', handle: remove },
  { method: 'POST', path: '', interaction: 'transaction', level: 'system', handle: bundle },
  { method: 'GET', path: '_history', interaction: 'history-system', level: 'system', handle: historyOf('system') },
  ...operationRoutes,
  { method: 'GET', path: 'metadata', interaction: 'capabilities', level: 'none', handle: capabilities },
  { method: 'OPTIONS', path: '', interaction: 'capabilities', level: 'none', handle: capabilities },
];
