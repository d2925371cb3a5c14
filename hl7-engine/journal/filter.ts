// A search as it is asked for: query parameters, or the JSON of a run that processes messages again.
import { z } from 'zod';
import { type AdminParameter, CerebraError, type JsonSchema } from '#platform';
import { messageStates } from './journal.ts';
import { type Filter, hasWords } from './search.ts';

const textMax = 300;
const text = z
  .string()
  .trim()
  .min(1)
  .max(textMax)
  // PostgreSQL's text has none, so no message would be found by it.
  .refine((value) => !value.includes('\u0000'), 'has the character U+0000');
const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((value) => value === 'true')]);
const instant = z
  .string()
  .refine(
    (value) => /^\d{4}-\d\d-\d\d/.test(value) && !Number.isNaN(Date.parse(value)),
    'is no date or instant of ISO 8601',
  )
  .transform((value) => Date.parse(value));

/** The parameters of a search; also the fields of a run's filter. */
const fields = {
  from: instant,
  to: instant,
  type: text,
  sender: text,
  controlId: text,
  patientId: text,
  state: z.enum(messageStates),
  route: text,
  source: text,
  warnings: flag,
  controlIdReused: flag,
  text: text.refine(hasWords, 'has no letter or digit to look for'),
} as const;

const filterSchema = z.strictObject(fields).partial();

export type FilterInput = z.input<typeof filterSchema>;

const problem = (error: z.ZodError): string =>
  error.issues
    .map(({ path, message, code, ...issue }) =>
      code === 'unrecognized_keys'
        ? `There is no condition ${(issue as { keys?: string[] }).keys?.join(', ')}: there are ${Object.keys(fields).join(', ')}`
        : `${path.join('.')}: ${message}`,
    )
    .join('; ');

/** Throws CerebraError `invalid-parameter` that names the condition. */
export function readFilter(input: unknown): Filter {
  const read = filterSchema.safeParse(input);
  if (!read.success) throw new CerebraError('invalid-parameter', problem(read.error));
  const { from, to, route, warnings, controlIdReused, ...same } = read.data;
  return withoutUndefined({
    ...same,
    fromMs: from,
    toMs: to,
    routeId: route,
    warned: warnings,
    reused: controlIdReused,
  });
}

const withoutUndefined = (filter: { [Name in keyof Filter]: Filter[Name] | undefined }): Filter =>
  Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));

const countMax = 1000;
const countDefault = 50;

export interface PageQuery {
  limit: number;
  beyond: bigint | undefined;
}

/** The number of a message or review in a path or query, undefined for anything that is not one. */
export const numberOf = (digits: string | null | undefined): bigint | undefined =>
  digits != null && /^\d{1,18}$/.test(digits) ? BigInt(digits) : undefined;

/** `limit` and `after`. Throws CerebraError `invalid-parameter`. */
export function readPage(query: URLSearchParams): PageQuery {
  const limit = Number(query.get('limit') ?? countDefault);
  if (!Number.isInteger(limit) || limit < 1 || limit > countMax) {
    throw new CerebraError('invalid-parameter', `limit is 1 to ${countMax}`);
  }
  const after = query.get('after');
  const beyond = numberOf(after);
  if (after !== null && beyond === undefined) {
    throw new CerebraError(
      'invalid-parameter',
      'after is the number of a message, as `next` of the page before tells it',
    );
  }
  return { limit, beyond };
}

const pageNames = new Set(['limit', 'after']);

/** The conditions of a query. Throws CerebraError `invalid-parameter`; a parameter given twice is one. */
export function readQuery(query: URLSearchParams): Filter {
  const given = [...query].filter(([name]) => !pageNames.has(name));
  const twice = given.find(([name], index) => given.findIndex(([other]) => other === name) !== index);
  if (twice !== undefined) throw new CerebraError('invalid-parameter', `${twice[0]} is given twice`);
  return readFilter(Object.fromEntries(given));
}

const inQuery = (name: string, description: string, schema: JsonSchema, example: unknown): AdminParameter => ({
  ...{ name, description, schema, example },
  in: 'query',
});

const string: JsonSchema = { type: 'string', maxLength: textMax };
const dateTime: JsonSchema = { type: 'string', format: 'date-time' };

export const filterParameters: readonly AdminParameter[] = [
  inQuery('from', 'Came at that instant or later', dateTime, '2026-01-31T08:00:00Z'),
  inQuery('to', 'Came before that instant', dateTime, '2026-02-01T00:00:00Z'),
  inQuery('type', 'MSH-9 as code and event, or the code alone', string, 'ORU^R01'),
  inQuery('sender', 'MSH-3|MSH-4, or one of the two', string, 'LAB|NORTH'),
  inQuery('controlId', 'MSH-10', string, 'MSG00001'),
  inQuery(
    'patientId',
    'An identifier of PID-2 to 4 or MRG-1; with its assigning authority as in PID-3',
    string,
    '777^^^HOSP',
  ),
  inQuery('state', 'State', { type: 'string', enum: messageStates }, 'failed'),
  inQuery('route', 'Id of the route of the last attempt', string, 'lab-results'),
  inQuery('source', 'Kind (mllp, http, file, api) or name of where it came in', string, 'mllp'),
  inQuery('warnings', 'Whether something was left out or guessed', { type: 'boolean' }, true),
  inQuery('controlIdReused', 'Whether another message had its control id', { type: 'boolean' }, true),
  inQuery('text', 'Words, all of which it has; case and diacritics make no difference', string, 'potassium 24323-8'),
];

/** The filter of a run, as JSON. */
export const filterJsonSchema: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  properties: Object.fromEntries(
    filterParameters.map(({ name, description, schema }) => [name, { ...schema, description }]),
  ),
};

export const pageParameters: readonly AdminParameter[] = [
  inQuery(
    'limit',
    `How many, ${countMax} at most`,
    { type: 'integer', minimum: 1, maximum: countMax, default: countDefault },
    50,
  ),
  inQuery(
    'after',
    'Go on after this one: `next` of the page before',
    { type: 'string', pattern: '^\\d{1,18}$' },
    '4711',
  ),
];
