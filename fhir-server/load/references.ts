// Conditional references, and those by fullUrl, put in place: https://hl7.org/fhir/R4/http.html#trules
import { type JsonObject, type Links, parseReference, type Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { entryTarget } from '../interactions/full-urls.ts';
import { asksForVersion } from '../interactions/links.ts';
import { faultOf, type Item, invalid, type Piece } from './records.ts';
import type { Match, Place } from './types.ts';

/** Found in the text, before the resource is walked: most have none. */
const conditional = /"reference"\s*:\s*"[^"?]*\?/;

export interface ReferenceContext {
  links: Links;
  baseUrl: string;
  urls: ReadonlyMap<string, string>;
  matches: ReadonlyMap<string, Match>;
  /** Every urn:uuid and urn:oid must be a fullUrl. */
  closed: boolean;
}

/** `Type?query` of a conditional reference. */
function criteriaOf(text: string, baseUrl: string): string | undefined {
  if (!text.includes('?')) return undefined;
  const parsed = parseReference(text, baseUrl);
  return parsed.kind === 'conditional' ? `${parsed.type}?${parsed.query}` : undefined;
}

/** The entries of a stored Bundle, and what they refer to, are a world of their own: nobody but its reader resolves them. */
const isInnerBundle = ({ resourceType }: Resource): boolean => resourceType === 'Bundle';

/** All criteria of conditional references, each once. */
export function criteriaIn(pieces: Piece[], links: Links, baseUrl: string): string[] {
  const found = new Set<string>();
  for (const { item } of pieces) {
    if (item === undefined || isInnerBundle(item.resource)) continue;
    links.forEachReference(item.resource, (text) => {
      const criteria = criteriaOf(text, baseUrl);
      if (criteria !== undefined) found.add(criteria);
    });
  }
  return [...found];
}

export const mayHaveCriteria = (text: string): boolean => conditional.test(text);

/** Why a reference can't be kept as it stands. */
function faultIn(text: string, { baseUrl, matches, closed }: ReferenceContext): string | undefined {
  if (closed && /^urn:(?:uuid|oid):/.test(text))
    return `The reference '${text.slice(0, 80)}' is no fullUrl of this Bundle`;
  const criteria = criteriaOf(text, baseUrl);
  const match = criteria === undefined ? undefined : matches.get(criteria);
  if (match === undefined || match.kind === 'found') return undefined;
  return match.kind === 'fault' ? match.diagnostics : 'The conditional reference matches no resource';
}

/** Which version is written is known only when the others are written too. */
const versionAsked = (expression: string): CerebraError =>
  new CerebraError(
    'unsupported',
    'load does not make references version-specific: post the Bundle to the server, or leave the extension out',
    { expression: [expression] },
  );

const expressionOf = ({ entry }: Place, path: string): string =>
  entry === undefined ? path : `Bundle.entry[${entry}].resource${path.replace(/^[A-Za-z]+/, '')}`;

function settle(ctx: ReferenceContext, item: Item): void {
  const { links, urls, matches, baseUrl } = ctx;
  links.rewriteReferences(item.resource, (text) => {
    const url = entryTarget(urls, item.fullUrl, baseUrl, text);
    if (url !== undefined) return url;
    const criteria = criteriaOf(text, baseUrl);
    const match = criteria === undefined ? undefined : matches.get(criteria);
    return match?.kind === 'found' ? match.reference : undefined;
  });
  links.forEachReference(item.resource, (text, site) => {
    const fault = faultIn(text, ctx);
    if (fault !== undefined) throw invalid(fault, expressionOf(item.place, site.path()));
    if (!ctx.closed || !asksForVersion(site.owner as JsonObject)) return;
    throw versionAsked(expressionOf(item.place, site.path()));
  });
}

/** Rewrites the resources in place; one with a reference that can't be resolved becomes a fault. */
export function settleReferences(ctx: ReferenceContext, pieces: Piece[]): void {
  for (const piece of pieces) {
    if (piece.item === undefined || isInnerBundle(piece.item.resource)) continue;
    try {
      settle(ctx, piece.item);
    } catch (error) {
      piece.fault = faultOf(piece.item.place, error);
      delete piece.item;
    }
  }
}
