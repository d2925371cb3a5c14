// Parameters of an operator's question. A condition that is spelt wrong must not be taken for none: a retry of some dead letters
// would be one of all.
import { CerebraError } from './errors.ts';
import type { AdminRoute } from './http.ts';

/** What is wrong with a parameter: `limit is given twice`. */
export const refusedParameter = (name: string, text: string): CerebraError =>
  new CerebraError('invalid-parameter', `${name.slice(0, 64)} ${text}`, { expression: [name.slice(0, 64)] });

function assertKnownQuery(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) {
    if (!known.includes(name))
      throw refusedParameter(name, `is no parameter here; there are ${known.join(', ') || 'none'}`);
    if (query.getAll(name).length > 1) throw refusedParameter(name, 'is given twice');
  }
}

/** The route, for which a parameter of the query that it does not describe, or one given twice, is `invalid-parameter`. */
export function withKnownQuery(route: AdminRoute): AdminRoute {
  const known = (route.parameters ?? []).flatMap(({ in: place, name }) => (place === 'query' ? [name] : []));
  return {
    ...route,
    async handle(request) {
      assertKnownQuery(request.query, known);
      return route.handle(request);
    },
  };
}
