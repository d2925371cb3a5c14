// What an order is to cost and who pays: FT1 and BLG within its group: HL7 v2.9 chapters 4.5.2 and 6.5.1
import type { JsonObject } from '#fhir-model';
import { upsertNumbered } from '../administration/upsert.ts';
import type { Order } from '../clinical/order.ts';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import { accountNumber } from '../identity.ts';
import { chargeOf, putCharge } from './charges.ts';
import '../tables/blg.ts';

/** BLG-3: the account to be billed, found by its number or made; undefined where the order names none. */
export function billedAccount(mapping: Mapping, { group, subject }: Order): string | undefined {
  const blg = group.others.find(({ name }) => name === 'BLG');
  const identifier = blg && accountNumber(mapping, blg.field(3).repetition(1));
  if (identifier === undefined) return undefined;
  const resource: JsonObject = {
    resourceType: 'Account',
    identifier: [identifier],
    status: 'active',
    subject: [{ reference: subject.patient }],
  };
  // The account's own state is for messages of accounts to tell.
  return upsertNumbered(mapping, resource, identifier, { defaults: new Set(['status', 'subject']) });
}

/**
 * FT1 of the order, each a ChargeItem for `request`. Known by FT1-2, else by the order's number with FT1-1 and the code: the
 * order sent again makes no second charge.
 */
export function addOrderCharges(mapping: Mapping, order: Order, request: string | undefined): void {
  const { group, subject } = order;
  const account = billedAccount(mapping, order);
  for (const ft1 of group.others.filter(({ name }) => name === 'FT1')) {
    const charge = chargeOf(mapping, ft1, group.group, subject, account);
    if (charge === undefined) continue;
    const { resource, isCredit, cleared } = charge;
    if (request !== undefined) {
      resource.supportingInformation = [...list(resource.supportingInformation), { reference: request }];
    }
    const key = JSON.stringify([order.key, ft1.field(6).text, ft1.field(7).component(1).text, ft1.field(1).text]);
    const unnumbered = () => `${key} ${mapping.occurrence(`charge ${key}`)}`;
    putCharge(mapping, resource, ft1, { isCredit, cleared, patientKey: order.subject.patientKey, unnumbered });
  }
}
