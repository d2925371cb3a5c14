// What operators see of routes: all of them, one, its versions and what differs between two.
import { type AdminRequest, type AdminResponse, CerebraError } from '#platform';
import { builtInRoute } from './deployment.ts';
import { differences } from './diff.ts';
import type { RouteRegistry } from './routes.ts';
import type { Route } from './schema.ts';
import type { StoredVersion } from './store.ts';

const versionsDefault = 50;
export const versionsMax = 500;
/** Largest number of a version, PostgreSQL's integer. */
const versionMax = 2_147_483_647;

export async function list({ store, deployment, problems }: RouteRegistry): Promise<AdminResponse> {
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

export async function one({ store, deployment }: RouteRegistry, { params }: AdminRequest): Promise<AdminResponse> {
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

export const notThere = (id: string): CerebraError =>
  new CerebraError('not-found', `There is no route ${id}; GET /admin/hl7/routes lists them`);

export async function versions({ store }: RouteRegistry, { params, query }: AdminRequest): Promise<AdminResponse> {
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

export async function versionOf(
  { store }: RouteRegistry,
  id: string,
  text: string,
  name: string,
): Promise<StoredVersion> {
  const found = await store.version(id, whole(text, name, versionMax));
  if (found === undefined) throw new CerebraError('not-found', `Route ${id} has no version ${text}`);
  return found;
}

export async function version(registry: RouteRegistry, { params }: AdminRequest): Promise<AdminResponse> {
  return shown(await versionOf(registry, params.id!, params.version!, 'version'));
}

export async function diff(registry: RouteRegistry, { params, query }: AdminRequest): Promise<AdminResponse> {
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
