// A route from JSON that somebody wrote: what is wrong with it is told place by place.
import { type Route, routeSchema } from './schema.ts';

/** Where (`match.all[0].path`, '' for the whole) and what to do. */
export interface RouteProblem {
  path: string;
  problem: string;
}

/** JSON within JSON: far more than any route has, and little for the stack. */
const depthMax = 40;
const problemsMax = 50;

/** Never throws, whatever the input is. */
export function readRoute(input: unknown): { route: Route } | { problems: RouteProblem[] } {
  if (isDeeper(input, depthMax)) return { problems: [{ path: '', problem: `nested deeper than ${depthMax} levels` }] };
  const parsed = routeSchema.safeParse(input);
  if (parsed.success) return { route: parsed.data };
  const problems = parsed.error.issues.map(({ path, message }) => ({ path: shown(path), problem: message }));
  return { problems: problems.slice(0, problemsMax) };
}

export function problemsText(problems: readonly RouteProblem[]): string {
  return problems.map(({ path, problem }) => (path === '' ? problem : `${path}: ${problem}`)).join('; ');
}

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((part) => isDeeper(part, depth - 1));
}

/** `destinations[1].transform[0].path` */
function shown(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '');
}
