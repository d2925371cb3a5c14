// Charges with an insurance and a provider to a draft Claim: https://hl7.org/fhir/R4/claim.html
import type { JsonObject } from '#fhir-model';
import { conceptKey, upsertDerived } from '../administration/upsert.ts';
import { absent, type Mapping } from '../context.ts';
import { codeableConcept, repeated } from '../datatypes.ts';
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
  /** References to the Conditions of the message and of each charge. */
  conditions: ReadonlyMap<Group, string[]>;
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
  const diagnosed = diagnosesOf(mapping, billable, parts.conditions);
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
    diagnosis: diagnoses(mapping, root, diagnosed),
    accident: accident(mapping, root),
    procedure: procedures.map((reference, index) => ({ sequence: index + 1, procedureReference: { reference } })),
    insurance: parts.coverage.map(({ coverage }, index) => ({
      sequence: index + 1,
      focal: index === 0,
      coverage,
      preAuthRef: index === 0 ? preAuthorizations(billable, parts.authorized) : undefined,
    })),
    item: billable.map((charge, index) => ({
      ...item(mapping, charge, index + 1, billed, procedures),
      diagnosisSequence: sequencesOf(mapping, charge, diagnosed, parts.conditions.get(charge.group) ?? []),
    })),
  };
  const key = [mapping.facility, billed.patient.key, ...billable.map((charge) => charge.key).sort()];
  upsertDerived(mapping, resource, key, { defaults: new Set(['status']) });
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

/** A Condition of DG1, or what FT1-19 alone says a charge is for. */
interface Diagnosed {
  key: string | undefined;
  element: JsonObject;
}

/** Those of the message, then what charges are for beside them. */
function diagnosesOf(mapping: Mapping, charges: readonly Charge[], conditions: ClaimParts['conditions']): Diagnosed[] {
  const codes = new Map(mapping.entries.map(({ url, resource }) => [url, resource?.code]));
  const found = [...new Set([...conditions.values()].flat())].map(
    (reference): Diagnosed => ({
      key: conceptKey(codes.get(reference)),
      element: { diagnosisReference: { reference } },
    }),
  );
  for (const concept of charges.flatMap((charge) => reasonsOf(mapping, charge))) {
    const key = conceptKey(concept);
    if (placeOf(found, key) < 0) found.push({ key, element: { diagnosisCodeableConcept: concept } });
  }
  return found;
}

/** DG1 and FT1-19 often differ in the name of the system alone: `I10` and `I10C`. */
function placeOf(diagnosed: readonly Diagnosed[], key: string | undefined): number {
  const exact = diagnosed.findIndex((one) => one.key === key);
  const code = codeIn(key);
  return exact >= 0 || code === undefined ? exact : diagnosed.findIndex((one) => codeIn(one.key) === code);
}

const codeIn = (key: string | undefined): string | undefined => /\|([^|]+)$/.exec(key ?? '')?.[1];

/** FT1-19. */
const reasonsOf = (mapping: Mapping, { ft1 }: Charge): JsonObject[] =>
  repeated(ft1.field(19), (cwe) => codeableConcept(mapping, cwe));

/** Which diagnoses an item is billed for: those of FT1-19, then those that stand with the charge. */
function sequencesOf(
  mapping: Mapping,
  charge: Charge,
  diagnosed: readonly Diagnosed[],
  own: readonly string[],
): number[] | undefined {
  const keys = reasonsOf(mapping, charge).map(conceptKey);
  const named = keys.map((key) => placeOf(diagnosed, key) + 1);
  const standing = own.map((reference) => diagnosed.findIndex(({ element }) => isOf(element, reference)) + 1);
  const sequences = [...new Set([...named, ...standing])];
  return sequences.length === 0 ? undefined : sequences;
}

const isOf = ({ diagnosisReference: condition }: JsonObject, reference: string): boolean =>
  (condition as JsonObject | undefined)?.reference === reference;

/** DRG is of the first: the group is found by the principal diagnosis. */
function diagnoses(mapping: Mapping, root: Group, diagnosed: readonly Diagnosed[]): JsonObject[] {
  const drg = root.get('DRG');
  const grouped = drg && runTable(drgDiagnosis, { segment: drg, group: root, mapping });
  if (grouped !== undefined && diagnosed.length === 0) {
    mapping.warnings.add('DRG-1: without a diagnosis (DG1) its group has no place');
  }
  return diagnosed.map(({ element }, index) => ({
    sequence: index + 1,
    ...element,
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
