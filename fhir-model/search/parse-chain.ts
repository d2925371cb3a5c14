// Criteria on other resources: https://hl7.org/fhir/R4/search.html#chaining, #has, #list
import { isCerebraError } from '#platform';
import { isId } from '../references.ts';
import { paramKey } from './param-key.ts';
import { type ParsedName, parseName } from './parse-name.ts';
import type { SearchParameters } from './registry.ts';
import { chainTypesMax, joinBranchesMax, joinDepthMax } from './search-limits.ts';
import type { ChainLink, Criterion, SearchParam } from './types.ts';
import { parameterError, quote } from './value-context.ts';

/** What criteria on other resources are made with. */
export interface JoinContext {
  parameters: SearchParameters;
  resourceTypes: readonly string[];
  isResourceType: (type: string) => boolean;
  /** What all links of the search may come to, through all types that they may lead to: joinBranchesMax at first. */
  branches: { left: number };
  /** A criterion on the resource itself. */
  plain(parsed: ParsedName, value: string, param: SearchParam): Criterion;
}

/** How far a criterion has come: `depth` links are behind it. */
export interface Trail {
  depth: number;
  branches: JoinContext['branches'];
}

export const newTrail = ({ branches }: Pick<JoinContext, 'branches'>): Trail => ({ depth: 0, branches });

/** One link further. Throws `too-costly` at the limits, so that no name, however made, costs more than they allow. */
export function furtherTrail({ depth, branches }: Trail, name: string): Trail {
  if (depth >= joinDepthMax) {
    throw parameterError('too-costly', name, `a chain may have ${joinDepthMax} links, _has included`);
  }
  if (--branches.left < 0) {
    throw parameterError(
      'too-costly',
      name,
      `the links of a search may lead to ${joinBranchesMax} types together: name the types, as in subject:Patient`,
    );
  }
  return { depth: depth + 1, branches };
}

/** What stands for a parameter where a criterion is none of a single parameter. */
export const joinParam = (resourceType: string, code: string): SearchParam => ({
  ...{ key: paramKey(resourceType, code), url: '', code, resourceType, type: 'special' },
  ...{ expression: '', target: [], description: '' },
});

/** Types that a reference parameter can lead to; empty means any. `patient`, where it is read from `subject`: Patient. */
function targetsOf(param: SearchParam): readonly string[] {
  const only = param.sameAs?.[0]?.targetType;
  return only === undefined ? param.target : [only];
}

/** Throws `invalid-parameter`, saying what it refers to, unless `param` can refer to that type. */
function assertRefersTo(name: string, param: SearchParam, type: string): void {
  const targets = targetsOf(param);
  if (targets.length === 0 || targets.includes(type)) return;
  throw parameterError('invalid-parameter', name, `${param.code} refers to ${targets.join(', ')}, not to ${type}`);
}

function assertType(context: JoinContext, name: string, type: string): void {
  if (context.isResourceType(type)) return;
  throw parameterError('invalid-parameter', name, `${quote(type)} is no resource type`);
}

/** The types that a link leads to: the one that is named, else all that it can lead to. */
export function linkTypes(context: JoinContext, name: string, param: SearchParam, named: string | undefined): string[] {
  if (param.type !== 'reference') {
    throw parameterError('invalid-parameter', name, `${param.code} is no reference: it has nothing to chain to`);
  }
  const targets = targetsOf(param);
  if (named === undefined) return [...(targets.length > 0 ? targets : context.resourceTypes)];
  assertType(context, name, named);
  assertRefersTo(name, param, named);
  return [named];
}

/**
 * One alternative for each of the types for which `make` succeeds: one that does not know the parameter, or can't read
 * the value, is left out. Throws the first failure when none is left, and `too-costly` when too many are.
 */
export function alternatives(name: string, types: readonly string[], make: (type: string) => Criterion): ChainLink[] {
  const links: ChainLink[] = [];
  let failure: unknown;
  for (const type of types) {
    try {
      links.push({ type, criterion: make(type) });
    } catch (error) {
      if (isCerebraError(error, 'too-costly')) throw error;
      failure ??= error;
    }
  }
  if (links.length === 0) throw failure;
  if (links.length > chainTypesMax) {
    const [first] = links;
    throw parameterError(
      'too-costly',
      name,
      `${links.length} types are possible: name one, as in subject:${first?.type}`,
    );
  }
  return links;
}

function unknownInChain(parsed: ParsedName, chained: string): Error {
  const text = `no type that ${parsed.code} refers to has a parameter ${quote(chained)}`;
  return parameterError('unknown-parameter', parsed.name, text);
}

/** The types among these that know what the chain goes on with, so that a wrong name is told as such. */
function knowing(context: JoinContext, parsed: ParsedName, chained: string, types: string[]): string[] {
  const inner = parseName(chained);
  if (chained.startsWith('_has:') || inner === undefined || inner.code === '_list') return types;
  const known = types.filter((type) => context.parameters.get(type, inner.code) !== undefined);
  if (known.length === 0) throw unknownInChain(parsed, inner.code);
  return known;
}

