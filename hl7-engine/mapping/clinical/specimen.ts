// SPM with its SAC, and OBR-15 of old, to Specimen: https://hl7.org/fhir/uv/v2mappings/ (SPM[Specimen], OBR[Specimen])
import type { JsonObject, Resource } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { ownOf } from '../alias.ts';
import type { Mapping } from '../context.ts';
import { derivedId } from '../derived-id.ts';
import { eipIdentifier, type Identifier, identifierCriterion } from '../identifiers.ts';
import { onceNoted } from '../once-noted.ts';
import { practitionerReference } from '../practitioner.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { obrSpecimen, sacContainer, spmSpecimen } from '../tables/spm.ts';
import type { SpecimenGroup } from './groups.ts';
import { latestMerge } from './merging.ts';
import { noteTexts } from './notes.ts';
import { rememberPart } from './order-numbers.ts';
import { participants } from './participants.ts';

export interface SpecimenPlace {
  patient: string;
  /** Identifies the order that a specimen without a number belongs to. */
  orderKey: string;
  obr: Segment | undefined;
  /** PRT of the order. */
  participants: readonly Segment[];
  /** References of the message's specimens by their numbers; each that is added is put in. */
  known: Map<string, string>;
}

/** The reference of the specimen; undefined for an SPM that says nothing of it. */
export function addSpecimen(mapping: Mapping, group: SpecimenGroup, place: SpecimenPlace): string | undefined {
  const { spm } = group;
  const mapped = runTable(spmSpecimen, { mapping, segment: spm, group: group.group });
  if (mapped === undefined || (mapped.identifier === undefined && mapped.type === undefined)) return undefined;
  const notes = noteTexts(mapping, group.notes);
  const own = mapped.note as JsonObject[] | undefined;
  const reference = create(mapping, place, {
    ...mapped,
    resourceType: 'Specimen',
    subject: { reference: place.patient },
    parent: parent(mapping, spm, place),
    note: [...(own ?? []), ...collectorComments(place.obr), ...notes],
    container: containers(mapping, mapped.container as JsonObject[] | undefined, group),
    collection: collectionBy(mapping, mapped.collection, place),
  });
  const pair = spm.field(2).repetition(1);
  for (const part of [pair.component(1), pair.component(2)]) {
    if (part.text !== undefined) place.known.set(part.text, reference);
  }
  return reference;
}

/** OBR-39. */
function collectorComments(obr: Segment | undefined): JsonObject[] {
  const field = obr?.field(39);
  if (field === undefined || field.isEmpty) return [];
  const words = [2, 9, 1];
  return field.repetitions().flatMap((cwe): JsonObject[] => {
    const text = words.map((number) => cwe.component(number).text).find((found) => found !== undefined);
    return text === undefined ? [] : [{ text }];
  });
}

/** OBR-7 to 15 (SPS, until v2.5): type, additives, collection method and body site in one field. */
export function addSpecimenSource(mapping: Mapping, place: SpecimenPlace, group: Group): string | undefined {
  const { obr } = place;
  if (obr === undefined || obr.field(15).isEmpty) return undefined;
  const mapped = runTable(obrSpecimen, { mapping, segment: obr, group });
  if (mapped?.type === undefined) return undefined;
  return create(mapping, place, {
    ...mapped,
    resourceType: 'Specimen',
    subject: { reference: place.patient },
    collection: collectionBy(mapping, mapped.collection, place),
  });
}

/** With who took it: OBR-10, else PRT-4 SC. */
function collectionBy(
  mapping: Mapping,
  collection: unknown,
  { obr, participants: all }: SpecimenPlace,
): JsonObject | undefined {
  const person = obr && practitionerReference(mapping, obr.field(10).repetition(1));
  const collector = person ?? participants(mapping, all, 'SC')[0];
  return collector === undefined
    ? (collection as JsonObject | undefined)
    : { ...(collection as JsonObject | undefined), collector };
}

function create(mapping: Mapping, place: SpecimenPlace, resource: Resource): string {
  mapping.stamp(resource);
  const [key] = (resource.identifier as Identifier[] | undefined) ?? [];
  if (key !== undefined) {
    const url = `Specimen?${identifierCriterion(key)}`;
    const choose = ownOf(mapping.patients, place.patient);
    const merge = latestMerge(mapping);
    return onceNoted(mapping, url, resource, () => mapping.add({ method: 'PUT', url, resource, merge, choose }));
  }
  const occurrence = mapping.occurrence(`Specimen ${place.orderKey}`);
  const id = derivedId('Specimen', [place.orderKey, String(occurrence)]);
  const url = `Specimen/${id}`;
  mapping.add({ method: 'PUT', url, resource: { ...resource, id }, merge: latestMerge(mapping) });
  const idUnder = (key: string): string => derivedId('Specimen', [key, String(occurrence)]);
  const under = (key: string): { id: string; shown: string }[] => [{ id: idUnder(key), shown: idUnder(key) }];
  rememberPart(mapping, place.orderKey, { url, shown: id, under });
  return url;
}

/** SPM-3: the specimen itself if the message has it, else its number. */
function parent(mapping: Mapping, spm: Segment, { known }: SpecimenPlace): JsonObject[] {
  const field = spm.field(3);
  if (field.raw === '') return [];
  return field.repetitions().flatMap((pair): JsonObject[] => {
    const numbers = [pair.component(2).text, pair.component(1).text];
    const reference = numbers.map((number) => known.get(number ?? '')).find((found) => found !== undefined);
    if (reference !== undefined) return [{ reference }];
    const identifier =
      eipIdentifier(mapping, pair.component(2), 'specimen', 'FGN') ??
      eipIdentifier(mapping, pair.component(1), 'specimen', 'PGN');
    return identifier === undefined ? [] : [{ type: 'Specimen', identifier }];
  });
}

/** One a SAC; what SPM says of the container belongs to the first. */
function containers(mapping: Mapping, own: JsonObject[] | undefined, group: SpecimenGroup): JsonObject[] | undefined {
  if (group.containers.length === 0) return own;
  const found = group.containers.flatMap(({ sac }) => {
    const container = runTable(sacContainer, { mapping, segment: sac, group: group.group });
    return container === undefined ? [] : [container];
  });
  const [first, ...others] = found;
  return first === undefined ? own : [{ ...own?.[0], ...first }, ...others];
}
