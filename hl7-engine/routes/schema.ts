// A route as data. Its JSON Schema is served at /admin/hl7/routes/schema.
import { z } from 'zod';
import { compilePattern, isTimeZone, patternLengthMax } from '#platform';
import { pathForm, readPath } from '../message/path.ts';

import { pathHint, pathOrFault } from './field-path.ts';

/** Of one route. */
const conditionsMax = 200;
const textLengthMax = 2_000;
const listMax = 1_000;

/** One of `path` with a test, `all`, `any`, `not`. */
export interface Condition {
  path?: string | undefined;
  equals?: string | undefined;
  in?: string[] | undefined;
  matches?: string | undefined;
  ignoreCase?: boolean | undefined;
  exists?: boolean | undefined;
  isNull?: boolean | undefined;
  all?: Condition[] | undefined;
  any?: Condition[] | undefined;
  not?: Condition | undefined;
}

const complain = (ctx: z.core.$RefinementCtx, path: string[], check: () => unknown): void => {
  try {
    check();
  } catch (error) {
    ctx.addIssue({ code: 'custom', path, message: (error as Error).message });
  }
};

const text = z.string().max(textLengthMax);
const pathText = z
  .string()
  .superRefine((path, ctx) => complain(ctx, [], () => pathOrFault(path)))
  .describe(pathHint)
  .meta({ pattern: pathForm });
const fieldText = pathText.superRefine((path, ctx) => complain(ctx, [], () => assertField(path)));
const patternText = z.string().min(1).max(patternLengthMax);

/** Values are of fields; the delimiters in MSH-1 and MSH-2 are what the others are written with. */
function assertField(path: string): void {
  const read = readPath(path);
  if (read === undefined) return;
  if (read.field === undefined) throw new RangeError(`${path} is a segment: name the field, as in ${path}-3`);
  if (read.segment === 'MSH' && read.field <= 2) throw new RangeError('MSH-1 and MSH-2 are the delimiters: they stay');
}

const joins = ['all', 'any', 'not'] as const;
const tests = ['equals', 'in', 'matches', 'exists', 'isNull'] as const;
const testsHint = 'give it one of equals, in, matches, exists, isNull';

const conditionSchema: z.ZodType<Condition> = z
  .strictObject({
    path: pathText.optional(),
    equals: text.min(1).optional().describe('The text that stands there, escapes resolved'),
    in: z.array(text.min(1)).min(1).max(listMax).optional(),
    matches: patternText.optional().describe('A regular expression without look-around and \\1; found anywhere'),
    ignoreCase: z.boolean().optional().describe('Of matches'),
    exists: z.boolean().optional().describe('Whether there is a value; "" is none'),
    isNull: z.boolean().optional().describe('Whether the sender says "": delete'),
    get all() {
      return z.array(conditionSchema).min(1).max(listMax).optional();
    },
    get any() {
      return z.array(conditionSchema).min(1).max(listMax).optional();
    },
    get not() {
      return conditionSchema.optional();
    },
  })
  .superRefine(checkCondition)
  .describe(`One of: path and a test (${tests.join(', ')}); all; any; not`) as z.ZodType<Condition>;

function checkCondition(condition: Condition, ctx: z.core.$RefinementCtx): void {
  const given = joins.filter((name) => condition[name] !== undefined);
  const asked = tests.filter((name) => condition[name] !== undefined);
  const fault = (message: string): void => ctx.addIssue({ code: 'custom', message });
  if (given.length + (condition.path === undefined ? 0 : 1) !== 1) {
    fault('a condition has exactly one of path, all, any, not');
  } else if (condition.path !== undefined && asked.length !== 1) {
    fault(`a condition on a path asks for one thing: ${testsHint}`);
  } else if (condition.path === undefined && asked.length > 0) fault(`${asked[0]} needs a path`);
  const { matches, ignoreCase } = condition;
  if (ignoreCase !== undefined && matches === undefined) fault('ignoreCase goes with matches only');
  if (matches !== undefined && matches.length <= patternLengthMax) {
    complain(ctx, ['matches'], () => compilePattern(matches, { ignoreCase }));
  }
}

const edits = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('set'), path: fieldText, value: text, when: conditionSchema.optional() }),
  z.strictObject({ op: z.literal('copy'), from: fieldText, path: fieldText, when: conditionSchema.optional() }),
  z.strictObject({ op: z.literal('delete'), path: pathText, when: conditionSchema.optional() }),
  z.strictObject({ op: z.literal('map'), path: fieldText, codeMap: z.string(), when: conditionSchema.optional() }),
  z
    .strictObject({
      op: z.literal('replace'),
      path: fieldText,
      matches: patternText,
      ignoreCase: z.boolean().optional(),
      with: text,
      when: conditionSchema.optional(),
    })
    .superRefine(({ matches, ignoreCase }, ctx) =>
      complain(ctx, ['matches'], () => compilePattern(matches, { ignoreCase })),
    ),
]);

const editList = z
  .array(edits)
  .max(200)
  .describe(
    'Changes to the message, one after the other; set: the text "" deletes at the receiver, none empties; replace: `with` has $1 … $9, $&',
  );

const filterList = z
  .array(z.strictObject({ when: conditionSchema, reason: z.string().min(1).max(200) }))
  .max(100)
  .describe('What is let go without effect: the first that holds says why');

const mappedCode = z.strictObject({
  code: z.string().min(1).max(200),
  system: z.string().min(1).max(500).optional(),
  display: z.string().min(1).max(500).optional(),
});

