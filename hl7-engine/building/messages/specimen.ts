// Specimen as SPM, and as SPS in OBR-15 for versions that have no SPM: HL7 v2.9 chapter 7.4.3
import type { Json, JsonObject, Resource } from '#fhir-model';
import type { FieldValue, SegmentValue } from '../../message/build.ts';
import { type Building, isObject, noPlace, objects, since, takes } from '../building.ts';
import { segmentOf } from '../table.ts';
import { spm } from '../tables/result.ts';
import { cwe } from '../types/coded.ts';
import { cx, ei, identifierTypeOf, inUseFirst, ofType } from '../types/identifier.ts';

export function specimensOf(building: Building, ...references: (Json | undefined)[]): Resource[] {
  const found = references
    .flatMap((reference) => (Array.isArray(reference) ? reference : [reference]))
    .map((reference) => building.graph.resolve(reference))
    .filter((resource) => resource?.resourceType === 'Specimen');
  return [...new Set(found as Resource[])];
}

/** What OBR-15 does not say. */
const withoutPlace = ['identifier', 'receivedTime', 'status', 'condition', 'note'];

/** SPM, from 2.5 on. */
export function specimenSegments(building: Building, specimens: readonly Resource[]): SegmentValue[] {
  if (!takes(building, 'SPM')) {
    for (const specimen of specimens) noPlace(building, specimen, withoutPlace);
    return [];
  }
  return specimens.map((specimen, index) => {
    const numbers = inUseFirst(objects(specimen.identifier));
    const placer = ofType(numbers, 'PGN');
    const filler =
      ofType(numbers, 'FGN') ??
      numbers.find((one) => one !== placer && !/^(?:SHIP|ACSN)$/.test(identifierTypeOf(one) ?? ''));
    const pair = [placer, filler].map((identifier) => ei(building, identifier));
    const others = numbers.filter((one) => one !== placer && one !== filler && since(building, '2.7'));
    return segmentOf(spm, building, specimen, {
      1: String(index + 1),
      2: pair.some((one) => one !== undefined) ? pair : undefined,
      31: others.length === 0 ? undefined : { repetitions: others.map((one) => cx(building, one)) },
    });
  });
}

/** OBR-15 until 2.4: type, additive, method, body site. */
export function specimenSource(building: Building, specimens: readonly Resource[]): FieldValue {
  const [first] = specimens;
  if (first === undefined || takes(building, 'SPM')) return undefined;
  const coded = (value: Json | undefined) => cwe(building, value)?.slice(0, 6).map(plainText);
  const collection: JsonObject = isObject(first.collection) ? first.collection : {};
  const additive = objects(first.container)[0]?.additiveCodeableConcept;
  return [
    coded(first.type),
    coded(additive),
    undefined,
    coded(collection.bodySite),
    undefined,
    coded(collection.method),
  ];
}

const plainText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
