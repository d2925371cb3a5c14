// RF1 with its providers, authorizations and content to ServiceRequest: HL7 v2.9 chapter 11.6
import type { JsonObject, Resource } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { upsertDerived } from '../administration/upsert.ts';
import { requestMerge } from '../clinical/merging.ts';
import { noteTexts } from '../clinical/notes.ts';
import { localUri } from '../codesystems.ts';
import { absent, type Mapping } from '../context.ts';
import { derivedId } from '../derived-id.ts';
import { type Identifier, identifierCriterion } from '../identifiers.ts';
import { soundPeriod } from '../period.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { money } from '../tables/ft1.ts';
import { autClaimResponse, rf1ServiceRequest } from '../tables/rf1.ts';
import type { Provider } from './providers.ts';

export interface Referred {
  patient: string;
  patientKey: string;
  encounter: string | undefined;
  providers: Provider[];
  /** References to Coverages. */
  coverage: JsonObject[];
  reasons: JsonObject[];
  supporting: JsonObject[];
}

const referralCategory: JsonObject = {
  coding: [{ system: 'http://snomed.info/sct', code: '3457005', display: 'Patient referral (procedure)' }],
};

/** Table 0283: accepted, pending, rejected, expired. */
const statuses: Readonly<Record<string, string>> = { A: 'active', P: 'active', R: 'revoked', E: 'revoked' };

function statusOf(mapping: Mapping, rf1: Segment): string | undefined {
  if (mapping.event === 'I14') return 'revoked';
  if (/^D$/i.test(rf1.field(25).text ?? '')) return 'entered-in-error';
  return statuses[rf1.field(1).component(1).text?.toUpperCase() ?? ''];
}

const list = (value: unknown): JsonObject[] => (Array.isArray(value) ? (value as JsonObject[]) : []);

const withRole = (providers: readonly Provider[], ...roles: string[]): JsonObject[] =>
  providers.filter((one) => one.roles.some((role) => roles.includes(role))).map(({ reference }) => reference);

/** The referral is created or becomes what the message says; its number is RF1-6, else RF1-11. */
export function upsertReferral(mapping: Mapping, root: Group, rf1: Segment, referred: Referred): string {
  const found = runTable(rf1ServiceRequest, { segment: rf1, group: root, mapping }) ?? {};
  const status = statusOf(mapping, rf1);
  const { providers, coverage, reasons, supporting } = referred;
  const authorizations = authorizationsOf(mapping, root, referred);
  const resource: Resource = {
    ...found,
    resourceType: 'ServiceRequest',
    status: status ?? 'active',
    intent: 'order',
    occurrencePeriod: soundPeriod(mapping, found.occurrencePeriod, 'RF1-8'),
    category: [referralCategory, ...list(found.category)],
    subject: { reference: referred.patient },
    encounter: referred.encounter === undefined ? undefined : { reference: referred.encounter },
    requester: withRole(providers, 'RP')[0],
    performer: [...withRole(providers, 'RT', 'RH', 'CP'), ...list(found.performer)],
    insurance: [...coverage, ...authorizations],
    reasonReference: reasons,
    supportingInfo: supporting,
    note: [...list(found.note), ...noteTexts(mapping, root.all('NTE'))],
  } as unknown as Resource;
  mapping.stamp(resource);
  const merge = requestMerge(mapping, new Set(status === undefined ? ['status'] : []));
  const [identifier] = list(found.identifier) as Identifier[];
  if (identifier === undefined) {
    mapping.warnings.add('RF1-6: no referral number; a later message about it makes another');
    const id = derivedId('ServiceRequest', [mapping.messageKey, 'referral']);
    mapping.add({ method: 'PUT', url: `ServiceRequest/${id}`, resource: { ...resource, id }, merge, from: rf1 });
    return `ServiceRequest/${id}`;
  }
  const url = `ServiceRequest?${identifierCriterion(identifier)}`;
  return mapping.add({ method: 'PUT', url, resource, merge, from: rf1, constants: ['category'] });
}

/** AUT: what a payer has allowed before, wherever it stands in the message. */
function authorizationsOf(mapping: Mapping, root: Group, { patient, patientKey }: Referred): JsonObject[] {
  const segments = [root, ...allGroups(root)].flatMap((group) =>
    group.all('AUT').map((segment) => ({ segment, group })),
  );
  return segments.flatMap(({ segment, group }) => {
    const found = runTable(autClaimResponse, { segment, group, mapping });
    const insurer = payer(mapping, segment);
    if (found?.preAuthRef === undefined || insurer === undefined) {
      mapping.warnings.add('AUT-6: an authorization without number or payer has no place');
      return [];
    }
    const limit = money(segment.field(7));
    const resource: JsonObject = {
      ...found,
      preAuthPeriod: soundPeriod(mapping, found.preAuthPeriod, 'AUT-5'),
      status: 'active',
      type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/claim-type', code: 'professional' }] },
      use: 'preauthorization',
      patient: { reference: patient },
      ...(found.created === undefined && mapping.time === undefined ? { _created: absent } : {}),
      ...(found.created === undefined && mapping.time !== undefined ? { created: mapping.time } : {}),
      insurer,
      outcome: 'complete',
      total: limit === undefined ? undefined : [{ category: benefit, amount: limit }],
    };
    const key = [patientKey, JSON.stringify(insurer), String(found.preAuthRef)];
    return [{ reference: upsertDerived(mapping, resource, key) }];
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

function allGroups(group: Group): Group[] {
  return group.children.flatMap((child) => [child, ...allGroups(child)]);
}
