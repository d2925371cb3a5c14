// Where references lead, and whether they may: https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/bundle.html#references
import {
  type Json,
  type JsonObject,
  type ParsedReference,
  parseReference,
  restfulUrl,
  urlInEntry,
  withoutVersion,
} from '#fhir-model';
import { isObject, objectsOf, textOf } from '../json.ts';
import { pathOf } from '../report.ts';
import { shortType } from './baseline.ts';
import { type Candidates, type Frame, type Run, report } from './run.ts';

export type Resolved =
  | { readonly kind: 'found'; readonly resource: JsonObject; readonly frame: Frame; readonly type: string | undefined }
  /** `type` is what the reference's text tells of it. */
  | {
      readonly kind: 'elsewhere';
      readonly type: string | undefined;
      readonly local: { type: string; id: string } | undefined;
    };

interface Entry {
  readonly resource: JsonObject;
  readonly fullUrl: string | undefined;
}

/** The resources that stand beside each other in a Bundle or Parameters. */
function entriesOf(outer: JsonObject): Entry[] {
  if (outer.resourceType === 'Bundle') {
    return objectsOf(outer.entry).flatMap(({ resource, fullUrl }) =>
      isObject(resource) ? [{ resource, fullUrl: textOf(fullUrl) }] : [],
    );
  }
  return objectsOf(outer.parameter).flatMap(parameterEntries);
}

function parameterEntries(parameter: JsonObject): Entry[] {
  const own = isObject(parameter.resource) ? [{ resource: parameter.resource, fullUrl: undefined }] : [];
  return [...own, ...objectsOf(parameter.part).flatMap(parameterEntries)];
}

const metaOf = ({ meta }: JsonObject): JsonObject => (isObject(meta) ? meta : {});
const timeOf = (resource: JsonObject): number => Date.parse(textOf(metaOf(resource).lastUpdated) ?? '') || 0;

function addTo(there: Candidates | undefined, { resource, fullUrl }: Entry): Candidates {
  const { versionId } = metaOf(resource);
  if (there === undefined)
    return { fullUrl, latest: resource, byVersion: new Map([[versionId, resource]]), isOpen: false };
  if (there.latest === resource) return there;
  if (fullUrl === undefined || fullUrl !== there.fullUrl) there.isOpen = true;
  if (timeOf(resource) > timeOf(there.latest)) there.latest = resource;
  if (!there.byVersion.has(versionId)) there.byVersion.set(versionId, resource);
  return there;
}

/** "Match the version based on Resource.meta.versionId"; where none is named the latest is meant. */
function meant(candidates: Candidates | undefined, version: string | undefined): JsonObject | undefined {
  if (candidates === undefined || candidates.isOpen) return undefined;
  return version === undefined ? candidates.latest : candidates.byVersion.get(version);
}

/** By fullUrl, and by `Patient/1`. */
function indexOf(run: Run, outer: JsonObject): ReadonlyMap<string, Candidates> {
  const known = run.bundles.get(outer);
  if (known !== undefined) return known;
  const index = new Map<string, Candidates>();
  for (const entry of entriesOf(outer)) {
    const { resource, fullUrl } = entry;
    const name = typeof resource.id === 'string' ? `${textOf(resource.resourceType)}/${resource.id}` : undefined;
    for (const key of [fullUrl, name]) if (key !== undefined) index.set(key, addTo(index.get(key), entry));
  }
  run.bundles.set(outer, index);
  return index;
}

/** A relative reference means a resource beside the one that has it: below the same base, or where nothing says which. */
function keysOf(url: string, frame: Frame): string[] {
  const absolute = urlInEntry(url, frame.fullUrl);
  return absolute === undefined || absolute === url ? [url] : [absolute, url];
}

/** Found by `Patient/1` alone, though its fullUrl says that it is another server's `Patient/1` than the reference means. */
const isAnothers = (key: string, candidates: Candidates | undefined, { fullUrl }: Frame): boolean =>
  !key.includes(':') && restfulUrl(fullUrl) !== undefined && restfulUrl(candidates?.fullUrl) !== undefined;

function foundIn(run: Run, reference: string): Resolved | undefined {
  const { frame } = run;
  const { url, version } = withoutVersion(reference);
  for (let outer = frame.outer; outer !== undefined; outer = outer.outer) {
    const index = indexOf(run, outer.resource);
    for (const key of keysOf(url, frame)) {
      const resource = meant(index.get(key), version);
      if (resource === undefined || isAnothers(key, index.get(key), frame)) continue;
      return found(resource, { resource, root: resource, outer, fullUrl: key.includes(':') ? key : undefined });
    }
  }
  return undefined;
}

const found = (resource: JsonObject, frame: Frame): Resolved => ({
  kind: 'found',
  resource,
  frame,
  type: textOf(resource.resourceType),
});

