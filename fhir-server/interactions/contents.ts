// What each entry of a transaction stores: links resolved, merged with what is there.
// https://hl7.org/fhir/R4/http.html#trules
import { parseJson, type Resource } from '#fhir-model';
import { assertValid } from '../store/store.ts';
import { assertSettled, settledContent, type Verdicts } from './content-profiles.ts';
import type { Core } from './core.ts';
import { at, placed } from './entries.ts';
import { assertFollows, type Ground, nameOf, nextVersion } from './ground.ts';
import {
  addConditionals,
  cloneJson,
  type Matches,
  resolveConditionals,
  resolveLinks,
  resolveVersions,
  type Targets,
  targetsOf,
} from './links.ts';
import { type Resolution, type Resolved, writes } from './resolve.ts';
import { fits, misfit } from './stand-ins.ts';

/** Entry index → the resource that it stores. */
export type Contents = Map<number, Resource>;

export interface Draft {
  contents: Contents;
  /** Indexes of those with references that shall become version-specific. */
  versioned: number[];
  /** Indexes of patches that change nothing: no version is made. */
  unchanged: Set<number>;
  verdicts: Verdicts;
  /** The first whose own id is something else's: all are found out at once, and the transaction is tried again. */
  misfit?: Resolved;
}

const stored = (ground: Ground, one: Resolved): Resource | undefined => {
  const row = ground.rows.get(nameOf(one));
  return row && (parseJson(row.body).exact as Resource);
};

const idleUrls = ({ resolved }: Resolution): Set<string> =>
  new Set(resolved.flatMap(({ idle, entry }) => (idle && entry.fullUrl !== undefined ? [entry.fullUrl] : [])));

/** Adds the content of a create or update, all but what is pending and what is about versions. */
function addIncoming(
  core: Core,
  resolution: Resolution,
  targets: Targets,
  ground: Ground,
  one: Resolved,
  draft: Draft,
) {
  const { references, fixed } = resolution;
  const { prune } = one.entry;
  const incoming = one.entry.resource as Resource;
  const given = prune ? prune(incoming, idleUrls(resolution)) : incoming;
  const resource = (fixed ? given : cloneJson(given)) as Resource;
  const isVersioned = resolveLinks(core, targets, one, resource);
  if (references.size > 0) resolveConditionals(core, references, one.index, resource);
  const { merge } = one.entry;
  const existing = merge && stored(ground, one);
  if (existing && !fits(one, existing)) {
    draft.misfit ??= one;
    return;
  }
  const content = merge ? merge(existing, resource) : resource;
  if (merge && content === existing) {
    draft.unchanged.add(one.index);
    return;
  }
  if (isVersioned) draft.versioned.push(one.index);
  if (merge) assertValid(core.store, content, at(one.index, '.resource'));
  draft.contents.set(one.index, merge ? settledContent(core, draft.verdicts, one.index, content) : content);
}

/** A patch may bring links of all kinds, which are known only now; conditional ones become pending. */
function addPatched(core: Core, resolution: Resolution, targets: Targets, ground: Ground, one: Resolved, draft: Draft) {
  const existing = stored(ground, one)!;
  const applied = applyPatch(one, existing);
  if (applied === existing) {
    draft.unchanged.add(one.index);
    return;
  }
  assertValid(core.store, applied, at(one.index, '.resource'));
  const patched = settledContent(core, draft.verdicts, one.index, applied);
  if (resolveLinks(core, targets, one, patched)) draft.versioned.push(one.index);
  if (!one.alone) addConditionals(core, patched, one.index, resolution.pending);
  draft.contents.set(one.index, patched);
}

function applyPatch(one: Resolved, existing: Resource): Resource {
  try {
    return one.patch!(existing);
  } catch (error) {
    throw placed(error, one.index, '.resource');
  }
}

/**
 * The contents with all links resolved but those that `resolution.pending` has. Throws when an entry may not be written, and
 * Unchecked where profiles have a say that `verdicts` doesn't have.
 */
export function draftContents(core: Core, resolution: Resolution, ground: Ground, verdicts: Verdicts): Draft {
  const targets = targetsOf(resolution.resolved);
  const draft: Draft = { contents: new Map(), versioned: [], unchanged: new Set(), verdicts };
  for (const one of resolution.resolved) {
    if (!writes(one)) continue;
    assertFollows(ground, one);
    if (one.method === 'PATCH') addPatched(core, resolution, targets, ground, one, draft);
    else if (one.method !== 'DELETE') addIncoming(core, resolution, targets, ground, one, draft);
  }
  if (draft.misfit) throw misfit(draft.misfit);
  assertSettled(verdicts);
  return draft;
}

/** Puts in what could be known only now: the matches of pending references, and the versions that are written. */
export function finishContents(
  core: Core,
  resolution: Resolution,
  ground: Ground,
  draft: Draft,
  matches: Matches,
): void {
  const { contents, versioned } = draft;
  if (matches.size > 0) {
    for (const [index, resource] of contents) resolveConditionals(core, matches, index, resource);
  }
  if (versioned.length === 0) return;
  const versions = new Map<string, number>();
  for (const one of resolution.resolved) {
    if (contents.has(one.index)) versions.set(nameOf(one), nextVersion(ground, one));
    else if (one.idle && one.found) versions.set(nameOf(one), one.found.version);
  }
  for (const index of versioned) {
    // A copy: another attempt may write other versions.
    const resource = cloneJson(contents.get(index)) as Resource;
    contents.set(index, resource);
    resolveVersions(core, versions, index, resource);
  }
}
