// The concepts of a value set in order, page by page, whatever systems they are of: https://hl7.org/fhir/R4/valueset.html#expansion
import { CerebraError, type Queryable } from '#platform';
import type { Concept } from './code-system.ts';
import { unknownSystemText } from './refusals.ts';
import { foldCode } from './system-codes.ts';
import { refuse } from './tx-issues.ts';
import {
  ACTIVE,
  and,
  type Composition,
  type Formula,
  formulaOf,
  not,
  or,
  type SystemName,
  systemsOf,
  takenAsActive,
} from './value-set-formula.ts';
import { partsOf } from './value-set-member.ts';
import { enumerated, select } from './value-set-select.ts';
import { type Asking, type UsedSystem, type ValueSets, wantedVersion } from './value-sets.ts';

/** Of one code system. */
export interface Segment {
  name: SystemName;
  where: Formula;
  /** Undefined where the system is not known here: its codes are those that the value set lists. */
  used?: UsedSystem;
  /** Codes in the order of the value set, where it lists them. */
  listed?: string[];
}

export interface SegmentPage {
  segment: Segment;
  concepts: Concept[];
}

export interface SegmentOptions {
  activeOnly: boolean;
  /** Without those that only group others. */
  selectableOnly: boolean;
  /** `system` or `system|version`. */
  excludedSystems: readonly string[];
}

const isExcluded = (excluded: readonly string[], { url, version }: SystemName): boolean =>
  excluded.includes(url) || (version !== undefined && excluded.includes(`${url}|${version}`));

/** `valid`: versions that are here. */
const unknownSystem = ({ url, version }: SystemName, valid: readonly string[]): CerebraError => {
  const { messageId, text } = unknownSystemText(url, version, valid, 'so the value set cannot be expanded');
  return refuse('not-found', { code: 'not-found', type: 'not-found', messageId: `${messageId}_EXP`, text });
};

/** The codes of the formula: as the value set and its imports list them, then those that filters name (`code = cat`). */
function inOrder(composition: Composition, url: string, codes: ReadonlySet<string>): string[] {
  const found = new Set<string>();
  for (const { set } of partsOf(composition)) {
    if (set.system !== url) continue;
    for (const { code } of set.concepts) if (codes.has(code)) found.add(code);
  }
  return [...found.union(codes)];
}

/** What the value set takes of one system. */
interface Taken {
  name: SystemName;
  own: Formula;
  used: UsedSystem | undefined;
}

/** By system: `x`, and `x|1` where that is the latest of it, are one, so that no code is listed twice. */
async function takenOf(
  valueSets: ValueSets,
  composition: Composition,
  asking: Asking,
  { excludedSystems }: SegmentOptions,
): Promise<Iterable<Taken>> {
  const supplements = [...composition.definition.supplements, ...asking.supplements];
  const found = new Map<string, Taken>();
  for (const name of systemsOf(composition)) {
    const own = formulaOf(composition, name);
    const used = await valueSets.use(name, supplements, asking);
    const version = used?.system.about.version;
    if (own.kind === 'none' || isExcluded(excludedSystems, { url: name.url, version })) continue;
    const key = used ? `${name.url}|${version ?? ''}` : `unknown ${name.url}|${name.version ?? ''}`;
    const known = found.get(key);
    found.set(key, known ? { ...known, own: or([known.own, own]) } : { name, own, used });
  }
  return found.values();
}

export async function segmentsOf(
  valueSets: ValueSets,
  composition: Composition,
  asking: Asking,
  options: SegmentOptions,
): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const { name, own, used } of await takenOf(valueSets, composition, asking, options)) {
    const restricted = and([
      own,
      options.activeOnly ? ACTIVE : { kind: 'all' },
      options.selectableOnly ? not({ kind: 'abstract' }) : { kind: 'all' },
    ]);
    const codes = enumerated(takenAsActive(own));
    if (used === undefined && codes === undefined) {
      const wanted = { url: name.url, version: wantedVersion(name, asking.versions) };
      throw unknownSystem(wanted, await valueSets.versions(name.url, asking));
    }
    segments.push({
      ...{ name, where: restricted },
      ...(used && { used }),
      ...(codes && { listed: inOrder(composition, name.url, codes) }),
    });
  }
  return segments;
}

/** Codes that a value set lists of a system that is not known: nothing more is known of them. */
const unknownConcept = (code: string): Concept => ({ n: -1, code, abstract: false, inactive: false });

/** In one statement, and in the order of the value set. */
async function listedConcepts(db: Queryable, { used, listed, where }: Segment): Promise<Concept[]> {
  if (!used) return listed!.map(unknownConcept);
  const { system } = used;
  const found = await select(db, system, { where, words: [], offset: 0, count: listed!.length });
  const fold = (code: string): string => (system.about.caseSensitive ? code : foldCode(code));
  const byCode = new Map(found.concepts.map((concept) => [fold(concept.code), concept]));
  // Of a system of which not all codes are known here, what the value set lists stands.
  const isOpen = system.about.content !== 'complete' && !system.grammar;
  const concepts: Concept[] = [];
  for (const code of listed!) {
    const known = byCode.get(fold(code));
    if (known) concepts.push(known);
    else if (isOpen && !(await system.concept(code))) concepts.push(unknownConcept(code));
  }
  return [...new Set(concepts)];
}

interface Part {
  concepts: Concept[];
  total: number | undefined;
}

/** Words of each concept, where it is listed: few enough to look at one by one. */
async function listedPart(
  db: Queryable,
  segment: Segment,
  fits: (segment: Segment, concept: Concept) => Promise<boolean>,
  offset: number,
  count: number,
): Promise<Part> {
  const concepts = await listedConcepts(db, segment);
  const fitting = await Promise.all(concepts.map((concept) => fits(segment, concept)));
  const all = concepts.filter((_, i) => fitting[i]);
  return { concepts: all.slice(offset, offset + count), total: all.length };
}

export interface Pages {
  pages: SegmentPage[];
  /** Undefined when it would cost too much to know. */
  total: number | undefined;
}

const tooFar = (offset: number): CerebraError =>
  new CerebraError(
    'too-costly',
    `The offset ${offset} leads beyond what is counted of several systems: narrow the filter`,
    {
      expression: ['offset'],
    },
  );

/** `words`: folded; `fits` tells of a listed concept whether it has them. */
export async function pagesOf(
  db: Queryable,
  segments: readonly Segment[],
  { words, offset, count }: { words: readonly string[]; offset: number; count: number },
  fits: (segment: Segment, concept: Concept) => Promise<boolean>,
): Promise<Pages> {
  const pages: SegmentPage[] = [];
  let total: number | undefined = 0;
  let skip = offset;
  let left = count;
  for (const [i, segment] of segments.entries()) {
    const part =
      segment.listed === undefined
        ? await select(db, segment.used!.system, { where: segment.where, words, offset: skip, count: left })
        : await listedPart(db, segment, fits, skip, left);
    pages.push({ segment, concepts: part.concepts });
    left -= part.concepts.length;
    const isPassed = part.total === undefined && part.concepts.length === 0 && left > 0 && skip > 0;
    if (isPassed && i < segments.length - 1) throw tooFar(offset);
    skip = part.total === undefined ? 0 : Math.max(0, skip - part.total);
    total = total === undefined || part.total === undefined ? undefined : total + part.total;
    if (left === 0 && total === undefined) break;
  }
  return { pages, total };
}
