// From the bytes of files to rows: all of a load's work that needs no database. Runs in threads.
import { isUtf8 } from 'node:buffer';
import type { Json, Links, Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { resourceKey } from '../store/layout.ts';
import { bundlePieces, entriesOf, isCarrier } from './bundle.ts';
import { settleConditions, type UrlsNamed } from './conditions.ts';
import { linePieces } from './lines.ts';
import { type Gathering, type Group, gather } from './parts.ts';
import { withProfiles } from './profiles.ts';
import { type Checks, checkResource, readJson } from './read-resource.ts';
import { faultOf, invalid, type Piece } from './records.ts';
import { criteriaIn, mayHaveCriteria, settleReferences } from './references.ts';
import { type Indexing, tableRows } from './rows.ts';
import type { TermBook } from './term-book.ts';
import type { Asks, Fault, Match, Part, PreparedJob, Settings, Source } from './types.ts';

export interface Preparing extends Omit<Settings, 'terms' | 'parameters'> {
  terms: TermBook;
  checks: Checks;
  links: Links;
  asks: Asks;
  urlsNamed: UrlsNamed;
  indexing: Indexing;
  newId(): string;
  now(): number;
}

async function matchesOf(asks: Asks, criteria: string[]): Promise<Map<string, Match>> {
  const matches = criteria.length === 0 ? [] : await asks.matches(criteria);
  return new Map(criteria.map((one, i) => [one, matches[i]!]));
}

const isOpen = ({ kind }: Match): boolean => kind === 'none';

const utf8 = new TextDecoder();

async function prepareLines(ctx: Preparing, source: Source): Promise<Piece[]> {
  const pieces = await withProfiles(ctx.checks, linePieces(ctx.checks, source, ctx.newId));
  if (!mayHaveCriteria(utf8.decode(source.bytes))) return pieces;
  const { links, baseUrl } = ctx;
  const matches = await matchesOf(ctx.asks, criteriaIn(pieces, links, baseUrl));
  settleReferences({ links, baseUrl, urls: new Map(), matches, closed: false }, pieces);
  return pieces;
}

/** A Bundle of which nothing is loaded unless all is: what is wrong with it counts for all its entries. */
function refused(source: Source, faults: Fault[], entries: number): Piece {
  const [first, ...others] = faults;
  const fault: Fault = { ...first!, issues: [first!, ...others].flatMap(({ issues }) => issues), resources: entries };
  return { source, from: 0, to: Math.max(entries, 1), lines: 0, fault };
}

function assertDistinct(pieces: Piece[]): void {
  const seen = new Set<string>();
  for (const { item } of pieces) {
    if (item === undefined) continue;
    const name = `${item.resource.resourceType}/${item.id}`;
    if (seen.has(name)) throw invalid(`${name} stands in the transaction twice`, `Bundle.entry[${item.place.entry}]`);
    seen.add(name);
  }
}

/** Undefined: it waits until the other files are loaded. */
async function prepareBundle(ctx: Preparing, source: Source, bundle: Resource, into: Gathering): Promise<boolean> {
  const { links, baseUrl, checks } = ctx;
  const entries = entriesOf(bundle);
  const found = bundlePieces(checks, source, bundle, entries, ctx.newId);
  const { urls, atomic } = found;
  const pieces = await withProfiles(checks, found.pieces);
  found.pieces = pieces;
  if (atomic && entries.length > ctx.bundleEntriesMax) {
    const text = `A transaction is loaded at once and may have ${ctx.bundleEntriesMax} entries (BUNDLE_ENTRIES_MAX)`;
    throw new CerebraError('too-large', text, { expression: ['Bundle.entry'] });
  }
  const creators = await settleConditions(found, ctx.urlsNamed, (criteria) => matchesOf(ctx.asks, criteria));
  const matches = await matchesOf(ctx.asks, criteriaIn(pieces, links, baseUrl));
  for (const [criteria, match] of matches) {
    const reference = isOpen(match) ? creators.get(criteria) : undefined;
    if (reference !== undefined) matches.set(criteria, { kind: 'found', reference });
  }
  if (source.postponable && [...matches.values()].some(isOpen)) return false;
  const closed = bundle.type === 'transaction';
  settleReferences({ links, baseUrl, urls, matches, closed }, pieces);
  if (!atomic) for (const piece of pieces) into.add(piece);
  else {
    assertDistinct(pieces);
    const faults = pieces.flatMap(({ fault }) => (fault ? [fault] : []));
    into.addWhole(closed && faults.length > 0 ? [refused(source, faults, entries.length)] : pieces, closed);
  }
  // A Bundle without entries, or with none left, is finished too.
  if (entries.length === 0) into.add({ source, from: 0, to: 1, lines: 0 });
  return true;
}

function single(ctx: Preparing, source: Source, resource: Resource): Piece {
  const given = resource.id !== undefined;
  const item = { resource, id: resource.id ?? ctx.newId(), given, place: { file: source.file } };
  return { source, from: 0, to: 1, lines: 0, item };
}

async function prepareSingle(ctx: Preparing, source: Source, value: Json, into: Gathering): Promise<boolean> {
  const { links, baseUrl } = ctx;
  const [piece] = (await withProfiles(ctx.checks, [single(ctx, source, checkResource(ctx.checks, value))])) as [Piece];
  const criteria = criteriaIn([piece], links, baseUrl);
  const matches = await matchesOf(ctx.asks, criteria);
  if (source.postponable && [...matches.values()].some(isOpen)) return false;
  settleReferences({ links, baseUrl, urls: new Map(), matches, closed: false }, [piece]);
  into.add(piece);
  return true;
}

const isBundle = (value: Json): value is Resource =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && value.resourceType === 'Bundle';

/** A Bundle or a resource; false when it has to wait. */
async function prepareJson(ctx: Preparing, source: Source, into: Gathering): Promise<boolean> {
  try {
    if (source.tooLong) throw invalid('The file is larger than load takes at once: split it, or make it NDJSON');
    if (!isUtf8(source.bytes)) throw new CerebraError('invalid-json', 'The file is not UTF-8');
    const value = readJson(utf8.decode(source.bytes));
    if (isBundle(value) && isCarrier(value)) return await prepareBundle(ctx, source, value, into);
    return await prepareSingle(ctx, source, value, into);
  } catch (error) {
    into.add({ source, from: 0, to: 1, lines: 0, fault: faultOf({ file: source.file }, error) });
    return true;
  }
}

async function partOf(ctx: Preparing, { items, faults, marks, atomic }: Group): Promise<Part> {
  const numbers = await ctx.asks.numbers(items.length);
  const codes = new Map(ctx.typeCodes);
  const many = items.map(({ resource, id }, i) => {
    const type = resource.resourceType;
    return { resource, id, typeCode: codes.get(type)!, key: resourceKey(type, id), rid: numbers[i]! };
  });
  const { epoch } = ctx.indexing;
  const { tables, texts } = tableRows(many, ctx.now(), ctx.indexing, ctx.terms.part());
  return {
    marks,
    faults,
    atomic,
    resources: items.map(({ given, place }, i) => {
      const { resource, id, key } = many[i]!;
      return { type: resource.resourceType, id, key, given, place };
    }),
    tables,
    epoch,
    texts: ctx.keepTexts ? texts : undefined,
    absent: items.flatMap(({ absent }) => (absent === undefined ? [] : [absent])),
  };
}

/** Reads, checks and turns into rows what these sources hold; their order stays. */
export async function prepareJob(ctx: Preparing, sources: Source[]): Promise<PreparedJob> {
  const into = gather();
  const postponed: number[] = [];
  for (const source of sources) {
    if (source.kind === 'lines') for (const piece of await prepareLines(ctx, source)) into.add(piece);
    else if (!(await prepareJson(ctx, source, into))) postponed.push(source.file);
  }
  const parts: Part[] = [];
  for (const group of into.end()) parts.push(await partOf(ctx, group));
  return { parts, postponed };
}
