// The arguments of fields in the schema: https://hl7.org/fhir/R4/graphql.html#list, #searching, #reverse
import type { SearchParam } from '#fhir-model';
import type { Core } from '../interactions/core.ts';
import type { ArgumentModel } from './graphql-schema-model.ts';
import { codeOf } from './graphql-search.ts';
import { fieldsOf } from './graphql-types.ts';

export const REFERENCE_ARGUMENTS: readonly ArgumentModel[] = [
  { name: 'optional', type: 'Boolean', defaultValue: 'false' },
  { name: 'type', type: 'code' },
];

/** One list of each kind, however many fields have it. */
const known = new WeakMap<Core['parameters'], { revision: bigint; lists: Map<string, readonly ArgumentModel[]> }>();

function listOf(core: Core, key: string, make: () => ArgumentModel[]): readonly ArgumentModel[] {
  const { parameters } = core;
  const { revision = 0n } = parameters;
  let found = known.get(parameters);
  if (found?.revision !== revision) {
    found = { revision, lists: new Map() };
    known.set(parameters, found);
  }
  const list = found.lists.get(key) ?? make();
  found.lists.set(key, list);
  return list;
}

/**
 * Of a list of elements: which of them are meant. By one of several types of a child nobody looks for it, and the 20 of
 * Extension.value[x], on each `extension`, would be a quarter of the schema.
 */
export const elementArguments = (core: Core, type: string, scalarName: (primitive: string) => string) =>
  listOf(core, `element ${type}`, () => {
    const { elements = [] } = core.definitions.type(type) ?? {};
    const known = fieldsOf(core.definitions, type);
    const children = elements.flatMap(({ name, choice }) => {
      const field = choice ? undefined : known.get(name);
      return field?.primitive ? [{ name, type: scalarName(field.type) }] : [];
    });
    const own = [
      { name: 'fhirpath', type: 'String' },
      { name: '_offset', type: 'Int' },
      { name: '_count', type: 'Int' },
    ];
    return [...own, ...children];
  });

const NAME = /^[_A-Za-z][_0-9A-Za-z]*$/;

/** Of the arguments within a resource these are not told, which would be a third of them: `_filter` takes them. */
const NOT_REVERSE = new Set(['_id', '_content', '_text', '_source', '_profile', '_security']);

/** The parameters that an argument can name. */
function parameterArguments(core: Core, type: string, isRoot: boolean): ArgumentModel[] {
  return core.parameters.list(type).flatMap(({ code, type: kind, description }: SearchParam) => {
    const name = code.replaceAll('-', '_');
    if (!NAME.test(name) || codeOf(core, type, name) !== code || (!isRoot && NOT_REVERSE.has(code))) return [];
    const scalar = kind === 'string' ? 'String' : kind;
    return [{ name, type: `[${scalar}]`, ...(isRoot && description ? { description } : {}) }];
  });
}

const RESULT: readonly ArgumentModel[] = [
  { name: '_filter', type: 'String' },
  { name: '_sort', type: 'String' },
  { name: '_count', type: 'Int' },
  { name: 'fhirpath', type: 'String' },
];

const LISTS: readonly ArgumentModel[] = [
  { name: '_list', type: 'String' },
  { name: '_query', type: 'String' },
];

const REFERENCE: ArgumentModel = { name: '_reference', type: 'code!' };

/**
 * `reverse`: within a resource. `reverse-any`: of types that refer to any resource, which all of these have, without their
 * search parameters: with them the schema would be four times as large; `_filter` takes them.
 */
export const searchArguments = (core: Core, type: string, where: 'root' | 'reverse' | 'reverse-any') =>
  listOf(core, `${where} ${type}`, () => {
    if (where === 'reverse-any') return [REFERENCE, ...RESULT.filter(({ name }) => name !== 'fhirpath')];
    if (where === 'reverse') return [REFERENCE, ...RESULT, ...parameterArguments(core, type, false)];
    return [...RESULT, ...LISTS, ...parameterArguments(core, type, true)];
  });

/** Of a connection at the root, whose pages a cursor leads to. */
export const pageArguments = (core: Core, type: string) =>
  listOf(core, `page ${type}`, () => [
    ...searchArguments(core, type, 'root'),
    { name: '_cursor', type: 'String' },
    { name: 'cursor', type: 'String' },
  ]);

/** Types that refer to this one by a search parameter; `named`: one that names it. */
export function reverseTypes({ definitions, parameters }: Core, type: string): { from: string; named: boolean }[] {
  return definitions.resourceTypes.flatMap((from) => {
    const references = parameters.list(from).filter((param) => param.type === 'reference');
    const named = references.some(({ target }) => target.includes(type));
    return named || references.some(({ target }) => target.length === 0) ? [{ from, named }] : [];
  });
}
