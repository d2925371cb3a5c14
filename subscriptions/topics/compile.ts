// A topic made ready to match, or what keeps it from being so. Triggers that can't be evaluated refuse the topic, since it would
// miss events without a word; a filter or an include that can't be carried out only can't be asked for.
import { type Issue, parseSearch, type SearchQuery } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import { type CriteriaRules, parseCriteria } from '../match/criteria.ts';
import type { StoredCriteria } from '../match/stored.ts';
import type { TopicReading } from './read-topic.ts';
import { type EventTrigger, type FilterRule, focusTypes, type NotificationShape, type Topic } from './topic.ts';
import { compileTrigger, type Trigger, within } from './trigger.ts';

export interface CompiledTopic {
  topic: Topic;
  /** By type of the focus. */
  triggers: ReadonlyMap<string, Trigger[]>;
  events: EventTrigger[];
  focus: readonly string[];
}

/** Throws CerebraError with the first that can't be had. */
export function compileTopic(topic: Topic, rules: CriteriaRules): CompiledTopic {
  const triggers = new Map<string, Trigger[]>();
  topic.resourceTriggers.forEach((trigger, i) => {
    const compiled = within(`resourceTrigger[${i}]`, () => compileTrigger(trigger, rules));
    triggers.set(trigger.resource, [...(triggers.get(trigger.resource) ?? []), compiled]);
  });
  return { topic, triggers, events: topic.eventTriggers, focus: focusTypes(topic) };
}

/** What its triggers leave to the database. */
export const storedOf = ({ triggers }: CompiledTopic): StoredCriteria[] =>
  Array.from(triggers.values(), (some) => some.flatMap(({ stored }) => stored ?? [])).flat();

/** What is wrong with a topic, by element of the Basic. */
export function topicIssues({ topic, at, issues }: TopicReading, rules: CriteriaRules): Issue[] {
  if (issues.length > 0) return issues;
  return topic.resourceTriggers.flatMap((trigger, i) => {
    try {
      compileTrigger(trigger, rules);
      return [];
    } catch (error) {
      if (!isCerebraError(error)) throw error;
      const code = error.code === 'unsupported' ? 'not-supported' : 'value';
      return [{ severity: 'error', code, diagnostics: error.message, expression: [at[i]!] } as Issue];
    }
  });
}

/** Why this of the topic can't be asked for; the rest of it can. */
export function topicNotes(topic: Topic, rules: CriteriaRules): string[] {
  const notes = topic.filters.flatMap((rule, i) =>
    filterNotes(topic, rule, rules).map((note) => `canFilterBy[${i}]: ${note}`),
  );
  const shapes = topic.shapes.flatMap((shape, i) =>
    unsearchable(shape, rules).map((text) => `notificationShape[${i}]: '${text.slice(0, 200)}' can't be included`),
  );
  return [...notes, ...shapes];
}

function filterNotes(topic: Topic, rule: FilterRule, rules: CriteriaRules): string[] {
  const types = rule.resource === '' ? focusTypes(topic) : [rule.resource];
  if (rule.resource !== '' && !focusTypes(topic).includes(rule.resource)) {
    return [`no trigger of the topic is about ${rule.resource}`];
  }
  return types
    .filter((type) => codeOf(rule, type, rules) === undefined)
    .map((type) => `${type} has no search parameter '${(rule.definition ?? rule.parameter).slice(0, 200)}'`);
}

// Not of a type's own list: https://hl7.org/fhir/R4/search.html#all
const OF_ALL_TYPES = new Set(['_has', '_list', '_filter']);

/** The search parameter that a filter means on the type; undefined where there is none. */
function codeOf(
  { parameter, definition }: FilterRule,
  type: string,
  { parameters }: CriteriaRules,
): string | undefined {
  if (definition !== undefined) {
    const url = definition.split('|')[0];
    return parameters.list(type).find((one) => one.url === url)?.code;
  }
  const [first = ''] = parameter.split(/[.:]/);
  return OF_ALL_TYPES.has(first) || parameters.get(type, first) ? parameter : undefined;
}

/** The includes that a search with `type` would refuse. */
function unsearchable({ resource, include, revInclude }: NotificationShape, rules: CriteriaRules): string[] {
  const isRefused = (name: string) => (text: string) => !isSearchable(resource, includePairs(name, text), rules);
  return [...include.filter(isRefused('_include')), ...revInclude.filter(isRefused('_revinclude'))];
}

