// DocumentReference/$docref: http://hl7.org/fhir/us/core/OperationDefinition/docref, which the International Patient Access
// guide has as well: the documents of a patient, of a type, about care in a time; without a time the latest of each type.
import {
  type DateRange,
  escapeValue,
  type JsonObject,
  type OperationAnswer,
  type OperationRequest,
  type OperationSpec,
  parseDateRange,
  type Resource,
  type StoredVersion,
} from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search } from '../interactions/search.ts';
import { readCurrent, readMany } from '../store/read.ts';
import { PAGE_BYTES_MAX } from '../store/sql.ts';
import { all, one } from './answer.ts';
import { createGroups, namesOf } from './code-groups.ts';
import { parseCare } from './everything-input.ts';

/** Documents of one patient that are looked at. */
const DOCUMENTS_MAX = 5_000;

/** Without its text: documents may hold their attachments, and most may be none of those that are asked for. */
interface Document {
  id: string;
  updatedMs: number;
  /** What its type is known by. */
  types: string[];
  /** The care it is about; else when it was written. */
  care: DateRange;
}

async function assertPatient(core: Core, id: string, { scope }: OperationRequest): Promise<void> {
  const found = await readCurrent(core.store.db, 'Patient', id, scope);
  if (found && !found.deleted) return;
  throw new CerebraError('not-found', `Patient/${id} is not known`, { expression: ['patient'] });
}

function typesOf({ input }: OperationRequest): string[] {
  return all<JsonObject>(input, 'type').flatMap((concept) => {
    const codings = (concept.coding ?? []) as { system?: string; code?: string }[];
    const tokens = codings
      .filter(({ code }) => code !== undefined)
      .map(({ system, code }) => `${system === undefined ? '' : `${escapeValue(system)}|`}${escapeValue(code!)}`);
    if (tokens.length > 0) return tokens;
    throw new CerebraError('invalid-parameter', 'A type needs a coding with a code', { expression: ['type'] });
  });
}

function careOf(resource: Resource, updatedMs: number): DateRange {
  const { period } = (resource.context ?? {}) as { period?: { start?: string; end?: string } };
  const date = typeof resource.date === 'string' ? parseDateRange(resource.date) : undefined;
  if (!period) return date ?? { lo: updatedMs, hi: updatedMs };
  return {
    lo: parseDateRange(period.start ?? '')?.lo ?? -Infinity,
    hi: parseDateRange(period.end ?? '')?.hi ?? Infinity,
  };
}

function documentOf({ id, updatedMs, body }: StoredVersion): Document {
  const resource = JSON.parse(body) as Resource;
  return { id, updatedMs, types: namesOf(resource.type), care: careOf(resource, updatedMs) };
}

async function findDocuments(core: Core, id: string, request: OperationRequest): Promise<Document[]> {
  const types = typesOf(request);
  const profiles = all<string>(request.input, 'profile').map(escapeValue);
  const pairs: [string, string][] = [
    ['patient', id],
    ['status', 'current'],
    ['_count', String(core.limits.searchCountMax)],
  ];
  if (types.length > 0) pairs.push(['type', types.join(',')]);
  if (profiles.length > 0) pairs.push(['_profile', profiles.join(',')]);
  const found: Document[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const here: [string, string][] = cursor === '' ? pairs : [...pairs, ['_cursor', cursor]];
    const query = parseQuery(core, 'DocumentReference', here, true);
    const page = await search(core, query, { scope: request.scope, db: core.store.db });
    found.push(...page.resources.map(documentOf));
    if (found.length > DOCUMENTS_MAX) {
      throw new CerebraError('too-costly', `The patient has more than ${DOCUMENTS_MAX} such documents: name a type`, {
        expression: ['type'],
      });
    }
    cursor = page.nextCursor;
  }
  return found;
}

/** Of care that goes on that which began later comes first. */
function latestFirst(a: Document, b: Document): number {
  if (a.care.hi !== b.care.hi) return a.care.hi > b.care.hi ? -1 : 1;
  if (a.care.lo !== b.care.lo) return a.care.lo > b.care.lo ? -1 : 1;
  return b.updatedMs - a.updatedMs;
}

/** Of each type the first; displays and translations make no other type. */
function firstOfEach(sorted: readonly Document[]): Document[] {
  const groups = createGroups();
  for (const { types } of sorted) groups.join(types);
  return [...Map.groupBy(sorted, ({ types }) => groups.rootOf(types[0]!)).values()].map((documents) => documents[0]!);
}

