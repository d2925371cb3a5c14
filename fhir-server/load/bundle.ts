// The resources of a Bundle, with their ids: https://hl7.org/fhir/R4/bundle.html
import { isId, isObject, type Json, type JsonObject, type Resource } from '#fhir-model';
import { CerebraError, uuidv5 } from '#platform';
import { noneExistQuery } from '../interactions/none-exist.ts';
import { type Checks, checkResource } from './read-resource.ts';
import { faultOf, type Item, invalid, type Piece } from './records.ts';
import type { Source } from './types.ts';

/** Of `urn:oid:…` and other fullUrls that give no id: the same at each run, so that entries can refer to each other. */
const ID_NAMESPACE = '5b0f7a52-3d0e-5c1c-9a35-0c4f3a6d7e11';

/** Types whose entries are loaded; documents and messages are resources of their own. */
const CARRIERS = ['transaction', 'batch', 'collection', 'searchset'];
const WHOLES = ['document', 'message'];

/** What is to become of a Bundle's entries. */
export interface BundlePieces {
  pieces: Piece[];
  /** fullUrl → `Type/id` */
  urls: Map<string, string>;
  /** All or nothing. */
  atomic: boolean;
}

const textOf = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

/** Whether its entries are what is loaded; throws for a Bundle that holds no resources of its own. */
export function isCarrier(bundle: Resource): boolean {
  const type = textOf(bundle.type as Json | undefined);
  if (CARRIERS.includes(type ?? '')) return true;
  if (WHOLES.includes(type ?? '')) return false;
  throw invalid(
    `Bundles of type ${CARRIERS.join(', ')}, ${WHOLES.join(' and ')} can be loaded, found ${type?.slice(0, 40) ?? 'none'}`,
    'Bundle.type',
  );
}

export function entriesOf(bundle: Resource): Json[] {
  const { entry = [] } = bundle as { entry?: Json };
  if (!Array.isArray(entry)) throw invalid('Bundle.entry must be an array', 'Bundle.entry');
  return entry;
}

interface Request {
  method: string | undefined;
  /** The id that a PUT names. */
  id: string | undefined;
  /** Of a conditional create: `Type?query`. */
  criteria: string | undefined;
}

const noRequest: Request = { method: undefined, id: undefined, criteria: undefined };

function idOfUrl(url: string, type: string): string {
  const [found, id, ...more] = url
    .replace(/\/$/, '')
    .replace(/^.*\/(?=[A-Z][A-Za-z]*\/)/, '')
    .split('/');
  if (found === type && id !== undefined && more.length === 0 && isId(id)) return id;
  throw invalid(`load takes PUT to ${type}/id only, not conditional updates`, '.request.url');
}

/** An operation that is posted to would be stored instead of run. */
function assertPostedTo(url: string, type: string): void {
  const named = url.replace(/\?.*$/s, '').replace(/\/$/, '').split('/').at(-1);
  if (named === '' || named === type) return;
  throw invalid(`The url must be ${type}, as the resource is; load runs no operations`, '.request.url');
}

/** Ignored, what they should prevent would be done. */
function assertUnconditional(request: JsonObject): void {
  for (const name of ['ifMatch', 'ifNoneMatch', ...(request.method === 'PUT' ? ['ifNoneExist'] : [])]) {
    if (request[name] === undefined) continue;
    throw new CerebraError(
      'unsupported',
      `load does not heed ${name} here: post the Bundle to the server, or leave it out`,
      {
        expression: [`.request.${name}`],
      },
    );
  }
}

/** What has no criteria, or is no text, is not "no condition". */
function criteriaOf(ifNoneExist: Json | undefined, type: string): string | undefined {
  if (ifNoneExist === undefined) return undefined;
  const path = '.request.ifNoneExist';
  const query = noneExistQuery(type, textOf(ifNoneExist) ?? '', path);
  if (query.trim() !== '') return `${type}?${query}`;
  throw invalid('At least one search criterion is needed, as in identifier=http://example.org/mrn|17', path);
}