/** `Encounter:patient&iterate=Patient.link` as the search parameters that it stands for. */
export const includePairs = (name: string, text: string): [string, string][] =>
  text.split('&').map((part): [string, string] => {
    const iterated = /^iterate=(.*)$/.exec(part)?.[1];
    return iterated === undefined ? [name, part] : [`${name}:iterate`, iterated.replace('.', ':')];
  });

function isSearchable(type: string, pairs: [string, string][], rules: CriteriaRules): boolean {
  try {
    parseSearch(type, pairs, { ...rules, strict: true, countDefault: 1, countMax: 1 });
    return true;
  } catch (error) {
    if (isCerebraError(error)) return false;
    throw error;
  }
}

/** The shape of a topic for that type of focus, with the includes that can be searched. */
export function shapeOf(topic: Topic, type: string, rules: CriteriaRules): NotificationShape | undefined {
  const shapes = topic.shapes.filter(({ resource }) => resource === type);
  if (shapes.length === 0) return undefined;
  const refused = new Set(shapes.flatMap((shape) => unsearchable(shape, rules)));
  const searchable = (texts: string[]) => texts.filter((text) => !refused.has(text));
  return {
    resource: type,
    include: searchable(shapes.flatMap(({ include }) => include)),
    revInclude: searchable(shapes.flatMap(({ revInclude }) => revInclude)),
  };
}

/** What a Subscription's filters ask of one type of focus. */
export interface FocusFilter {
  query: SearchQuery;
  /** For the database: a search string without type; '' for none. */
  stored: string;
}

/** Of one Subscription. */
export const filtersMax = 50;

/** Of 100,000 filters only the criteria are kept. */
const bare: Omit<SearchQuery, 'type' | 'criteria'> = {
  ...{ sort: [], count: 1, total: 'none', includes: [], ignored: [], used: [] },
};

/**
 * `Encounter?patient=Patient/1`, … against the topic's canFilterBy, by type of focus. All of a type must be met; a type that no
 * filter is about has all events. A filter without a type is about every type: those that can't meet it have no events and are left
 * out. Throws CerebraError that says which filter can't be had and which can.
 */
export function compileFilters(
  { topic, focus }: CompiledTopic,
  filters: readonly string[],
  rules: CriteriaRules,
): Map<string, FocusFilter> {
  if (filters.length > filtersMax) throw new CerebraError('too-large', `more than ${filtersMax} filters`);
  const pairs = new Map<string, [string, string][]>(focus.map((type) => [type, []]));
  filters.forEach((filter, i) => {
    within(`filter ${i + 1}`, () => {
      const { found, without } = rule(topic, filter, rules);
      for (const [type, ...pair] of found) pairs.get(type)?.push(pair);
      for (const type of without) pairs.delete(type);
    });
  });
  if (pairs.size === 0) throw new CerebraError('unsupported', 'no type that the topic is about has all of the filters');
  const found = new Map<string, FocusFilter>();
  for (const [type, asked] of pairs) {
    const { query, stored } = parseCriteria(`${type}?${new URLSearchParams(asked)}`, rules);
    found.set(type, { query: { ...bare, type, criteria: query.criteria }, stored });
  }
  return found;
}

interface Ruled {
  /** Each criterion of the filter for each type that it is about: type, name, value. */
  found: [string, string, string][];
  /** Types that it is about and that don't have all of its parameters. */
  without: Set<string>;
}

