// What operators change of routes: with author, comment and the version that they have seen.
import { z } from 'zod';
import { type AdminRequest, type AdminResponse, CerebraError } from '#platform';
import { notThere, versionOf } from './admin-look.ts';
import { builtInRoute } from './deployment.ts';
import { type DryRun, dryRunSchema } from './dry-run.ts';
import { problemsText, type RouteProblem, readRoute } from './read-route.ts';
import type { RouteRegistry } from './routes.ts';
import type { Route } from './schema.ts';
import type { RouteAction, StoredVersion } from './store.ts';

const author = z.string('who makes the change').trim().min(1, 'who makes the change').max(200);
const comment = z.string().trim().max(2_000).default('');
export const signature = z.strictObject({ author, comment });
export const putBody = z.strictObject({ route: z.unknown(), author, comment });
export const rollbackBody = z.strictObject({ version: z.int().min(1), author, comment });

export async function put(registry: RouteRegistry, request: AdminRequest): Promise<AdminResponse> {
  const { route: input, ...by } = bodyOf(putBody, request);
  const id = request.params.id!;
  const read = readRoute(input);
  if ('problems' in read) return refused(read.problems);
  if (read.route.id !== id)
    return refused([{ path: 'id', problem: `the route is ${read.route.id}, the address says ${id}` }]);
  const problems = await registry.check(read.route);
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

export async function remove(registry: RouteRegistry, request: AdminRequest): Promise<AdminResponse> {
  const { query, params } = request;
  const by = parsed(signature, { author: query.get('author') ?? '', comment: query.get('comment') ?? '' });
  const id = params.id!;
  const head = await changeable(registry, id);
  if (head === undefined || head.body === null) throw notThere(id);
  const expected = expectedVersion(request, head, true);
  const version = await registry.store.change({ id, body: null, expected, ...by, action: 'delete', origin: 'api' });
  return changed(registry, id, version, 200);
}

export async function rollback(registry: RouteRegistry, request: AdminRequest): Promise<AdminResponse> {
  const { version: wanted, ...by } = bodyOf(rollbackBody, request);
  const id = request.params.id!;
  const head = await changeable(registry, id);
  if (head === undefined) throw notThere(id);
  const { body } = await versionOf(registry, id, String(wanted), 'version');
  if (body === null)
    throw new CerebraError('invalid-parameter', `Version ${wanted} is where the route was deleted: use DELETE`);
  return store(registry, request, head, { id, body, by, action: 'rollback', isRequired: true });
}

export async function enable(registry: RouteRegistry, request: AdminRequest, enabled: boolean): Promise<AdminResponse> {
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

/** A route that was fine once may not be so any more: it is checked as a new one, unless it is to do nothing from now on. */
async function store(
  registry: RouteRegistry,
  request: AdminRequest,
  head: StoredVersion | undefined,
  { id, body, by, action, isRequired }: Change,
): Promise<AdminResponse> {
  const read = readRoute(JSON.parse(body));
  const isChecked = action !== 'disable';
  const problems = 'problems' in read ? read.problems : isChecked ? await registry.check(read.route) : [];
  if (problems.length > 0) return refused(problems);
  const expected = expectedVersion(request, head, isRequired);
  const version = await registry.store.change({ id, body, expected, ...by, action, origin: 'api' });
  return changed(registry, id, version, 200);
}

export async function tryOut(dryRun: DryRun, request: AdminRequest): Promise<AdminResponse> {
  const outcome = await dryRun(bodyOf(dryRunSchema, request));
  return 'problems' in outcome ? refused(outcome.problems) : { status: 200, body: outcome };
}

export function bodyOf<T extends z.ZodType>(schema: T, { body }: AdminRequest): z.output<T> {
  let input: unknown;
  try {
    input = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new CerebraError('invalid-json', `The body is not JSON: ${(cause as Error).message}`, { cause });
  }
  return parsed(schema, input);
}

export function parsed<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const texts = result.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  );
  throw new CerebraError('invalid', texts.join('; '));
}
