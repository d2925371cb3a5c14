// What may stand in the query string of admin endpoints: described for OpenAPI, and read.
import { type AdminParameter, type AdminRoute, CerebraError } from '#platform';

export const textParameter = (name: string, description: string): AdminParameter => ({
  ...{ name, in: 'query', description, schema: { type: 'string' } },
});

export const choiceParameter = (name: string, description: string, of: readonly string[]): AdminParameter => ({
  ...textParameter(name, description),
  schema: { type: 'string', enum: [...of] },
});

export const limitParameter = (max: number): AdminParameter => ({
  ...textParameter('limit', 'At most so many; default 100'),
  schema: { type: 'integer', minimum: 1, maximum: max },
});

/**
 * The route, for which a parameter that it does not describe, or one that is given twice, is `invalid-parameter`: a condition that
 * is spelt wrong must not be taken for none.
 */
export function withKnownQuery(route: AdminRoute): AdminRoute {
  const known = (route.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name);
  return {
    ...route,
    async handle(request) {
      for (const name of request.query.keys()) {
        if (!known.includes(name)) throw refused(name, `is no parameter here; there are ${known.join(', ') || 'none'}`);
        if (request.query.getAll(name).length > 1) throw refused(name, 'is given twice');
      }
      return route.handle(request);
    },
  };
}

const refused = (name: string, text: string): CerebraError =>
  new CerebraError('invalid-parameter', `${name.slice(0, 64)} ${text}`, { expression: [name.slice(0, 64)] });

/** undefined where it is not given. Throws CerebraError `invalid-parameter` that lists what there is. */
export function choice(query: URLSearchParams, name: string, of: readonly string[]): string | undefined {
  const value = query.get(name);
  if (value === null || of.includes(value)) return value ?? undefined;
  throw new CerebraError('invalid-parameter', `${name} must be one of ${of.join(', ')}`, { expression: [name] });
}

/** `limit`, 100 where it is not given. Throws CerebraError `invalid-parameter`. */
export function limitOf(query: URLSearchParams, max: number): number {
  const value = Number(query.get('limit') ?? 100);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new CerebraError('invalid-parameter', `limit must be a number from 1 to ${max}`, { expression: ['limit'] });
}