/** `subject:Patient.name=eve` */
export function chainCriterion(
  context: JoinContext,
  param: SearchParam,
  parsed: ParsedName,
  value: string,
  trail: Trail,
): Criterion {
  const { name, chained = '' } = parsed;
  const types = knowing(context, parsed, chained, linkTypes(context, name, param, parsed.modifier));
  const chain = alternatives(name, types, (type) =>
    criterionOn(context, type, { text: chained, name }, value, furtherTrail(trail, name)),
  );
  return { name, param, values: [], chain };
}

const HAS = /^_has:([A-Za-z]+):([A-Za-z_][A-Za-z0-9_-]*)(?::(.*))?$/s;

/** Who refers here, and through which parameter; of `_has:Observation:patient` with or without what follows. */
export function hasLink(
  context: JoinContext,
  type: string,
  { text, name }: Place,
): { type: string; param: SearchParam } {
  const [, source = '', code = ''] = HAS.exec(text) ?? [];
  if (source === '') {
    throw parameterError('invalid-parameter', name, `${quote(text)} is not of the form _has:Type:reference:parameter`);
  }
  assertType(context, name, source);
  const param = context.parameters.get(source, code);
  if (param === undefined) {
    throw parameterError('unknown-parameter', name, `${source} has no search parameter ${quote(code)}`);
  }
  if (param.type !== 'reference') {
    throw parameterError('invalid-parameter', name, `${source}.${code} is no reference`);
  }
  assertRefersTo(name, param, type);
  return { type: source, param };
}

/** `_has:Observation:patient:code=1234-5` */
function hasCriterion(context: JoinContext, type: string, at: Place, value: string, trail: Trail): Criterion {
  const link = hasLink(context, type, at);
  const [, , , rest = ''] = HAS.exec(at.text) ?? [];
  if (rest === '') throw parameterError('invalid-parameter', at.name, 'after the reference a parameter has to follow');
  const criterion = criterionOn(context, link.type, { text: rest, name: at.name }, value, furtherTrail(trail, at.name));
  return { name: at.name, param: joinParam(type, '_has'), values: [], has: { ...link, criterion } };
}

/** `_list=42`: what the List's entries refer to. Functional lists (`$current-…`) are not kept. */
function listCriterion(context: JoinContext, type: string, at: Place, value: string, trail: Trail): Criterion {
  const { name } = at;
  if (value.split(',').some((each) => each.startsWith('$'))) {
    throw parameterError('unsupported', name, `${quote(value)}: functional lists are not supported, ids of Lists are`);
  }
  const ids = value.split(',').map((each) => each.replace(/^List\//, ''));
  const wrong = ids.find((id) => !isId(id));
  if (wrong !== undefined) throw parameterError('invalid-parameter', name, `${quote(wrong)} is no id of a List`);
  const item = context.parameters.get('List', 'item');
  if (item === undefined) throw parameterError('unsupported', name, 'List has no parameter item here');
  const inner = criterionOn(context, 'List', { text: '_id', name }, ids.join(','), furtherTrail(trail, name));
  return { name, param: joinParam(type, '_list'), values: [], has: { type: 'List', param: item, criterion: inner } };
}

/** `text` is what is left of the name; `name` all of it, for errors. */
export interface Place {
  text: string;
  name: string;
}

/** `_has…`, `_list` or a chain: those that `criterionOn` answers without a parameter of the type. */
export const isJoinName = (name: string): boolean => name.startsWith('_has:') || /^_list(?![A-Za-z0-9_-])/.test(name);

/**
 * The criterion of that name on resources of the type; a chain, `_has` or `_list` too. Throws `unknown-parameter` when the
 * type does not know the parameter, whatever the handling: at the end of a chain nothing can be ignored.
 */
export function criterionOn(context: JoinContext, type: string, at: Place, value: string, trail: Trail): Criterion {
  const { text, name } = at;
  if (text.startsWith('_has:')) return hasCriterion(context, type, at, value, trail);
  if (text === '_list') return listCriterion(context, type, at, value, trail);
  const parsed = parseName(text, name);
  if (parsed === undefined) throw parameterError('invalid-parameter', name, `${quote(text)} is no parameter name`);
  if (parsed.code === '_list') throw parameterError('invalid-parameter', name, '_list has no modifier and no chain');
  const param = context.parameters.get(type, parsed.code);
  if (param === undefined) {
    throw parameterError('unknown-parameter', name, `${type} has no search parameter ${quote(parsed.code)}`);
  }
  return parsed.chained === undefined
    ? context.plain(parsed, value, param)
    : chainCriterion(context, param, parsed, value, trail);
}
