// References to Practitioner, Organization and Location as XCN, XON, PL and NDL: what mapping/practitioner.ts and
// mapping/administration/location.ts read, the other way round
import type { Json, JsonObject, Resource } from '#fhir-model';
import { ownValue } from '#platform';
import type { ComponentValue } from '../../message/build.ts';
import { type Building, isObject, objects, since, text } from '../building.ts';
import { authority, identifierTypeOf, inUseFirst } from './identifier.ts';
import { nameParts, xad, xtn } from './person.ts';

/** A PractitionerRole stands for its practitioner. */
export function personOf({ graph }: Building, reference: Json | undefined): Resource | undefined {
  const found = graph.resolve(reference);
  return found?.resourceType === 'PractitionerRole' ? graph.resolve(found.practitioner) : found;
}

const isOrganization = (resource: Resource | undefined, reference: JsonObject): boolean =>
  resource?.resourceType === 'Organization' ||
  reference.type === 'Organization' ||
  /(?:^|\/)Organization\//.test(text(reference.reference) ?? '');

interface Party {
  number: JsonObject | undefined;
  name: Json | undefined;
  display: string | undefined;
  degree: string | undefined;
}

/** XCN has one name. */
const nameInUse = (names: readonly JsonObject[]): JsonObject | undefined =>
  names.find(({ use }) => use !== 'old' && use !== 'maiden') ?? names[0];

/** Of a person: the resource, else what the reference says by itself. */
function partyOf(building: Building, reference: JsonObject): Party {
  const person = personOf(building, reference);
  const [qualification] = objects(person?.qualification);
  const code = isObject(qualification?.code) ? qualification.code : {};
  return {
    number:
      inUseFirst(objects(person?.identifier))[0] ?? (isObject(reference.identifier) ? reference.identifier : undefined),
    name: nameInUse(objects(person?.name)),
    display: text(reference.display) ?? (isObject(reference.identifier) ? text(reference.identifier.value) : undefined),
    degree: text(objects(code.coding)[0]?.code) ?? text(code.text),
  };
}

/** XCN; undefined for an organization, and for a reference that leads nowhere and says nothing. */
export function xcn(building: Building, value: Json | undefined): ComponentValue[] | undefined {
  if (!isObject(value) || isOrganization(building.graph.resolve(value), value)) return undefined;
  const { number, name, display, degree } = partyOf(building, value);
  const parts = nameParts(name ?? (display === undefined ? undefined : { family: display }));
  const id = text(number?.value);
  if (id === undefined && parts === undefined) return undefined;
  const [family, given, further, suffix, prefix, more] = parts?.parts ?? [];
  const system = number && text(number.system);
  return [
    ...[id, family, given, further, suffix, prefix, degree ?? more, undefined],
    id === undefined ? undefined : authority(building, system),
    ...[parts?.use, undefined, undefined, number && identifierTypeOf(number)],
    ...[...Array<undefined>(5).fill(undefined), parts?.start, parts?.end, degree === undefined ? undefined : more],
  ];
}

/** CNN with the person's parts as subcomponents, in NDL.1 (OBR-32 to 35). */
export function ndl(building: Building, value: Json | undefined): ComponentValue[] | undefined {
  const person = xcn(building, value);
  if (person === undefined) return undefined;
  const [id, family, given, further, suffix, prefix, degree, , by] = person;
  const name = Array.isArray(family) ? family[0] : family;
  const hd = Array.isArray(by) ? by : [];
  return [[id, name, given, further, suffix, prefix, degree, undefined, ...hd] as (string | undefined)[]];
}

/** The Organization itself, or that of a PractitionerRole. */
function organizationOf({ graph }: Building, value: Json | undefined): Resource | undefined {
  const found = graph.resolve(value);
  return found?.resourceType === 'PractitionerRole' ? graph.resolve(found.organization) : found;
}

/** XAD of an organization that a reference leads to. */
export function organizationAddress(building: Building, value: Json): ComponentValue[] | undefined {
  const organization = organizationOf(building, value);
  return organization?.resourceType === 'Organization' ? xad(building, objects(organization.address)[0]) : undefined;
}

export function organizationTelecom(building: Building, value: Json): ComponentValue[] | undefined {
  const organization = organizationOf(building, value);
  return organization?.resourceType === 'Organization' ? xtn(building, objects(organization.telecom)[0]) : undefined;
}

/** XON. Undefined for a person. */
export function xon(building: Building, value: Json | undefined): ComponentValue[] | undefined {
  if (!isObject(value)) return undefined;
  const found = building.graph.resolve(value);
  const organization = organizationOf(building, value);
  if (!isOrganization(organization, found === organization ? value : {}) && organization !== undefined)
    return undefined;
  if (organization === undefined && !isOrganization(undefined, value)) return undefined;
  const logical = isObject(value.identifier) ? value.identifier : undefined;
  const number = inUseFirst(objects(organization?.identifier))[0] ?? logical;
  const name = text(organization?.name) ?? text(value.display);
  const id = text(number?.value);
  if (id === undefined && name === undefined) return undefined;
  const by = number && authority(building, text(number.system));
  // XON.10 came with 2.5; until then the number is XON.3, which has digits alone.
  const [early, late] = id !== undefined && /^\d+$/.test(id) && !since(building, '2.5') ? [id] : [undefined, id];
  return [
    name,
    undefined,
    early,
    undefined,
    undefined,
    by,
    number && identifierTypeOf(number),
    undefined,
    undefined,
    late,
  ];
}

/** physicalType -> the component of PL. */
const levels: Readonly<Record<string, number>> = { wa: 1, ro: 2, bd: 3, si: 4, bu: 7, lvl: 8 };
/** Places around places: a bed in a room in a ward on a floor of a building of a site, and some to spare. */
const depthMax = 10;

/** PL: the place and those it is part of; one whose kind is not known as its words. */
export function pl(building: Building, value: Json | undefined): ComponentValue[] | undefined {
  if (!isObject(value)) return undefined;
  const components: ComponentValue[] = [];
  let at = building.graph.resolve(value);
  const words = text(value.display) ?? text(at?.name);
  for (let depth = 0; at?.resourceType === 'Location' && depth < depthMax; depth++) {
    const kind = isObject(at.physicalType) ? text(objects(at.physicalType.coding)[0]?.code) : undefined;
    const component = ownValue(levels, kind);
    if (component !== undefined) components[component - 1] ??= text(at.name);
    at = building.graph.resolve(at.partOf);
  }
  if (components.some((one) => one !== undefined)) return Array.from(components);
  if (words === undefined) return undefined;
  components[8] = words;
  return Array.from(components);
}