/** By id; a resource may contain thousands, each referred to. */
function containedIn(run: Run, root: JsonObject): ReadonlyMap<string, JsonObject> {
  const known = run.contained.get(root);
  if (known !== undefined) return known;
  const index = new Map<string, JsonObject>();
  for (const resource of objectsOf(root.contained)) {
    if (typeof resource.id === 'string' && !index.has(resource.id)) index.set(resource.id, resource);
  }
  run.contained.set(root, index);
  return index;
}

function fragment(run: Run, id: string): Resolved {
  const { frame } = run;
  if (id === '') return found(frame.root, { ...frame, resource: frame.root });
  const contained = containedIn(run, frame.root).get(id);
  if (contained === undefined) return { kind: 'elsewhere', type: undefined, local: undefined };
  return found(contained, { ...frame, resource: contained });
}

/** What a Reference.reference, canonical or uri leads to in the resource itself and what it is sent with. */
export function resolveReference(run: Run, reference: Json | undefined): Resolved {
  if (typeof reference !== 'string') return { kind: 'elsewhere', type: undefined, local: undefined };
  if (reference.startsWith('#')) return fragment(run, reference.slice(1));
  const beside = foundIn(run, reference);
  if (beside !== undefined) return beside;
  const parsed = parseReference(reference);
  const type = 'type' in parsed ? parsed.type : undefined;
  return { kind: 'elsewhere', type, local: parsed.kind === 'local' ? { type: parsed.type, id: parsed.id } : undefined };
}

function inTransaction({ frame }: Run): boolean {
  for (let outer = frame.outer; outer !== undefined; outer = outer.outer) {
    if (outer.resource.type === 'transaction' || outer.resource.type === 'batch') return true;
  }
  return false;
}

/** The forms that Reference.reference may have; a conditional one only in a transaction. */
function checkForm(run: Run, text: string, parsed: ParsedReference): boolean {
  if (parsed.kind === 'conditional' && (run.settings.conditional || inTransaction(run))) return true;
  if (parsed.kind !== 'other' && parsed.kind !== 'conditional') return true;
  const message = `a relative reference is [type]/[id], found '${text.slice(0, 64)}'`;
  report(run, 'error', 'invalid', 'reference-relative', message, 'reference');
  return false;
}

/**
 * What R4 asks of a Reference: its form, and that its target is of a type that may stand there. `targets` are type names;
 * undefined for any. `isResourceType` keeps URLs that merely look like `[type]/[id]` from being taken for one.
 */
export function checkReference(
  run: Run,
  value: JsonObject,
  targets: readonly string[] | undefined,
  isResourceType: (name: string) => boolean,
): void {
  const { reference, type: stated } = value;
  const wanted = targets === undefined || targets.includes('Resource') ? undefined : targets;
  if (typeof reference !== 'string') {
    if (typeof stated === 'string') checkType(run, shortType(stated), wanted, isResourceType);
    return;
  }
  const parsed = parseReference(reference);
  if (!checkForm(run, reference, parsed)) return;
  const resolved = resolveReference(run, reference);
  if (resolved.kind === 'elsewhere' && resolved.local !== undefined && isResourceType(resolved.local.type)) {
    if (!run.probe) run.references.push({ path: pathOf(run.trail), ...resolved.local });
  }
  const { type } = resolved;
  if (parsed.kind === 'fragment' && resolved.kind !== 'found') {
    report(
      run,
      'error',
      'invariant',
      'ref-1',
      'ref-1: SHALL have a contained resource if a local reference is provided',
    );
  }
  if (type === undefined) return;
  checkType(run, type, wanted, isResourceType);
  if (typeof stated === 'string' && isResourceType(type) && shortType(stated) !== type) {
    report(run, 'error', 'invalid', 'reference-type', `says it is a ${stated.slice(0, 64)}, but leads to a ${type}`);
  }
}

function checkType(
  run: Run,
  type: string,
  wanted: readonly string[] | undefined,
  isResourceType: (name: string) => boolean,
): void {
  if (wanted === undefined || wanted.includes(type) || !isResourceType(type)) return;
  report(run, 'error', 'structure', 'reference-target', `leads to a ${type}; may lead to ${wanted.join(', ')}`);
}

/** https://hl7.org/fhir/R4/valueset-resource-aggregation-mode.html */
export function checkAggregation(run: Run, { reference }: JsonObject, allowed: ReadonlySet<string>): void {
  if (typeof reference !== 'string') return;
  const beside = reference.startsWith('#') ? 'contained' : 'bundled';
  const mode = resolveReference(run, reference).kind === 'found' ? beside : 'referenced';
  if (allowed.has(mode)) return;
  report(run, 'error', 'structure', 'reference-aggregation', `must be ${[...allowed].join(' or ')}, found ${mode}`);
}
