// What a rule listens for: https://hl7.org/fhir/R4/metadatatypes.html#TriggerDefinition, https://hl7.org/fhir/R4/metadatatypes.html#DataRequirement
import { escapeValue, type JsonObject, objectsOf } from '#fhir-model';
import { isCerebraError } from '#platform';
import { type CriteriaRules, parseCriteria } from '../../match/criteria.ts';
import { compileAt, readExtensions, refuse, textOf } from './extensions.ts';
import { withdrawnStatuses } from './happening.ts';
import type { Search, Trigger } from './rule.ts';
import { unusedIn } from './unused.ts';

const types = new Set<string>(['data-added', 'data-modified', 'data-changed', 'data-removed']);
const codesMax = 200;

export function readTrigger(
  trigger: JsonObject,
  path: string,
  variables: readonly string[],
  rules: CriteriaRules,
): Trigger {
  const type = textOf(trigger.type);
  if (!types.has(type)) refuse(`${path}.type`, `must be one of ${[...types].join(', ')}`, 'unsupported');
  const timing = unusedIn(trigger, ['timing[x]']);
  if (timing) refuse(`${path}.${timing}`, 'rules judge changes as they come: use the kind absence', 'unsupported');
  const [data, more] = objectsOf(trigger.data);
  if (!data) refuse(`${path}.data`, 'is missing: the type of the resources, and their codes', 'required');
  if (more) refuse(`${path}.data[1]`, 'a trigger has one; write another trigger', 'unsupported');
  const { query, later, components } = readData(data as JsonObject, trigger, path, rules);
  const condition = trigger.condition as JsonObject | undefined;
  return {
    name: textOf(trigger.name),
    type: type as Trigger['type'],
    query,
    later: [...later, ...withdrawalsOf(query.type, rules)],
    ...(components.length > 0 ? { components } : {}),
    parameters: parametersOf(query.type, rules),
    ...(condition ? { condition: readExpression(condition, variables, `${path}.condition`) } : {}),
  };
}

const searchOf = (text: string, rules: CriteriaRules): Search => ({ text, query: parseCriteria(text, rules).query });

/** Whatever else it is by then. */
function withdrawalsOf(type: string, rules: CriteriaRules): Search[] {
  const has = (name: string) => rules.parameters.get(type, name)?.type === 'token';
  return [
    ...(has('status') ? [searchOf(`${type}?status=${withdrawnStatuses(type).join(',')}`, rules)] : []),
    ...(has('verification-status') ? [searchOf(`${type}?verification-status=entered-in-error`, rules)] : []),
  ];
}

const subjects = ['subject', 'patient', 'beneficiary'];
const times = ['date', 'effective-time', 'effective', 'occurrence'];

function parametersOf(type: string, { parameters }: CriteriaRules): Trigger['parameters'] {
  const first = (codes: readonly string[], kind: string) =>
    codes.find((code) => parameters.get(type, code)?.type === kind);
  const subject = type === 'Patient' ? '_id' : first(subjects, 'reference');
  const time = first(times, 'date');
  return { ...(subject === undefined ? {} : { subject }), ...(time === undefined ? {} : { time }) };
}

/** https://hl7.org/fhir/R4/metadatatypes.html#Expression of language text/fhirpath. */
export function readExpression(expression: JsonObject, variables: readonly string[], path: string) {
  if (expression.language !== 'text/fhirpath') refuse(`${path}.language`, 'must be text/fhirpath', 'unsupported');
  return compileAt(textOf(expression.expression), variables, `${path}.expression`);
}

function readData(
  data: JsonObject,
  trigger: JsonObject,
  path: string,
  rules: CriteriaRules,
): Pick<Trigger, 'query' | 'later'> & Required<Pick<Trigger, 'components'>> {
  const unknown = Object.keys(data).find((name) => !['id', 'extension', 'type', 'codeFilter'].includes(name));
  if (unknown) refuse(`${path}.data[0].${unknown}`, 'can not be told apart by it; use a condition', 'unsupported');
  const extensions = readExtensions(trigger, path);
  const criteria = extensions.text('criteria', 'string');
  extensions.rest();
  const filters = objectsOf(data.codeFilter).map((filter, index) =>
    readFilter(filter, `${path}.data[0].codeFilter[${index}]`),
  );
  // With the type before it, as a search is written, or without.
  const prefix = `${textOf(data.type)}?`;
  const asked = (search: readonly string[]) => `${prefix}${search.join('&')}`;
  const bare = criteria?.startsWith(prefix) ? criteria.slice(prefix.length) : criteria;
  try {
    const { query, stored } = parseCriteria(asked([...filters, ...(bare === undefined ? [] : [bare])]), rules);
    if (stored !== '') refuse(path, `'${stored}' would need the database; use a context query`, 'unsupported');
    // With `status=final` beside the codes, say, it is told when a result is corrected.
    const later = bare === undefined || filters.length === 0 ? [] : [searchOf(asked(filters), rules)];
    return { query, later, components: componentsOf(data) };
  } catch (error) {
    if (!isCerebraError(error) || error.message.startsWith(path)) throw error;
    return refuse(`${path}.data[0]`, error.message);
  }
}

const ofComponents = new Set(['component-code', 'combo-code']);

/** What is listened for may be a component: of blood pressure the value is not that of the Observation. */
const componentsOf = (data: JsonObject): JsonObject[] =>
  objectsOf(data.codeFilter)
    .filter(({ searchParam }) => ofComponents.has(textOf(searchParam)))
    .flatMap(({ code }) => objectsOf(code));

function readFilter(filter: JsonObject, path: string): string {
  if (filter.valueSet !== undefined) refuse(`${path}.valueSet`, 'list the codes instead', 'unsupported');
  const name = textOf(filter.searchParam) || textOf(filter.path).replace(/\.coding$|\.coding\.code$/, '');
  if (!/^_?[A-Za-z0-9-]{1,64}$/.test(name)) refuse(path, 'has the path, or the search parameter, of a code');
  const codes = objectsOf(filter.code);
  if (codes.length === 0 || codes.length > codesMax) refuse(`${path}.code`, `has 1 to ${codesMax} codings`);
  const values = codes.map(({ system, code }) => {
    if (typeof code !== 'string') refuse(`${path}.code`, 'each has a code');
    const value = escapeValue(String(code));
    return system === undefined ? value : `${escapeValue(textOf(system))}|${value}`;
  });
  return `${name}=${encodeURIComponent(values.join(','))}`;
}
