// Which CodeableConcepts mean the same: https://hl7.org/fhir/R4/datatypes.html#CodeableConcept
import type { JsonObject } from '#fhir-model';

/** What a concept is known by; two that share one of these are the same. Case doesn't count, as in searches. */
export function namesOf(concept: unknown): string[] {
  const { coding = [], text } = (concept ?? {}) as { coding?: JsonObject[]; text?: string };
  const codes = coding
    .filter((each) => each.code !== undefined)
    .map((each) => `${each.system ?? ''}|${String(each.code).toLowerCase()}`);
  if (codes.length > 0) return codes.map((name) => `c${name}`);
  return [`t${text ?? JSON.stringify(concept ?? null)}`];
}

/** Sets that share a name are one: the transitive closure over codes and their translations. */
export function createGroups() {
  const parents = new Map<string, string>();
  const rootOf = (name: string): string => {
    let root = name;
    for (let parent = parents.get(root); parent !== undefined && parent !== root; parent = parents.get(root))
      root = parent;
    parents.set(name, root);
    return root;
  };
  return {
    rootOf,
    join(names: readonly string[]): void {
      for (const name of names) parents.set(rootOf(name), rootOf(names[0]!));
    },
  };
}
