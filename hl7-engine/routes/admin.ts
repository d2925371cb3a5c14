// Routes for their operators: read, change with author and comment, compare, take back. These belong behind the admin authentication.
import { z } from 'zod';
import { type AdminRequest, type AdminResponse, type AdminRoute, CerebraError } from '#platform';
import { builtInRoute } from './deployment.ts';
import { differences } from './diff.ts';
import { type DryRun, dryRunSchema } from './dry-run.ts';
import { problemsText, type RouteProblem, readRoute } from './read-route.ts';
import type { RouteRegistry } from './routes.ts';
import { type Route, routeSchema } from './schema.ts';
import type { RouteAction, StoredVersion } from './store.ts';

const author = z.string().trim().min(1, 'who makes the change').max(200);
const comment = z.string().trim().max(2_000).default('');
const signature = z.strictObject({ author, comment });
const putBody = z.strictObject({ route: z.unknown(), author, comment });
const rollbackBody = z.strictObject({ version: z.int().min(1), author, comment });

const versionsDefault = 50;
const versionsMax = 500;
/** Largest number of a version, PostgreSQL's integer. */
const versionMax = 2_147_483_647;

/** `dryRun`: what would become of a message, without an effect. */
export function routesAdmin(registry: RouteRegistry, dryRun: DryRun): AdminRoute[] {
  const base = '/admin/hl7/routes';
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
      handle: async () => ({ status: 200, body: z.toJSONSchema(routeSchema, { io: 'input' }) }),
    },
    {
      method: 'POST',
      path: `${base}/dry-run`,
      summary: 'What a route, or the draft of one, makes of a message, step by step; nothing is stored',
      handle: (request) => tryOut(dryRun, request),
    },
    {
      method: 'GET',
      path: `${base}/:id`,
      summary: 'One route with its version, author and comment',
      handle: (request) => one(registry, request),
    },
    {
      method: 'PUT',
      path: `${base}/:id`,
      summary: 'Creates or changes a route: {route, author, comment}; If-Match names the version that is changed',
      handle: (request) => put(registry, request),
    },
    {
      method: 'DELETE',
      path: `${base}/:id`,
      summary: 'Takes a route out of force; ?author= &comment=, If-Match; its versions stay',
      handle: (request) => remove(registry, request),
    },
    {
      method: 'GET',
      path: `${base}/:id/versions`,
      summary: 'Versions of a route, newest first; ?before= &limit=',
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
      summary: 'What differs between two versions of a route; ?from= &to=, by default the last two',
      handle: (request) => diff(registry, request),
    },
    {
      method: 'POST',
      path: `${base}/:id/rollback`,
      summary: 'Makes a former version the newest: {version, author, comment}, If-Match',
      handle: (request) => rollback(registry, request),
    },
    {
      method: 'POST',
      path: `${base}/:id/enable`,
      summary: 'Puts a route in force: {author, comment}',
      handle: (request) => enable(registry, request, true),
    },
    {
      method: 'POST',
      path: `${base}/:id/disable`,
      summary: 'Takes a route out of force and keeps it: {author, comment}',
      handle: (request) => enable(registry, request, false),
    },
  ];
}

async function list({ store, deployment, problems }: RouteRegistry): Promise<AdminResponse> {
  const heads = (await store.heads()).filter(({ body }) => body !== null);
  const order = deployment.routes().map(({ route }) => route.id);
  const place = (id: string): number => (order.includes(id) ? order.indexOf(id) : order.length);
  const routes = heads.map((head) => {
    const { name, enabled, priority } = JSON.parse(head.body!) as Route;
    const inForce = deployment.version(head.id) ?? null;
    const problem = problems.get(head.id);
    return {
      ...described(head),
      name,
      enabled: enabled ?? true,
      priority: priority ?? 0,
      inForceVersion: inForce,
      ...(problem === undefined ? {} : { problem }),
    };
  });
  const builtIn = heads.some(({ id }) => id === builtInRoute.id)
    ? []
    : [
        {
          id: builtInRoute.id,
          version: 0,
          name: builtInRoute.name,
          enabled: true,
          priority: builtInRoute.priority,
          origin: 'built-in',
          inForceVersion: 0,
        },
      ];
  return { status: 200, body: { routes: [...routes, ...builtIn].toSorted((a, b) => place(a.id) - place(b.id)) } };
}

