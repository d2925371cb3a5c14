// One account of several patients, as a family has: each has payers of their own. https://hl7.org/fhir/R4/account.html
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { list } from '../compact.ts';
import { deletedMs, keyed, withDeleted } from '../late.ts';
import { stampMs } from '../ordering.ts';

type Merge = NonNullable<TransactionEntry['merge']>;

/** Of an account: a patient that it was of until it moved (A44). */
const formerUrl = 'urn:cerebra:hl7v2-account-former-member';

/** Of an item of Account.coverage or guarantor: the patient whose message has told of it. */
const memberUrl = 'urn:cerebra:hl7v2-account-member';

const referenceOf = (reference: unknown): unknown => (reference as JsonObject | undefined)?.reference;
const isMark = ({ url }: JsonObject): boolean => url === memberUrl;
const memberOf = ({ extension }: JsonObject): unknown => referenceOf(list(extension).find(isMark)?.valueReference);
const payerOf = ({ coverage, party }: JsonObject): unknown => referenceOf(coverage ?? party);
/** When a patient has left is remembered by this: an account is older than its move where no message has told of it since. */
const leftName = (reference: unknown): string => keyed('subject', String(reference));

const formersOf = ({ extension }: Resource): JsonObject[] => list(extension).filter(({ url }) => url === formerUrl);

function marked(item: JsonObject, { reference }: JsonObject): JsonObject {
  if (reference === undefined || memberOf(item) !== undefined) return item;
  return { ...item, extension: [...list(item.extension), { url: memberUrl, valueReference: { reference } }] };
}

/**
 * A merge for accounts: those who pay for the patient of a message replace those who did before, and those who pay for others of
 * the account stay. What is there of an account of one is that one's, and gets its mark when another joins, however late: that
 * there is newer of the others says nothing of it. Whom it was moved away from does not come back by what is late.
 */
export function familyPayers(merge: Merge): Merge {
  return (existing, incoming) => {
    const result = merge(existing, incoming);
    const before = list(existing?.subject);
    const [own] = list(incoming.subject);
    const isOwn = (one: JsonObject): boolean => referenceOf(one) === referenceOf(own);
    if (existing === undefined || own === undefined || before.every(isOwn)) return result;
    const isLate = result === existing;
    const hasLeft = formersOf(existing).some(({ valueReference }) => isOwn(valueReference as JsonObject));
    if ((isLate && before.some(isOwn)) || (hasLeft && (isLate || isBeforeMove(existing, incoming, own))))
      return existing;
    const only = before.length === 1 ? before[0] : undefined;
    const payers = (name: 'coverage' | 'guarantor'): JsonObject[] => {
      const known = list(existing[name]).map((one) => (only === undefined ? one : marked(one, only)));
      const told = list(incoming[name]).map((one) => marked(one, own));
      if (told.length === 0) return known;
      // Of several before there were marks nobody knows whose an item is, but of what is told again.
      const same = new Set<unknown>(told.map(payerOf).filter((payer) => payer !== undefined));
      const isToldAgain = (one: JsonObject): boolean => memberOf(one) === undefined && same.has(payerOf(one));
      return [...known.filter((one) => memberOf(one) !== referenceOf(own) && !isToldAgain(one)), ...told];
    };
    const lists = { coverage: payers('coverage'), guarantor: payers('guarantor') };
    return withLists(isLate ? { ...existing, subject: [...before, own] } : result, lists);
  };
}

function isBeforeMove(existing: Resource, incoming: Resource, { reference }: JsonObject): boolean {
  const [left, now] = [deletedMs(existing, leftName(reference)), stampMs(incoming)];
  return left !== undefined && now !== undefined && now < left;
}

function withLists(resource: Resource, lists: Readonly<Record<string, JsonObject[]>>): Resource {
  const filled = Object.entries(lists).filter(([, items]) => items.length > 0);
  return { ...resource, ...Object.fromEntries(filled) } as Resource;
}

/** A44, at `time`: the payers of whom the account has left are those of whom it has moved to, the last subject of `moved`. */
export function movedPayers(existing: Resource, moved: Resource, time?: string): Resource {
  const now = list(moved.subject).at(-1);
  const stay = new Set(list(moved.subject).map(referenceOf));
  const gone = list(existing.subject).filter(({ reference }) => reference !== undefined && !stay.has(reference));
  const left = new Set(gone.map(referenceOf));
  const former = gone.map(({ reference }) => ({ url: formerUrl, valueReference: { reference: reference! } }));
  const others = list(existing.extension).filter(
    ({ url, valueReference }) =>
      url !== formerUrl || !(stay.has(referenceOf(valueReference)) || left.has(referenceOf(valueReference))),
  );
  const payers = (name: 'coverage' | 'guarantor'): JsonObject[] =>
    list(existing[name]).map((one) => (left.has(memberOf(one)) ? marked(unmarked(one), now!) : one));
  const lists = { coverage: payers('coverage'), guarantor: payers('guarantor'), extension: [...others, ...former] };
  const { extension: _extension, ...rest } = moved;
  return withDeleted(withLists(rest as Resource, lists), [...left].map(leftName), time);
}

function unmarked({ extension, ...item }: JsonObject): JsonObject {
  const others = list(extension).filter((one) => !isMark(one));
  return others.length > 0 ? { ...item, extension: others } : item;
}
