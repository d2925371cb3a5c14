// Resources that have no number of their own in most feeds: known by an id that is derived from what makes them one of their kind.
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { aliasOf } from '../alias.ts';
import type { Mapping } from '../context.ts';
import { derivedId } from '../derived-id.ts';
import { type Identifier, identifierCriterion } from '../identifiers.ts';
import { type MergeRules, merging } from '../merge.ts';
import { onceNoted } from '../once-noted.ts';
import { type Removable, takingAway, withoutItems, withoutTaken } from '../taken-away.ts';

/** What a message takes away of a list of the resource. */
export interface Removed {
  what: Removable;
  items: readonly JsonObject[];
}

/** Creates the resource or changes what the message carries, and yields its reference; by `key`, once a message. */
export function upsertDerived(
  mapping: Mapping,
  resource: JsonObject,
  key: readonly (string | undefined)[],
  rules: MergeRules = {},
  removed?: Removed,
): string {
  const type = String(resource.resourceType);
  const url = `${type}/${derivedId(type, key)}`;
  return onceNoted(mapping, url, resource, () => {
    const whole = { ...resource, id: url.slice(type.length + 1) } as unknown as Resource;
    mapping.stamp(whole);
    const merge = merging({ ...rules, ordered: { warnings: mapping.warnings } });
    putDerived(
      mapping,
      { url, resource: whole, ...(removed === undefined ? { merge } : removing(removed, merge)) },
      key,
    );
    return url;
  });
}

function removing({ what, items }: Removed, merge: Merge): { merge: Merge } & Pick<TransactionEntry, 'prune'> {
  return {
    ...takingAway(what.element, items),
    merge(existing, sent) {
      const { told: incoming, taken } = withoutTaken(sent, what.element);
      const left = existing && withoutItems(existing, { taken, incoming }, what);
      const merged = merge(left, incoming);
      // An older message changes nothing.
      return existing !== undefined && merged === left ? existing : merged;
    },
  };
}

/** An entry of an id that is derived from `key`, which is found under the patient's other numbers too: they come before `entry.alias`. */
export function putDerived(
  mapping: Mapping,
  entry: Pick<TransactionEntry, 'url' | 'alias' | 'prune'> & {
    resource: Resource;
    merge: NonNullable<TransactionEntry['merge']>;
    from?: Segment | undefined;
  },
  key: readonly (string | undefined)[],
): string {
  const alias = aliasOf(mapping.patients, entry.resource.resourceType, key) ?? entry.alias;
  return mapping.add({ method: 'PUT', ...entry, ...(alias === undefined ? {} : { alias }) });
}

type Merge = NonNullable<TransactionEntry['merge']>;

/** The same of one that has a number. `around`: what else becomes of what the merge yields. */
export function upsertNumbered(
  mapping: Mapping,
  resource: JsonObject,
  identifier: Identifier,
  rules: MergeRules = {},
  around: (merge: Merge) => Merge = (merge) => merge,
): string {
  const url = `${String(resource.resourceType)}?${identifierCriterion(identifier)}`;
  return mapping.once(url, () => {
    const whole = { ...resource } as unknown as Resource;
    mapping.stamp(whole);
    const merge = around(merging({ ...rules, ordered: { warnings: mapping.warnings } }));
    return mapping.add({ method: 'PUT', url, resource: whole, merge });
  });
}

/** What tells one concept from another: its first coding, else its text. */
export function conceptKey(concept: unknown): string | undefined {
  const { coding, text } = (concept ?? {}) as JsonObject;
  const [first] = Array.isArray(coding) ? (coding as JsonObject[]) : [];
  return first === undefined ? (text as string | undefined)?.toLowerCase() : `${first.system ?? ''}|${first.code}`;
}

/** What tells one identifier from another, of the first of a list. */
export function firstNumber(identifiers: unknown): string | undefined {
  const [first] = Array.isArray(identifiers) ? (identifiers as JsonObject[]) : [];
  return first && `${first.system}|${first.value}`;
}
