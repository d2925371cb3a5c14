// What may stand in the query string of the dead letters' endpoints: described for OpenAPI, and read.
import { type AdminParameter, refusedParameter } from '#platform';
import { type FaultReason, faultReasons } from './fault.ts';
import type { Whose } from './ingest.ts';

const pageMax = 500;
const idMax = 2n ** 62n;

const parameter = (name: string, description: string, schema: AdminParameter['schema']): AdminParameter => ({
  ...{ name, in: 'query', description, schema },
});

export const reasonParameter = parameter('reason', 'Those of this reason; docs/devices.md', {
  type: 'string',
  enum: [...faultReasons],
});
export const afterParameter = parameter('after', 'Those after this id: `next` of an answer', { type: 'string' });
export const limitParameter = parameter('limit', 'At most so many; default 50', {
  ...{ type: 'integer', minimum: 1, maximum: pageMax },
});

const whose: readonly Whose[] = ['then', 'now'];
export const patientParameter = parameter(
  'patient',
  'Whose readings are from when another patient had the device: of who had it then, or has it now; else they stay aside',
  { type: 'string', enum: [...whose] },
);

export function filterOf(query: URLSearchParams): { afterId: bigint; reason?: FaultReason } {
  const afterId = positive(query, 'after', 0n, idMax);
  const text = query.get('reason');
  if (text === null) return { afterId };
  const reason = faultReasons.find((one) => one === text);
  if (reason === undefined) throw refusedParameter('reason', `must be one of ${faultReasons.join(', ')}`);
  return { afterId, reason };
}

export function whoseOf(query: URLSearchParams): Whose | undefined {
  const text = query.get('patient');
  const found = whose.find((one) => one === text);
  if (text !== null && found === undefined) throw refusedParameter('patient', `must be one of ${whose.join(', ')}`);
  return found;
}

export const limitOf = (query: URLSearchParams): number => Number(positive(query, 'limit', 50n, BigInt(pageMax)));

function positive(query: URLSearchParams, name: string, otherwise: bigint, max: bigint): bigint {
  const text = query.get(name);
  if (text === null) return otherwise;
  if (/^\d{1,19}$/.test(text) && BigInt(text) > 0n && BigInt(text) <= max) return BigInt(text);
  throw refusedParameter(name, `is a whole number from 1 to ${max}`);
}
