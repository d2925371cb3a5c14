// Master files: MFN^M02 (staff) and M05 (places), answered by MFK: HL7 v2.9 chapter 8
import { Refusal } from '../../message/refusal.ts';
import type { Mapping } from '../context.ts';
import { actionOf, masterFileAnswer, type RecordAction, type RecordResult } from '../masterfiles/entries.ts';
import { aroundFirst, upsertPlace } from '../masterfiles/place.ts';
import { upsertStaff } from '../masterfiles/staff.ts';
import { type MessageMap, messageMap, required } from '../message-map.ts';
import type { Group } from '../structure/group.ts';

const staff = messageMap({
  structures: ['MFN_M02'],
  events: ['M02'],
  reads: 'MFI MFE STF PRA ORG AFF LAN EDU CER NTE PRT'.split(' '),
  run: (mapping, root) => mapRecords(mapping, root, 'MF_STAFF', upsertStaff),
});
const places = messageMap({
  structures: ['MFN_M05'],
  events: ['M05'],
  reads: 'MFI MFE LOC LCH LRL LDP LCC PRT'.split(' '),
  run: (mapping, root) => mapRecords(mapping, root, 'MF_LOCATION', upsertPlace, aroundFirst),
});

export const masterFileMaps: readonly MessageMap[] = [staff, places];

type Upsert = (mapping: Mapping, group: Group, action: RecordAction) => string | undefined;

type Order = (one: Group, other: Group) => number;

/**
 * A record with a fault has no effect, and is told; the others have. Throws Refusal AE without MFI or MFE. `order`: where it
 * matters which of them is looked at first.
 */
function mapRecords(mapping: Mapping, root: Group, name: string, upsert: Upsert, order: Order = () => 0): void {
  const mfi = required(root.get('MFI'), 'MFI');
  const groups = root.groups(name).filter((group) => group.get('MFE') !== undefined);
  required(groups[0], 'MFE');
  if (mfi.field(3).text?.toUpperCase() === 'REP') {
    mapping.warnings.add('MFI-3: records that a replaced file does not have any more stay as they are');
  }
  const found = new Map(groups.toSorted(order).map((group) => [group, record(mapping, group, upsert)]));
  const results = groups.map((group) => found.get(group)!);
  if (results.length === 1 && results[0]!.fault !== undefined) {
    throw new Refusal('AE', '207', results[0]!.fault, { location: { segment: 'MFE', field: 4 } });
  }
  mapping.respond(async () => masterFileAnswer(mapping, mfi, results));
}

function record(mapping: Mapping, group: Group, upsert: Upsert): RecordResult {
  const mfe = group.get('MFE')!;
  const action = actionOf(mfe);
  const fault = action === undefined ? 'MFE-1 is no code of table 0180' : upsert(mapping, group, action);
  if (fault !== undefined) mapping.warnings.add(`MFE: a record has no effect: ${fault}`);
  return { mfe, fault };
}
