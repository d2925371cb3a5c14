// Bodies of the journal's admin endpoints.
import { z } from 'zod';
import { type AdminRequest, CerebraError } from '#platform';

const authorMax = 200;
export const author = z.string().trim().min(1, 'who decides').max(authorMax);
export const comment = z.string().trim().min(1, 'why').max(2_000);

/** An empty body counts as `{}`. Throws CerebraError `invalid-json` and `invalid`. */
export function readBody<T>(schema: z.ZodType<T>, request: AdminRequest): T {
  let json: unknown;
  try {
    json = request.body.length === 0 ? {} : JSON.parse(request.body.toString('utf8'));
  } catch (cause) {
    throw new CerebraError('invalid-json', 'The body is no JSON', { cause });
  }
  const read = schema.safeParse(json);
  if (read.success) return read.data;
  const problems = read.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join('.')}: ${message}` : message,
  );
  throw new CerebraError('invalid', problems.join('; '));
}

/** A gateway in front tells who is signed in. */
export const whoAsks = ({ headers = {} }: AdminRequest): string =>
  headers['x-forwarded-user']?.slice(0, authorMax) || 'unknown';
