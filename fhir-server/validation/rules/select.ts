// Whether an expression selects an element: contexts of extensions of the type `fhirpath`.
// https://hl7.org/fhir/R4/valueset-extension-context-type.html
import type { Definitions, Json, JsonObject } from '#fhir-model';
import { compile } from './fhirpath/compile.ts';
import type { Compiled } from './fhirpath/compiled.ts';
import { Box, bare, type Item } from './fhirpath/items.ts';
import { isFhirPath } from './fhirpath/library.ts';
import { type Ast, parseFhirPath } from './fhirpath/parse.ts';
import { createTypes } from './fhirpath/types.ts';
import { type Outcome, outcomeOf } from './invariants.ts';

/**
 * `focus` is what the expression is evaluated on, of that type; `wanted` the object of the element, of a primitive its `_name`
 * object. Told by identity: another element of the same content is another one. Never throws.
 */
export type Select = (
  expression: string,
  focus: { value: Json; type: string },
  wanted: Json,
  resource: JsonObject,
  rootResource: JsonObject,
) => Outcome;

const compiledMax = 1000;
const expressionCharactersMax = 10_000;

const isSame = (item: Item, wanted: Json): boolean =>
  bare(item) === wanted || (item instanceof Box && item.companion === wanted);

/** A union has of equal items one only: each side of it is asked for itself. */
const sidesOf = (ast: Ast): Ast[] =>
  ast.kind === 'binary' && ast.op === '|' ? [...sidesOf(ast.left), ...sidesOf(ast.right)] : [ast];

export function createSelect(definitions: Definitions): Select {
  const types = createTypes(definitions);
  const known = new Map<string, Compiled[] | Outcome>();
  const create = (expression: string, type: string): Compiled[] | Outcome => {
    if (expression.length > expressionCharactersMax) return 'too-costly';
    try {
      return sidesOf(parseFhirPath(expression)).map((side) => compile({ types, self: type, context: type }, side));
    } catch {
      // The library works on a copy, in which no element is the one that is meant.
      return isFhirPath(expression) ? 'cannot' : 'unreadable';
    }
  };
  return (expression, { value, type }, wanted, resource, rootResource) => {
    const key = `${type} ${expression}`;
    const compiled = known.get(key) ?? create(expression, type);
    if (known.size >= compiledMax) known.clear();
    known.set(key, compiled);
    if (typeof compiled !== 'object') return compiled;
    const frame = { resource, rootResource, context: value, index: 0, work: 0 };
    return outcomeOf(() => compiled.some((side) => side.run(value, frame).some((item) => isSame(item, wanted))));
  };
}