function rule(topic: Topic, filter: string, rules: CriteriaRules): Ruled {
  const mark = filter.indexOf('?');
  const named = mark < 0 ? '' : filter.slice(0, mark).replace(/^\//, '');
  const focus = focusTypes(topic);
  if (named !== '' && !focus.includes(named)) {
    throw new CerebraError('unsupported', `the topic is about ${focus.join(', ')}, not about ${shown(named)}`);
  }
  const pairs = [...new URLSearchParams(filter.slice(mark + 1))];
  if (pairs.length === 0 || pairs.some(([, value]) => value === ''))
    throw new CerebraError('invalid', `${shown(filter)} is not of the form 'Type?parameter=value'`);
  const types = named === '' ? focus : [named];
  const without = new Set<string>();
  const found = pairs.flatMap(([name, value]) => {
    const some = types.flatMap((type) => allowed(topic, type, { name, value }, rules));
    if (some.length === 0) throw notThere(topic, types, name);
    for (const type of types) if (!some.some(([one]) => one === type)) without.add(type);
    return some;
  });
  return { found, without };
}

const shown = (text: string): string => `'${text.slice(0, 100)}'`;

interface Asked {
  name: string;
  value: string;
}

function notThere(topic: Topic, types: readonly string[], name: string): CerebraError {
  const lacking = types.find((type) => ruleOf(topic, type, name));
  return lacking === undefined
    ? new CerebraError('unsupported', `${shown(name)} is none of ${allowedNames(topic, types)}`)
    : noParameter(lacking, ruleOf(topic, lacking, name)!);
}

const noParameter = (type: string, { parameter }: FilterRule): CerebraError =>
  new CerebraError('unsupported', `${type} has no search parameter ${shown(parameter)}`);

function allowedNames({ filters }: Topic, types: readonly string[]): string {
  const names = filters
    .filter(({ resource }) => resource === '' || types.includes(resource))
    .map(({ parameter }) => parameter);
  return names.length === 0 ? 'the filters of the topic, which has none' : `the topic's filters (${names.join(', ')})`;
}

const COMPARATORS = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=[\d.+-])/;
const COMPARED = new Set(['number', 'date', 'quantity']);

/** What the topic's filters say of the name for that type. */
const ruleOf = ({ filters }: Topic, type: string, name: string): FilterRule | undefined =>
  filters
    .filter(({ resource, parameter }) => (resource === '' || resource === type) && isOf(name, parameter))
    .toSorted(bySpecialty)[0];

function allowed(topic: Topic, type: string, { name, value }: Asked, rules: CriteriaRules): [string, string, string][] {
  const one = ruleOf(topic, type, name);
  if (!one) return [];
  const code = codeOf(one, type, rules);
  if (code === undefined) {
    // Said of whichever type has it; of a type by its name it is a promise that can't be kept.
    if (one.resource === '') return [];
    throw noParameter(type, one);
  }
  const rest = name.slice(one.parameter.length);
  assertModifier(one, rest.slice(1), rules);
  if (isCompared(type, code, rules)) assertComparators(one, value);
  return [[type, code + rest, value]];
}

/** Whether values may begin with a comparator. Of a chain the last parameter says so, of whichever type it leads to. */
function isCompared(type: string, code: string, { parameters, resourceTypes }: CriteriaRules): boolean {
  const last = code.split(/[.:]/).at(-1)!;
  const types = last === code ? [type] : resourceTypes;
  return types.some((one) => COMPARED.has(parameters.get(one, last)?.type ?? ''));
}

/** `patient:Patient`, `patient:missing` and `patient` are filters by `patient`; `patient.family` is another one. */
const isOf = (name: string, parameter: string): boolean => name === parameter || name.startsWith(`${parameter}:`);

/** What says most of the name is meant, wherever it stands: `subject:Patient.family` before `subject`, a type's own before all types'. */
const bySpecialty = (a: FilterRule, b: FilterRule): number =>
  b.parameter.length - a.parameter.length || Number(a.resource === '') - Number(b.resource === '');

/** The type of a reference is part of the value. */
function assertModifier(
  { parameter, modifiers }: FilterRule,
  modifier: string,
  { resourceTypes }: CriteriaRules,
): void {
  if (modifier === '' || modifiers.includes(modifier) || resourceTypes.includes(modifier)) return;
  throw notAllowed(parameter, `:${modifier}`, modifiers);
}

function assertComparators({ parameter, modifiers }: FilterRule, value: string): void {
  for (const each of value.split(',')) {
    const comparator = COMPARATORS.exec(each)?.[1] ?? 'eq';
    if (comparator !== 'eq' && !modifiers.includes(comparator)) throw notAllowed(parameter, comparator, modifiers);
  }
}

const notAllowed = (parameter: string, asked: string, modifiers: readonly string[]): CerebraError => {
  const can = modifiers.length === 0 ? 'none' : modifiers.join(', ');
  return new CerebraError(
    'unsupported',
    `${shown(parameter)} can't be used with ${shown(asked)}; the topic allows ${can}`,
  );
};
