// ADT messages for tests, and what they are mapped to without the Provenance that each has.
import assert from 'node:assert/strict';
import type { Resource, TransactionEntry } from '#fhir-model';
import type { Mapped, MergePolicy } from '../mapping/context.ts';
import { namedZone } from '../mapping/datetime.ts';
import { mapMessage } from '../mapping/map.ts';
import { parseMessage } from '../message/message.ts';

type Entry = TransactionEntry & { resource: Resource };

export const mapAdt = (...lines: string[]): Mapped & { entries: Entry[] } => mapMerging({}, ...lines);

/** By another policy of merging. */
export function mapMerging(merges: Partial<MergePolicy>, ...lines: string[]): Mapped & { entries: Entry[] } {
  const message = parseMessage(Buffer.from(lines.join('\r')));
  const mapped = mapMessage(message, 'm1', { zone: namedZone('UTC'), identifierSystems: {}, merges });
  return { ...mapped, entries: mapped.entries.filter(({ url }) => !url.startsWith('Provenance/')) as Entry[] };
}

export const allOf = (mapped: { entries: Entry[] }, type: string) =>
  mapped.entries.filter(({ resource }) => resource.resourceType === type);

export function onlyOne(mapped: { entries: Entry[] }, type: string): Entry {
  const found = allOf(mapped, type);
  assert.equal(found.length, 1, `one ${type}`);
  return found[0]!;
}

const at = (minute: number) => `2026013112${String(minute).padStart(2, '0')}00`;

export function head(event: string, minute = 0): string[] {
  return [`MSH|^~\\&|ADT|NORTH|EHR|SOUTH|${at(minute)}||ADT^${event}|A1|P|2.5.1`, `EVN|${event}|${at(minute)}`];
}

export const pid =
  'PID|1||888^^^^AN~777^^^HOSP&1.2.3&ISO^MR||Test^Anna^Maria||19800102|F|||1 Main St^^Town^ST^12345||555-1000||||M';
export const pv1 = (place: string, more: Record<number, string> = {}) => {
  const fields = ['PV1', '1', 'I', place];
  for (const [number, value] of Object.entries({ 19: 'V55^^^HOSP', ...more })) fields[Number(number)] = value;
  return Array.from(fields, (field) => field ?? '').join('|');
};
