// Condition as DG1: https://hl7.org/fhir/uv/v2mappings/ (DG1[Condition])
import { isNumber, type JsonObject, type Resource } from '#fhir-model';
import { ownValue } from '#platform';
import type { FieldValue, SegmentValue } from '../message/build.ts';
import { type Building, isObject, objects, text } from './building.ts';
import { cwe } from './types/coded.ts';
import { ei, inUseFirst } from './types/identifier.ts';
import { digitsOf } from './types/number.ts';
import { xcn } from './types/reference.ts';
import { dtm } from './types/time.ts';

/** Table 0052 by the diagnosis' role: admitting, final; else working. */
const types: Readonly<Record<string, string>> = { AD: 'A', DD: 'F', A: 'A', F: 'F' };

/** What is known not to be so, or was never meant: DG1 has no place for that, its receiver would take it for a diagnosis. */
const notSo: ReadonlySet<string> = new Set(['refuted', 'entered-in-error']);

function isSo({ warnings }: Building, { verificationStatus }: Resource): boolean {
  const codings = isObject(verificationStatus) ? objects(verificationStatus.coding) : [];
  const found = codings.map(({ code }) => text(code) ?? '').find((code) => notSo.has(code));
  if (found !== undefined) warnings.add(`A Condition that is ${found} has no place in DG1`);
  return found === undefined;
}

/** DG1-16. A patient or relative may assert a Condition too, and is no clinician. */
function clinician(building: Building, { asserter }: Resource): FieldValue {
  if (!isObject(asserter)) return undefined;
  const [, named] = /([A-Z]\w+)\/[^/]+(?:\/_history\/[^/]+)?$/.exec(text(asserter.reference) ?? '') ?? [];
  const type = building.graph.resolve(asserter)?.resourceType ?? text(asserter.type) ?? named;
  if (type !== 'Patient' && type !== 'RelatedPerson') return xcn(building, asserter);
  building.warnings.add(`Condition.asserter, a ${type}, has no place in DG1`);
  return undefined;
}

/** What a diagnosis is to the visit. */
interface Role {
  code: string | undefined;
  /** DG1-15: 1 is the principal diagnosis. */
  rank: string | undefined;
}

/** Of references to Conditions, each with its role in the visit where it has one. */
export function diagnosisSegments(
  building: Building,
  references: readonly JsonObject[],
  roles: readonly Role[] = [],
): SegmentValue[] {
  const found = references.flatMap((reference, index) => {
    const condition = building.graph.resolve(reference);
    return condition?.resourceType === 'Condition' && isSo(building, condition)
      ? [{ condition, role: roles[index] }]
      : [];
  });
  return found.map(({ condition, role }, index) => ({
    name: 'DG1',
    fields: {
      1: String(index + 1),
      3: cwe(building, condition.code),
      5: dtm(condition.onsetDateTime) ?? dtm(condition.recordedDate),
      6: ownValue(types, role?.code) ?? 'W',
      15: role?.rank,
      16: clinician(building, condition),
      19: dtm(condition.recordedDate),
      20: ei(building, inUseFirst(objects(condition.identifier))[0]),
    },
  }));
}

/** Encounter.diagnosis. */
export function visitDiagnoses(building: Building, diagnoses: readonly JsonObject[]): SegmentValue[] {
  const references = diagnoses.map(({ condition }) => (condition ?? {}) as JsonObject);
  const roles = diagnoses.map(({ use, rank }) => ({
    code: text(objects((use as JsonObject | undefined)?.coding)[0]?.code),
    rank: isNumber(rank) ? digitsOf(rank) : undefined,
  }));
  return diagnosisSegments(building, references, roles);
}