function described({ body: _body, at, ...head }: StoredVersion) {
  return { ...head, at: new Date(at).toISOString() };
}

async function one({ store, deployment }: RouteRegistry, { params }: AdminRequest): Promise<AdminResponse> {
  const id = params.id!;
  const head = await store.head(id);
  if (head?.body != null) return shown(head, { inForceVersion: deployment.version(id) ?? null });
  if (id !== builtInRoute.id) throw notThere(id);
  return { status: 200, body: { id, version: 0, origin: 'built-in', inForceVersion: 0, route: builtInRoute } };
}

function shown(head: StoredVersion, more: Record<string, unknown> = {}): AdminResponse {
  const route: unknown = head.body === null ? null : JSON.parse(head.body);
  return { status: 200, body: { ...described(head), ...more, route } };
}

const notThere = (id: string): CerebraError =>
  new CerebraError('not-found', `There is no route ${id}; GET /admin/hl7/routes lists them`);

async function put(registry: RouteRegistry, request: AdminRequest): Promise<AdminResponse> {
  const { route: input, ...by } = bodyOf(putBody, request);
  const id = request.params.id!;
  const read = readRoute(input);
  if ('problems' in read) return refused(read.problems);
  if (read.route.id !== id)
    return refused([{ path: 'id', problem: `the route is ${read.route.id}, the address says ${id}` }]);
  const problems = registry.check(read.route);
  if (problems.length > 0) return refused(problems);
  const head = await changeable(registry, id);
  const expected = expectedVersion(request, head, true);
  const body = JSON.stringify(input);
  if (head?.body === body && expected === head.version) return changed(registry, id, head.version, 200);
  const version = await registry.store.change({ id, body, expected, ...by, action: 'put', origin: 'api' });
  return changed(registry, id, version, expected === 0 ? 201 : 200);
}

function refused(problems: readonly RouteProblem[]): AdminResponse {
  return {
    status: 400,
    body: { error: { code: 'invalid', message: `Not a route: ${problemsText(problems)}` }, problems },
  };
}

/** Files are changed as files: a change here would last until the next one there. */
async function changeable({ store }: RouteRegistry, id: string): Promise<StoredVersion | undefined> {
  const head = await store.head(id);
  if (head?.origin !== 'folder' || head.body === null) return head;
  throw new CerebraError('business-rule', `Route ${id} is the file ${head.comment} of HL7_ROUTES_DIR: change it there`);
}

/** 0: there is none yet. `isRequired`: who changes a route says of which version. */
function expectedVersion({ headers }: AdminRequest, head: StoredVersion | undefined, isRequired: boolean): number {
  const current = head === undefined || head.body === null ? 0 : head.version;
  const given = headers?.['if-match']?.trim();
  if (given === '*') return current;
  if (given === undefined || given === '') {
    if (current === 0 || !isRequired) return current;
    throw new CerebraError('required', `The route is there: name the version that you change, If-Match: "${current}"`);
  }
  const version = /^(?:W\/)?"?(\d{1,9})"?$/.exec(given)?.[1];
  if (version === undefined)
    throw new CerebraError('invalid-parameter', 'If-Match is the number of a version, such as "3"');
  return Number(version);
}

async function changed(registry: RouteRegistry, id: string, version: number, status: number): Promise<AdminResponse> {
  // It is stored; where the database is away now, it is in force as soon as it is back.
  await registry.refresh().catch(() => undefined);
  return { status, body: { id, version, inForceVersion: registry.deployment.version(id) ?? null } };
}

async function remove(registry: RouteRegistry, request: AdminRequest): Promise<AdminResponse> {
  const { query, params } = request;
  const by = parsed(signature, { author: query.get('author') ?? '', comment: query.get('comment') ?? '' });
  const id = params.id!;
  const head = await changeable(registry, id);
  if (head === undefined || head.body === null) throw notThere(id);
  const expected = expectedVersion(request, head, true);
  const version = await registry.store.change({ id, body: null, expected, ...by, action: 'delete', origin: 'api' });
  return changed(registry, id, version, 200);
}

