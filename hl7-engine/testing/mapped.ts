// A message as lines, mapped: for tests of the families' maps.
import assert from 'node:assert/strict';
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Mapped, MergePolicy } from '../mapping/context.ts';
import { namedZone } from '../mapping/datetime.ts';
import { mapMessage } from '../mapping/map.ts';
import { parseMessage } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';

const config = { zone: namedZone('UTC'), identifierSystems: {} };

type Lines = Mapped & { entries: Entry[] };

export type Entry = TransactionEntry & { resource: Resource };

/** A segment of the fields by their numbers. */
export function segment(name: string, fields: Record<number, string>): string {
  const last = Math.max(...Object.keys(fields).map(Number));
  return [name, ...Array.from({ length: last }, (_, at) => fields[at + 1] ?? '')].join('|');
}

/** Without the Provenance, which every message has. */
export const mapLines = (...lines: string[]): Lines => mapMerging({}, ...lines);

/** By another policy of merging. */
export function mapMerging(merges: Partial<MergePolicy>, ...lines: string[]): Lines {
  const mapped = mapMessage(parseMessage(Buffer.from(lines.join('\r'))), 'm1', { ...config, merges });
  return { ...mapped, entries: mapped.entries.filter(({ url }) => !url.startsWith('Provenance')) as Entry[] };
}

export function entriesOf(mapped: Mapped, type: string): Entry[] {
  return mapped.entries.filter((entry) => entry.resource?.resourceType === type) as Entry[];
}

/** The one entry of that type. */
export function onlyEntry(mapped: Mapped, type: string): Entry {
  const found = entriesOf(mapped, type);
  assert.equal(found.length, 1, `one ${type}`);
  return found[0]!;
}

/** The one resource of that type as plain JSON, without id and meta. */
export function onlyResource(mapped: Mapped, type: string): JsonObject {
  const { id: _id, meta: _meta, ...rest } = onlyEntry(mapped, type).resource;
  return JSON.parse(JSON.stringify(rest)) as JsonObject;
}

/** `AE 100 text`, or `mapped`. */
export function refusalOf(...lines: string[]): string {
  try {
    mapLines(...lines);
    return 'mapped';
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    return `${error.acknowledgment} ${error.condition} ${error.message}`;
  }
}

/** What the store holds after these messages came one after the other, by the URL that each entry finds its resource with. */
export function storedAfter(...messages: string[][]): { resources: Map<string, Resource>; warnings: string[] } {
  const resources = new Map<string, Resource>();
  const warnings: string[] = [];
  for (const lines of messages) {
    const mapped = mapLines(...lines);
    for (const { method, url, ifNoneExist, resource, merge, prune } of mapped.entries) {
      const key = method === 'POST' ? `${url}?${ifNoneExist ?? ''}` : url;
      const existing = resources.get(key);
      if (method === 'POST' && existing !== undefined) continue;
      const written = prune === undefined ? resource : prune(resource, new Set());
      resources.set(key, merge === undefined ? written : merge(existing, written));
    }
    warnings.push(...mapped.warnings);
  }
  return { resources, warnings };
}

/** The stored resources of a type. */
export function storedOf(resources: ReadonlyMap<string, Resource>, type: string): Resource[] {
  return [...resources.values()].filter(({ resourceType }) => resourceType === type);
}
