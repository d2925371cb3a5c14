// PL and DLD to Location: https://hl7.org/fhir/uv/v2mappings/ (PL[Location], DLD[Location-Discharge])
import type { JsonObject, Resource } from '#fhir-model';
import { ownValue } from '#platform';
import type { Part } from '../../message/message.ts';
import { localUri } from '../codesystems.ts';
import type { Mapping } from '../context.ts';
import { eiIdentifier, identifierCriterion } from '../identifiers.ts';
import { merging } from '../merge.ts';

interface Level {
  component: number;
  physicalType: string;
  display: string;
}

/** From the largest to the smallest. That the point of care is a ward is ours: the guide has no code for it. */
const levels: readonly Level[] = [
  { component: 4, physicalType: 'si', display: 'Site' },
  { component: 7, physicalType: 'bu', display: 'Building' },
  { component: 8, physicalType: 'lvl', display: 'Level' },
  { component: 1, physicalType: 'wa', display: 'Ward' },
  { component: 2, physicalType: 'ro', display: 'Room' },
  { component: 3, physicalType: 'bd', display: 'Bed' },
];

/** The words of a PL, from the smallest place to the largest. */
export function placeName(pl: Part): string | undefined {
  const names = [3, 2, 8, 1, 7, 4].map((number) => pl.component(number).text).filter((name) => name !== undefined);
  return names.length === 0 ? pl.component(9).text : names.join(', ');
}

const sentLevels = (pl: Part): Level[] => levels.filter(({ component }) => pl.component(component).text !== undefined);

/** How many places a PL names: more than any of those around it. */
export const placeDepth = (pl: Part): number => sentLevels(pl).length;

/**
 * A reference to the smallest place of a PL. It and those around it, each partOf the next, are created where they are not
 * there yet; a place is known by its path within its facility: `WARD/R1/B1`. `bedStatus`: CWE of table 0116, for the bed or room.
 */
export function locationReference(
  mapping: Mapping,
  pl: Part,
  bedStatus?: Part,
  known?: KnownPlace,
): JsonObject | undefined {
  const display = placeName(pl);
  if (display === undefined) return undefined;
  const sent = sentLevels(pl);
  if (sent.length === 0) return { display };
  const facility = pl.component(4).text ?? mapping.facility;
  let partOf: string | undefined;
  const path: string[] = [];
  for (const level of sent) {
    const name = pl.component(level.component).text!;
    if (level.component !== 4) path.push(name.replaceAll('/', '%2F'));
    const isLast = level === sent.at(-1);
    partOf = place(mapping, {
      ...{ level, name, partOf },
      system: level.component === 4 ? localUri(mapping.facility, 'location') : localUri(facility, 'location'),
      value: level.component === 4 ? name : path.join('/'),
      description: isLast ? pl.component(9).text : undefined,
      comprehensive: isLast ? pl.component(10) : undefined,
      known: isLast ? known : undefined,
      status: isLast && (level.component === 3 || level.component === 2) ? bedState(bedStatus) : undefined,
    });
  }
  return { reference: partOf!, display };
}

/** What a file of places says of the smallest: it changes what is there. */
export interface KnownPlace {
  resource: JsonObject;
  cleared: readonly string[];
}

interface Place {
  level: Level;
  name: string;
  system: string;
  value: string;
  partOf: string | undefined;
  description: string | undefined;
  comprehensive: Part | undefined;
  status: JsonObject | undefined;
  known: KnownPlace | undefined;
}

function place(mapping: Mapping, { level, name, system, value, partOf, status, known, ...more }: Place): string {
  const identifier = { system, value };
  const criterion = identifierCriterion(identifier);
  const { comprehensive, description } = more;
  const second = comprehensive && !comprehensive.isEmpty ? comprehensiveOf(mapping, comprehensive) : undefined;
  const resource: Resource = {
    resourceType: 'Location',
    identifier: [identifier, ...(second === undefined ? [] : [second])],
    status: 'active',
    operationalStatus: status,
    name,
    description,
    mode: 'instance',
    physicalType: {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/location-physical-type',
          code: level.physicalType,
          display: level.display,
        },
      ],
    },
    partOf: partOf === undefined ? undefined : { reference: partOf },
    ...known?.resource,
  } as Resource;
  return mapping.once(`Location?${criterion}`, () => {
    if (status === undefined && known === undefined)
      return mapping.add({ method: 'POST', url: 'Location', ifNoneExist: criterion, resource });
    mapping.stamp(resource);
    const cleared = known?.cleared ?? [];
    // Whether a bed is clean says nothing of whether it is in use, nor of what it is called.
    const told = known === undefined ? standIns : known.resource.status === undefined ? ['status'] : [];
    const defaults = new Set(told);
    const merge = merging({ cleared, defaults, ordered: { warnings: mapping.warnings } });
    return mapping.add({ method: 'PUT', url: `Location?${criterion}`, resource, merge });
  });
}

const standIns = ['status', 'name', 'mode', 'physicalType', 'partOf'];

function comprehensiveOf(mapping: Mapping, part: Part): JsonObject | undefined {
  const identifier = eiIdentifier(mapping, part, 'location', 'RI');
  return identifier && { system: identifier.system, value: identifier.value };
}

const bedStates: Readonly<Record<string, string>> = {
  C: 'Closed',
  H: 'Housekeeping',
  O: 'Occupied',
  U: 'Unoccupied',
  K: 'Contaminated',
  I: 'Isolated',
};

function bedState(status: Part | undefined): JsonObject | undefined {
  const code = status?.component(1).text;
  const display = ownValue(bedStates, code);
  return display === undefined
    ? undefined
    : { system: 'http://terminology.hl7.org/CodeSystem/v2-0116', code: code!, display };
}

/** DLD: where the patient went. */
export function destination(mapping: Mapping, dld: Part): JsonObject | undefined {
  const code = dld.component(1);
  const name = code.subcomponent(2).text ?? code.text;
  if (name === undefined) return undefined;
  const value = code.text ?? name;
  const identifier = { system: localUri(mapping.facility, 'destination'), value };
  const criterion = identifierCriterion(identifier);
  const reference = mapping.once(`Location?${criterion}`, () =>
    mapping.add({
      method: 'POST',
      url: 'Location',
      ifNoneExist: criterion,
      resource: { resourceType: 'Location', identifier: [identifier], name, mode: 'instance' },
    }),
  );
  return { reference, display: name };
}
