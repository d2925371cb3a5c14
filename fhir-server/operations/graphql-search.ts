// Searches in a query: https://hl7.org/fhir/R4/graphql.html#searching, with reverse references (#reverse) and cursors.
import type { ArgumentNode, FieldNode } from 'graphql';
import type { SearchParam, SearchQuery } from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { parseQuery } from '../interactions/search.ts';
import type { Given } from './graphql-document.ts';
import { fault, placedAt } from './graphql-faults.ts';

/** A page of a connection, and how to come back to it. */
export interface Place {
  offset: number;
  /** Where each page up to this one starts; null is the beginning. */
  starts: (string | null)[];
}

export interface SearchPlan {
  type: string;
  form: 'List' | 'Connection';
  /** Search parameters, as they stand in a URL. */
  pairs: [string, string][];
  /** Of `_reference`: how the resources found refer to the one that has the field. */
  reference?: SearchParam;
  /** `_count`. */
  count?: number;
  place: Place;
  /** `fhirpath`. */
  path?: string;
}

/** What is parsed of arguments besides search parameters. */
const RESULT_ARGUMENTS = new Set(['_sort', '_filter', '_list', '_query']);

/** `clinical_status` → `clinical-status`, `_lastUpdated` as it is: GraphQL's names have no hyphens. */
export function codeOf(core: Core, type: string, name: string): string | undefined {
  const hyphened = name.replace(/(?!^)_/g, '-');
  if (RESULT_ARGUMENTS.has(name)) return name;
  return [name, hyphened].find((code) => core.parameters.get(type, code));
}

/** A comma within a value is one: alternatives are items of an array. */
const escapeCommas = (text: string): string => text.replace(/\\.|,/gs, (part) => (part === ',' ? '\\,' : part));

const shown = (text: string): string => text.slice(0, 80);

function texts(node: ArgumentNode, given: Given): string[] {
  const items = Array.isArray(given) ? given : [given];
  return items.map((item) => {
    if (typeof item === 'string') return item;
    if (typeof item === 'boolean') return String(item);
    throw fault(
      'invalid-parameter',
      `'${node.name.value}' takes a value, or an array of values`,
      node,
      node.name.value,
    );
  });
}

function pairOf(core: Core, type: string, node: ArgumentNode, given: Given): [string, string] {
  const name = node.name.value;
  const code = codeOf(core, type, name);
  if (code === undefined) {
    const text = `${type} has no search parameter '${shown(name)}'; chains, modifiers and AND go into _filter`;
    throw fault('unknown-parameter', text, node, shown(name));
  }
  const values = texts(node, given);
  if (RESULT_ARGUMENTS.has(code)) return [code, values.join(',')];
  return [code, values.map(escapeCommas).join(',')];
}

export function countArgument(node: ArgumentNode, given: Given, least = 0): number {
  const name = node.name.value;
  if (typeof given === 'string' && /^\d{1,9}$/.test(given) && Number(given) >= least) return Number(given);
  throw fault('invalid-parameter', `'${name}' must be a whole number, ${least} or more`, node, name);
}

function textArgument(node: ArgumentNode, given: Given): string {
  if (typeof given === 'string') return given;
  throw fault('invalid-parameter', `'${node.name.value}' must be a string`, node, node.name.value);
}

const isPair = (one: unknown): one is [string, string] =>
  Array.isArray(one) && one.length === 2 && one.every((part) => typeof part === 'string');

/** Pages that a cursor can lead back over; from a later page `previous` ends there, `first` always leads to the first. */
const STARTS_MAX = 50;
const CURSOR_CHARACTERS_MAX = 100_000;

/** The text of a cursor: what was searched, and which page. */
export function cursorText({ type, pairs, path }: SearchPlan, count: number, { offset, starts }: Place): string {
  const kept = starts.slice(-STARTS_MAX);
  return Buffer.from(JSON.stringify([type, pairs, count, offset, kept, path ?? null])).toString('base64url');
}

