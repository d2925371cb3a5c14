// A record of the location file to Location: HL7 v2.9 chapter 8.9 (MFN^M05)
import type { JsonObject } from '#fhir-model';
import type { Part } from '../../message/message.ts';
import { locationReference, placeDepth } from '../administration/location.ts';
import type { Mapping } from '../context.ts';
import type { Group } from '../structure/group.ts';
import { applyTable } from '../table/table.ts';
import { ldpLocation, locLocation } from '../tables/loc.ts';
import type { RecordAction } from './entries.ts';

const placeOf = (group: Group): Part => group.get('LOC')?.field(1) ?? group.get('MFE')!.field(4).repetition(1);

/** What a record says of a ward would come too late for the ward that the record of its bed has made. */
export const aroundFirst = (one: Group, other: Group): number => placeDepth(placeOf(one)) - placeDepth(placeOf(other));

/** Yields why the record has no effect. A place is that of PV1-3: known by its path within the facility. */
export function upsertPlace(mapping: Mapping, group: Group, action: RecordAction): string | undefined {
  const loc = group.get('LOC');
  const cleared: string[] = [];
  const resource: JsonObject = {};
  const departments = group.groups('MF_LOC_DEPT').flatMap((one) => one.all('LDP'));
  if (loc !== undefined) applyTable(locLocation, { segment: loc, group, mapping }, resource, cleared);
  for (const segment of departments) applyTable(ldpLocation, { segment, group, mapping }, resource, cleared);
  const flags = departments.map((segment) => segment.field(6).text?.toUpperCase()).filter((flag) => flag !== undefined);
  const isClosed = flags.length > 0 && flags.every((flag) => flag === 'I');
  if (action === 'inactive' || isClosed) resource.status = 'inactive';
  else if (action === 'active' || flags.includes('A')) resource.status = 'active';
  const found = locationReference(mapping, placeOf(group), undefined, { resource, cleared });
  if (found?.reference === undefined) return 'LOC-1 names no place';
  return mapping.occurrence(`record of ${String(found.reference)}`) > 1 ? 'LOC-1 is that of another record' : undefined;
}
