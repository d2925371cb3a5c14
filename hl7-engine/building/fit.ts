// What a version of the standard has no place for: HL7 v2 appendix A. A message said to be 2.3 must not hold what came with 2.7.
import type { ComponentValue, FieldValue, RepetitionValue, SegmentValue } from '../message/build.ts';
import type { Dictionary, FieldDefinition } from '../message/dictionary.ts';

/** The type of OBX-5 is what OBX-2 says; the tables of some versions say ST. */
function ofValue(definition: FieldDefinition, { fields = {} }: SegmentValue): FieldDefinition {
  const type = fields[2];
  return typeof type === 'string' ? { ...definition, type, max: Number.POSITIVE_INFINITY } : definition;
}

/**
 * The segments with fields, repetitions and components of that version only; what goes is told by its place. A segment that the
 * version has not is left out.
 */
export function fitted(
  segments: readonly SegmentValue[],
  dictionary: Dictionary,
  version: string,
  warnings: Set<string>,
): SegmentValue[] {
  const known = dictionary.nearest(version);
  return segments.flatMap((segment) => {
    const definitions = dictionary.fieldsOf(known, segment.name);
    if (definitions === undefined) {
      warnings.add(`${segment.name}: not in ${version}`);
      return [];
    }
    const fields: Record<number, FieldValue> = {};
    for (const [key, value] of Object.entries(segment.fields ?? {})) {
      const place = `${segment.name}-${key}`;
      const definition = definitions[Number(key) - 1];
      if (definition === undefined || isWithdrawn(definition, value)) warnings.add(`${place}: not in ${version}`);
      else {
        const own = place === 'OBX-5' ? ofValue(definition, segment) : definition;
        fields[Number(key)] = fittedField(value, { definition: own, dictionary, version: known, place, warnings });
      }
    }
    // A line of its name alone says nothing.
    return Object.keys(fields).length === 0 ? [] : [{ name: segment.name, fields }];
  });
}

/** Kept for backward compatibility as a text: of a person or a number with parts a part would stand for the whole. */
function isWithdrawn({ usage, type }: FieldDefinition, value: FieldValue): boolean {
  return usage === 'B' && type === 'ST' && typeof value === 'object' && value !== null;
}

interface Fitting {
  definition: FieldDefinition;
  dictionary: Dictionary;
  version: string;
  place: string;
  warnings: Set<string>;
}

function fittedField(value: FieldValue, fitting: Fitting): FieldValue {
  if (value === null || typeof value !== 'object' || !('repetitions' in value)) return fittedRepetition(value, fitting);
  const { definition, place, warnings } = fitting;
  const { max } = definition;
  if (value.repetitions.length > max) warnings.add(`${place}: takes ${max} of ${value.repetitions.length} values`);
  return { repetitions: value.repetitions.slice(0, max).map((one) => fittedRepetition(one, fitting)) };
}

function fittedRepetition(value: RepetitionValue, fitting: Fitting): RepetitionValue {
  const { definition, dictionary, version, place, warnings } = fitting;
  if (!isList(value) || definition.type === 'NA') return value;
  const components = dictionary.componentsOf(version, definition.type);
  if (components === undefined) return value;
  // A type without components is the text of the first: CX where the version has ST.
  if (components.length === 0) {
    const foreign = /^I[SD]$/.test(definition.type) ? foreignSystem(value) : undefined;
    if (foreign === undefined) return firstText(value);
    warnings.add(`${place}: a code of ${foreign} has no place in ${version}`);
    return undefined;
  }
  const last = value.findLastIndex((component) => firstText(component) !== undefined);
  if (last >= components.length) warnings.add(`${place}.${last + 1}: not in ${version}`);
  return value.slice(0, components.length);
}

/** IS and ID are codes of the field's own table: one of another system, read as a code of that table, would mean something else. */
function foreignSystem(coded: readonly ComponentValue[]): string | undefined {
  const system = firstText(coded[2] ?? '');
  return coded[0] === undefined || system === undefined || /^(?:HL7\d{4}$|L$|99|urn:id:)/.test(system)
    ? undefined
    : system;
}

const isList = (value: RepetitionValue): value is readonly ComponentValue[] => Array.isArray(value);

function firstText(value: RepetitionValue | ComponentValue): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (!Array.isArray(value)) return undefined;
  for (const part of value as readonly ComponentValue[]) {
    const found = firstText(part);
    if (found !== undefined) return found;
  }
  return undefined;
}
