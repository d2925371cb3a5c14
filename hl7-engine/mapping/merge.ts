// How a message changes what is there: fields that it carries replace, others stay, identifiers are united.
import type { Json, JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { list } from './compact.ts';
import { uniteIdentifiers } from './identifiers.ts';
import { isOutdated, type Order, unitedMeta } from './ordering.ts';

export interface MergeRules {
  /** Elements of the incoming resource that only stand in for what the message does not say. */
  defaults?: ReadonlySet<string>;
  /** Elements that the message says have no value any more (`""`); of identifiers see below. */
  cleared?: readonly string[];
  /** Elements whose lists are united, by what makes two items the same. */
  united?: Readonly<Record<string, (item: JsonObject) => string>>;
  /** Elements whose lists are replaced for each key that the incoming list has, and else kept. */
  replacedByKey?: Readonly<Record<string, (item: JsonObject) => string>>;
  /** Elements of parts that messages carry apart, such as `period`: each part is replaced by itself. */
  parts?: ReadonlySet<string>;
  /** A message that is older than what is there changes nothing: mapping.stamp() says how old it is. */
  ordered?: Order;
}

// Of deceased[x], onset[x] … a resource has one form only: a new one drives the others out.
const choice =
  /^(deceased|multipleBirth|value|effective|onset|abatement|performed|occurrence|medication|serviced|collected|timing|product|time|asNeeded|reported)(?:Boolean|Integer|String|DateTime|Date|Time|Period|Age|Range|Timing|Quantity|Ratio|SampledData|Attachment|CodeableConcept|Reference|Instant)$/;

/** Forms of the same element as one that comes. */
function driveOut(result: JsonObject, incoming: JsonObject): void {
  for (const name in incoming) {
    const stem = choice.exec(name)?.[1];
    if (stem === undefined) continue;
    for (const other of Object.keys(result))
      if (other !== name && choice.exec(other)?.[1] === stem) delete result[other];
  }
}

/** A reference without a type names it in its path. */
const isOfType = (entry: unknown, type: string | undefined): boolean =>
  String((entry as JsonObject).reference).startsWith(`${type}/`);

/** The value at a path of names; '' where there is none. */
function valueAt(entry: JsonObject, path: string): unknown {
  let at: unknown = entry;
  for (const name of path.split('.')) at = (at as JsonObject | undefined)?.[name];
  return at ?? '';
}

/** Removes `gender`, `period.end`, `telecom[use=home]`, `performer[function.text=Surgeon]` or, of those without, `performer[function=]`. */
export function clear(resource: JsonObject, path: string): void {
  const item = /^(\w+)\[([\w.]+)=([^\]]*)\]$/.exec(path);
  if (item) {
    const [, name = '', key = '', value] = item;
    const list = resource[name];
    if (!Array.isArray(list)) return;
    const kept = list.filter(
      (entry) => valueAt(entry as JsonObject, key) !== value && !(key === 'type' && isOfType(entry, value)),
    );
    if (kept.length > 0) resource[name] = kept;
    else delete resource[name];
    return;
  }
  const [name = '', ...inner] = path.split('.');
  if (inner.length === 0) {
    delete resource[name];
    return;
  }
  const part = resource[name];
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return;
  const copy = { ...part };
  clear(copy, inner.join('.'));
  if (Object.keys(copy).length > 0) resource[name] = copy;
  else delete resource[name];
}

export function merging(rules: MergeRules): NonNullable<TransactionEntry['merge']> {
  return (existing, incoming) => {
    if (existing === undefined) return incoming;
    if (rules.ordered !== undefined && isOutdated(existing, incoming, rules.ordered)) return existing;
    const result: Resource = { ...existing };
    // Numbers come from several fields and senders: what one field has no longer says nothing of the others.
    for (const path of rules.cleared ?? []) if (path !== 'identifier') clear(result, path);
    driveOut(result, incoming);
    for (const [name, value] of Object.entries(incoming)) {
      if (rules.defaults?.has(name) && existing[name] !== undefined && existing[name] !== 'unknown') continue;
      result[name] = combined(rules, name, result[name], value);
    }
    // What was entered in error and is told again is not in error any more; R4 has either that or a clinical status.
    if (incoming.clinicalStatus !== undefined && incoming.verificationStatus === undefined && isInError(result)) {
      delete result.verificationStatus;
    }
    return result;
  };
}

function isInError({ verificationStatus }: Resource): boolean {
  return list((verificationStatus as JsonObject | undefined)?.coding).some(({ code }) => code === 'entered-in-error');
}

function combined(
  rules: MergeRules,
  name: string,
  existing: unknown,
  incoming: JsonObject[string],
): JsonObject[string] {
  if (name === 'meta') return unitedMeta(existing as Json | undefined, incoming);
  if (rules.parts?.has(name)) return { ...(existing as JsonObject | undefined), ...(incoming as JsonObject) };
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
