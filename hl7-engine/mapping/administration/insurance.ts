// IN1, IN2, PV1-20 and PID-18: who pays. https://hl7.org/fhir/uv/v2mappings/ (IN1[Coverage], PV1[Coverage], PID[Account])
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import { address, contactPoint, repeated } from '../datatypes.ts';
import { cxIdentifier, type Identifier, identifierCriterion } from '../identifiers.ts';
import { accountIdentifier } from '../identity.ts';
import type { MergeRules } from '../merge.ts';
import type { MappedPatient } from '../patient.ts';
import { organizationReference } from '../practitioner.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { in1Coverage, in1Subscriber, in2Coverage } from '../tables/in1.ts';
import { pv1Coverage } from '../tables/pv1.ts';
import { familyPayers } from './family.ts';
import { addPerson } from './related.ts';
import { conceptKey, upsertDerived, upsertNumbered } from './upsert.ts';

/** IN1 with its IN2: references to Coverages, in the message's order. */
export function addCoverages(mapping: Mapping, group: Group, patient: MappedPatient): JsonObject[] {
  const insurances = group.groups('INSURANCE').filter((insurance) => insurance.get('IN1') !== undefined);
  return insurances.flatMap((insurance, index) => {
    const coverage = addCoverage(mapping, insurance, group, patient, index === 0);
    return coverage === undefined ? [] : [coverage];
  });
}

function addCoverage(
  mapping: Mapping,
  insurance: Group,
  outer: Group,
  patient: MappedPatient,
  isFirst: boolean,
): JsonObject | undefined {
  const segment = insurance.get('IN1')!;
  const cleared: string[] = [];
  const found = runTable(in1Coverage, { segment, group: insurance, mapping }, cleared);
  const in2 = insurance.get('IN2');
  const more = in2 && runTable(in2Coverage, { segment: in2, group: insurance, mapping }, cleared);
  const payor = payorOf(mapping, segment);
  if (found === undefined && payor === undefined) return undefined;
  const pv1 = outer.get('PV1');
  // The financial class is the visit's first payer's, where the policy does not say its type itself.
  const financial =
    isFirst && found?.type === undefined && pv1
      ? runTable(pv1Coverage, { segment: pv1, group: outer, mapping }, cleared)
      : undefined;
  const identifier = [...list(found?.identifier), ...list(more?.identifier)];
  const resource: JsonObject = {
    ...financial,
    ...found,
    resourceType: 'Coverage',
    status: 'active',
    ...(identifier.length > 0 ? { identifier } : {}),
    ...subscriberOf(mapping, insurance, segment, patient),
    beneficiary: { reference: patient.reference },
    payor: [payor ?? { display: 'unknown' }],
  };
  const { order, type } = resource;
  const key = [
    segment.field(2).text,
    segment.field(3).text ?? segment.field(4).text,
    segment.field(36).text ?? segment.field(49).text ?? conceptKey(type),
  ];
  const reference = upsertDerived(mapping, resource, [patient.key, ...key], { cleared });
  return { coverage: { reference }, ...(order === undefined ? {} : { priority: order }) };
}

/** IN1-4 with the number of IN1-3 where it has none itself, its address and telephone. */
function payorOf(mapping: Mapping, in1: Segment): JsonObject | undefined {
  const xon = in1.field(4).repetition(1);
  if (xon.component(10).text !== undefined || xon.component(3).text !== undefined) {
    return organizationReference(mapping, xon, { address: in1.field(5), telecom: in1.field(7) });
  }
  const identifier = cxIdentifier(mapping, in1.field(3).repetition(1), 'insurer');
  const name = xon.component(1).text;
  if (identifier === undefined) return name === undefined ? undefined : { display: name };
  const ifNoneExist = identifierCriterion(identifier);
  const reference = mapping.once(`Organization?${ifNoneExist}`, () => {
    const resource: JsonObject = {
      resourceType: 'Organization',
      identifier: [identifier],
      name,
      address: repeated(in1.field(5), (xad) => address(mapping, xad)),
      telecom: repeated(in1.field(7), (xtn) => contactPoint(mapping, xtn, 'work')),
    };
    return mapping.add({ method: 'POST', url: 'Organization', ifNoneExist, resource: resource as never });
  });
  return name === undefined ? { reference } : { reference, display: name };
}

/** IN1-17 SEL: the patient; another: a RelatedPerson, if IN1-16 names one. */
function subscriberOf(mapping: Mapping, insurance: Group, in1: Segment, patient: MappedPatient): JsonObject {
  const relation = in1.field(17).text;
  if (relation === 'SEL') return { subscriber: { reference: patient.reference } };
  // Without IN1-17 nobody says whether it is the patient: then it is not said here either.
  if (relation === undefined) return {};
  const cleared: string[] = [];
  const found = runTable(in1Subscriber, { segment: in1, group: insurance, mapping }, cleared);
  const reference = found && addPerson(mapping, patient, found, cleared);
  return reference === undefined ? {} : { subscriber: { reference } };
}

const byReference = ({ reference }: JsonObject): string => String(reference);

/**
 * PID-18: the Account, with who answers for it and what else (`also`) is known; undefined without a number. Its status is for
 * messages of accounts to tell: one that has ended is not active again because a visit names it. A family may have one account:
 * family.ts.
 */
export function addAccount(
  mapping: Mapping,
  pid: Segment,
  patient: MappedPatient,
  parts: { guarantor: JsonObject[]; coverage: JsonObject[]; also?: JsonObject },
): string | undefined {
  const identifier: Identifier | undefined = accountIdentifier(mapping, pid);
  if (identifier === undefined) {
    if (parts.guarantor.length > 0) mapping.warnings.add('GT1: no account (PID-18) that the guarantor answers for');
    return undefined;
  }
  const resource: JsonObject = {
    resourceType: 'Account',
    identifier: [identifier],
    status: 'active',
    subject: [{ reference: patient.reference }],
    // The visits of a BAR may each tell of the same payers.
    ...(parts.guarantor.length > 0 ? { guarantor: distinct(parts.guarantor) } : {}),
    ...(parts.coverage.length > 0 ? { coverage: distinct(parts.coverage) } : {}),
    ...parts.also,
  };
  const rules: MergeRules = {
    parts: new Set(['servicePeriod']),
    defaults: new Set(parts.also?.status === undefined ? ['status'] : []),
    united: { subject: byReference },
  };
  return upsertNumbered(mapping, resource, identifier, rules, familyPayers);
}

const distinct = (items: readonly JsonObject[]): JsonObject[] => [
  ...new Map(items.map((one) => [JSON.stringify(one), one] as const)).values(),
];
