// A site's own fields: rows of the table language (table/table.ts) that add to the resources that a message has become.
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Segment } from '../message/message.ts';
import type { OpenMapping } from './context.ts';
import { clear } from './merge.ts';
import type { Group } from './structure/group.ts';
import { applyTable, type SegmentTable } from './table/table.ts';

/**
 * Applies the tables to every segment that they are of. The resource is the one that was made of the segment itself, else
 * of the nearest before it (an Observation: of the OBX it follows), else the message's only one of that type; where that
 * can't be told, it is left and a warning says so.
 */
export function applyExtensions(mapping: OpenMapping, root: Group, tables: readonly SegmentTable[]): void {
  const finders = new Map(tables.map(({ target }) => [target, entryFinder(mapping, target)]));
  for (const { segment, group } of segmentsIn(root)) {
    for (const table of tables) {
      if (table.segment !== segment.name) continue;
      const entry = finders.get(table.target)!(segment);
      if (entry?.resource === undefined) {
        mapping.warnings.add(`${table.segment}: no ${table.target} that it can be told to be of`);
        continue;
      }
      const cleared: string[] = [];
      applyTable(table, { mapping, segment, group }, entry.resource as JsonObject, cleared);
      if (cleared.length > 0) clearIn(entry, cleared);
    }
  }
}

function* segmentsIn(group: Group): Generator<{ segment: Segment; group: Group }> {
  for (const segment of group.segments) yield { segment, group };
  for (const child of group.children) yield* segmentsIn(child);
}

function entryFinder(mapping: OpenMapping, type: string): (segment: Segment) => TransactionEntry | undefined {
  const candidates = mapping.entries.filter(({ resource }) => resource?.resourceType === type);
  const made = new Map<Segment, TransactionEntry>();
  for (const entry of candidates) {
    const origin = mapping.origins.get(entry.resource!);
    if (origin !== undefined && !made.has(origin)) made.set(origin, entry);
  }
  const names = new Set([...made.keys()].map(({ name }) => name));
  // For each segment the last of those names, itself included: an OBX that became no Observation is not passed over for
  // the one before it.
  const nearest = new Map<Segment, Segment>();
  let last: Segment | undefined;
  for (const segment of mapping.message.segments) {
    if (names.has(segment.name)) last = segment;
    if (last !== undefined) nearest.set(segment, last);
  }
  return (segment) => {
    const origin = nearest.get(segment);
    return origin === undefined ? (candidates.length === 1 ? candidates[0] : undefined) : made.get(origin);
  };
}

/** `""`: what is stored loses the element, unless the message is older than that. */
function clearIn(entry: TransactionEntry, cleared: readonly string[]): void {
  const { merge } = entry;
  if (merge === undefined) return;
  entry.merge = (existing, incoming) => {
    const merged = merge(existing, incoming);
    if (existing === undefined || merged === existing) return merged;
    const result: Resource = { ...merged };
    for (const path of cleared) clear(result, path);
    return result;
  };
}
