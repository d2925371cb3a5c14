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
  versionUrl,
} from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { badParameter } from '../interactions/parameter-fault.ts';
import { readCurrent, readSome, readVersion } from '../store/read.ts';
import { assertValid, storeCreate } from '../store/store.ts';
import { one } from './answer.ts';
import { isPersonal } from './compartment.ts';
import { linksOf, typeOf } from './everything-links.ts';

/** Entries of a document at most. */
const ENTRIES_MAX = 2_000;
/** And UTF-16 units of them: each may have 50 MB, and versions of one resource may be named one by one. */
const CHARACTERS_MAX = 64 * 1024 * 1024;

/** The composition's id: of the URL or of the parameter `id`, which may be a URL of this server. */
function compositionId(core: Core, { id, input }: OperationRequest): string {
  const given = one<string>(input, 'id');
  if (id !== undefined) {
    if (given !== undefined)
      throw badParameter('id', "'id' is for Composition/$document; here the URL names the composition");
    return id;
  }
  if (given === undefined)
    throw new CerebraError('required', "$document needs the parameter 'id'", { expression: ['id'] });
  if (/^[A-Za-z0-9\-.]{1,64}$/.test(given)) return given;
  const parsed = parseReference(given, core.baseUrl);
  if (parsed.kind === 'local' && parsed.type === 'Composition') return parsed.id;
  throw badParameter('id', "'id' must be the id of a Composition of this server, or its URL");
}

async function readComposition(core: Core, request: OperationRequest): Promise<StoredVersion> {
  const id = compositionId(core, request);
  const found = await readCurrent(core.store.db, 'Composition', id, request.scope);
  if (!found) throw new CerebraError('not-found', `Composition/${id} is not known`);
  if (found.deleted) throw new CerebraError('deleted', `Composition/${id} was deleted as version ${found.version}`);
  return found;
}

/** What the composition refers to: a resource as it is now, or as it was. */
interface Wanted {
  type: string;
  id: string;
  version?: string;
  /** Where the composition says so first. */
  path: string;
}

/** `Type/id`, or `Type/id/_history/version`. A document is whole or an error: what the composition refers to must be here. */
function directLinks(core: Core, composition: StoredVersion): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  core.links.forEachReference(JSON.parse(composition.body) as Resource, (text, site) => {
    const path = site.path();
    // Other documents that this one replaces or appends to.
    if (path.startsWith('Composition.relatesTo')) return;
    const parsed = parseReference(text, core.baseUrl);
    if (parsed.kind === 'fragment') return;
    if (parsed.kind === 'local' && core.definitions.isResourceType(parsed.type)) {
      const { kind: _kind, ...link } = parsed;
      const { type, id, version } = link;
      const name = version === undefined ? `${type}/${id}` : versionUrl(type, id, version);
      if (!wanted.has(name)) wanted.set(name, { ...link, path });
      return;
    }
    throw new CerebraError('business-rule', 'The composition refers to a resource that is not on this server', {
      expression: [path],
    });
  });
  wanted.delete(`Composition/${composition.id}`);
  wanted.delete(versionUrl('Composition', composition.id, String(composition.version)));
  return wanted;
}

const nameOf = (stored: StoredVersion): string => `${stored.type}/${stored.id}`;

const tooLong = (): CerebraError =>
  new CerebraError('too-costly', `The document would have more than ${ENTRIES_MAX} entries`);

const tooLarge = (): CerebraError =>
  new CerebraError('too-costly', `The document would have more than ${CHARACTERS_MAX} characters`);

function assertSmall(entries: Iterable<StoredVersion>): void {
  let characters = 0;
  for (const { body } of entries) characters += body.length;
  if (characters > CHARACTERS_MAX) throw tooLarge();
}

/** Those that are there. A read ends with the one that fills it: behind it the next goes on, up to what a document may have. */
async function readCurrents({ store }: Core, names: Iterable<string>, { scope }: OperationRequest) {
  const found: StoredVersion[] = [];
  for (const [type, group] of Map.groupBy(names, typeOf)) {
    for (let ids = group.map((name) => name.slice(type.length + 1)); ids.length > 0; ) {
      const read = await readSome(store.db, type, ids, scope);
      found.push(...read.found);
      assertSmall(found);
      ids = read.left;
    }
  }
  return found;
}

/** A version that no resource can have is one that isn't there. */
async function readOneVersion(core: Core, { type, id, version }: Wanted, { scope }: OperationRequest) {
  if (!/^\d{1,9}$/.test(version!)) return undefined;
  const found = await readVersion(core.store.db, type, id, Number(version), scope);
  return found?.deleted ? undefined : found;
}

/** In the order of the composition, each version once: an entry is told by its fullUrl and meta.versionId (bdl-7). */
async function readWanted(core: Core, wanted: Map<string, Wanted>, request: OperationRequest) {
  if (wanted.size > ENTRIES_MAX) throw tooLong();
  const current = [...wanted.keys()].filter((name) => wanted.get(name)!.version === undefined);
  const found = new Map((await readCurrents(core, current, request)).map((one) => [nameOf(one), one]));
  const read = new Map<string, StoredVersion>();
  for (const [name, one] of wanted) {
    const stored = one.version === undefined ? found.get(name) : await readOneVersion(core, one, request);
    if (!stored) {
      throw new CerebraError('business-rule', `The composition refers to ${name}, which is not there`, {
        expression: [one.path],
      });
    }
    read.set(versionUrl(stored.type, stored.id, String(stored.version)), stored);
    assertSmall(read.values());
  }
  return read;
}

async function contents(core: Core, request: OperationRequest, composition: StoredVersion): Promise<StoredVersion[]> {
  const wanted = directLinks(core, composition);
  const all = await readWanted(core, wanted, request);
  const known = new Set([nameOf(composition), ...wanted.keys()]);
  for (let newest = [...all.values()]; newest.length > 0; ) {
    const more = new Set(newest.flatMap((each) => [...linksOf(core, each)]));
    const next = [...more].filter((name) => !known.has(name) && !isPersonal(core, typeOf(name)));
    for (const name of next) known.add(name);
    if (known.size > ENTRIES_MAX) throw tooLong();
    newest = await readCurrents(core, next, request);
    for (const one of newest) all.set(versionUrl(one.type, one.id, String(one.version)), one);
    assertSmall(all.values());
  }
  return [...all.values()];
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
