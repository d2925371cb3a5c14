// What the schema tells is what queries may ask, random ones that it allows, of all types, are planned without a fault, and
// what they are answered: each value has the type that the schema tells.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { issuesOf } from '#fhir-model';
import { random } from '#platform/testing';
import { readDocument } from './graphql-document.ts';
import { planQuery } from './graphql-plan.ts';
import { schemaOf } from './graphql-schema.ts';
import type { FieldModel, InputModel, TypeModel } from './graphql-schema-model.ts';
import { ask, begin, core } from './testing/graphql.ts';

before(begin);

const named = (type: TypeModel): TypeModel => (type.ofType ? named(type.ofType) : type);

const VALUES: Record<string, string> = {
  ...{ Boolean: 'true', Int: '3', Float: '1.5', decimal: '1.50', positiveInt: '1', unsignedInt: '0' },
  ...{ date: '"2020-01-01"', dateTime: '"2020"', number: '1', quantity: '"5|http://unitsofmeasure.org|g"' },
  ...{ uri: '"urn:x"', reference: '"Patient/p1"', special: '"1|1|1|km"' },
};

const FIXED: Record<string, string> = {
  ...{ fhirpath: '"exists()"', path: '"$index"', _sort: '"_id"', _filter: '"_id eq x"', _list: '"l1"' },
};

interface Making {
  random: (below: number) => number;
  /** The type around, which reverse searches refer to. */
  around: string;
  /** Without arguments that leave something out. */
  whole?: boolean;
}

function referenceName({ around, random: next }: Making, field: FieldModel): string {
  const from = named(field.type).name!.replace(/Connection$/, '');
  const params = core.parameters.list(from).filter(({ type }) => type === 'reference');
  const some = params.filter(({ target }) => target.length === 0 || target.includes(around));
  return some[next(some.length)]!.code.replaceAll('-', '_');
}

function argumentText(making: Making, field: FieldModel, { name, type }: InputModel): string {
  if (name === '_reference') return `${name}: ${referenceName(making, field)}`;
  if (name === 'type') return `${name}: Patient`;
  const scalar = named(type).name!;
  const value = FIXED[name] ?? VALUES[scalar] ?? '"x"';
  return `${name}: ${type.kind === 'LIST' && making.random(2) === 0 ? `[${value}, ${value}]` : value}`;
}

/** Composites take values of several kinds, named queries their names, cursors what a page tells. */
const isLeftOut = ({ name, type }: InputModel): boolean =>
  ['_query', '_cursor', 'cursor'].includes(name) || named(type).name === 'composite';

function argumentsText(making: Making, field: FieldModel): string {
  if (making.whole && field.name === 'resource' && field.args.length > 0) return '(optional: true)';
  const given = field.args.filter((one) => {
    if (one.type.kind === 'NON_NULL') return true;
    if (making.whole) return false;
    return !isLeftOut(one) && making.random(field.args.length) < 2;
  });
  return given.length > 0 ? `(${given.map((one) => argumentText(making, field, one)).join(', ')})` : '';
}

function fieldText(making: Making, field: FieldModel, depth: number, alias: string): string {
  const type = named(field.type);
  const text = `${alias}: ${field.name}${argumentsText(making, field)}`;
  return type.kind === 'SCALAR' ? text : `${text} ${selectionText(making, type, depth - 1)}`;
}

function selectionText(making: Making, type: TypeModel, depth: number): string {
  const own = { ...making, around: type.name! };
  const all = type.fields!.filter(({ type: one }) => depth > 0 || named(one).kind === 'SCALAR');
  const some = Array.from({ length: 3 }, (_, i) => fieldText(own, all[making.random(all.length)]!, depth, `a${i}`));
  if (type.possibleTypes && making.random(2) === 0) {
    const one = type.possibleTypes[making.random(type.possibleTypes.length)]!;
    some.push(
      `... on ${one.name} { b: ${fieldText({ ...making, around: one.name! }, one.fields![0]!, 0, 'b').slice(3)} }`,
    );
  }
  return `{ __typename ${some.join(' ')} }`;
}

test('what the schema allows', () => {
  const making: Making = { random: random(11), around: '' };
  const { model } = schemaOf(core, 'Query', undefined);
  const { fields } = model.queryType;
  const found: string[] = [];
  for (let i = 0; i < 600; i++) {
    const query = `{ ${fieldText(making, fields![making.random(fields!.length)]!, 1 + making.random(5), 'a')} }`;
    let faults: readonly unknown[];
    try {
      ({ faults } = planQuery(core, readDocument({ query, variables: {} }), 'Query'));
    } catch (error) {
      faults = [error];
    }
    for (const fault of faults) found.push(`${issuesOf(fault)[0]!.diagnostics} IN ${query}`);
  }
  assert.deepEqual(found.slice(0, 5), []);
});

/** Of a scalar, by its name; those of FHIR are text but for these. */
const JSON_TYPES: Record<string, string> = {
  ...{ Boolean: 'boolean', Int: 'number', Float: 'number', decimal: 'number' },
  ...{ positiveInt: 'number', unsignedInt: 'number' },
};

type Answered = Record<string, unknown>;

/** The answer's values, counted, each of the type that the schema has for it; by alias the name of its field. */
function countSound(type: TypeModel, value: unknown, names: ReadonlyMap<string, string>): number {
  if (value === null) return 0;
  if (type.kind === 'NON_NULL') return countSound(type.ofType!, value, names);
  if (type.kind === 'LIST') {
    assert.ok(Array.isArray(value), `${type.ofType!.name}: a list`);
    return value.reduce((sum: number, one) => sum + countSound(type.ofType!, one, names), 0);
  }
  if (type.kind === 'SCALAR') {
    assert.equal(typeof value, JSON_TYPES[type.name!] ?? 'string', type.name!);
    return 1;
  }
  const { __typename: typename, ...members } = value as Answered;
  const own = type.possibleTypes ? type.possibleTypes.find(({ name }) => name === typename) : type;
  assert.equal(own?.name, typename);
  return Object.entries(members).reduce((sum, [alias, one]) => {
    const field = own!.fields!.find(({ name }) => name === names.get(alias));
    return sum + countSound(field!.type, one, names);
  }, 1);
}

test('what the schema tells of answers', async () => {
  const making: Making = { random: random(12), around: '', whole: true };
  const { fields } = schemaOf(core, 'Query', undefined).model.queryType;
  const about = ['Patient', 'Observation', 'Condition', 'Practitioner', 'Organization', 'Group'];
  const roots = fields!.filter(
    ({ name, args }) => about.includes(name.replace(/List$|Connection$/, '')) && args.length > 1,
  );
  let sound = 0;
  for (let i = 0; i < 300; i++) {
    const names = new Map<string, string>();
    const field = roots[making.random(roots.length)]!;
    const text = fieldText(making, field, 2 + making.random(4), 'top');
    // Each field gets an alias of its own, by which its type is found in the answer.
    const query = `{ ${text.replaceAll(/\b(?:top|a\d|b): (\w+)/g, (_, name: string) => {
      names.set(`f${names.size}`, name);
      return `f${names.size - 1}: ${name}`;
    })} }`;
    const { status, json } = await ask(query);
    if (json.errors?.[0].extensions.resource.issue[0].code === 'too-costly') continue;
    assert.deepEqual([status, json.errors], [200, undefined], query);
    sound += countSound(field.type, json.data.f0, names);
  }
  assert.ok(sound > 1000, `${sound} values`);
});