function requestOf(entry: JsonObject, type: string): Request {
  const { request } = entry;
  if (!isObject(request)) return noRequest;
  assertUnconditional(request);
  const method = textOf(request.method);
  if (method === 'PUT') return { method, id: idOfUrl(textOf(request.url) ?? '', type), criteria: undefined };
  if (method === 'POST') {
    assertPostedTo(textOf(request.url) ?? '', type);
    return { method, id: undefined, criteria: criteriaOf(request.ifNoneExist, type) };
  }
  throw new CerebraError('unsupported', `load takes entries with POST and PUT, not ${String(method).slice(0, 20)}`, {
    expression: ['.request.method'],
  });
}

/** Of the resource, the PUT's url, or `urn:uuid:` in the fullUrl. */
function idOf(source: Source, resource: Resource, request: Request, fullUrl: string | undefined): string | undefined {
  if (request.id !== undefined && resource.id !== undefined && request.id !== resource.id) {
    throw invalid(`The url names the id ${request.id}, the resource has another`, '.resource.id');
  }
  const id = request.id ?? resource.id;
  if (id !== undefined || fullUrl === undefined) return id;
  const uuid = /^urn:uuid:([0-9a-fA-F-]{36})$/.exec(fullUrl)?.[1]?.toLowerCase();
  return uuid ?? uuidv5(ID_NAMESPACE, `${source.file} ${fullUrl}`);
}

/** `.request.url` and `Patient.name` → `Bundle.entry[3].request.url`, `Bundle.entry[3].resource.name`. */
export function placed(error: unknown, index: number): unknown {
  if (!(error instanceof CerebraError)) return error;
  const at = `Bundle.entry[${index}]`;
  const issues = error.issues.map((issue) => ({
    ...issue,
    expression: (issue.expression ?? ['']).map((path) =>
      path === '' || path.startsWith('.') ? at + path : `${at}.resource${path.replace(/^[A-Za-z]+/, '')}`,
    ),
  }));
  return new CerebraError(error.code, error.message, { issues });
}

function readEntry(checks: Checks, source: Source, value: Json, index: number, newId: () => string): Item | undefined {
  if (!isObject(value)) throw invalid('An entry must be an object', '');
  // What a search has to say about itself: https://hl7.org/fhir/R4/valueset-search-entry-mode.html
  if (isObject(value.search) && value.search.mode === 'outcome') return undefined;
  if (value.resource === undefined) throw invalid('The entry has no resource', '');
  const resource = checkResource(checks, value.resource);
  const request = requestOf(value, resource.resourceType);
  const fullUrl = textOf(value.fullUrl);
  const id = idOf(source, resource, request, fullUrl);
  const place = { file: source.file, entry: index };
  const item: Item = { resource, id: id ?? newId(), given: id !== undefined, place };
  if (request.criteria !== undefined) item.absent = request.criteria;
  if (fullUrl !== undefined) item.fullUrl = fullUrl;
  return item;
}

/** Throws for a fullUrl that two resources have: a reference to it could mean either. */
function name(urls: Map<string, string>, fullUrl: string, target: string): void {
  const before = urls.get(fullUrl);
  if (before !== undefined && before !== target) throw invalid('Two entries have the same fullUrl', '.fullUrl');
  urls.set(fullUrl, target);
}

/** The entries as pieces; those in `source.done` are there only to be referred to. */
export function bundlePieces(
  checks: Checks,
  source: Source,
  bundle: Resource,
  entries: Json[],
  newId: () => string,
): BundlePieces {
  const urls = new Map<string, string>();
  const pieces: Piece[] = [];
  entries.forEach((value, index) => {
    const piece: Piece = { source, from: index, to: index + 1, lines: 0 };
    const isDone = source.done.some(([from, to]) => index >= from && index < to);
    try {
      const item = readEntry(checks, source, value, index, newId);
      if (item?.fullUrl) name(urls, item.fullUrl, `${item.resource.resourceType}/${item.id}`);
      if (item) piece.item = item;
    } catch (error) {
      piece.fault = faultOf({ file: source.file, entry: index }, placed(error, index));
    }
    if (!isDone) pieces.push(piece);
  });
  const conditional = pieces.some(({ item }) => item?.absent !== undefined);
  return { pieces, urls, atomic: bundle.type === 'transaction' || conditional };
}
