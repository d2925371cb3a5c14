// Search strings of all parameters, modifiers and prefixes, right and wrong: https://hl7.org/fhir/R4/search.html
import {
  createSearchParameters,
  filterOperators,
  loadDefinitions,
  type SearchParam,
  type SearchParamType,
} from '#fhir-model';
import type { Chance } from './chance.ts';

const definitions = await loadDefinitions();
const parameters = createSearchParameters(definitions.searchParameters, definitions.resourceTypes, definitions);

export const TYPES = ['Patient', 'Observation', 'Encounter', 'Location', 'ValueSet', 'Provenance', 'MedicationRequest'];
const MODIFIERS: Partial<Record<SearchParamType, string[]>> = {
  string: ['exact', 'contains'],
  token: ['text', 'not', 'in', 'not-in', 'above', 'below', 'of-type', 'code-text'],
  reference: ['identifier', 'Patient', 'Location', 'text', 'above'],
  uri: ['above', 'below'],
};
const WRONG_MODIFIERS = ['nothing', '__proto__', "'", '', 'missing:exact', 'exact', 'iterate', 'Patient'];
const PREFIXES = ['', '', '', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap', 'gt', 'lt', 'xx'];
const SCRAPS = [
  ...[
    '',
    ' ',
    '%',
    '%00',
    '\u0000',
    "'",
    '"',
    ';--',
    '\\',
    '|',
    '||',
    '$',
    '$$',
    ',',
    ',,',
    '*',
    '_',
    'null',
    'true',
    'false',
  ],
  ...[
    '-1',
    '1e999',
    'NaN',
    '9'.repeat(400),
    '0000',
    '2020-02-31',
    'Patient/',
    'http://x',
    '#a',
    '\ud83d\ude00',
    '\ud800',
    '\\,',
  ],
  ...['__proto__', 'constructor', 'x'.repeat(2100)],
];
const DATES = [
  '2020',
  '2020-05',
  '2020-05-01',
  '2020-05-01T10:00:00Z',
  '2020-05-01T10:00',
  '1970-02-28T23:59:59.999+14:00',
];
const NUMBERS = ['1', '1.0', '100', '-5', '0.00', '5e2', '1e-3', '12.30'];
const CODES = ['8867-4', 'http://loinc.org|8867-4', 'http://loinc.org|', '|x', 'final', 'male', 'urn:t|MR|mf1', 'mf1'];

function valueFor({ type, composite }: SearchParam, chance: Chance): string {
  const { one } = chance;
  if (chance.once(12)) return one(SCRAPS);
  if (type === 'date') return one(PREFIXES) + one(DATES);
  if (type === 'number') return one(PREFIXES) + one(NUMBERS);
  if (type === 'quantity') {
    return (
      one(PREFIXES) +
      one(NUMBERS) +
      one(['', '||g', '|http://unitsofmeasure.org|mg', '|x|', '||beats', '|http://unitsofmeasure.org|nonsense'])
    );
  }
  if (type === 'token') return one(CODES);
  if (type === 'reference')
    return one([
      'f1',
      'Patient/f1',
      'Location/f2',
      'http://example.org/Patient/1',
      'urn:uuid:x',
      '#o',
      'Patient/f1/_history/1',
    ]);
  if (type === 'uri')
    return one(['http://example.org/vs/f1', 'http://example.org/', 'urn:s', 'http://example.org/vs/f1|1']);
  if (type === 'composite') return (composite?.parts ?? []).map((part) => valueFor(part, chance)).join('$');
  if (type === 'special') return one(['10|20|5|km', '0|0', '-91|0|1|km', '1|2|x|km', 'test']);
  return one(['test', 'müller', "O'Neil", 'T', '%', 'A B']);
}

const listOf = (chance: Chance, make: () => string): string => [make(), ...chance.some(3, make)].join(',');

const paramOf = (type: string, chance: Chance): SearchParam => chance.one(parameters.list(type));

function modifierOf({ type }: SearchParam, chance: Chance): string {
  if (chance.once(8)) return chance.one(WRONG_MODIFIERS);
  return chance.one([...(MODIFIERS[type] ?? []), 'missing']);
}

function criterion(type: string, chance: Chance, depth = 0): string {
  const param = paramOf(type, chance);
  const modifier = chance.once(3) ? `:${modifierOf(param, chance)}` : '';
  if (depth < 3 && param.type === 'reference' && chance.once(2)) {
    const target = chance.one(param.target.length > 0 ? param.target : TYPES);
    const [name, value] = criterion(target, chance, depth + 1).split('=', 2);
    return `${param.code}${chance.once(2) ? `:${target}` : modifier}.${name}=${value}`;
  }
  const value =
    modifier === ':missing' && !chance.once(5)
      ? chance.one(['true', 'false'])
      : listOf(chance, () => valueFor(param, chance));
  return `${param.code}${modifier}=${encodeURIComponent(value.toWellFormed())}`;
}

function reverse(type: string, chance: Chance): string {
  const from = chance.one(TYPES);
  const references = parameters.list(from).filter((param) => param.type === 'reference');
  const link = chance.once(12) ? chance.one(SCRAPS) : chance.one(references)?.code;
  return `_has:${chance.once(12) ? type : from}:${encodeURIComponent(String(link).toWellFormed())}:${criterion(from, chance)}`;
}

const OPERATORS = [...filterOperators, 'xx'];

function filter(type: string, chance: Chance, depth = 0): string {
  const param = paramOf(type, chance);
  const value = chance.one([
    'true',
    '"test"',
    '2020',
    '5',
    'http://loinc.org|8867-4',
    '"',
    'Patient/f1',
    '"a\\"b"',
    '',
  ]);
  const test = `${param.code} ${chance.one(OPERATORS)} ${value}`;
  if (depth > 3 || chance.once(2)) return test;
  const inner = filter(type, chance, depth + 1);
  return chance.one([
    `${test} and ${inner}`,
    `${test} or ${inner}`,
    `not (${inner})`,
    `(${test}) or (${inner})`,
    `(${inner}`,
  ]);
}

function includeOf(type: string, chance: Chance): string {
  const source = chance.one([type, type, '*', ...TYPES, 'Nope']);
  const param = parameters.list(source).find(({ type: kind }) => kind === 'reference' && chance.once(3));
  const name = chance.one(['_include', '_revinclude', '_include:iterate', '_revinclude:iterate', '_include:nothing']);
  return `${name}=${source}${source === '*' ? '' : `:${param?.code ?? chance.one(['*', 'nothing', ''])}`}${chance.once(4) ? `:${chance.one(TYPES)}` : ''}`;
}

function resultParameter(type: string, chance: Chance): string {
  const { one } = chance;
  const sort = () => `${one(['', '-', '--'])}${chance.once(5) ? one(SCRAPS) : paramOf(type, chance).code}`;
  return one([
    () => `_count=${one(['0', '1', '5', '1000000000', '9'.repeat(40), '-1', '1e9', 'x', ''])}`,
    () => `_sort=${encodeURIComponent(listOf(chance, sort).toWellFormed())}`,
    () => includeOf(type, chance),
    () => `_summary=${one(['true', 'text', 'data', 'count', 'false', 'x'])}`,
    () =>
      `_elements=${encodeURIComponent(one(['name', 'id,meta', 'status,code', '__proto__', "a'b", '', 'name.family']))}`,
    () => `_total=${one(['none', 'estimate', 'accurate', 'x'])}`,
    () => `_contained=${one(['true', 'both', 'false', 'x'])}&_containedType=${one(['contained', 'container', 'x'])}`,
    () => `_cursor=${Buffer.from(one(['["1"]', '{}', '[1,2,3]', '["a","b"]', 'x'])).toString('base64url')}`,
    () =>
      `_format=${one(['json', 'xml', 'ndjson', 'application/fhir%2Bxml', 'html', '%00'])}&_pretty=${one(['true', 'x'])}`,
    () => `_type=${one([...TYPES, 'Patient,Observation', 'Nope', ''])}`,
    () => `_list=${one(['f1', '$current', '', "'"])}`,
    () => `_query=${one(['current-inpatients', 'nothing', '__proto__', ''])}`,
    () => `_text=${encodeURIComponent(one(['test', 'a & b | !', '"', 'more NOT', '(', ':*']))}`,
    () => `_content=${encodeURIComponent(one(['test', "'", '<->', '']))}`,
    () => `_lastUpdated=${one(PREFIXES)}${one(DATES)}`,
  ])();
}

/** A query string for a search on `type`. */
export function makeQuery(type: string, chance: Chance): string {
  const part = (): string =>
    chance.one([
      () => criterion(type, chance),
      () => criterion(type, chance),
      () => reverse(type, chance),
      () => resultParameter(type, chance),
      () => resultParameter(type, chance),
      () => `_filter=${encodeURIComponent(filter(type, chance))}`,
      () => `${encodeURIComponent(chance.one(SCRAPS).toWellFormed()).slice(0, 300)}=${chance.one(['', 'x'])}`,
    ])();
  return [part(), ...chance.some(2, part)].join('&').slice(0, 12_000);
}