function decodeCursor(text: string): unknown {
  if (text.length > CURSOR_CHARACTERS_MAX) return undefined;
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Nothing in it is trusted: its parameters are parsed as those of any search. */
function readCursor(node: ArgumentNode, text: string, type: string): SearchPlan {
  const decoded = decodeCursor(text);
  const [kind, pairs, count, offset, starts, path] = Array.isArray(decoded) ? decoded : [];
  const sound =
    kind === type && Array.isArray(pairs) && pairs.every(isPair) && isWhole(count) && count > 0 && isWhole(offset);
  const placed =
    Array.isArray(starts) && starts.length > 0 && starts.every((start) => start === null || typeof start === 'string');
  if (!sound || !placed || (path !== null && typeof path !== 'string')) {
    throw fault('invalid-parameter', `This is no cursor of a ${type}Connection`, node, node.name.value);
  }
  return {
    ...{ type, form: 'Connection', pairs, count, place: { offset, starts } },
    ...(path === null ? {} : { path }),
  };
}

function referenceParam(core: Core, type: string, node: ArgumentNode, given: Given, parents: readonly string[]) {
  const name = textArgument(node, given);
  const param = core.parameters.get(type, name) ?? core.parameters.get(type, name.replaceAll('_', '-'));
  if (param?.type !== 'reference') {
    throw fault('invalid-parameter', `${type} has no reference parameter '${shown(name)}'`, node, '_reference');
  }
  if (param.target.length > 0 && !parents.some((parent) => param.target.includes(parent))) {
    const text = `'${param.code}' of ${type} refers to ${param.target.slice(0, 5).join(', ')}, not to ${parents.slice(0, 5).join(', ')}`;
    throw fault('invalid-parameter', text, node, '_reference');
  }
  return param;
}

/** The query of a plan; of a reverse one with the resources that are to be referred to. Throws as parseQuery does. */
export function queryOf(core: Core, plan: SearchPlan, more: [string, string][]): SearchQuery {
  return parseQuery(core, plan.type, [...plan.pairs, ...more], true);
}

type Arguments = readonly { node: ArgumentNode; given: Given }[];

/** Reads one argument into the plan. */
function readArgument(
  core: Core,
  plan: SearchPlan,
  { node, given }: Arguments[number],
  parents: readonly string[] | undefined,
): void {
  const name = node.name.value;
  if (name === 'fhirpath') plan.path = textArgument(node, given);
  else if (name === '_count') plan.count = countArgument(node, given, 1);
  else if (name === '_reference' && parents) plan.reference = referenceParam(core, plan.type, node, given, parents);
  else if (name === '_reference') {
    throw fault('invalid-parameter', '_reference is for searches within a resource', node, name);
  } else plan.pairs.push(pairOf(core, plan.type, node, given));
}

function cursorPlan(args: Arguments, type: string, form: string, parents: readonly string[] | undefined) {
  const found = args.find(({ node }) => node.name.value === 'cursor' || node.name.value === '_cursor');
  if (!found) return undefined;
  const { node, given } = found;
  if (form === 'List' || parents) {
    throw fault('invalid-parameter', 'A cursor is for a connection at the root of a query', node, node.name.value);
  }
  const other = args.find((one) => one !== found);
  if (other) {
    const text = `The cursor has the parameters of its search: leave '${other.node.name.value}' out`;
    throw fault('invalid-parameter', text, other.node, other.node.name.value);
  }
  return readCursor(node, textArgument(node, given), type);
}

/**
 * The search that the field asks for; `parents` are the types of the resource that it is a field of, undefined at the
 * root. Throws with the place of the argument at fault.
 */
export function planSearch(
  core: Core,
  field: FieldNode,
  { type, form }: { type: string; form: 'List' | 'Connection' },
  args: Arguments,
  parents: readonly string[] | undefined,
): SearchPlan {
  const resumed = cursorPlan(args, type, form, parents);
  const plan: SearchPlan = resumed ?? { type, form, pairs: [], place: { offset: 0, starts: [null] } };
  if (!resumed) for (const argument of args) readArgument(core, plan, argument, parents);
  if (parents && !plan.reference) {
    const text = `${field.name.value} within a resource needs _reference: the parameter of ${type} that refers to it`;
    throw fault('required', text, field, '_reference');
  }
  try {
    const query = queryOf(core, plan, []);
    const forbidden = query.includes.length > 0 || query.summary || query.elements || query.contained;
    if (forbidden) throw new CerebraError('invalid-parameter', 'This is no cursor of a search in a query');
  } catch (error) {
    throw placedAt(error, field);
  }
  return plan;
}
