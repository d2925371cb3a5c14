// Requests of the kinds that requests.ts has not: bodies of operations, GraphQL, entries, headers, links, operators and HL7.
import type { OutgoingHttpHeaders } from 'node:http';
import { createXmlCodec, loadDefinitions, type Resource } from '#fhir-model';
import { makeCall } from './calls.ts';
import type { Chance } from './chance.ts';
import { makeOddEntry } from './entries.ts';
import { makeGraphql } from './graphql.ts';
import { makeHeaders } from './heads.ts';
import { makeHl7Request, makeOperatorRequest, type Offer, type OperatorRequest } from './operators.ts';
import { makeQuery } from './queries.ts';
import { garble, makeResource, spoil, type Tree } from './resources.ts';
import { bodyOf, textOf } from './shape.ts';

export interface OddRequest {
  kind: string;
  method: string;
  /** Below the FHIR base; with a slash first, below the root. */
  path: string;
  headers: OutgoingHttpHeaders;
  body?: string;
}

const FHIR = 'application/fhir+json';
const xml = createXmlCodec(await loadDefinitions());

function spoilt(tree: Tree, chance: Chance): Tree {
  const copy = structuredClone(tree);
  for (const _ of chance.some(3, () => 0)) if (Object.keys(copy).length > 0) spoil(copy, chance);
  return copy;
}

function makeOperationRequest(chance: Chance): OddRequest {
  const { path, body } = makeCall(chance);
  const kind = path.slice(path.indexOf('$'));
  const headers = makeHeaders(chance, FHIR);
  if (!chance.once(5)) return { kind, method: 'POST', path, headers, body: bodyOf(spoilt(body, chance), chance) };
  // What fits into a URL.
  const values = [spoilt(body, chance).parameter].flat().flatMap((one) => {
    const { name, ...more } = (typeof one === 'object' && one !== null ? one : {}) as Tree;
    const value = Object.values(more)[0];
    return `${encodeURIComponent(textOf(name).toWellFormed())}=${encodeURIComponent(textOf(value).slice(0, 300).toWellFormed())}`;
  });
  return { kind, method: chance.one(['GET', 'GET', 'HEAD']), path: `${path}?${values.join('&')}`, headers };
}

function makeGraphqlRequest(chance: Chance): OddRequest {
  const { path, query, body } = makeGraphql(chance);
  const kind = 'graphql';
  const asJson = (): OddRequest => {
    const headers = makeHeaders(chance, 'application/json');
    return { kind, method: 'POST', path, headers, body: bodyOf(body, chance) };
  };
  return chance.one<() => OddRequest>([
    asJson,
    asJson,
    () => ({ kind, method: 'POST', path, headers: makeHeaders(chance, 'application/graphql'), body: query }),
    () => ({
      kind,
      method: 'GET',
      path: `${path}?query=${encodeURIComponent(query)}&variables=${encodeURIComponent(JSON.stringify(body.variables ?? {}).toWellFormed()).slice(0, 6000)}`,
      headers: makeHeaders(chance, FHIR),
    }),
  ])();
}

function makeBundleRequest(chance: Chance): OddRequest {
  const type = chance.one(['batch', 'batch', 'transaction']);
  const entry = [makeOddEntry(chance), ...chance.some(type === 'batch' ? 4 : 1, () => makeOddEntry(chance))];
  return {
    kind: 'bundle',
    method: 'POST',
    path: '',
    headers: makeHeaders(chance, FHIR),
    body: bodyOf({ resourceType: 'Bundle', type, entry }, chance),
  };
}

const XML_SCRAPS = [
  ...[
    '<?xml version="1.1"?>',
    '<?x y?>',
    '<!-- -- -->',
    '<![CDATA[x]]>',
    '<!DOCTYPE a>',
    '&#0;',
    '&#xD800;',
    '&#1;',
    '&lt;',
    '&nope;',
    '<a:b/>',
    ' xmlns="urn:x"',
    ' xmlns:a=""',
  ],
  ...[
    ' value="x"',
    ' value=""',
    ' id=""',
    '<extension/>',
    '<extension url="u"><valueString/></extension>',
    '<id value="x"/>',
    '<contained/>',
    '<text/>',
    '<div/>',
    '</x>',
    '\u0000',
    '\ufffe',
  ],
  ...[
    '<resource><Patient/></resource>',
    '<name>'.repeat(500),
    '<__proto__ value="x"/>',
    '<valueQuantity/>',
    '<?xml version="1.0" encoding="utf-16"?>',
    ' xsi:schemaLocation="x"',
  ],
];
function makeXmlRequest(chance: Chance): OddRequest {
  const { one, below } = chance;
  const call = chance.once(2) ? makeCall(chance) : undefined;
  const tree = call?.body ?? makeResource(chance);
  let text = xml.write(tree as unknown as Resource, false);
  for (const _ of chance.some(3, () => 0)) {
    const parts = text.split(/(<[^>]*>|\s+)/);
    const at = below(parts.length);
    text = one([
      () => parts.with(at, one(XML_SCRAPS)).join(''),
      () => parts.toSpliced(at, 0, one(XML_SCRAPS)).join(''),
      () => parts.toSpliced(at, 1).join(''),
      () => parts.with(at, one(parts)).join(''),
      () => text.replace(/ value="[^"]*"/, () => one(XML_SCRAPS)),
      () => garble(text, chance),
    ])();
  }
  const path = call?.path ?? `${String(tree.resourceType)}/${String(tree.id)}`;
  const headers = {
    ...makeHeaders(chance, ''),
    'Content-Type': one([
      'application/fhir+xml',
      'application/xml',
      'application/fhir+xml',
      'application/fhir+xml',
      'text/xml; charset=utf-8',
      'application/fhir+xml; charset=iso-8859-1',
    ]),
  };
  return { kind: 'xml', method: call ? 'POST' : 'PUT', path, headers, body: text };
}

