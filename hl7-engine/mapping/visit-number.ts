// Which stored visit a message about one means by its numbers (PV1-19, PID-18, MRG-3), and what the visit is known by from then on
import type { Resource, TransactionEntry } from '#fhir-model';
import type { Segment } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import {
  formerAccount,
  isAccount,
  underOwnNumber,
  visitOfAccount,
  visitOfFormer,
  visitWithoutNumber,
  withoutAccountNumber,
} from './account-visit.ts';
import type { Mapping } from './context.ts';
import type { Identifier } from './identifiers.ts';
import { accountNumber } from './identity.ts';
import { instantOf } from './ordering.ts';
import type { MappedPatient } from './patient.ts';

type Merge = NonNullable<TransactionEntry['merge']>;
type Choose = NonNullable<TransactionEntry['choose']>;

interface VisitSegments {
  pid: Segment;
  pv1: Segment;
}

type Known = { choose?: Choose; merge: Merge };

/** How the visit is found where nothing has its number, and what it is known by then. */
export function knownBy(
  mapping: Mapping,
  segments: VisitSegments,
  patient: MappedPatient,
  key: Identifier,
  merge: Merge,
): Known {
  const known = knownByNumbers(mapping, segments, patient, key, merge);
  const former = formerAccount(mapping, segments.pid);
  if (former === undefined) return known;
  const choose = visitOfFormer(mapping, former, patient, known.choose ?? onlyOne('visit number (PV1-19)'));
  return { choose, merge: underOwnNumber(former, known.merge) };
}

function knownByNumbers(
  mapping: Mapping,
  { pid, pv1 }: VisitSegments,
  patient: MappedPatient,
  key: Identifier,
  merge: Merge,
): Known {
  if (isAccount(mapping, pid, key)) {
    return {
      choose: visitOfAccount(mapping, key, 'open', onlyOne('account (PID-18)')),
      merge: withoutAccountNumber(key, merge),
    };
  }
  const account = accountNumber(mapping, pid.field(18).repetition(1));
  if (account === undefined || !mapping.event.startsWith('A')) return { merge };
  const choose = withoutNumber(mapping, { pid, pv1 }, patient, onlyOne('visit number (PV1-19)'));
  return { choose, merge: underOwnNumber(account, merge) };
}

/** Where nothing has the visit's number: the one that came under its account's alone. */
export function withoutNumber(
  mapping: Mapping,
  { pid, pv1 }: VisitSegments,
  patient: MappedPatient,
  choose: Choose,
): Choose {
  const account = accountNumber(mapping, pid.field(18).repetition(1));
  if (account === undefined) return choose;
  const began = instantOf(pv1.field(44).text, mapping.zone);
  return visitWithoutNumber(mapping, { account, patient, began }, choose);
}

/** A number that several visits have means none of them. */
const onlyOne =
  (number: VisitNumber): Choose =>
  (matches) => {
    if (matches.length <= 1) return { match: matches[0] };
    throw severalVisits(number, matches);
  };

/** What a visit is known by, and what else would say which one it is. */
type VisitNumber = 'account (PID-18)' | 'visit number (PV1-19)';

function severalVisits(number: VisitNumber, visits: readonly Resource[]): Refusal {
  const isAccounts = number === 'account (PID-18)';
  const remedy = isAccounts ? 'send the visit number (PV1-19), or merge them (A42)' : 'merge them (A42)';
  const text = `The ${number} is the number of several visits: ${remedy}`;
  const references = visits.map(({ id }) => `Encounter/${id}`);
  const review = { kind: 'identity' as const, text, references };
  const location = isAccounts ? { segment: 'PID', field: 18 } : { segment: 'PV1', field: 19 };
  return new Refusal('AE', '205', text, { location, review });
}