async function versions({ store }: RouteRegistry, { params, query }: AdminRequest): Promise<AdminResponse> {
  const limit = whole(query.get('limit') ?? String(versionsDefault), 'limit', versionsMax);
  const before = whole(query.get('before') ?? String(versionMax), 'before', versionMax);
  const found = await store.versions(params.id!, before, limit);
  if (found.length === 0 && (await store.head(params.id!)) === undefined) throw notThere(params.id!);
  return { status: 200, body: { versions: found.map(described) } };
}

function whole(text: string, name: string, max: number): number {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > max)
    throw new CerebraError('invalid-parameter', `${name} is a whole number from 1 to ${max}`);
  return number;
}

async function versionOf({ store }: RouteRegistry, id: string, text: string, name: string): Promise<StoredVersion> {
  const found = await store.version(id, whole(text, name, versionMax));
  if (found === undefined) throw new CerebraError('not-found', `Route ${id} has no version ${text}`);
  return found;
}

async function version(registry: RouteRegistry, { params }: AdminRequest): Promise<AdminResponse> {
  return shown(await versionOf(registry, params.id!, params.version!, 'version'));
}

async function diff(registry: RouteRegistry, { params, query }: AdminRequest): Promise<AdminResponse> {
  const id = params.id!;
  const head = await registry.store.head(id);
  if (head === undefined) throw notThere(id);
  const to = await versionOf(registry, id, query.get('to') ?? String(head.version), 'to');
  const from = await versionOf(registry, id, query.get('from') ?? String(Math.max(1, to.version - 1)), 'from');
  const [before, after] = [from, to].map(({ body }): unknown => (body === null ? null : JSON.parse(body)));
  return {
    status: 200,
    body: { id, from: described(from), to: described(to), differences: differences(before, after) },
  };
}

async function rollback(registry: RouteRegistry, request: AdminRequest): Promise<AdminResponse> {
  const { version: wanted, ...by } = bodyOf(rollbackBody, request);
  const id = request.params.id!;
  const head = await changeable(registry, id);
  if (head === undefined) throw notThere(id);
  const { body } = await versionOf(registry, id, String(wanted), 'version');
  if (body === null)
    throw new CerebraError('invalid-parameter', `Version ${wanted} is where the route was deleted: use DELETE`);
  return store(registry, request, head, { id, body, by, action: 'rollback', isRequired: true });
}

async function enable(registry: RouteRegistry, request: AdminRequest, enabled: boolean): Promise<AdminResponse> {
  const by = bodyOf(signature, request);
  const id = request.params.id!;
  const head = await changeable(registry, id);
  const route =
    head?.body != null ? (JSON.parse(head.body) as Route) : id === builtInRoute.id ? builtInRoute : undefined;
  if (route === undefined) throw notThere(id);
  if (head?.body != null && (route.enabled ?? true) === enabled) return changed(registry, id, head.version, 200);
  const body = JSON.stringify({ ...route, enabled });
  return store(registry, request, head, { id, body, by, action: enabled ? 'enable' : 'disable', isRequired: false });
}

interface Change {
  id: string;
  body: string;
  by: z.output<typeof signature>;
  action: RouteAction;
  isRequired: boolean;
}

/** A route that was fine once may not be so any more: it is checked as a new one. */
async function store(
  registry: RouteRegistry,
  request: AdminRequest,
  head: StoredVersion | undefined,
  { id, body, by, action, isRequired }: Change,
): Promise<AdminResponse> {
  const read = readRoute(JSON.parse(body));
  const problems = 'problems' in read ? read.problems : registry.check(read.route);
  if (problems.length > 0) return refused(problems);
  const expected = expectedVersion(request, head, isRequired);
  const version = await registry.store.change({ id, body, expected, ...by, action, origin: 'api' });
  return changed(registry, id, version, 200);
}

async function tryOut(dryRun: DryRun, request: AdminRequest): Promise<AdminResponse> {
  const outcome = await dryRun(bodyOf(dryRunSchema, request));
  return 'problems' in outcome ? refused(outcome.problems) : { status: 200, body: outcome };
}

function bodyOf<T extends z.ZodType>(schema: T, { body }: AdminRequest): z.output<T> {
  let input: unknown;
  try {
    input = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new CerebraError('invalid-json', `The body is not JSON: ${(cause as Error).message}`, { cause });
  }
  return parsed(schema, input);
}

function parsed<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const texts = result.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  );
  throw new CerebraError('invalid', texts.join('; '));
}
