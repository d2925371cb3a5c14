// RF1 with its providers, authorizations and content to ServiceRequest: HL7 v2.9 chapter 11.6
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { requestMerge } from '../clinical/merging.ts';
import { closingNotes, notesAfter, noteTexts } from '../clinical/notes.ts';
import { chooseNumbered } from '../clinical/order-numbers.ts';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import { derivedId } from '../derived-id.ts';
import { addAuthorizations } from '../finance/authorization.ts';
import { type Identifier, identifierCriterion, tokenCriterion } from '../identifiers.ts';
import { soundPeriod } from '../period.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { rf1ServiceRequest } from '../tables/rf1.ts';
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

const referral = { system: 'http://snomed.info/sct', code: '3457005', display: 'Patient referral (procedure)' };
const referralCategory: JsonObject = { coding: [referral] };

/** Table 0283: accepted, pending, rejected, expired. */
const statuses: Readonly<Record<string, string>> = { A: 'active', P: 'active', R: 'revoked', E: 'revoked' };

/** A cancel, or the answer that it was heeded. */
const isDone = ({ message }: Mapping): boolean => {
  const answer = message.segment('MSA')?.field(1).text;
  return answer === undefined || answer.endsWith('A');
};

function statusOf(mapping: Mapping, rf1: Segment): string | undefined {
  if (mapping.event === 'I14' && isDone(mapping)) return 'revoked';
  if (/^D$/i.test(rf1.field(25).text ?? '')) return 'entered-in-error';
  return statuses[rf1.field(1).component(1).text?.toUpperCase() ?? ''];
}

/** Requester and performers. */
const placed = new Set(['RP', 'RT', 'RH', 'CP']);

const withRole = (providers: readonly Provider[], ...roles: string[]): JsonObject[] =>
  providers.filter((one) => one.roles.some((role) => roles.includes(role))).map(({ reference }) => reference);

/** The referral is created or becomes what the message says; its number is RF1-6, else RF1-11. */
export function upsertReferral(mapping: Mapping, root: Group, rf1: Segment, referred: Referred): string {
  const found = runTable(rf1ServiceRequest, { segment: rf1, group: root, mapping }) ?? {};
  const status = statusOf(mapping, rf1);
  const { providers, coverage, reasons, supporting } = referred;
  if (providers.some(({ roles }) => !roles.some((role) => placed.has(role))))
    mapping.warnings.add('PRD-1: a provider with no role in the referral (RP, RT, RH, CP) has no place');
  const authorizations = addAuthorizations(mapping, root, referred).map(({ reference }) => ({ reference }));
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
    note: [...list(found.note), ...noteTexts(mapping, [...notesAfter(mapping, rf1), ...closingNotes(mapping)])],
  } as unknown as Resource;
  mapping.stamp(resource);
  const defaults = new Set(status === undefined ? ['status'] : []);
  // Without RF1-5 only what every referral is.
  if (found.category === undefined) defaults.add('category');
  const merge = requestMerge(mapping, defaults);
  const [identifier, other] = list(found.identifier) as Identifier[];
  if (identifier === undefined) {
    mapping.warnings.add('RF1-6: no referral number; a later message about it makes another');
    const id = derivedId('ServiceRequest', [mapping.messageKey, 'referral']);
    mapping.add({ method: 'PUT', url: `ServiceRequest/${id}`, resource: { ...resource, id }, merge, from: rf1 });
    return `ServiceRequest/${id}`;
  }
  const url = `ServiceRequest?${identifierCriterion(identifier)}`;
  const choose = other === undefined ? {} : { choose: ofBothNumbers(mapping, identifier, other) };
  return mapping.add({ method: 'PUT', url, resource, merge, from: rf1, constants: ['category'], ...choose });
}

/** RF1-6 may come after the referral is known by its RF1-11 alone: it is the same one. */
function ofBothNumbers(mapping: Mapping, own: Identifier, other: Identifier): NonNullable<TransactionEntry['choose']> {
  // An order may have the same number of the filler.
  const criteria = (number: Identifier): string =>
    `${identifierCriterion(number)}&${tokenCriterion('category', referral.system, referral.code)}`;
  return chooseNumbered(mapping, { type: 'ServiceRequest', own, other, otherKind: 'FILL', criteria });
}
