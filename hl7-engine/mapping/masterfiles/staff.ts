// A record of the staff file to Practitioner and PractitionerRole: HL7 v2.9 chapter 8.7 (MFN^M02)
import type { JsonObject, Resource } from '#fhir-model';
import { upsertDerived } from '../administration/upsert.ts';
import { localUri } from '../codesystems.ts';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import type { Identifier } from '../identifiers.ts';
import { anyOf, numberKey } from '../identity.ts';
import { merging } from '../merge.ts';
import { perMessage } from '../per-message.ts';
import { soundPeriod } from '../period.ts';
import type { Group } from '../structure/group.ts';
import { applyTable, runTable, type SegmentTable } from '../table/table.ts';
import {
  affQualification,
  cerQualification,
  eduQualification,
  lanPractitioner,
  orgRole,
  praPractitioner,
  praRole,
  stfPractitioner,
  stfRole,
} from '../tables/stf.ts';
import type { RecordAction } from './entries.ts';

const qualifications: readonly [string, SegmentTable][] = [
  ['EDU', eduQualification],
  ['CER', cerQualification],
  ['AFF', affQualification],
];

/** STF-7: a file that is sent whole (MAD) has also those who have left. */
function isActive(group: Group, action: RecordAction): boolean | undefined {
  if (action === 'inactive') return false;
  const flag = group.get('STF')?.field(7).text?.toUpperCase();
  if (flag !== undefined) return flag !== 'I';
  return action === 'active' ? true : undefined;
}

/** MFE-4. */
function keyOf(mapping: Mapping, group: Group): Identifier[] {
  const value = group.get('MFE')?.field(4).repetition(1).component(1).text;
  return value === undefined ? [] : [{ system: localUri(mapping.facility, 'practitioner'), value }];
}

/** Of the records so far: a transaction changes nobody twice, so that two of one person would be the end of all others. */
const numbersOf = perMessage(() => new Set<string>());

/** Yields why the record has no effect. */
export function upsertStaff(mapping: Mapping, group: Group, action: RecordAction): string | undefined {
  const cleared: string[] = [];
  const resource: JsonObject = { resourceType: 'Practitioner' };
  const tables: readonly [string, SegmentTable][] = [
    ['STF', stfPractitioner],
    ['PRA', praPractitioner],
    ['LAN', lanPractitioner],
  ];
  for (const [name, table] of tables) {
    for (const segment of group.all(name)) applyTable(table, { segment, group, mapping }, resource, cleared);
  }
  const own = distinct(list(resource.identifier) as Identifier[]);
  // MFE may stand alone, as where a record goes: its key is that of STF-1.
  const isAlone = own.length === 0 && group.get('STF') === undefined;
  const identifiers = isAlone ? keyOf(mapping, group) : own;
  if (identifiers.length === 0) return 'STF-1, STF-2 and PRA-6 have no number';
  const known = numbersOf(mapping);
  if (identifiers.some((one) => known.has(numberKey(one))))
    return 'A number of STF-1, STF-2 or PRA-6 is that of another record';
  for (const one of identifiers) known.add(numberKey(one));
  const active = isActive(group, action);
  const qualification = qualifications.flatMap(([name, table]) =>
    group.all(name).map((segment) => {
      const found = runTable(table, { segment, group, mapping });
      return { code: { text: 'unknown' }, ...found, period: soundPeriod(mapping, found?.period, name) };
    }),
  );
  Object.assign(resource, { identifier: identifiers }, qualification.length > 0 ? { qualification } : {});
  if (active !== undefined) resource.active = active;
  mapping.stamp(resource);
  const reference = mapping.add({
    method: 'PUT',
    url: `Practitioner?${anyOf(identifiers)}`,
    resource: resource as unknown as Resource,
    // Numbers of one record belong to one person; who was made twice of two of them stays so, and the first is meant.
    choose: ([match]) => (match === undefined && isAlone ? { idle: true } : { match }),
    merge: merging({ cleared, ordered: { warnings: mapping.warnings } }),
    from: group.get('STF'),
    constants: ['active'],
  });
  if (!isAlone) addRoles(mapping, group, reference, numberKey(identifiers[0]!), active);
  // Which roles there are is not known here: those of a record are known by its first number and the units that it names.
  if (active === false && group.all('ORG').length === 0)
    mapping.warnings.add('MFE-1, STF-7: roles in units that the record does not name (ORG) stay as they are');
  return undefined;
}

const distinct = (identifiers: readonly Identifier[]): Identifier[] => [
  ...new Map(identifiers.map((one) => [numberKey(one), one] as const)).values(),
];

/** ORG: a role in each unit; without one a role of STF and PRA. */
function addRoles(
  mapping: Mapping,
  group: Group,
  practitioner: string,
  key: string,
  active: boolean | undefined,
): void {
  const shared: JsonObject = {};
  for (const segment of group.all('STF')) applyTable(stfRole, { segment, group, mapping }, shared);
  for (const segment of group.all('PRA')) applyTable(praRole, { segment, group, mapping }, shared);
  const units = group
    .all('ORG')
    .map((segment) => runTable(orgRole, { segment, group, mapping }))
    .filter((unit) => unit !== undefined);
  const roles = units.length > 0 ? units.map((unit) => united(unit, shared)) : [shared];
  for (const role of roles) {
    if (Object.keys(role).length === 0) continue;
    const unit = (role.organization ?? {}) as JsonObject;
    const number = unit.identifier as JsonObject | undefined;
    const resource: JsonObject = {
      ...role,
      period: soundPeriod(mapping, role.period, 'STF-13'),
      resourceType: 'PractitionerRole',
      ...(active === undefined ? {} : { active }),
      practitioner: { reference: practitioner },
    };
    upsertDerived(mapping, resource, [key, 'staff', String(number?.value ?? unit.display ?? '')]);
  }
}

/** What the unit says, and of what it does not say what is true of the person everywhere. */
function united(unit: JsonObject, shared: JsonObject): JsonObject {
  const result: JsonObject = { ...shared, ...unit };
  for (const name of ['code', 'specialty']) {
    const both = [...list(unit[name]), ...list(shared[name])];
    if (both.length > 0) result[name] = [...new Map(both.map((one) => [JSON.stringify(one), one] as const)).values()];
  }
  return result;
}
