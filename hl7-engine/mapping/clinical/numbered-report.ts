// Which report of an order's numbers a message means.
import type { TransactionEntry } from '#fhir-model';
import type { Mapping } from '../context.ts';
import { codeableConcept } from '../datatypes.ts';
import { eiIdentifier, type Identifier, tokenCriterion } from '../identifiers.ts';
import { numberKey } from '../identity.ts';
import { lookUp } from '../look-up.ts';
import { perMessage } from '../per-message.ts';
import { type Order, orderCriteria } from './order.ts';
import { chooseNumbered, choosingParts } from './order-numbers.ts';

export interface NumberedReport {
  /** What its entry is found by. */
  url: string;
  /** `forms` as for choosingParts. */
  choose(forms: Map<string, string>): NonNullable<TransactionEntry['choose']>;
}

/** `own`: the filler's number, else the placer's. */
export function numberedReport(mapping: Mapping, order: Order, own: Identifier): NumberedReport {
  const { placer, filler, code, key } = order;
  const isPlacers = filler === undefined;
  const ofNumber = `DiagnosticReport?${orderCriteria(own, code)}`;
  const others = isPlacers ? fillersBeside(mapping, ofNumber) : [];
  return {
    url: `${ofNumber}${without(others)}`,
    choose(forms) {
      const choose = chooseNumbered(mapping, {
        type: 'DiagnosticReport',
        own,
        other: isPlacers ? undefined : placer,
        otherKind: isPlacers ? 'FILL' : 'PLAC',
        criteria: (identifier) => orderCriteria(identifier, code),
      });
      // Also locks the number, under which another message may create the report at the same moment.
      const all = others.length > 0 ? lookUp(mapping.lookUps, ofNumber, own) : undefined;
      return choosingParts(mapping, key, choose, forms, all);
    },
  };
}

/**
 * The filler's numbers that other orders of the message have beside the placer's number of this one: what they create has the
 * number too, and is not meant by it.
 */
const fillersBeside = (mapping: Mapping, url: string): Identifier[] => [
  ...(allFillersOf(mapping).get(url)?.values() ?? []),
];

/** What the message finds reports by → fillers' numbers. With a reading for each of 2,000 orders the mapping took 27 s. */
const allFillersOf = perMessage((mapping) => {
  const beside = new Map<string, Map<string, Identifier>>();
  let orc = mapping.message.segment('ORC');
  for (const segment of mapping.message.segments) {
    if (segment.name === 'ORC') orc = segment;
    if (segment.name !== 'OBR') continue;
    const number = (field: number, kind: string, type: string): Identifier | undefined =>
      eiIdentifier(mapping, segment.field(field), kind, type) ??
      (orc && eiIdentifier(mapping, orc.field(field), kind, type));
    const filler = number(3, 'order-filler', 'FILL');
    const placer = number(2, 'order-placer', 'PLAC');
    if (filler === undefined || placer === undefined) continue;
    const code = codeableConcept(mapping, segment.field(4)) ?? codeableConcept(mapping, segment.field(44));
    const url = `DiagnosticReport?${orderCriteria(placer, code)}`;
    const found = beside.get(url) ?? new Map<string, Identifier>();
    beside.set(url, found.set(numberKey(filler), filler));
  }
  return beside;
});

/** More of them are not named: so many results of one order come in several messages. */
const FILLERS_MAX = 100;

function without(fillers: readonly Identifier[]): string {
  const values = fillers.slice(0, FILLERS_MAX).map(({ system, value }) => tokenCriterion('', system, value).slice(1));
  return values.length === 0 ? '' : `&identifier:not=${values.join('%2C')}`;
}
