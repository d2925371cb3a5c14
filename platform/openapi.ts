// The admin endpoints as an OpenAPI document: https://spec.openapis.org/oas/v3.1.0
import { errorCodes } from './errors.ts';
import type { AdminContent, AdminParameter, AdminRoute, JsonSchema } from './http.ts';

type Described = Omit<AdminRoute, 'handle'>;

const errorSchema: JsonSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string', enum: Object.keys(errorCodes) },
        message: { type: 'string', description: 'What is wrong, where, and what to do' },
      },
    },
  },
};

const media = ({ schema, example }: AdminContent) => ({
  'application/json': { schema, ...(example === undefined ? {} : { example }) },
});

/** `/admin/a/:id` → `/admin/a/{id}`. */
const templateOf = (path: string): string => path.replaceAll(/:(\w+)/g, '{$1}');

const nameInPath = /:(\w+)/g;

/** Parameters of the path that the route does not tell of itself are texts. */
function parametersOf({ path, parameters = [] }: Described): AdminParameter[] {
  const told = new Set(parameters.filter((one) => one.in === 'path').map(({ name }) => name));
  const names = [...path.matchAll(nameInPath)].map((match) => match[1]!).filter((name) => !told.has(name));
  const own = names.map(
    (name): AdminParameter => ({ name, in: 'path', description: `The ${name}`, schema: { type: 'string' } }),
  );
  return [...own, ...parameters].map((one) => (one.in === 'path' ? { ...one, required: true } : one));
}

/** `GET /admin/hl7/messages/:id` → `getAdminHl7MessagesById`. */
function operationId({ method, path }: Described): string {
  const words = path.split(/[^A-Za-z0-9:]+/).filter((word) => word !== '');
  const named = words.map((word) => (word.startsWith(':') ? `By${capital(word.slice(1))}` : capital(word)));
  return method.toLowerCase() + named.join('');
}

const capital = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1);

const noContent = 204;

function successes({ response, statuses = [200] }: Described): Record<string, unknown> {
  const description = response?.description ?? 'What was asked for';
  const content = media(response ?? { schema: {} });
  return Object.fromEntries(
    statuses.map((status) => [status, status === noContent ? { description: 'It is done' } : { description, content }]),
  );
}

function operationOf(route: Described) {
  const { summary, description, request } = route;
  const parameters = parametersOf(route);
  return {
    operationId: operationId(route),
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [route.path.split('/')[2] ?? 'admin'],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(request === undefined ? {} : { requestBody: { required: true, content: media(request) } }),
    responses: {
      ...successes(route),
      default: { description: 'It cannot be done', content: media({ schema: errorSchema }) },
    },
  };
}

/** An OpenAPI 3.1 document of the routes. */
export function openApi(routes: readonly Described[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const template = templateOf(route.path);
    paths[template] = { ...paths[template], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Cerebra, administration',
      version: '1',
      description:
        'For operators. FHIR itself is described by its CapabilityStatement, which GET / tells where to find.',
    },
    paths,
  };
}

/** The route that tells of all of them, itself included. */
export function openApiRoute(routes: readonly AdminRoute[]): AdminRoute {
  const self: AdminRoute = {
    method: 'GET',
    path: '/admin/openapi.json',
    summary: 'This description of the admin endpoints',
    response: { description: 'An OpenAPI 3.1 document', schema: { type: 'object' } },
    handle: async () => ({ status: 200, body: openApi([...routes, self]) }),
  };
  return self;
}
