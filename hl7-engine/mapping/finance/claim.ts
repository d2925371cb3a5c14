// Charges with an insurance and a provider to a draft Claim: https://hl7.org/fhir/R4/claim.html
import type { JsonObject } from '#fhir-model';
import { upsertDerived } from '../administration/upsert.ts';
import { absent, type Mapping } from '../context.ts';
import { eiIdentifier } from '../identifiers.ts';
import { soundPeriod } from '../period.ts';
import { organizationReference, practitionerReference } from '../practitioner.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { accClaim, drgDiagnosis } from '../tables/admission-others.ts';
import { ft1ClaimItem } from '../tables/ft1.ts';
import type { Billed, Charge } from './charges.ts';

const terminology = 'http://terminology.hl7.org/CodeSystem';
const coded = (system: string, code: string): JsonObject => ({
  coding: [{ system: `${terminology}/${system}`, code }],
});

export interface ClaimParts {
  /** As Account.coverage has it. */
  coverage: JsonObject[];
  /** Conditions of the message. */
  conditions: string[];
  /** AUT-6 of the message. */
  authorized: string[];
}

/**
 * One draft a message, known by its charges: sent again they are the same claim. None without an insurance, or where nobody is
 * named who did it: the charges stand for themselves then.
 */
export function addClaim(mapping: Mapping, root: Group, charges: Charge[], billed: Billed, parts: ClaimParts): void {
  const billable = charges.filter(({ ft1 }) => ft1.field(6).component(1).text?.toUpperCase() !== 'CD');
  const provider = providerOf(mapping, root, billable);
  if (billable.length === 0 || parts.coverage.length === 0 || provider === undefined) {
    if (billable.some(({ ft1 }) => !ft1.field(26).isEmpty)) {
      mapping.warnings.add('FT1-26: without a claim a modifier has no place');
    }
    return;
  }
  const procedures = [...new Set(billable.flatMap((one) => one.procedures))];
  const first = billable[0]!.ft1;
  const referral = eiIdentifier(mapping, first.field(38), 'referral');
  const resource: JsonObject = {
    resourceType: 'Claim',
    status: 'draft',
    type: coded('claim-type', claimType(root)),
    use: 'claim',
    patient: { reference: billed.patient.reference },
    ...(mapping.time === undefined ? { _created: absent } : { created: mapping.time }),
    insurer: insurerOf(mapping, parts.coverage[0]!),
    provider,
    priority: coded('processpriority', 'normal'),
    referral: referral === undefined ? undefined : { type: 'ServiceRequest', identifier: referral },
    diagnosis: diagnoses(mapping, root, parts.conditions),
    accident: accident(mapping, root),
    procedure: procedures.map((reference, index) => ({ sequence: index + 1, procedureReference: { reference } })),
    insurance: parts.coverage.map(({ coverage }, index) => ({
      sequence: index + 1,
      focal: index === 0,
      coverage,
      preAuthRef: index === 0 ? preAuthorizations(billable, parts.authorized) : undefined,
    })),
    item: billable.map((charge, index) => item(mapping, charge, index + 1, billed, procedures)),
  };
  upsertDerived(mapping, resource, [mapping.facility, billed.patient.key, ...billable.map(({ key }) => key).sort()]);
}

/** FT1-32, FT1-20, else who attends to the patient. */
function providerOf(mapping: Mapping, root: Group, charges: Charge[]): JsonObject | undefined {
  for (const { ft1 } of charges) {
    const found =
      organizationReference(mapping, ft1.field(32).repetition(1)) ??
      practitionerReference(mapping, ft1.field(20).repetition(1));
    if (found !== undefined) return found;
  }
  const attending = root.get('PV1')?.field(7).repetition(1);
  return attending && practitionerReference(mapping, attending);
}

/** Of the first insurance; one that is known by its name alone is no reference that a claim could go to. */
function insurerOf({ entries }: Mapping, { coverage }: JsonObject): JsonObject | undefined {
  const { reference } = coverage as JsonObject;
  const found = entries.find(({ url, fullUrl }) => url === reference || fullUrl === reference)?.resource;
  const [payor] = (found?.payor ?? []) as JsonObject[];
  return payor?.reference === undefined ? undefined : payor;
}

const claimType = (root: Group): string => (root.get('PV1')?.field(2).text === 'I' ? 'institutional' : 'professional');

/** DRG is of the first: the group is found by the principal diagnosis. */
function diagnoses(mapping: Mapping, root: Group, conditions: readonly string[]): JsonObject[] {
  const drg = root.get('DRG');
  const grouped = drg && runTable(drgDiagnosis, { segment: drg, group: root, mapping });
  if (grouped !== undefined && conditions.length === 0) {
    mapping.warnings.add('DRG-1: without a diagnosis (DG1) its group has no place');
  }
  return conditions.map((reference, index) => ({
    sequence: index + 1,
    diagnosisReference: { reference },
    ...(index === 0 ? grouped : {}),
  }));
}

/** ACC with a date, which R4 asks for. */
function accident(mapping: Mapping, root: Group): JsonObject | undefined {
  const acc = root.get('ACC');
  const found = acc && runTable(accClaim, { segment: acc, group: root, mapping });
  if (found !== undefined && found.date === undefined)
    mapping.warnings.add('ACC-1: an accident without date has no place');
  return found?.date === undefined ? undefined : found;
}

/** FT1-39, and what AUT says. */
function preAuthorizations(charges: Charge[], authorized: readonly string[]): string[] | undefined {
  const found = [...charges.flatMap(({ ft1 }) => ft1.field(39).component(1).text ?? []), ...authorized];
  return found.length === 0 ? undefined : [...new Set(found)];
}

function item(
  mapping: Mapping,
  { ft1, group, procedures: own }: Charge,
  sequence: number,
  { encounter }: Billed,
  procedures: string[],
): JsonObject {
  const procedureSequence = own.map((reference) => procedures.indexOf(reference) + 1);
  const found = runTable(ft1ClaimItem, { segment: ft1, group, mapping });
  return {
    ...found,
    servicedPeriod: soundPeriod(mapping, found?.servicedPeriod, 'FT1-4'),
    sequence,
    procedureSequence: procedureSequence.length === 0 ? undefined : procedureSequence,
    encounter: encounter === undefined ? undefined : [{ reference: encounter }],
  };
}
