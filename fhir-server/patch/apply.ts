// https://hl7.org/fhir/R4/http.html#patch: a patch document becomes a function from resource to resource.
import { isObject, type Json, type JsonObject, type Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { assertValid } from '../store/store.ts';
import { applyFhirPathPatch, parseFhirPathPatch } from './fhirpath-patch.ts';
import { stepAsserter } from './halves.ts';
import { applyJsonPatch, parseJsonPatch } from './json-patch.ts';
import { loadLocator } from './locate.ts';
import { mergePatch } from './merge-patch.ts';
import { copyTree, isDeeper, isIdentical } from './tree.ts';

/** Media type of a patch document → how it is read. FHIRPath Patch comes as a resource, in any FHIR format. */
export const PATCH_FORMATS = {
  'application/json-patch+json': 'json-patch',
  'application/merge-patch+json': 'merge-patch',
} as const;

/** What a PATCH may have as Content-Type: https://www.rfc-editor.org/rfc/rfc5789#section-3.1 */
export const PATCH_TYPES = [...Object.keys(PATCH_FORMATS), 'application/fhir+json', 'application/fhir+xml'];

export type PatchFormat = (typeof PATCH_FORMATS)[keyof typeof PATCH_FORMATS] | 'fhirpath-patch';

/** The format of a patch document of that media type, parameters left out; undefined for one that is none. */
export const patchFormat = (mediaType: string): PatchFormat | undefined =>
  Object.hasOwn(PATCH_FORMATS, mediaType) ? PATCH_FORMATS[mediaType as keyof typeof PATCH_FORMATS] : undefined;

/**
 * Yields the patched resource, not yet validated; the one given is left as it is, and is itself returned when the patch
 * changes nothing. Throws `patch-failed` when it can't be applied to this resource.
 */
export type Patch = (existing: Resource) => Resource;

type Parts = Pick<Core, 'definitions' | 'store'>;

const frozen = (name: string): CerebraError =>
  new CerebraError('patch-failed', `A patch cannot change the ${name} of a resource`, { expression: [name] });

function assertSameResource(existing: Resource, patched: Json): asserts patched is Resource {
  if (!isObject(patched) || patched.resourceType !== existing.resourceType) throw frozen('resourceType');
  if (patched.id !== existing.id) throw frozen('id');
  if (isDeeper(patched)) throw new CerebraError('patch-failed', 'The patched resource is nested too deeply');
}

/** Narrative that says nothing beyond the data: https://hl7.org/fhir/R4/valueset-narrative-status.html */
const DERIVED = new Set<unknown>(['generated', 'extensions']);

const dataOf = ({ text: _text, meta: _meta, ...data }: Resource): Json => data;

/**
 * "The server SHALL ensure that the narrative in a resource is not clinically unsafe after the PATCH": text derived from
 * data that has changed is removed unless the patch changed it too; what a person wrote can't be, so the patch has to.
 */
function withSafeNarrative(existing: Resource, patched: Resource): Resource {
  const { text } = patched;
  if (!isObject(text) || text.status === 'empty' || !isIdentical(text, existing.text ?? null)) return patched;
  if (isIdentical(dataOf(existing), dataOf(patched))) return patched;
  if (!DERIVED.has(text.status)) {
    const why =
      'The narrative says more than the data and might contradict what the patch changes: change text as well';
    throw new CerebraError('patch-failed', why, { expression: [`${patched.resourceType}.text`] });
  }
  const { text: _text, ...rest } = patched;
  return rest as Resource;
}

/** All but what the server itself writes at each change. */
function withoutStamp({ meta, ...rest }: Resource): Json {
  const { versionId: _version, lastUpdated: _updated, ...kept } = (meta ?? {}) as JsonObject;
  return Object.keys(kept).length > 0 ? { ...rest, meta: kept } : rest;
}

const patchWith =
  (change: (copy: JsonObject) => Json): Patch =>
  (existing) => {
    const patched = change(copyTree(existing, { left: Number.POSITIVE_INFINITY }) as JsonObject);
    assertSameResource(existing, patched);
    if (isIdentical(withoutStamp(existing), withoutStamp(patched))) return existing;
    return withSafeNarrative(existing, patched);
  };

function assertMergeable(document: Json): asserts document is JsonObject {
  if (isObject(document)) return;
  throw new CerebraError('invalid', 'A JSON Merge Patch of a resource is an object', { expression: ['patch'] });
}

async function fhirPathPatch(parts: Parts, document: Json): Promise<Patch> {
  const { definitions, store } = parts;
  if (!isObject(document) || document.resourceType !== 'Parameters') {
    throw new CerebraError('invalid', 'A FHIRPath Patch is a Parameters resource', { expression: ['Parameters'] });
  }
  assertValid(store, document as Resource);
  const operations = parseFhirPathPatch(definitions, document);
  const locator = await loadLocator();
  return patchWith((copy) => applyFhirPathPatch(definitions, locator, copy, operations));
}

/** Throws `invalid` or `structure`, with the place in the document, for what is no patch of that format. */
export async function parsePatch(parts: Parts, format: PatchFormat, document: Json): Promise<Patch> {
  switch (format) {
    case 'json-patch': {
      const operations = parseJsonPatch(document);
      return patchWith((copy) => applyJsonPatch(copy, operations, stepAsserter(operations)));
    }
    case 'merge-patch':
      assertMergeable(document);
      return patchWith((copy) => mergePatch(copy, document));
    case 'fhirpath-patch':
      return fhirPathPatch(parts, document);
  }
}
