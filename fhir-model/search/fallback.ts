// A whole FHIRPath engine for the expressions outside the compiled subset; none of R4's own needs it.
import { createRequire } from 'node:module';
import { copyOf, forLibrary } from '../fhirpath-library.ts';
import type { Resource } from '../types.ts';

type Evaluate = (resource: Resource) => unknown[];
interface Engine {
  compile(expression: string, model: unknown): Evaluate;
}

const require = createRequire(import.meta.url);
const compiled = new Map<string, Evaluate>();

function evaluator(expression: string): Evaluate {
  const known = compiled.get(expression);
  if (known !== undefined) return known;
  // Loaded at first need: 40 MB and 150 ms that a server of R4's own parameters never spends.
  const engine = require('fhirpath') as Engine;
  const evaluate = engine.compile(forLibrary(expression), require('fhirpath/fhir-context/r4'));
  compiled.set(expression, evaluate);
  return evaluate;
}

let last: { resource: unknown; copy: unknown } | undefined;

/** One copy for all expressions on a resource. */
function copied(resource: Resource): Resource {
  if (last?.resource !== resource) last = { resource, copy: copyOf(resource) };
  return last.copy as Resource;
}

/**
 * The values of the expression; empty where it fails on this resource (`resolve()` has nothing to resolve with). It takes
 * some 30 µs for each element that it looks at.
 */
export function fhirpathValues(expression: string, resource: Resource): unknown[] {
  try {
    return evaluator(expression)(copied(resource)).flat();
  } catch {
    return [];
  }
}