function makeHeadersRequest(chance: Chance): OddRequest {
  const tree = makeResource(chance);
  const method = chance.one(['GET', 'GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS']);
  const type = String(tree.resourceType);
  const path = chance.one([
    `${type}/${String(tree.id)}`,
    type,
    `${type}/${String(tree.id)}/_history/1`,
    'metadata',
    `${type}?_id=${String(tree.id)}`,
    'Binary/b1',
  ]);
  const more = Array.from({ length: 3 }, () => makeHeaders(chance, FHIR));
  const headers = Object.assign({}, ...more);
  return {
    kind: 'headers',
    method,
    path,
    headers,
    ...(method === 'GET' || method === 'HEAD' ? {} : { body: bodyOf(tree, chance) }),
  };
}

const CURSORS =
  'e30 W10 WzFd WyJhIl0 WyIxIiwiYSJd bnVsbA IjEi eyJhIjoxfQ WzEsMiwzLDQsNSw2LDdd W251bGxd W1tdXQ x %00 -1 0 1 99999999999999999999 WyJcdTAwMDAiXQ ==== WzFlOTk5XQ'.split(
    ' ',
  );
/** A page link as the server gave it (`links`), altered; or a cursor made up. */
function makeLinkRequest(chance: Chance, links: readonly string[]): OddRequest {
  const { one, below } = chance;
  const base = one([
    `Patient?${makeQuery('Patient', chance)}`,
    'Patient?_sort=-birthdate,_id',
    'Observation?_count=2&_include=*',
    '_history?_count=1',
    'Patient/_history?_count=1',
    '?_type=Patient,Observation',
    'Patient/f1/$everything?_count=1',
    'Observation/$lastn?patient=f1',
    'Patient?_query=current-inpatients&location=f1',
    'Condition?_query=open-problems',
  ]);
  if (links.length === 0 || chance.once(3))
    return {
      kind: 'links',
      method: 'GET',
      path: `${base}&_cursor=${one(CURSORS)}`,
      headers: makeHeaders(chance, FHIR),
    };
  const link = one(links);
  const [head = '', tail = ''] = link.split('?');
  const parts = tail.split('&');
  const at = below(parts.length);
  const [name, value = ''] = (parts[at] ?? '').split('=');
  const decoded = Buffer.from(decodeURIComponent(value), 'base64url').toString('latin1');
  const recoded = (text: string) => `${name}=${Buffer.from(text, 'latin1').toString('base64url')}`;
  const spot = below(decoded.length + 1);
  const path = one<() => string>([
    () => link,
    () => `${head}?${parts.with(at, `${name}=${one(CURSORS)}`).join('&')}`,
    () =>
      `${head}?${parts.with(at, recoded(decoded.slice(0, spot) + one(['"', ']', '9', '-', ',null', '[', 'x', '\u0000']) + decoded.slice(spot + 1))).join('&')}`,
    () => `${head}?${parts.with(at, `${name}=${value.slice(0, below(value.length + 1))}`).join('&')}`,
    () => `${head}?${[...parts, one(parts)].join('&')}`,
    () => `${head}?${parts.toSpliced(at, 1).join('&')}`,
    () => `${one(['Patient', 'Observation', '', '_history', 'Nope', 'Patient/f1/$everything'])}?${tail}`,
  ])();
  return { kind: 'links', method: 'GET', path, headers: makeHeaders(chance, FHIR) };
}

const plain = (kind: string, { method, path, type, body }: OperatorRequest, chance: Chance): OddRequest => ({
  ...{ kind, method, path, headers: makeHeaders(chance, type) },
  ...(body === undefined || method === 'GET' || method === 'HEAD' ? {} : { body }),
});

/** What is known of the server that is asked. */
export interface Ground {
  /** Of its OpenAPI document. */
  admin: readonly Offer[];
  /** Of pages that it gave, below the base. */
  links: string[];
}

export const makeOdd = (chance: Chance, ground: Ground): OddRequest =>
  chance.one<() => OddRequest>([
    () => makeOperationRequest(chance),
    () => makeOperationRequest(chance),
    () => makeOperationRequest(chance),
    () => makeGraphqlRequest(chance),
    () => makeGraphqlRequest(chance),
    () => makeBundleRequest(chance),
    () => makeXmlRequest(chance),
    () => makeHeadersRequest(chance),
    () => makeLinkRequest(chance, ground.links),
    () => plain('admin', makeOperatorRequest(ground.admin, chance), chance),
    () => plain('hl7', makeHl7Request(chance), chance),
  ])();
