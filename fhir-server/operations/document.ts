// Composition/$document: https://hl7.org/fhir/R4/composition-operation-document.html, documents.html
// What the composition refers to is part of the document, and of that whatever is nobody's own (practitioners,
// organizations, medications), to any depth. The document itself is returned, as clients expect, not a searchset of it.
import {
  type OperationAnswer,
  type OperationRequest,
  type OperationSpec,
  parseJson,
  parseReference,
  type Resource,
  type StoredVersion,
} from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { readCurrent } from '../store/read.ts';
import { assertValid, storeCreate } from '../store/store.ts';
import { one } from './answer.ts';
import { isPersonal } from './compartment.ts';
import { linksOf, readNamed, typeOf } from './everything-links.ts';

/** Entries of a document at most. */
const ENTRIES_MAX = 2_000;

const bad = (name: string, text: string): CerebraError =>
  new CerebraError('invalid-parameter', text, { expression: [name] });

/** The composition's id: of the URL or of the parameter `id`, which may be a URL of this server. */
function compositionId(core: Core, { id, input }: OperationRequest): string {
  const given = one<string>(input, 'id');
  if (id !== undefined) {
    if (given !== undefined) throw bad('id', "'id' is for Composition/$document; here the URL names the composition");
    return id;
  }
  if (given === undefined)
    throw new CerebraError('required', "$document needs the parameter 'id'", { expression: ['id'] });
  if (/^[A-Za-z0-9\-.]{1,64}$/.test(given)) return given;
  const parsed = parseReference(given, core.baseUrl);
  if (parsed.kind === 'local' && parsed.type === 'Composition') return parsed.id;
  throw bad('id', "'id' must be the id of a Composition of this server, or its URL");
}

async function readComposition(core: Core, request: OperationRequest): Promise<StoredVersion> {
  const id = compositionId(core, request);
  const found = await readCurrent(core.store.db, 'Composition', id, request.scope);
  if (!found) throw new CerebraError('not-found', `Composition/${id} is not known`);
  if (found.deleted) throw new CerebraError('deleted', `Composition/${id} was deleted as version ${found.version}`);
  return found;
}

/** A document is whole or an error: what the composition refers to must be here. */
function directLinks(core: Core, composition: StoredVersion): Map<string, string> {
  const wanted = new Map<string, string>();
  core.links.forEachReference(JSON.parse(composition.body) as Resource, (text, site) => {
    const path = site.path();
    // Other documents that this one replaces or appends to.
    if (path.startsWith('Composition.relatesTo')) return;
    const parsed = parseReference(text, core.baseUrl);
    if (parsed.kind === 'fragment') return;
    if (parsed.kind === 'local' && core.definitions.isResourceType(parsed.type)) {
      const name = `${parsed.type}/${parsed.id}`;
      if (!wanted.has(name)) wanted.set(name, path);
      return;
    }
    throw new CerebraError('business-rule', 'The composition refers to a resource that is not on this server', {
      expression: [path],
    });
  });
  wanted.delete(`Composition/${composition.id}`);
  return wanted;
}

const nameOf = (stored: StoredVersion): string => `${stored.type}/${stored.id}`;

function assertAll(wanted: Map<string, string>, found: StoredVersion[]): void {
  const names = new Set(found.map(nameOf));
  for (const [name, path] of wanted) {
    if (names.has(name)) continue;
    throw new CerebraError('business-rule', `The composition refers to ${name}, which is not there`, {
      expression: [path],
    });
  }
}

async function contents(core: Core, request: OperationRequest, composition: StoredVersion): Promise<StoredVersion[]> {
  const { db } = core.store;
  const wanted = directLinks(core, composition);
  const found = await readNamed(db, wanted.keys(), request);
  assertAll(wanted, found);
  const order = [...wanted.keys()];
  found.sort((a, b) => order.indexOf(nameOf(a)) - order.indexOf(nameOf(b)));
  const known = new Set([nameOf(composition), ...order]);
  const all = [...found];
  for (let newest = found; newest.length > 0; ) {
    const more = new Set(newest.flatMap((each) => [...linksOf(core, each)]));
    const next = [...more].filter((name) => !known.has(name) && !isPersonal(core, typeOf(name)));
    for (const name of next) known.add(name);
    if (known.size > ENTRIES_MAX) {
      throw new CerebraError('too-costly', `The document would have more than ${ENTRIES_MAX} entries`);
    }
    newest = await readNamed(db, next, request);
    all.push(...newest);
  }
  return all;
}

function documentText(core: Core, entries: StoredVersion[]): string {
  const identifier = `{"system":"urn:ietf:rfc:3986","value":"urn:uuid:${core.store.newId()}"}`;
  const timestamp = new Date(core.store.clock.now()).toISOString();
  const list = entries.map((each) => `{"fullUrl":"${core.baseUrl}/${nameOf(each)}","resource":${each.body}}`);
  return `{"resourceType":"Bundle","identifier":${identifier},"type":"document","timestamp":"${timestamp}","entry":[${list.join(',')}]}`;
}

async function document(core: Core, request: OperationRequest): Promise<OperationAnswer> {
  if (request.input.has('graph')) {
    throw new CerebraError('unsupported', 'Documents by a GraphDefinition are not offered', { expression: ['graph'] });
  }
  const composition = await readComposition(core, request);
  const text = documentText(core, [composition, ...(await contents(core, request, composition))]);
  if (one<boolean>(request.input, 'persist') !== true) return { text };
  const bundle = parseJson(text).exact as Resource;
  assertValid(core.store, bundle);
  const checked = await core.onWrite.check(bundle);
  const { id, version, body } = await storeCreate(core.store, checked ?? bundle, request.scope);
  return { status: 201, text: body, location: `${core.baseUrl}/Bundle/${id}/_history/${version}` };
}

export const documentOperation = (core: Core): OperationSpec => ({
  name: 'document',
  title: 'Generate a document',
  description: 'A document Bundle of a composition and what it refers to; with persist=true stored as a Bundle',
  url: 'http://hl7.org/fhir/OperationDefinition/Composition-document',
  type: ['Composition'],
  system: false,
  typeLevel: true,
  instanceLevel: true,
  affectsState: false,
  affectsStateWith: 'persist',
  parameters: [
    {
      ...{ name: 'id', use: 'in', min: 0, max: '1', type: 'uri' },
      documentation: 'The composition, where the URL names none: its id or its URL on this server',
    },
    {
      name: 'persist',
      use: 'in',
      min: 0,
      max: '1',
      type: 'boolean',
      documentation: 'Whether to store it; no unless told',
    },
    { name: 'graph', use: 'in', min: 0, max: '1', type: 'uri', documentation: 'Not offered' },
    { name: 'return', use: 'out', min: 1, max: '1', type: 'Bundle' },
  ],
  run: (request) => document(core, request),
});
