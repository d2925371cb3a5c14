// Reverse references in a query: https://hl7.org/fhir/R4/graphql.html#reverse. A definition is referred to by its canonical
// URL as well: https://hl7.org/fhir/R4/references.html#canonical
import type { IndexValue, JsonObject } from '#fhir-model';
import type { Core } from '../interactions/core.ts';
import { type CanonicalReference, canonicalReferences } from '../search/canonicals.ts';
import { isOurs } from './graphql-entries.ts';
import type { SearchPlan } from './graphql-search.ts';
import type { Open } from './graphql-select.ts';

export const subjectName = ({ subject }: Open): string => `${subject.type}/${String(subject.value.id)}`;

/** Whether it is a resource of the store: what is contained, or in a Bundle, may have the id of another one that is. */
export function isStored(core: Core, { subject }: Open): boolean {
  const { type, value, root, entry } = subject;
  return root === value && (entry === undefined || isOurs(entry, type, value.id, core.baseUrl));
}

/** By what else the resource is referred to, if its type has canonical URLs. */
export function canonicalOf(core: Core, { subject: { type, value } }: Open): CanonicalReference | undefined {
  const { url, version } = value;
  if (typeof url !== 'string' || core.parameters.get(type, 'url')?.type !== 'uri') return undefined;
  return { url, version: typeof version === 'string' ? version : undefined };
}

const escaped = (url: string): string => url.replaceAll(/[\\,$|]/g, '\\$&');

/** What is searched for: a canonical URL finds references to all its versions. */
export function referencePairs(core: Core, { reference }: SearchPlan, opens: readonly Open[]): [string, string][] {
  if (!reference) return [];
  const values = opens.flatMap((open) => {
    const canonical = canonicalOf(core, open);
    return canonical ? [subjectName(open), escaped(canonical.url)] : [subjectName(open)];
  });
  return [[reference.code, values.join(',')]];
}

/** To which of the resources each match refers: `Type/id` → matches, in their order. */
export function groupByTarget(
  core: Core,
  opens: readonly Open[],
  found: readonly JsonObject[],
  valuesOf: (one: JsonObject) => IndexValue[],
): Map<string, JsonObject[]> {
  const canonicals = opens.flatMap((open) => {
    const canonical = canonicalOf(core, open);
    return canonical ? [{ ...canonical, name: subjectName(open) }] : [];
  });
  const byUrl = Map.groupBy(canonicals, ({ url }) => url);
  const groups = new Map<string, JsonObject[]>();
  for (const one of found) {
    const values = valuesOf(one);
    const literal = values.map((value) => (value.kind === 'reference' ? `${value.type}/${value.id}` : ''));
    const meant = canonicalReferences(values).flatMap(({ url, version }) =>
      (byUrl.get(url) ?? []).filter((each) => version === undefined || version === each.version),
    );
    for (const name of new Set([...literal, ...meant.map((each) => each.name)])) {
      const group = groups.get(name);
      if (group) group.push(one);
      else groups.set(name, [one]);
    }
  }
  return groups;
}
