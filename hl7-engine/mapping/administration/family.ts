// One account of several patients, as a family has: each has payers of their own. https://hl7.org/fhir/R4/account.html
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { list } from '../compact.ts';

type Merge = NonNullable<TransactionEntry['merge']>;

/** Of an item of Account.coverage or guarantor: the patient whose message has told of it. */
const memberUrl = 'urn:cerebra:hl7v2-account-member';

const referenceOf = (reference: unknown): unknown => (reference as JsonObject | undefined)?.reference;
const isMark = ({ url }: JsonObject): boolean => url === memberUrl;
const memberOf = ({ extension }: JsonObject): unknown => referenceOf(list(extension).find(isMark)?.valueReference);

function marked(item: JsonObject, { reference }: JsonObject): JsonObject {
  if (reference === undefined || memberOf(item) !== undefined) return item;
  return { ...item, extension: [...list(item.extension), { url: memberUrl, valueReference: { reference } }] };
}

/**
 * A merge for accounts: those who pay for the patient of a message replace those who did before, and those who pay for others of
 * the account stay. What is there of an account of one is that one's, and gets its mark when another joins, however late: that
 * there is newer of the others says nothing of it.
 */
export function familyPayers(merge: Merge): Merge {
  return (existing, incoming) => {
    const result = merge(existing, incoming);
    const before = list(existing?.subject);
    const [own] = list(incoming.subject);
    const isOwn = (one: JsonObject): boolean => referenceOf(one) === referenceOf(own);
    if (existing === undefined || own === undefined || before.every(isOwn)) return result;
    const isLate = result === existing;
    if (isLate && before.some(isOwn)) return existing;
    const only = before.length === 1 ? before[0] : undefined;
    const payers = (name: 'coverage' | 'guarantor'): JsonObject[] => {
      const known = list(existing[name]).map((one) => (only === undefined ? one : marked(one, only)));
      const told = list(incoming[name]).map((one) => marked(one, own));
      if (told.length === 0) return known;
      return [...known.filter((one) => memberOf(one) !== referenceOf(own)), ...told];
    };
    const lists = { coverage: payers('coverage'), guarantor: payers('guarantor') };
    return withLists(isLate ? { ...existing, subject: [...before, own] } : result, lists);
  };
}

function withLists(resource: Resource, lists: Readonly<Record<string, JsonObject[]>>): Resource {
  const filled = Object.entries(lists).filter(([, items]) => items.length > 0);
  return { ...resource, ...Object.fromEntries(filled) } as Resource;
}
