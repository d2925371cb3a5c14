// What goes along with an order under one of its numbers, and is stored under the other: the filler's comes later (HL7 v2.9 chapter
// 4.5.1.3). No report tells which results are whose, as for order-numbers.ts; the request does.
import type { Alias, JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import { numberKey } from '../identity.ts';
import { collectedPerMessage } from '../per-message.ts';
import type { Order } from './order.ts';
import { type OrderPart, partsUnder } from './order-numbers.ts';

/** What observations of an order are kept under, beside its key. */
const kinds = ['order', 'medication', 'diet', 'supply'];

/** Fillers' numbers of a message under one number of the placer. */
const fillers = collectedPerMessage();

/** `reference`: the order's request, which knows the order's numbers. */
export function findAnswers(mapping: Mapping, order: Order, reference: string): void {
  const { key, placer, filler } = order;
  const request = mapping.entries.findLast(({ fullUrl }) => fullUrl === reference);
  if (request?.choose === undefined || (placer ?? filler) === undefined) return;
  const beside = fillers(mapping, request.url, filler === undefined ? '' : numberKey(filler));
  const { choose } = request;
  let known: Resource | undefined;
  request.choose = (matches) => {
    const choice = choose(matches);
    known = choice.match;
    return choice;
  };
  const others = (): string[] => (beside.size > 1 ? [] : otherKeys(known, order));
  for (const kind of kinds) {
    for (const part of partsUnder(mapping, JSON.stringify([kind, key]))) {
      const entry = mapping.entries.findLast(({ url }) => url === part.url);
      const ids = () => others().flatMap((other) => part.under(JSON.stringify([kind, other])).slice(0, 1));
      if (entry !== undefined) entry.alias = withIds(entry, part, () => ids().map(({ id }) => id));
    }
  }
}

const isKind = ({ type }: JsonObject, kind: string): boolean =>
  list((type as JsonObject | undefined)?.coding).some(({ code }) => code === kind);

/** Keys under the order's other number; a placer's number that carries another of the filler tells nothing. */
function otherKeys(request: Resource | undefined, { key, filler }: Order): string[] {
  const [, , code] = JSON.parse(key) as unknown[];
  const numbers = list(request?.identifier);
  const filled = numbers.filter((one) => isKind(one, 'FILL'));
  const keyed = (all: JsonObject[]): string[] => all.map(({ system, value }) => JSON.stringify([system, value, code]));
  if (filler === undefined) return filled.length === 1 ? keyed(filled) : [];
  const isSame = filled.length === 0 || filled.some((one) => numberKey(one) === numberKey(filler));
  return isSame ? keyed(numbers.filter((one) => isKind(one, 'PLAC'))) : [];
}

function withIds({ url, alias }: TransactionEntry, part: OrderPart, ids: () => string[]): Alias {
  return {
    ids: () => [...ids(), ...(alias?.ids() ?? [])],
    fits(stored) {
      if (ids().includes(String(stored.id))) return part.fits?.(stored) ?? true;
      return alias?.fits(stored) ?? true;
    },
    instead: () => alias?.instead() ?? url.slice(url.indexOf('/') + 1),
  };
}
