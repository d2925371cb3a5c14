// Routes for their operators. These belong behind the admin authentication: dry runs show patients' data.
import { z } from 'zod';
import type { AdminContent, AdminParameter, AdminRoute } from '#platform';
import { enable, put, putBody, remove, rollback, rollbackBody, signature, tryOut } from './admin-change.ts';
import { diff, list, one, version, versions, versionsMax } from './admin-look.ts';
import { type DryRun, dryRunSchema } from './dry-run.ts';
import type { RouteRegistry } from './routes.ts';
import { routeSchema } from './schema.ts';

const base = '/admin/hl7/routes';

const jsonSchema = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input' });

const by = { author: 'jdoe', comment: 'Results of the new laboratory' };
const example = {
  id: 'city-lab',
  name: 'Results of the city laboratory',
  match: {
    all: [
      { path: 'MSH-9.1', equals: 'ORU' },
      { path: 'MSH-4', equals: 'CITYLAB' },
    ],
  },
  destinations: [{ kind: 'fhir' }],
};

const signed: AdminContent = { schema: jsonSchema(signature), example: by };

const ifMatch: AdminParameter = {
  name: 'If-Match',
  in: 'header',
  description: 'The version that is changed; * for whichever it is. Another one than the latest is refused with 412',
  schema: { type: 'string' },
  example: '"3"',
};

const query = (name: string, description: string, example: unknown, max?: number): AdminParameter => ({
  ...{ name, in: 'query', description, example },
  schema:
    typeof example === 'number' ? { type: 'integer', minimum: 1, ...(max && { maximum: max }) } : { type: 'string' },
});

/** `dryRun`: what would become of a message, without an effect. */
export function routesAdmin(registry: RouteRegistry, dryRun: DryRun): AdminRoute[] {
  return [...looking(registry), trying(dryRun), ...changing(registry)];
}

function looking(registry: RouteRegistry): AdminRoute[] {
  return [
    {
      method: 'GET',
      path: base,
      summary: 'Routes of HL7 messages, in the order in which they are asked',
      handle: () => list(registry),
    },
    {
      method: 'GET',
      path: `${base}/schema`,
      summary: 'The JSON Schema of a route',
      handle: async () => ({ status: 200, body: jsonSchema(routeSchema) }),
    },
    {
      method: 'GET',
      path: `${base}/:id`,
      summary: 'One route with its version, author and comment',
      handle: (request) => one(registry, request),
    },
    {
      method: 'GET',
      path: `${base}/:id/versions`,
      summary: 'Versions of a route, newest first',
      parameters: [
        query('before', 'Those before this version', 12),
        query('limit', 'So many at most', 50, versionsMax),
      ],
      handle: (request) => versions(registry, request),
    },
    {
      method: 'GET',
      path: `${base}/:id/versions/:version`,
      summary: 'One version of a route',
      handle: (request) => version(registry, request),
    },
    {
      method: 'GET',
      path: `${base}/:id/diff`,
      summary: 'What differs between two versions of a route, as a JSON Patch with what was there before',
      parameters: [
        query('from', 'The earlier version; the one before `to` if it is left out', 2),
        query('to', 'The later version; the latest if it is left out', 3),
      ],
      handle: (request) => diff(registry, request),
    },
  ];
}

function trying(dryRun: DryRun): AdminRoute {
  return {
    method: 'POST',
    path: `${base}/dry-run`,
    summary: 'What a route, or the draft of one, makes of a message, step by step; nothing is stored',
    description:
      'Give `route` (a draft), `id`, or neither: then the routes in force are asked. And the message as text or its bytes.',
    request: {
      schema: jsonSchema(dryRunSchema),
      example: { id: 'default', message: 'MSH|^~\\&|LIS|CITYLAB|EHR|HOSP|20260131120000||ORU^R01^ORU_R01|1|P|2.5.1' },
    },
    handle: (request) => tryOut(dryRun, request),
  };
}

function changing(registry: RouteRegistry): AdminRoute[] {
  return [
    {
      method: 'PUT',
      path: `${base}/:id`,
      summary: 'Creates or changes a route',
      description:
        'The JSON Schema of `route` is at /admin/hl7/routes/schema. What is wrong with it is told place by place.',
      parameters: [ifMatch],
      request: { schema: jsonSchema(putBody), example: { route: example, ...by } },
      statuses: [200, 201],
      handle: (request) => put(registry, request),
    },
    {
      method: 'DELETE',
      path: `${base}/:id`,
      summary: 'Takes a route out of force; its versions stay',
      parameters: [ifMatch, query('author', 'Who makes the change', by.author), query('comment', 'Why', by.comment)],
      handle: (request) => remove(registry, request),
    },
    {
      method: 'POST',
      path: `${base}/:id/rollback`,
      summary: 'Makes a former version of a route the newest',
      parameters: [ifMatch],
      request: { schema: jsonSchema(rollbackBody), example: { version: 2, ...by } },
      handle: (request) => rollback(registry, request),
    },
    {
      method: 'POST',
      path: `${base}/:id/enable`,
      summary: 'Puts a route in force',
      request: signed,
      handle: (request) => enable(registry, request, true),
    },
    {
      method: 'POST',
      path: `${base}/:id/disable`,
      summary: 'Takes a route out of force and keeps it',
      request: signed,
      handle: (request) => enable(registry, request, false),
    },
  ];
}
