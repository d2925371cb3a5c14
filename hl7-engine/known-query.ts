// Parameters of an operator's question: one that is not known is told, since without it the answer would be to another question.
import { type AdminRoute, CerebraError } from '#platform';

/** Throws CerebraError `invalid-parameter`. */
export function assertKnownQuery(query: URLSearchParams, known: readonly string[]): void {
  const others = [...new Set(query.keys())].filter((name) => !known.includes(name));
  if (others.length === 0) return;
  const names = others.map((name) => name.slice(0, 64)).join(', ');
  const there = known.length === 0 ? 'there are none' : `there are ${known.join(', ')}`;
  throw new CerebraError('invalid-parameter', `There is no parameter ${names} here: ${there}`);
}

/** Each refuses parameters of the query that it does not describe: `retry?controlId=1` would else send all dead letters. */
export const withKnownQueries = (routes: readonly AdminRoute[]): AdminRoute[] =>
  routes.map((route) => {
    const known = (route.parameters ?? []).flatMap(({ in: place, name }) => (place === 'query' ? [name] : []));
    return {
      ...route,
      handle: async (request) => {
        assertKnownQuery(request.query, known);
        return route.handle(request);
      },
    };
  });