const codeMap = z.strictObject({
  from: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('HL7 table (0001) or coding system as in CWE.3 (99LAB): mapped ahead of the built-in concept maps'),
  system: z.string().min(1).max(500).optional().describe('Of the codes that it maps to, where they name none'),
  codes: z.record(z.string().min(1).max(200), z.union([z.string().min(1).max(200), mappedCode])),
});

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a name has 1 to 64 letters, digits, . _ -');

const destination = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('fhir') }).describe('The FHIR store of this server'),
  z.strictObject({
    kind: z.literal('queue'),
    name: name.describe('A destination of HL7_DESTINATIONS'),
    filter: filterList.optional(),
    transform: editList.optional().describe('After the route’s own, for this destination alone'),
  }),
]);

/** Of a route's mapping; what is not said is as the server's configuration has it. */
const mapping = z.strictObject({
  timeZone: z
    .string()
    .refine(isTimeZone, 'not an IANA time zone such as Europe/Berlin')
    .optional()
    .describe('Of times without an offset'),
  facility: z.string().min(1).max(200).optional().describe('Where neither MSH-4 nor MSH-3 says who sends'),
  identifierSystems: z
    .record(z.string().min(1).max(200), z.string().min(1).max(500))
    .optional()
    .describe('Assigning authority (namespace id or object identifier) → Identifier.system'),
  merges: z
    .strictObject({
      references: z.enum(['keep', 'repoint']).optional(),
      identifiers: z.enum(['move', 'copy']).optional(),
    })
    .optional()
    .describe('Of a patient that is merged into another: what refers to it, and where its numbers go'),
  extensions: z
    .array(
      z.strictObject({
        segment: z.string().regex(/^[A-Z][A-Z0-9]{2}$/, 'the name of a segment, such as ZPD'),
        resource: z.enum(['Patient', 'Encounter', 'Observation', 'ServiceRequest', 'DiagnosticReport']),
        rows: z
          .array(
            z
              .string()
              .min(1)
              .max(500)
              .regex(/^[^\r\n]+$/, 'a row is one line'),
          )
          .min(1)
          .max(500),
      }),
    )
    .max(50)
    .optional()
    .describe('Rows `field | element | type | condition` that add to the resources of the message'),
});

/** Addresses below /admin/hl7/routes that are no routes. */
const reservedIds = ['schema', 'dry-run'];

const routeFields = z.strictObject({
  id: name.refine((id) => !reservedIds.includes(id), `not one of ${reservedIds.join(', ')}`),
  name: z.string().min(1).max(200),
  description: text.optional(),
  enabled: z.boolean().default(true),
  priority: z.int().min(-1000).max(1000).default(0).describe('Of several routes that match the highest takes it'),
  source: z
    .strictObject({
      kinds: z
        .array(z.enum(['mllp', 'http', 'file', 'api']))
        .min(1)
        .optional(),
      names: z.array(name).min(1).max(listMax).optional().describe('Listeners, endpoints, folders'),
    })
    .default({}),
  match: conditionSchema.optional().describe('Without it every message of the source'),
  filter: filterList.default([]),
  validation: z
    .strictObject({ structure: z.enum(['off', 'lenient', 'strict']).default('off'), profile: name.optional() })
    .default({ structure: 'off' }),
  codeMaps: z.record(name, codeMap).default({}),
  transform: editList.default([]),
  mapping: mapping.default({}),
  destinations: z
    .array(destination)
    .max(50)
    .default([{ kind: 'fhir' }]),
  ack: z.enum(['auto', 'original', 'enhanced', 'none']).default('auto'),
  onError: z.enum(['refuse', 'accept']).default('refuse'),
});

export const routeSchema = routeFields.superRefine(checkRoute);

export type RouteInput = z.input<typeof routeSchema>;
export type Route = z.output<typeof routeSchema>;
export type Edit = z.output<typeof edits>;
export type CodeMap = z.output<typeof codeMap>;

/** What no element can say alone: names that must be there, and how much there is in all. */
function checkRoute(route: z.output<typeof routeFields>, ctx: z.core.$RefinementCtx): void {
  const fault = (path: (string | number)[], message: string): void => ctx.addIssue({ code: 'custom', path, message });
  const known = Object.keys(route.codeMaps);
  const checkEdits = (edits: readonly Edit[], at: (string | number)[]): void => {
    for (const [index, edit] of edits.entries()) {
      if (edit.op !== 'map' || known.includes(edit.codeMap)) continue;
      fault([...at, index, 'codeMap'], `no such code map; codeMaps has ${known.join(', ') || 'none'}`);
    }
  };
  checkEdits(route.transform, ['transform']);
  const seen = new Set<string>();
  for (const [index, destination] of route.destinations.entries()) {
    const name = destination.kind === 'fhir' ? '' : destination.name;
    if (seen.has(name)) fault(['destinations', index], 'each destination is named once');
    seen.add(name);
    if (destination.kind === 'queue') checkEdits(destination.transform ?? [], ['destinations', index, 'transform']);
  }
  if (conditionsOf(route) > conditionsMax) fault([], `a route has at most ${conditionsMax} conditions`);
}

/** How many conditions there are anywhere in it. A change has a path too, and is none. */
function conditionsOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = 'path' in value && !('op' in value) ? 1 : 0;
  return Object.values(value).reduce<number>((count, part) => count + conditionsOf(part), own);
}
