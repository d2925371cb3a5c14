// A whole FHIRPath engine for the expressions outside the compiled subset; none of R4's own needs it.
import { createRequire } from 'node:module';
import type { Resource } from '../types.ts';

type Evaluate = (resource: Resource) => unknown[];
interface Engine {
  compile(expression: string, model: unknown): Evaluate;
}

const require = createRequire(import.meta.url);
const compiled = new Map<string, Evaluate>();

/** fhirpath 5.1 throws on `x as T` where x repeats; ofType() means the same and does not. */
const withoutAs = (expression: string): string =>
  expression.replace(/([\w.]+(?:\([^()]*\))?) as (\w+)/g, '$1.ofType($2)').replace(/\.as\((\w+)\)/g, '.ofType($1)');

function evaluator(expression: string): Evaluate {
  const known = compiled.get(expression);
  if (known !== undefined) return known;
  // Loaded at first need: 40 MB and 150 ms that a server of R4's own parameters never spends.
  const engine = require('fhirpath') as Engine;
  const evaluate = engine.compile(withoutAs(expression), require('fhirpath/fhir-context/r4'));
  compiled.set(expression, evaluate);
  return evaluate;
}

/** The values of the expression; empty where it fails on this resource (`resolve()` has nothing to resolve with). */
export function fhirpathValues(expression: string, resource: Resource): unknown[] {
  try {
    return evaluator(expression)(resource).flat();
  } catch {
    return [];
  }
}
