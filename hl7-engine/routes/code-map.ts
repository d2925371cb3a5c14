// Code maps of a route: a site's own codes, ahead of the built-in concept maps.
import type { Concept } from '../mapping/codes/concept-map.ts';
import type { MappingConfig } from '../mapping/context.ts';
import type { CodeMap, Route } from './schema.ts';

/** The code that a map has for `code`, undefined where it has none. */
export function compileCodeMap({ codes, system }: CodeMap): (code: string) => Concept | undefined {
  const mapped = new Map(
    Object.entries(codes).map(([from, to]) => [from, conceptOf(typeof to === 'string' ? { code: to } : to, system)]),
  );
  return (code) => mapped.get(code);
}

function conceptOf(to: Exclude<CodeMap['codes'][string], string>, system: string | undefined): Concept {
  const concept: Concept = { code: to.code };
  const ownSystem = to.system ?? system;
  if (ownSystem !== undefined) concept.system = ownSystem;
  if (to.display !== undefined) concept.display = to.display;
  return concept;
}

/** `HL70001`, `HL7_0001`, `v2-0001` and `0001` are one table. */
function sourceKey(source: string): string {
  const table = /^(?:HL7_?|v2-|http:\/\/terminology\.hl7\.org\/CodeSystem\/v2-)?(\d{4})$/i.exec(source)?.[1];
  return table ?? source.toUpperCase();
}

/** What the mapping asks; undefined where no map of the route says what it is `from`. Of several the first that knows the code. */
export function codeMapper(codeMaps: Route['codeMaps']): MappingConfig['codeMap'] {
  const bySource = new Map<string, ((code: string) => Concept | undefined)[]>();
  for (const map of Object.values(codeMaps)) {
    if (map.from === undefined) continue;
    const key = sourceKey(map.from);
    bySource.set(key, [...(bySource.get(key) ?? []), compileCodeMap(map)]);
  }
  if (bySource.size === 0) return undefined;
  return (source, code) => {
    for (const find of bySource.get(sourceKey(source)) ?? []) {
      const found = find(code);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}
