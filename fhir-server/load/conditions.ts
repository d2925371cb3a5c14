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

/**
 * What this parameter of a search for that type refers to, an identifier may look like a reference: by its forms in the value the
 * URL. `Patient/23` is what has the fullUrl `[base]/Patient/23`, as in transactions.
 */
export type UrlsNamed = (type: string, name: string, value: string) => ReadonlyMap<string, string>;

function decoded(value: string): string {
  try {
    return decodeURIComponent(value.replaceAll('+', ' '));
  } catch {
    return value;
  }
}

interface Keys {
  has(url: string): boolean;
}

interface Pair {
  name: string;
  value: string;
  /** Of `among`, by their forms in the value. */
  named: ReadonlyMap<string, string>;
}

const RELATIVE = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

/** Read as a search only where one of them stands in it: that takes some microseconds, and most Bundles have many. */
function readPair(type: string, pair: string, among: Keys, urlsNamed: UrlsNamed): Pair {
  const at = pair.indexOf('=');
  const [name, value] = [decoded(pair.slice(0, at)), decoded(pair.slice(at + 1))];
  const isUrl = (one: string) => among.has(one) || RELATIVE.test(one);
  const may = at > 0 && (name === '_filter' || value.split(',').some(isUrl));
  const named = may ? [...urlsNamed(type, name, value)].filter(([, url]) => among.has(url)) : [];
  return { name, value, named: new Map(named) };
}

const split = (criteria: string): [type: string, pairs: string[]] => {
  const question = criteria.indexOf('?');
  return [criteria.slice(0, question), criteria.slice(question + 1).split('&')];
};

/** The fullUrls of `among` that the criteria name. */
function namedIn(criteria: string, among: Keys, urlsNamed: UrlsNamed): string[] {
  const [type, pairs] = split(criteria);
  return pairs.flatMap((pair) => [...readPair(type, pair, among, urlsNamed).named.values()]);
}

/** The texts as they stand alone: `Patient/1` is no part of `Patient/12`, nor of `http://elsewhere/Patient/1`. */
function standing(texts: readonly string[]): RegExp {
  const one = texts.map((text) => text.replaceAll(/[^\w/]/g, '\\$&')).join('|');
  return new RegExp(`(?<![\\w/])(?:${one})(?![\\w.-])`, 'g');
}

/** `Type?query` with what was made or found in place of the fullUrls that it names; all else stays as it is written. */
function bound(criteria: string, urls: ReadonlyMap<string, string>, urlsNamed: UrlsNamed): string {
  const [type, pairs] = split(criteria);
  const inPair = (pair: string): string => {
    const { name, value, named } = readPair(type, pair, urls, urlsNamed);
    if (named.size === 0) return pair;
    const target = (text: string): string => urls.get(named.get(text) ?? '') ?? text;
    if (name !== '_filter') {
      const values = value.split(',').map((one) => encodeURIComponent(target(one)));
      return `${pair.slice(0, pair.indexOf('='))}=${values.join(',')}`;
    }
    // The longest first: one may begin as another.
    const longest = [...named.keys()].sort((one, other) => other.length - one.length);
    // In one pass: what is put in for one may be the name of another.
    return `_filter=${encodeURIComponent(value.replaceAll(standing(longest), target))}`;
  };
  return `${type}?${pairs.map(inPair).join('&')}`;
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
export async function settleConditions(
  { pieces, urls }: BundlePieces,
  urlsNamed: UrlsNamed,
  lookUp: LookUp,
): Promise<Map<string, string>> {
  const creators = new Map<string, string>();
  let waiting = pieces.filter(isConditional);
  for (let step = 1; waiting.length > 0; step++) {
    const open = new Set(waiting.flatMap(({ item }) => item.fullUrl ?? []));
    const ready = new Set(waiting.filter(({ item }) => namedIn(item.absent, open, urlsNamed).length === 0));
    if (ready.size === 0 || step > STEPS_MAX) {
      for (const piece of waiting) refuse(piece, piece.item, ready.size === 0 ? DEPENDS_ON_ITSELF : TOO_DEEP);
      break;
    }
    for (const { item } of ready) item.absent = bound(item.absent, urls, urlsNamed);
    const matches = await lookUp([...new Set([...ready].map(({ item }) => item.absent))]);
    for (const piece of ready) settle(piece, matches.get(piece.item.absent)!, urls, creators);
    waiting = waiting.filter((piece) => !ready.has(piece));
  }
  return creators;
}
