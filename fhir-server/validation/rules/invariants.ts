// Invariants: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.constraint.expression, in the
// FHIRPath of https://hl7.org/fhir/R4/fhirpath.html. Compiled to functions over plain JSON; what the compiler doesn't know goes
// to fhirpath.js.
import type { Definitions, Json, JsonObject } from '#fhir-model';
import { compile } from './fhirpath/compile.ts';
import type { Compiled } from './fhirpath/compiled.ts';
import { Box, type Item, TOO_COSTLY, UNREADABLE } from './fhirpath/items.ts';
import { libraryInvariant } from './fhirpath/library.ts';
import { parseFhirPath } from './fhirpath/parse.ts';
import { Unsupported } from './fhirpath/tokens.ts';
import { createTypes, type Types } from './fhirpath/types.ts';
import { correctedExpression, handWritten } from './known-invariants.ts';

/** `unreadable`: it is no FHIRPath, or has functions that are not known here; `too-costly`: its evaluation was given up. */
export type Outcome = boolean | 'cannot' | 'unreadable' | 'too-costly';

/**
 * Whether the element keeps to it; 'cannot' where that can't be told from the resource alone (`memberOf`, a reference to
 * elsewhere, dates whose precision leaves it open), so that it is no fault. `resource` is the nearest resource around the
 * node (a contained one is its own), `rootResource` the one that contains that, a Bundle's entry being its own root.
 * `companion` is the `_name` object of a primitive; `node` is null where a primitive has nothing else. Never throws.
 */
export type Invariant = (node: Json, resource: JsonObject, rootResource: JsonObject, companion?: JsonObject) => Outcome;

/**
 * `type` is the type of the nodes: `Patient`, `Quantity`, `code`, `Patient.contact`. Without it the node must be a resource,
 * which tells its own. The same expression and type yield the same function.
 */
export type CompileInvariant = (expression: string, type?: string) => Invariant;

/** What an evaluation yields, or why it yields nothing. */
export function outcomeOf(evaluate: () => boolean): Outcome {
  try {
    return evaluate();
  } catch (error) {
    if (error === TOO_COSTLY || error instanceof RangeError) return 'too-costly';
    // Cannot; or a structure that nothing here expects, which is told by its own check.
    return error === UNREADABLE ? 'unreadable' : 'cannot';
  }
}

/** https://hl7.org/fhir/R4/fhirpath.html: nothing is not true; several items that are no booleans count as true. */
function outcome(compiled: Compiled, node: Item, resource: JsonObject, rootResource: JsonObject): Outcome {
  const frame = { resource, rootResource, context: node, index: 0, work: 0 };
  return outcomeOf(() => compiled.truth(node, frame) === true);
}

/** Undefined when the expression is the library's. */
export function compileNatively(types: Types, expression: string, type?: string): Invariant | undefined {
  let compiled: Compiled;
  try {
    compiled = compile({ types, self: type, context: type }, parseFhirPath(expression));
  } catch (error) {
    if (error instanceof Unsupported || error instanceof RangeError) return undefined;
    throw error;
  }
  if (type === undefined) return (node, resource, rootResource) => outcome(compiled, node, resource, rootResource);
  return (node, resource, rootResource, companion) => {
    const item = companion === undefined ? node : new Box(node ?? undefined, companion, type);
    return outcome(compiled, item, resource, rootResource);
  };
}

/** R4's longest has 1,100; more is no invariant that somebody wrote. */
const expressionCharactersMax = 10_000;
const tooLong: Invariant = () => 'too-costly';

/** R4's own make 1,500 with the types they apply to; a profile that somebody posts to $validate may bring any. */
const compiledMax = 5000;

export function createInvariantCompiler(definitions: Definitions): CompileInvariant {
  const types = createTypes(definitions);
  const known = new Map<string, Invariant>();
  const create = (expression: string, type?: string): Invariant => {
    if (expression.length > expressionCharactersMax) return tooLong;
    const corrected = correctedExpression(expression);
    return handWritten(expression) ?? compileNatively(types, corrected, type) ?? libraryInvariant(corrected, type);
  };
  return (expression, type) => {
    const key = `${type ?? ''} ${expression}`;
    const invariant = known.get(key) ?? create(expression, type);
    if (known.size >= compiledMax) known.clear();
    known.set(key, invariant);
    return invariant;
  };
}
