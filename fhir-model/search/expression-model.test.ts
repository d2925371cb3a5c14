// R4's expressions against R4's own element definitions.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ElementDefinition, loadDefinitions } from '../definitions.ts';
import { type Path, parseExpression } from './expression.ts';
import { CHOICE_SUFFIXES } from './extract.ts';
import { createSearchParameters } from './registry.ts';
import type { SearchParam } from './types.ts';

const definitions = await loadDefinitions();
const parameters = createSearchParameters(definitions.searchParameters, definitions.resourceTypes);

const capitalized = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);
const jsonNames = (element: ElementDefinition): string[] =>
  element.choice ? element.types.map((type) => element.name + capitalized(type)) : [element.name];

/** Walks the path through the definitions; returns what is wrong with it. */
function faults(param: SearchParam, path: Path): string[] {
  const found: string[] = [];
  let type = param.resourceType;
  path.forEach((step, at) => {
    if (step.kind !== 'child') return;
    const elements = definitions.type(type)?.elements ?? [];
    const element = elements.find((each) => each.name === step.name);
    const next = path[at + 1];
    if (element === undefined) found.push(`${type} has no ${step.name}`);
    else if (next?.kind === 'type') {
      if (!element.choice || !element.types.includes(next.type))
        found.push(`${type}.${step.name} is never ${next.type}`);
      type = next.type;
    } else {
      if (element.choice && path.slice(at).some((later, i) => i > 0 && later.kind === 'child'))
        found.push(`${step.name} goes on`);
      const names = elements.flatMap(jsonNames);
      const tried = CHOICE_SUFFIXES[param.type].map((suffix) => step.name + suffix);
      if (!element.choice)
        found.push(...tried.filter((name) => names.includes(name)).map((name) => `${name} is another element`));
      type = element.types[0] ?? '';
    }
  });
  return found.map((fault) => `${param.resourceType}.${param.code}: ${fault}`);
}

const params = definitions.resourceTypes.flatMap((type) => parameters.list(type));
const pathsOf = (param: SearchParam): Path[] => {
  const expression = parseExpression(param.expression);
  return expression?.kind === 'paths' ? expression.paths : [];
};

describe('R4 expressions and definitions', () => {
  test('every path leads through elements that exist, and no choice name that is tried is another element', () => {
    assert.deepEqual(
      params.flatMap((param) => pathsOf(param).flatMap((path) => faults(param, path))),
      [],
    );
  });

  test('the only boolean expression is Patient.deceased', () => {
    const boolean = params.filter((param) => parseExpression(param.expression)?.kind === 'boolean');
    assert.deepEqual(
      boolean.map((param) => `${param.resourceType}.${param.code}`),
      ['Patient.deceased'],
    );
  });
});
