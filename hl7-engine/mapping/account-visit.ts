// Which visit a message means that has the account's number (PID-18) and none of the visit (PV1-19): the one that the account has.
// HL7 v2.9 chapter 3.4.2.18: an account may have several visits.
import type { Resource, TransactionEntry } from '#fhir-model';
import type { Segment } from '../message/message.ts';
import { list } from './compact.ts';
import type { Mapping } from './context.ts';
import { type Identifier, identifierCriterion } from './identifiers.ts';
import { accountNumber, numberKey } from './identity.ts';
import { lookUp } from './look-up.ts';

type Choose = NonNullable<TransactionEntry['choose']>;
type Merge = NonNullable<TransactionEntry['merge']>;

/** Whether what the visit is known by is the account's number. */
export function isAccount(mapping: Mapping, pid: Segment, key: Identifier): boolean {
  const account = accountNumber(mapping, pid.field(18).repetition(1));
  return account !== undefined && numberKey(account) === numberKey(key);
}

const never = new Set(['cancelled', 'entered-in-error']);

/**
 * As `choose`, where nothing is known by the account's number itself. `which`: a charge may come after the discharge, an admission
 * begins no visit anew that has another number.
 */
export function visitOfAccount(mapping: Mapping, account: Identifier, which: 'any' | 'open', choose: Choose): Choose {
  const url = `Encounter?account:Account.${identifierCriterion(account)}`;
  const ofAccount = lookUp(mapping.lookUps, url, account);
  return (matches) => {
    if (matches.length > 0) return choose(matches);
    const visits = ofAccount().filter(({ status }) => !never.has(String(status)));
    const open = visits.filter(({ status }) => status !== 'finished');
    const [first, ...more] = open.length > 0 || which === 'open' ? open : visits;
    if (first === undefined) return choose(matches);
    if (more.length === 0) return { follow: `Encounter/${first.id}` };
    mapping.warnings.add('PV1-19: the account (PID-18) has several visits; which of them is meant cannot be told');
    return choose(matches);
  };
}

/** The visit keeps the numbers that it has: the account's would be those of the next visit too. */
export function withoutAccountNumber(account: Identifier, merge: Merge): Merge {
  return (existing, incoming) => {
    const isKnownByIt = list(existing?.identifier).some((one) => numberKey(one) === numberKey(account));
    if (existing?.identifier === undefined || isKnownByIt) return merge(existing, incoming);
    return merge(existing, { ...incoming, identifier: existing.identifier } as Resource);
  };
}
