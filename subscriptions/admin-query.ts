// What may stand in the query string of admin endpoints: described for OpenAPI, and read.
import { type AdminParameter, CerebraError } from '#platform';

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
