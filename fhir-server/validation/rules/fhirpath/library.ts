// fhirpath.js for the invariants that the compiler beside this doesn't know: https://hl7.org/fhirpath/
import { createRequire } from 'node:module';
import { forLibrary } from '#fhir-model';
import type { Invariant } from '../invariants.ts';
import { parseFhirPath } from './parse.ts';

interface Library {
  parse(expression: string): unknown;
  compile(path: string | { base: string; expression: string }, model: unknown, options: object): Evaluate;
}
type Evaluate = (data: unknown, environment: Record<string, unknown>) => unknown[];

const require = createRequire(import.meta.url);

/** These ask for what is not in the resource: other resources, value sets, profiles. */
const BEYOND = /\b(?:resolve|memberOf|conformsTo|htmlChecks\d?|subsumes|subsumedBy|weight|elementDefinition)\s*\(/;
/** A pattern with a repeated group that repeats inside may take exponential time, and the engine has no bound. */
const PATTERN = /\b(?:matches|matchesFull|replaceMatches)\s*\(/;
/** It has no bound of its own: each of these in another multiplies its work. */
const COSTLY = /\b(?:descendants|children|repeat|aggregate|combine|select|where|all|exists|allTrue)\s*\(/g;
const COSTLY_MAX = 6;
const WALKING = /\b(?:descendants|repeat|aggregate)\s*\(/g;
const CHARACTERS_MAX = 2000;
/** Parsing takes time with each level. */
const BRACKETS_MAX = 30;

/** fhirpath marks the objects that it walks, and computes with numbers: it gets a copy, in which decimals are some. */
const plainCopy = (value: unknown): unknown => (value === undefined ? value : JSON.parse(JSON.stringify(value)));

/** What an expression yields as the outcome of an invariant: nothing is false. https://hl7.org/fhir/R4/fhirpath.html */
const truth = (found: unknown[]): boolean =>
  found.length === 1 && typeof found[0] === 'boolean' ? found[0] : found.length > 0;

/** It would print what trace() is given. */
const options = { resolveInternalTypes: true, traceFn: () => {} };

const cannot: Invariant = () => 'cannot';
const tooCostly: Invariant = () => 'too-costly';
const unreadable: Invariant = () => 'unreadable';
/** What it says of a function that it doesn't have. */
const NOT_THERE = /not implemented|unknown function/i;

const countOf = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0;

function isCostly(expression: string): boolean {
  if (expression.length > CHARACTERS_MAX || countOf(expression, /\(/g) > BRACKETS_MAX) return true;
  return countOf(expression, COSTLY) > COSTLY_MAX || countOf(expression, WALKING) > 1;
}

/**
 * An invariant by fhirpath.js, for a node of that type (`Observation.component`, `Quantity`; undefined for a resource): some
 * 100 µs each time. 'cannot' for what it fails on, or what the resource alone doesn't tell; it has no bound of time, so that what
 * could take long is not given to it.
 */
export function libraryInvariant(expression: string, type: string | undefined): Invariant {
  if (BEYOND.test(expression)) return cannot;
  if (PATTERN.test(expression) || isCostly(expression)) return tooCostly;
  let evaluate: Evaluate;
  try {
    // Loaded at first need: 40 MB and 150 ms that R4's own invariants never spend.
    const library = require('fhirpath') as Library;
    const path = forLibrary(expression);
    const base = type === undefined ? path : { base: type, expression: path };
    evaluate = library.compile(base, require('fhirpath/fhir-context/r4'), options);
  } catch {
    return unreadable;
  }
  return (node, resource, rootResource) => {
    try {
      const environment = { resource: plainCopy(resource), rootResource: plainCopy(rootResource) };
      return truth(evaluate(plainCopy(node), environment));
    } catch (error) {
      return NOT_THERE.test(String(error)) ? 'unreadable' : 'cannot';
    }
  };
}

const known = new Map<string, boolean>();
const knownMax = 5000;

/** Whether this is FHIRPath at all, as far as its grammar goes. */
export function isFhirPath(expression: string): boolean {
  if (expression.length > CHARACTERS_MAX) return canParse(expression);
  const found = known.get(expression) ?? canParse(expression);
  if (known.size >= knownMax) known.clear();
  known.set(expression, found);
  return found;
}

function canParse(expression: string): boolean {
  try {
    parseFhirPath(expression);
    return true;
  } catch {
    // Nested brackets cost it exponential time.
    if (expression.length > CHARACTERS_MAX || countOf(expression, /\(/g) > BRACKETS_MAX) return true;
  }
  try {
    (require('fhirpath') as Library).parse(expression);
    return true;
  } catch {
    return false;
  }
}