function inTime(found: Document[], { lo, hi }: Partial<DateRange>): Document[] {
  const sorted = found.toSorted(latestFirst);
  if (lo === undefined && hi === undefined) return firstOfEach(sorted);
  return sorted.filter(({ care }) => care.hi >= (lo ?? -Infinity) && care.lo <= (hi ?? Infinity));
}

/** The call as a URL: a type that came in a body stands there as each of its codes. */
function selfUrl(core: Core, request: OperationRequest): string {
  const given = [...request.input].filter(([name]) => name !== 'type');
  const pairs = given.flatMap(([name, values]) => values.map((value) => [name, String(value)] as const));
  const types = typesOf(request).map((text) => ['type', text] as const);
  const query = [...pairs, ...types].map(([name, text]) => `${name}=${encodeURIComponent(text)}`).join('&');
  return `${core.baseUrl}/DocumentReference/$docref?${query}`;
}

/** The documents themselves, in that order. One that was deleted meanwhile is left out. */
async function readDocuments(core: Core, found: Document[], { scope }: OperationRequest): Promise<StoredVersion[]> {
  const ids = found.map(({ id }) => id);
  const stored = await readMany(core.store.db, 'DocumentReference', ids, scope);
  if (!stored) {
    const text = `The documents have more than ${PAGE_BYTES_MAX} bytes: name a type, or a shorter time`;
    throw new CerebraError('too-costly', text, { expression: ['type', 'start', 'end'] });
  }
  const byId = new Map(stored.map((one) => [one.id, one]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

function bundleText(core: Core, request: OperationRequest, found: StoredVersion[], onDemand: boolean): string {
  const entries = found.map(
    ({ type, id, body }) => `{"fullUrl":"${core.baseUrl}/${type}/${id}","resource":${body},"search":{"mode":"match"}}`,
  );
  if (onDemand) {
    const diagnostics = 'This server has no documents that are made on demand';
    const outcome = {
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'information', code: 'not-supported', diagnostics }],
    };
    entries.push(`{"resource":${JSON.stringify(outcome)},"search":{"mode":"outcome"}}`);
  }
  const list = entries.length > 0 ? `,"entry":[${entries.join(',')}]` : '';
  const self = `[{"relation":"self","url":${JSON.stringify(selfUrl(core, request))}}]`;
  return `{"resourceType":"Bundle","type":"searchset","total":${found.length},"link":${self}${list}}`;
}

async function docref(core: Core, request: OperationRequest): Promise<OperationAnswer> {
  const given = one<string>(request.input, 'patient')!.replace(/^Patient\//, '');
  const care = parseCare(request);
  await assertPatient(core, given, request);
  if (one<boolean>(request.input, 'on-demand') === true) return { text: bundleText(core, request, [], true) };
  const found = inTime(await findDocuments(core, given, request), care);
  return { text: bundleText(core, request, await readDocuments(core, found, request), false) };
}

export const docrefOperation = (core: Core): OperationSpec => ({
  name: 'docref',
  title: 'Documents of a patient',
  description: 'The current documents of a patient about care in a time; without a time the latest of each type',
  url: 'http://hl7.org/fhir/us/core/OperationDefinition/docref',
  type: ['DocumentReference'],
  system: false,
  typeLevel: true,
  instanceLevel: false,
  affectsState: false,
  parameters: [
    { name: 'patient', use: 'in', min: 1, max: '1', type: 'id', documentation: 'The id of the patient' },
    { name: 'start', use: 'in', min: 0, max: '1', type: 'dateTime', documentation: 'Care from this time' },
    { name: 'end', use: 'in', min: 0, max: '1', type: 'dateTime', documentation: 'Care up to this time' },
    { name: 'type', use: 'in', min: 0, max: '*', type: 'CodeableConcept', documentation: 'Types of documents' },
    {
      ...{ name: 'on-demand', use: 'in', min: 0, max: '1', type: 'boolean' },
      documentation: 'Only documents that are made on demand, of which there are none here',
    },
    { name: 'profile', use: 'in', min: 0, max: '*', type: 'canonical', documentation: 'Profiles that they claim' },
    { name: 'return', use: 'out', min: 1, max: '1', type: 'Bundle' },
  ],
  run: (request) => docref(core, request),
});
