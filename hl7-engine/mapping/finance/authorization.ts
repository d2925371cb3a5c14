// AUT to ClaimResponse (preauthorization): what a payer has allowed before: HL7 v2.9 chapter 11.8.2;
// https://hl7.org/fhir/R4/claimresponse.html
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { upsertDerived } from '../administration/upsert.ts';
import { localUri } from '../codesystems.ts';
import { absent, type Mapping } from '../context.ts';
import { cxIdentifier } from '../identifiers.ts';
import { soundPeriod } from '../period.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { money } from '../tables/ft1.ts';
import { autClaimResponse } from '../tables/rf1.ts';

export interface Authorization {
  reference: string;
  /** AUT-6. */
  number: string;
  group: Group;
}

/** All AUT of the group, wherever they stand in it. */
export function addAuthorizations(
  mapping: Mapping,
  root: Group,
  { patient, patientKey }: { patient: string; patientKey: string },
): Authorization[] {
  const found = [root, ...allGroups(root)].flatMap((group) => group.all('AUT').map((segment) => ({ segment, group })));
  return found.flatMap(({ segment, group }) => {
    const mapped = runTable(autClaimResponse, { segment, group, mapping });
    const insurer = payer(mapping, segment) ?? insurerOf(mapping, group);
    if (mapped?.preAuthRef === undefined || insurer === undefined) {
      mapping.warnings.add('AUT-6: an authorization without number or payer has no place');
      return [];
    }
    const limit = money(segment.field(7));
    const resource: JsonObject = {
      ...mapped,
      preAuthPeriod: soundPeriod(mapping, mapped.preAuthPeriod, 'AUT-5'),
      status: 'active',
      type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/claim-type', code: 'professional' }] },
      use: 'preauthorization',
      patient: { reference: patient },
      ...(mapped.created === undefined && mapping.time === undefined ? { _created: absent } : {}),
      ...(mapped.created === undefined && mapping.time !== undefined ? { created: mapping.time } : {}),
      insurer,
      outcome: 'complete',
      total: limit === undefined ? undefined : [{ category: benefit, amount: limit }],
    };
    const number = String(mapped.preAuthRef);
    return [
      { reference: upsertDerived(mapping, resource, [patientKey, JSON.stringify(insurer), number]), number, group },
    ];
  });
}

const benefit: JsonObject = {
  coding: [
    { system: 'http://terminology.hl7.org/CodeSystem/adjudication', code: 'benefit', display: 'Benefit Amount' },
  ],
};

function payer(mapping: Mapping, aut: Segment): JsonObject | undefined {
  const value = aut.field(2).component(1).text;
  const display = aut.field(3).text ?? aut.field(2).component(2).text ?? value;
  if (value === undefined) return display === undefined ? undefined : { type: 'Organization', display };
  return { type: 'Organization', identifier: { system: localUri(mapping.facility, 'insurer'), value }, display };
}

/** Of the insurance that the authorization stands in: IN1-3 and IN1-4. */
function insurerOf(mapping: Mapping, group: Group): JsonObject | undefined {
  const in1 = group.nearest('IN1');
  const identifier = in1 && cxIdentifier(mapping, in1.field(3).repetition(1), 'insurer');
  const display = in1?.field(4).repetition(1).component(1).text;
  if (identifier === undefined && display === undefined) return undefined;
  return { type: 'Organization', identifier, display };
}

function allGroups(group: Group): Group[] {
  return group.children.flatMap((child) => [child, ...allGroups(child)]);
}
