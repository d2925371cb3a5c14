// Lists the codes of R4's own value sets, as far as R4's own code systems suffice:
// https://hl7.org/fhir/R4/valueset.html#compositions, https://hl7.org/fhir/R4/valueset-filter-operator.html
import type { ValueSetCodes } from './definitions.ts';

export interface Concept {
  code: string;
  concept?: Concept[];
  property?: { code: string; valueCode?: string }[];
}

export interface CodeSystem {
  url: string;
  content?: string;
  hierarchyMeaning?: string;
  property?: { code: string; uri?: string }[];
  concept?: Concept[];
}

interface Filter {
  property: string;
  op: string;
  value: string;
}

interface Include {
  system?: string;
  concept?: Concept[];
  filter?: Filter[];
  valueSet?: string[];
}

export interface ValueSet {
  url: string;
  compose?: { include: Include[]; exclude?: Include[] };
}

/** Nested value sets may name each other in a circle. */
const nestingMax = 10;

type CodesBySystem = Map<string, Set<string>>;

function conceptCodes(concepts: Concept[] | undefined): string[] {
  return (concepts ?? []).flatMap((concept) => [concept.code, ...conceptCodes(concept.concept)]);
}

const COMMON = 'http://hl7.org/fhir/concept-properties#';

/** What a property says of the hierarchy: by its URI, where the system gives it one, else by its name. */
function sideOf({ property = [] }: CodeSystem, code: string): 'parent' | 'child' | undefined {
  const uri = property.find((each) => each.code === code)?.uri;
  const name = uri?.startsWith(COMMON) ? uri.slice(COMMON.length) : code;
  if (name === 'child') return 'child';
  return name === 'parent' || name === 'subsumedBy' ? 'parent' : undefined;
}

/** What is directly below each concept: nested in it, where that means is-a, or told by properties of either. */
function childrenOf(system: CodeSystem): Map<string, string[]> {
  const isNested = (system.hierarchyMeaning ?? 'is-a') === 'is-a';
  const children = new Map<string, string[]>();
  const add = (parent: string, child: string): void => {
    const known = children.get(parent);
    if (known) known.push(child);
    else children.set(parent, [child]);
  };
  const walk = (concepts: Concept[], within?: string): void => {
    for (const { code, concept = [], property = [] } of concepts) {
      if (within !== undefined && isNested) add(within, code);
      for (const { code: name, valueCode } of property) {
        const side = valueCode === undefined ? undefined : sideOf(system, name);
        if (side === 'parent') add(valueCode!, code);
        else if (side === 'child') add(code, valueCode!);
      }
      walk(concept, code);
    }
  };
  walk(system.concept ?? []);
  return children;
}

function descendants(system: CodeSystem, root: string): Set<string> {
  const children = childrenOf(system);
  const found = new Set([root]);
  // What is added is gone through too.
  for (const code of found) for (const child of children.get(code) ?? []) found.add(child);
  return found;
}

/** The codes that one filter leaves of the system's; undefined for a filter that isn't one of hierarchy. */
function filtered(system: CodeSystem, codes: string[], { property, op, value }: Filter): string[] | undefined {
  if (property !== 'concept' && property !== 'code') return undefined;
  const below = descendants(system, value);
  if (op === 'is-a') return codes.filter((code) => below.has(code));
  if (op === 'descendent-of') return codes.filter((code) => code !== value && below.has(code));
  if (op === 'is-not-a') return codes.filter((code) => !below.has(code));
  return undefined;
}

export interface Terminologies {
  systems: ReadonlyMap<string, CodeSystem>;
  valueSets: ReadonlyMap<string, ValueSet>;
}

function systemCodes(source: Terminologies, include: Include): string[] | undefined {
  if (include.concept !== undefined) return conceptCodes(include.concept);
  const system = source.systems.get(include.system ?? '');
  if (system === undefined || (system.content ?? 'complete') !== 'complete') return undefined;
  let codes: string[] | undefined = conceptCodes(system.concept);
  for (const filter of include.filter ?? []) codes = codes && filtered(system, codes, filter);
  return codes === undefined || codes.length === 0 ? undefined : codes;
}

function both(one: CodesBySystem, other: CodesBySystem): CodesBySystem {
  return new Map([...one].map(([system, codes]) => [system, codes.intersection(other.get(system) ?? new Set())]));
}

/** What an include or exclude names: the codes that its system and all of its value sets have. */
function included(source: Terminologies, include: Include, depth: number): CodesBySystem | undefined {
  const parts: CodesBySystem[] = [];
  if (include.system !== undefined) {
    const codes = systemCodes(source, include);
    if (codes === undefined) return undefined;
    parts.push(new Map([[include.system, new Set(codes)]]));
  }
  for (const canonical of include.valueSet ?? []) {
    const codes = codesOf(source, canonical.split('|')[0] ?? '', depth + 1);
    if (codes === undefined) return undefined;
    parts.push(codes);
  }
  return parts.length === 0 ? undefined : parts.reduce(both);
}

function codesOf(source: Terminologies, url: string, depth: number): CodesBySystem | undefined {
  const compose = source.valueSets.get(url)?.compose;
  if (compose === undefined || depth > nestingMax) return undefined;
  const all: CodesBySystem = new Map();
  for (const include of compose.include) {
    const codes = included(source, include, depth);
    if (codes === undefined) return undefined;
    for (const [system, more] of codes) all.set(system, (all.get(system) ?? new Set()).union(more));
  }
  for (const exclude of compose.exclude ?? []) {
    const codes = included(source, exclude, depth);
    if (codes === undefined) return undefined;
    for (const [system, less] of codes) all.set(system, (all.get(system) ?? new Set()).difference(less));
  }
  return all;
}

/** The codes of a value set by system; undefined where R4's own definitions don't tell them all. */
export function listCodes(source: Terminologies, url: string): ValueSetCodes | undefined {
  const codes = codesOf(source, url, 0);
  return codes && [...codes].map(([system, set]) => ({ system, codes: [...set] }));
}
