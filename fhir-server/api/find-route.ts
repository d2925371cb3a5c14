// From method and path to a route: https://hl7.org/fhir/R4/http.html#summary
import { CerebraError } from '#platform';
import { PATCH_TYPES } from '../patch/apply.ts';
import { type Route, routes } from './routes.ts';

/** `metadata` is one only where it stands alone: it may be an id. */
const isLiteral = (part: string, segments: readonly string[]): boolean =>
  part === '_history' || part === '_search' || (part === 'metadata' && segments.length === 1);

/** An operation's name is no id. */
const shapeOf = (part: string, segments: readonly string[]): string =>
  part.startsWith('$') ? '$' : part === '*' || isLiteral(part, segments) ? part : ':';

/** `GET :/:/_history/:`, `POST :/$`; paths of the same shape take the same route. */
const shape = (method: string, segments: readonly string[]): string =>
  `${method} ${segments.map((part) => shapeOf(part, segments)).join('/')}`;

const byShape = new Map<string, Route>(
  routes.map((route) => {
    const segments = route.path === '' ? [] : route.path.split('/');
    return [shape(route.method, segments), route];
  }),
);

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** The methods that this path takes: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.1 */
export function allowedAt(segments: readonly string[]): string[] {
  const found = METHODS.filter((method) => byShape.has(shape(method, segments)));
  if (found.length === 0) return [];
  return [...(found[0] === 'GET' ? ['GET', 'HEAD'] : []), ...found.filter((method) => method !== 'GET'), 'OPTIONS'];
}

/** What a path can do, told without a body. */
const options = (allowed: string[]): Route => ({
  method: 'OPTIONS',
  path: '',
  interaction: 'options',
  level: 'none',
  handle: async () => ({
    status: 204,
    headers: {
      Allow: allowed.join(', '),
      ...(allowed.includes('PATCH') ? { 'Accept-Patch': PATCH_TYPES.join(', ') } : {}),
    },
  }),
});

/** Throws `not-found` for a path that is none of ours, `method-not-allowed` for a method that it doesn't take. */
export function findRoute(method: string, segments: readonly string[]): Route {
  const route = byShape.get(shape(method === 'HEAD' ? 'GET' : method, segments));
  if (route) return route;
  const allowed = allowedAt(segments);
  if (allowed.length === 0) throw new CerebraError('not-found', 'There is nothing at this path');
  if (method === 'OPTIONS') return options(allowed);
  throw new CerebraError('method-not-allowed', `${method} is not possible here; ${allowed.join(', ')} are`);
}
