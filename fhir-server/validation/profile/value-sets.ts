// The codes of value sets that can be listed, so that a binding is one look into a set: https://hl7.org/fhir/R4/valueset.html. All
// others (filters on SNOMED CT, whole code systems that aren't here) are asked of the terminology service.
import { listCodes, type Resource, type Terminologies } from '#fhir-model';
import { isObject, objectsOf, stringsOf } from '../json.ts';
import type { ProfileSource } from './profiles.ts';

export type Codes = ReadonlyMap<string, ReadonlySet<string>>;

export interface ValueSets {
  /** Null for one that can't be listed or isn't known, undefined for one that first has to be loaded. */
  codes(canonical: string): Codes | null | undefined;
  load(canonical: string): Promise<void>;
  /** The codes of a value set that is at hand, a contained one. */
  list(valueSet: Resource): Promise<Codes | null>;
  clear(): void;
}

/** Code systems and value sets that one value set may draw on. */
const partsMax = 60;
/** Beyond these a set of codes is the terminology service's: it has an index. */
const codesMax = 20_000;
const setsMax = 2000;

const urlOf = (canonical: string): string => canonical.split('|')[0] ?? '';

interface Part {
  type: 'ValueSet' | 'CodeSystem';
  canonical: string;
}

function partsOf(valueSet: Resource): Part[] {
  const compose = isObject(valueSet.compose) ? valueSet.compose : {};
  const includes = [...objectsOf(compose.include), ...objectsOf(compose.exclude)];
  return includes.flatMap(({ system, version, concept, valueSet: nested }): Part[] => {
    const sets = stringsOf(nested);
    const whole = typeof system === 'string' && concept === undefined;
    const canonical = typeof version === 'string' ? `${system}|${version}` : String(system);
    return [
      ...(whole ? [{ type: 'CodeSystem', canonical } as const] : []),
      ...sets.map((canonical) => ({ type: 'ValueSet', canonical }) as const),
    ];
  });
}

type Known = Map<string, Resource>;

/** Whose codes hang on more than what it is made of: which are active, or what there was then. */
function isConditional({ compose }: Resource): boolean {
  return isObject(compose) && (compose.inactive === false || compose.lockedDate !== undefined);
}

/**
 * Everything that a value set is made of; undefined where part of it is missing, is there in two versions, or is not told by
 * its codes alone, and where it is of too many parts.
 */
async function gather(source: ProfileSource, url: string, root: Resource): Promise<Terminologies | undefined> {
  const sets: Known = new Map([[url, root]]);
  const systems: Known = new Map();
  /** By URL: parts are told apart by it alone. */
  const canonicals = new Map<string, string>();
  const waiting = partsOf(root);
  if (isConditional(root)) return undefined;
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    const known = part.type === 'ValueSet' ? sets : systems;
    const partUrl = urlOf(part.canonical);
    if (known.has(partUrl)) {
      if ((canonicals.get(partUrl) ?? part.canonical) !== part.canonical) return undefined;
      continue;
    }
    const found = await source.find(part.type, part.canonical);
    if (found === undefined || sets.size + systems.size >= partsMax || isConditional(found)) return undefined;
    known.set(partUrl, found);
    canonicals.set(partUrl, part.canonical);
    if (part.type === 'ValueSet') waiting.push(...partsOf(found));
  }
  return { valueSets: sets, systems } as unknown as Terminologies;
}

function countOf(parts: Codes): number {
  return parts.values().reduce((sum, codes) => sum + codes.size, 0);
}

/** Definitions that clients have stored may have any shape: what can't be listed is left to the terminology service. */
async function codesOf(source: ProfileSource, url: string, root: Resource | undefined): Promise<Codes | null> {
  try {
    const parts = root && (await gather(source, url, root));
    const listed = parts && listCodes(parts, url);
    const codes = listed && new Map(listed.map(({ system, codes: own }) => [system, new Set(own)]));
    return codes !== undefined && countOf(codes) <= codesMax ? codes : null;
  } catch {
    return null;
  }
}

export function createValueSets(source: ProfileSource): ValueSets {
  let known = new Map<string, Codes | null>();
  return {
    codes: (canonical) => known.get(canonical),
    async load(canonical) {
      // What is forgotten meanwhile must not come back.
      const kept = known;
      if (kept.has(canonical)) return;
      kept.set(canonical, await codesOf(source, urlOf(canonical), await source.find('ValueSet', canonical)));
      const [oldest] = kept.keys();
      if (kept.size > setsMax && oldest !== undefined) kept.delete(oldest);
    },
    list: (valueSet) => codesOf(source, String(valueSet.url ?? valueSet.id), valueSet),
    clear() {
      known = new Map();
    },
  };
}
