// A record of the location file to Location: HL7 v2.9 chapter 8.9 (MFN^M05)
import type { JsonObject } from '#fhir-model';
import { locationReference } from '../administration/location.ts';
import type { Mapping } from '../context.ts';
import type { Group } from '../structure/group.ts';
import { applyTable } from '../table/table.ts';
import { ldpLocation, locLocation } from '../tables/loc.ts';
import type { RecordAction } from './entries.ts';

/** Yields why the record has no effect. A place is that of PV1-3: known by its path within the facility. */
export function upsertPlace(mapping: Mapping, group: Group, action: RecordAction): string | undefined {
  const loc = group.get('LOC');
  const mfe = group.get('MFE')!;
  const cleared: string[] = [];
  const resource: JsonObject = {};
  const departments = group.groups('MF_LOC_DEPT').flatMap((one) => one.all('LDP'));
  if (loc !== undefined) applyTable(locLocation, { segment: loc, group, mapping }, resource, cleared);
  for (const segment of departments) applyTable(ldpLocation, { segment, group, mapping }, resource, cleared);
  const flags = departments.map((segment) => segment.field(6).text?.toUpperCase()).filter((flag) => flag !== undefined);
  const isClosed = flags.length > 0 && flags.every((flag) => flag === 'I');
  if (action === 'inactive' || isClosed) resource.status = 'inactive';
  else if (action === 'active' || flags.includes('A')) resource.status = 'active';
  const place = loc?.field(1) ?? mfe.field(4).repetition(1);
  const found = locationReference(mapping, place, undefined, { resource, cleared });
  return found?.reference === undefined ? 'LOC-1 names no place' : undefined;
}
