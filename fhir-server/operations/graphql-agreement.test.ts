// What the schema tells is what queries may ask: random ones that it allows, of all types, are planned without a fault.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { issuesOf } from '#fhir-model';
import { random } from '#platform/testing';
import { readDocument } from './graphql-document.ts';
import { planQuery } from './graphql-plan.ts';
import { schemaOf } from './graphql-schema.ts';
import type { FieldModel, InputModel, TypeModel } from './graphql-schema-model.ts';
import { begin, core } from './testing/graphql.ts';

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
  const given = field.args.filter((one) => {
    if (one.type.kind === 'NON_NULL') return true;
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
