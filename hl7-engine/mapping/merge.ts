// How a message changes what is there: fields that it carries replace, others stay, identifiers are united.
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { uniteIdentifiers } from './identifiers.ts';

export interface MergeRules {
  /** Elements of the incoming resource that only stand in for what the message does not say. */
  defaults?: ReadonlySet<string>;
  /** Elements that the message says have no value any more (`""`). */
  cleared?: readonly string[];
  /** Elements whose lists are united, by what makes two items the same. */
  united?: Readonly<Record<string, (item: JsonObject) => string>>;
  /** Elements whose lists are replaced for each key that the incoming list has, and else kept. */
  replacedByKey?: Readonly<Record<string, (item: JsonObject) => string>>;
}

export function merging(rules: MergeRules): NonNullable<TransactionEntry['merge']> {
  return (existing, incoming) => {
    if (existing === undefined) return incoming;
    const result: Resource = { ...existing };
    for (const name of rules.cleared ?? []) delete result[name];
    for (const [name, value] of Object.entries(incoming)) {
      if (rules.defaults?.has(name) && existing[name] !== undefined) continue;
      result[name] = combined(rules, name, existing[name], value);
    }
    return result;
  };
}

function combined(
  rules: MergeRules,
  name: string,
  existing: unknown,
  incoming: JsonObject[string],
): JsonObject[string] {
  if (!Array.isArray(existing) || !Array.isArray(incoming)) return incoming;
  const before = existing as JsonObject[];
  const after = incoming as JsonObject[];
  if (name === 'identifier') return uniteIdentifiers(before, after);
  const unite = rules.united?.[name];
  if (unite !== undefined) {
    const known = new Set(before.map(unite));
    return [...before, ...after.filter((item) => !known.has(unite(item)))];
  }
  const keyOf = rules.replacedByKey?.[name];
  if (keyOf === undefined) return incoming;
  const replaced = new Set(after.map(keyOf));
  return [...before.filter((item) => !replaced.has(keyOf(item))), ...after];
}
