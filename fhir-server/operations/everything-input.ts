// The parameters of $everything: https://hl7.org/fhir/R4/patient-operation-everything.html
import {
  type DateRange,
  type OperationParameter,
  type OperationRequest,
  parseDateRange,
  type Subset,
} from '#fhir-model';
import type { Core } from '../interactions/core.ts';
import { badParameter } from '../interactions/parameter-fault.ts';
import { readSubset } from '../interactions/subset.ts';
import { all, one } from './answer.ts';

/** Where a page starts: after the resource `rid`, of the step `step` where types are gone through one by one. */
export interface EverythingCursor {
  step: number;
  rid: string;
}

export interface Everything {
  type: string;
  id?: string;
  types?: string[];
  sinceMs?: number;
  care: Partial<DateRange>;
  /** Members a page. */
  count: number;
  cursor?: EverythingCursor;
  /** What part of the resources is asked for; undefined: the whole. */
  subset?: Subset;
}

export const everythingParameters = (dated: boolean): OperationParameter[] => [
  ...(dated
    ? ([
        { name: 'start', use: 'in', min: 0, max: '1', type: 'date', documentation: 'Care from this date' },
        { name: 'end', use: 'in', min: 0, max: '1', type: 'date', documentation: 'Care up to this date' },
      ] as const)
    : []),
  { name: '_since', use: 'in', min: 0, max: '1', type: 'instant', documentation: 'Changed at this time or later' },
  { name: '_type', use: 'in', min: 0, max: '*', type: 'string', documentation: 'Resource types, with commas' },
  { name: '_count', use: 'in', min: 0, max: '1', type: 'integer', documentation: 'Members of the record a page' },
  { name: '_cursor', use: 'in', min: 0, max: '1', type: 'string', documentation: 'Of a next link' },
  { name: '_summary', use: 'in', min: 0, max: '1', type: 'code', documentation: 'true, text, data or false' },
  { name: '_elements', use: 'in', min: 0, max: '1', type: 'string', documentation: 'Elements of members, with commas' },
  { name: 'return', use: 'out', min: 1, max: '1', type: 'Bundle' },
];

function parseTypes(core: Core, { input }: OperationRequest): string[] | undefined {
  const given = all<string>(input, '_type').flatMap((text) => text.split(','));
  if (given.length === 0) return undefined;
  const wrong = given.find((type) => !core.definitions.isResourceType(type));
  if (wrong !== undefined) throw badParameter('_type', `'${wrong.slice(0, 80)}' is not a resource type of FHIR R4`);
  return [...new Set(given)];
}

function parseCursor(text: string): EverythingCursor {
  const match = /^(\d{1,3})-(\d{1,18})$/.exec(Buffer.from(text, 'base64url').toString('latin1'));
  if (!match) throw badParameter('_cursor', 'This _cursor is not one of a next link: start again at the first page');
  return { step: Number(match[1]), rid: match[2]! };
}

/** The time that `start` and `end` tell, as far as they are given. Throws `invalid-parameter` where it ends before it starts. */
export function parseCare({ input }: OperationRequest): Partial<DateRange> {
  const lo = parseDateRange(one<string>(input, 'start') ?? '')?.lo;
  const hi = parseDateRange(one<string>(input, 'end') ?? '')?.hi;
  if (lo !== undefined && hi !== undefined && lo > hi) throw badParameter('end', 'The end lies before the start');
  return { ...(lo === undefined ? {} : { lo }), ...(hi === undefined ? {} : { hi }) };
}

function parseCount(core: Core, { input }: OperationRequest): number {
  const count = one<number>(input, '_count') ?? core.limits.searchCountMax;
  if (count < 1) throw badParameter('_count', '_count must be 1 or more');
  return Math.min(count, core.limits.searchCountMax);
}

function parseSubset(core: Core, { input, strict }: OperationRequest, types: readonly string[]): Subset | undefined {
  const pairs = ['_summary', '_elements'].flatMap((name) =>
    all<string>(input, name).map((value): [string, string] => [name, value]),
  );
  return readSubset(core, types, pairs, strict);
}

export function parseEverything(core: Core, request: OperationRequest): Everything {
  const { type, id, input } = request;
  const types = parseTypes(core, request);
  const since = one<string>(input, '_since');
  const cursor = one<string>(input, '_cursor');
  const subset = parseSubset(core, request, types ?? core.definitions.resourceTypes);
  return {
    type: type!,
    ...(id === undefined ? {} : { id }),
    ...(types === undefined ? {} : { types }),
    ...(since === undefined ? {} : { sinceMs: parseDateRange(since)!.lo }),
    care: parseCare(request),
    count: parseCount(core, request),
    ...(cursor === undefined ? {} : { cursor: parseCursor(cursor) }),
    ...(subset === undefined ? {} : { subset }),
  };
}
