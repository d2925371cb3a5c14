// Conditional creates of a Bundle, in the order in which their criteria depend on each other:
// `identifier=o1&subject=urn:uuid:…` means the patient that another entry makes or finds. Left as it is it would match
// nothing, and every Bundle that brings the same Observation would create it once more.
import { STEPS_MAX } from '../interactions/named-criteria.ts';
import { type BundlePieces, placed } from './bundle.ts';
import { faultOf, type Item, invalid, type Piece } from './records.ts';
import type { Match } from './types.ts';

const DEPENDS_ON_ITSELF = 'The criteria name an entry whose own criteria depend on this one: name one in another way';
const TOO_DEEP = `The criteria depend on those of other entries over more than ${STEPS_MAX} steps`;

export type LookUp = (criteria: string[]) => Promise<ReadonlyMap<string, Match>>;

type Replace = (alternative: string) => string | undefined;

function decoded(value: string): string {
  try {
    return decodeURIComponent(value.replaceAll('+', ' '));
  } catch {
    return value;
  }
}

function inPair(pair: string, replace: Replace): string {
  const from = pair.indexOf('=') + 1;
  const alternatives = decoded(pair.slice(from)).split(',');
  if (from === 0 || !alternatives.some((one) => replace(one) !== undefined)) return pair;
  return pair.slice(0, from) + alternatives.map((one) => encodeURIComponent(replace(one) ?? one)).join(',');
}

/** `Type?query` with other values in place of some; what is not replaced stays as it is written. */
function inCriteria(criteria: string, replace: Replace): string {
  const question = criteria.indexOf('?') + 1;
  const pairs = criteria.slice(question).split('&');
  return criteria.slice(0, question) + pairs.map((pair) => inPair(pair, replace)).join('&');
}

/** The fullUrls of `among` that the criteria name. */
function namedIn(criteria: string, among: ReadonlySet<string>): string[] {
  const named: string[] = [];
  inCriteria(criteria, (one) => {
    if (among.has(one)) named.push(one);
    return undefined;
  });
  return named;
}

interface Conditional extends Piece {
  item: Item & { absent: string };
}

const isConditional = (piece: Piece): piece is Conditional => piece.item?.absent !== undefined;

const ownName = ({ resource, id }: Item): string => `${resource.resourceType}/${id}`;

function refuse(piece: Piece, { place }: Item, why: string): void {
  piece.fault = faultOf(place, placed(invalid(why, '.request.ifNoneExist'), place.entry!));
  delete piece.item;
}

/** An entry whose criteria match becomes that match; of several with the same criteria the first is created. */
function settle(piece: Conditional, match: Match, urls: Map<string, string>, creators: Map<string, string>): void {
  const { item } = piece;
  if (match.kind === 'fault') {
    refuse(piece, item, match.diagnostics);
    return;
  }
  const found = match.kind === 'found' ? match.reference : creators.get(item.absent);
  if (found === undefined) {
    creators.set(item.absent, ownName(item));
    return;
  }
  piece.found = true;
  if (item.fullUrl) urls.set(item.fullUrl, found);
  delete (piece as Piece).item;
}

/**
 * Settles them all: one that finds its resource has no item any more, and its fullUrl means what was found. Yields what
 * will be created, by its criteria.
 */
export async function settleConditions({ pieces, urls }: BundlePieces, lookUp: LookUp): Promise<Map<string, string>> {
  const creators = new Map<string, string>();
  const known = new Set(urls.keys());
  const bind: Replace = (one) => (known.has(one) ? urls.get(one) : undefined);
  let waiting = pieces.filter(isConditional);
  for (let step = 1; waiting.length > 0; step++) {
    const open = new Set(waiting.flatMap(({ item }) => item.fullUrl ?? []));
    const ready = new Set(waiting.filter(({ item }) => namedIn(item.absent, open).length === 0));
    if (ready.size === 0 || step > STEPS_MAX) {
      for (const piece of waiting) refuse(piece, piece.item, ready.size === 0 ? DEPENDS_ON_ITSELF : TOO_DEEP);
      break;
    }
    for (const { item } of ready) item.absent = inCriteria(item.absent, bind);
    const matches = await lookUp([...new Set([...ready].map(({ item }) => item.absent))]);
    for (const piece of ready) settle(piece, matches.get(piece.item.absent)!, urls, creators);
    waiting = waiting.filter((piece) => !ready.has(piece));
  }
  return creators;
}
