// Which visit a message means that has the account's number (PID-18) and none of the visit (PV1-19): the one that the account has.
// Which one it means that has a number no visit has yet: the one that came under the account's number alone.
// HL7 v2.9 chapter 3.4.2.18: an account may have several visits.
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Segment } from '../message/message.ts';
import { list } from './compact.ts';
import type { Mapping } from './context.ts';
import { type Identifier, identifierCriterion } from './identifiers.ts';
import { accountNumber, numberKey } from './identity.ts';
import { lookUp } from './look-up.ts';
import type { MappedPatient } from './patient.ts';

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

/** Who the message is of, and when the visit began by it (PV1-44), as an instant. */
export interface NumberedVisit {
  account: Identifier;
  patient: Pick<MappedPatient, 'key' | 'replaced'>;
  began: string | undefined;
}

/** Events that may begin another visit of the account. */
const beginnings = new Set(['A01', 'A04', 'A05', 'A14']);

/**
 * As `choose`, where nothing has the visit's number: the visit that came under the account's alone, is the same patient's and has not ended. One
 * that begins with the message is it only if both began at the same time.
 */
export function visitWithoutNumber(
  mapping: Mapping,
  { account, patient, began }: NumberedVisit,
  choose: Choose,
): Choose {
  const byAccount = lookUp(mapping.lookUps, `Encounter?${identifierCriterion(account)}`, account);
  const isPatients = ofPatient(mapping, patient);
  const mayBe = ({ period }: Resource): boolean => {
    const start = Date.parse(String((period as JsonObject | undefined)?.start));
    const isAnother = began !== undefined && !Number.isNaN(start) && Date.parse(began) !== start;
    return beginnings.has(mapping.event) ? Date.parse(String(began)) === start : !isAnother;
  };
  return (matches) => {
    if (matches.length > 0) return choose(matches);
    const open = byAccount().filter((one) => isOpen(one) && isKnownBy(account, one) && isPatients(one) && mayBe(one));
    return open.length === 1 ? { follow: `Encounter/${open[0]!.id}` } : {};
  };
}

const isOpen = ({ status }: Resource): boolean => status !== 'finished' && !never.has(String(status));

/** By the account's number alone. */
const isKnownBy = (account: Identifier, { identifier }: Resource): boolean =>
  list(identifier).every((one) => numberKey(one) === numberKey(account));

const ofPatient =
  (mapping: Mapping, { key, replaced }: NumberedVisit['patient']) =>
  ({ subject }: Resource): boolean => {
    const reference = String((subject as JsonObject | undefined)?.reference);
    return reference === `Patient/${mapping.patients.get(key)?.known?.id}` || replaced.has(reference);
  };

/**
 * A06, A07: the account that the visit had before (MRG-3), where it is another. Not a merge of accounts: the visit goes on under
 * the one of PID-18. HL7 v2.9 chapter 3.3.6.
 */
export function formerAccount(mapping: Mapping, pid: Segment): Identifier | undefined {
  if (mapping.event !== 'A06' && mapping.event !== 'A07') return undefined;
  const [former, now] = [mapping.message.segment('MRG')?.field(3), pid.field(18)].map(
    (field) => field && accountNumber(mapping, field.repetition(1)),
  );
  return former === undefined || (now !== undefined && numberKey(now) === numberKey(former)) ? undefined : former;
}

/** As `choose`, where that finds nothing: the patient's one open visit of the former account. */
export function visitOfFormer(
  mapping: Mapping,
  former: Identifier,
  patient: NumberedVisit['patient'],
  choose: Choose,
): Choose {
  const criterion = identifierCriterion(former);
  const found = [`Encounter?account:Account.${criterion}`, `Encounter?${criterion}`].map((url) =>
    lookUp(mapping.lookUps, url, former),
  );
  const isPatients = ofPatient(mapping, patient);
  return (matches) => {
    const choice = choose(matches);
    if (choice.match !== undefined || choice.follow !== undefined) return choice;
    const open = found.flatMap((all) => all()).filter((one) => isOpen(one) && isPatients(one));
    const [only, ...more] = new Set(open.map(({ id }) => id));
    return only === undefined || more.length > 0 ? choice : { follow: `Encounter/${only}` };
  };
}

/** A visit that gets a number of its own is not known by the account's any longer: the next visit has that too. */
export function underOwnNumber(account: Identifier, merge: Merge): Merge {
  return (existing, incoming) => {
    const numbers = list(existing?.identifier);
    const own = numbers.filter((one) => numberKey(one) !== numberKey(account));
    const isKnownByIt = existing !== undefined && numbers.length > 0 && own.length === 0;
    if (!isKnownByIt) return merge(existing, incoming);
    return merge({ ...existing, identifier: incoming.identifier } as Resource, incoming);
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
