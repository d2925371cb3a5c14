// The numbers of an order come one after the other: what came under the placer's number alone and comes again with the filler's is
// of one order, and so are its results, whose ids are derived from the number that they came under first. A placer's number
// that carries several of the filler (a standing order) tells nothing of what has another. HL7 v2.9 chapter 4.5.1.2 and 4.5.1.3
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import type { Identifier } from '../identifiers.ts';
import { numberKey } from '../identity.ts';
import { lookUp } from '../look-up.ts';
import { collectedPerMessage, perMessage } from '../per-message.ts';

type Choose = NonNullable<TransactionEntry['choose']>;
type Kind = 'PLAC' | 'FILL';

/** What an order or report is looked for by. */
export interface OrderNumbers {
  type: string;
  /** Of the entry itself. */
  own: Identifier;
  /** The order's other number. */
  other: Identifier | undefined;
  otherKind: Kind;
  /** `identifier=…&code=…` of one of the two. */
  criteria(identifier: Identifier): string;
}

const has = ({ identifier }: Resource, number: Identifier): boolean =>
  list(identifier).some((one) => numberKey(one) === numberKey(number));

const hasKind = ({ identifier }: Resource, kind: Kind): boolean =>
  list(identifier).some(({ type }) => list((type as JsonObject | undefined)?.coding).some(({ code }) => code === kind));

/** What a message names together with a number. */
const name = collectedPerMessage();

/** Which of those with a number the entry means; add the entry after calling this. */
export function chooseNumbered(mapping: Mapping, numbers: OrderNumbers): Choose {
  const { type, own, other, otherKind, criteria } = numbers;
  if (other === undefined) return chooseAlone(mapping, numbers);
  const url = `${type}?${criteria(other)}`;
  const beside = name(mapping, url, numberKey(own));
  const withOther = lookUp(mapping.lookUps, url, other);
  const ownKind = otherKind === 'PLAC' ? 'FILL' : 'PLAC';
  return (matches) => {
    if (matches.length > 0) return { match: matches.find((one) => has(one, other)) ?? matches[0] };
    const [first, ...more] = withOther();
    const isSame = first !== undefined && more.length === 0 && beside.size === 1 && !hasKind(first, ownKind);
    return isSame ? { follow: `${type}/${first.id}` } : {};
  };
}

/** One number alone means what has no other, else the only one that has it. */
function chooseAlone(mapping: Mapping, { type, own, otherKind, criteria }: OrderNumbers): Choose {
  const beside = name(mapping, `${type}?${criteria(own)}`, '');
  return (matches) => {
    const alone = matches.find((one) => !hasKind(one, otherKind));
    // Of the message itself others may have this number and their own.
    return { match: alone ?? (matches.length === 1 && beside.size === 1 ? matches[0] : undefined) };
  };
}

interface PartIds {
  id: string;
  /** By which the report refers to it. */
  shown: string;
}

/** A resource whose id is derived from the order's key. */
export interface OrderPart extends Pick<PartIds, 'shown'> {
  /** Of its entry. */
  url: string;
  /** Its ids under another key of the order, most likely first; `fits` tells one of several. */
  under(key: string): PartIds[];
  fits?(stored: Resource): boolean;
}

const partsOf = perMessage(() => new Map<string, OrderPart[]>());

/** `key`: the order's. */
export function rememberPart(mapping: Mapping, key: string, part: OrderPart): void {
  const parts = partsOf(mapping);
  const known = parts.get(key);
  if (known === undefined) parts.set(key, [part]);
  else known.push(part);
}

export const partsUnder = (mapping: Mapping, key: string): readonly OrderPart[] => partsOf(mapping).get(key) ?? [];

/**
 * As `choose`, of a report; `forms` gets the ids of forms that stand for those of the message. What the report has of the
 * message under another number is that one, and what another report has is none of it: entries get the ids that they have.
 * `all`: the reports of the number, where the entry's criteria leave some out.
 */
export function choosingParts(
  mapping: Mapping,
  key: string,
  choose: Choose,
  forms: Map<string, string>,
  all?: () => Resource[],
): Choose {
  return (matches) => {
    const choice = choose(matches);
    const others = (all?.() ?? matches).filter(({ id }) => id !== choice.match?.id);
    const ids = otherIds(mapping, key, choice.match, others);
    for (const [{ shown }, [first]] of ids) forms.set(shown, first!.shown);
    if (choice.follow === undefined && rename(mapping, ids)) throw changedNames();
    return choice;
  };
}

/** PostgreSQL's code for a lost race: the transaction is tried again, in which the entries have other names. */
const changedNames = (): Error =>
  Object.assign(new Error('Results of this order are stored under its other number'), { code: '40001' });

/** Of parts that are stored under other ids than those of the message, or have to be. */
function otherIds(
  mapping: Mapping,
  key: string,
  report: Resource | undefined,
  others: readonly Resource[],
): Map<OrderPart, PartIds[]> {
  const ids = new Map<OrderPart, PartIds[]>();
  const names = namesIn(report);
  const foreign = new Set(others.flatMap((one) => [...namesIn(one)]));
  if (names.size === 0 && foreign.size === 0) return ids;
  const [system, value, code] = JSON.parse(key) as (string | null)[];
  const apart = JSON.stringify([system, value, code, 'apart']);
  const keys = list(report?.identifier)
    .filter((number) => numberKey(number) !== `${system}|${value}`)
    .map((number) => JSON.stringify([number.system, number.value, code]));
  for (const part of partsOf(mapping).get(key) ?? []) {
    if (names.has(part.shown)) continue;
    const stored = [...keys, apart].flatMap((one) => part.under(one)).filter(({ shown }) => names.has(shown));
    if (stored.length > 0) ids.set(part, stored);
    else if (foreign.has(part.shown)) ids.set(part, part.under(apart).slice(0, 1));
  }
  return ids;
}

/** Whether any entry has other names now than before. */
function rename(mapping: Mapping, ids: ReadonlyMap<OrderPart, PartIds[]>): boolean {
  let isChanged = false;
  for (const [part, stored] of ids) {
    const entry = mapping.entries.find(({ url }) => url === part.url);
    if (entry === undefined || renamed.has(entry)) continue;
    renamed.add(entry);
    isChanged = true;
    entry.alias = {
      ids: () => stored.map(({ id }) => id),
      fits: (one) =>
        stored.some(({ id }) => id === one.id) && (stored.length === 1 || part.fits === undefined || part.fits(one)),
      instead: () => stored[0]!.id,
    };
  }
  return isChanged;
}

const renamed = new WeakSet<TransactionEntry>();

/** Ids of a report's results and specimens, and of its forms. */
function namesIn(report: Resource | undefined): Set<string> {
  const references = [...list(report?.result), ...list(report?.specimen)].map(({ reference }) => String(reference));
  const forms = list(report?.presentedForm).map(({ id, url }) => String(id ?? url));
  return new Set([...references, ...forms].map((reference) => reference.slice(reference.lastIndexOf('/') + 1)));
}
