// Codes against their code systems, whatever they are bound to: https://hl7.org/fhir/R4/terminologies.html. Systems whose concepts
// are all in their resource are looked up here; SNOMED CT, LOINC and the like are the terminology service's.
import type { JsonObject, Resource } from '#fhir-model';
import { objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import type { ProfileSource } from './profiles.ts';
import { defer, type Run, report } from './run.ts';

export interface KnownSystem {
  readonly supplement: boolean;
  readonly caseSensitive: boolean;
  /** By code, folded where case doesn't count: its display and designations, folded. */
  readonly concepts: ReadonlyMap<string, ReadonlySet<string>>;
}

export interface CodeSystems {
  /** Null for one whose codes are not all known here, undefined for one that first has to be loaded. */
  get(url: string): KnownSystem | null | undefined;
  load(url: string): Promise<void>;
  clear(): void;
}

/** Larger ones have an index of their own. */
const conceptsMax = 20_000;
const systemsMax = 2000;

const folded = (text: string): string => text.trim().replace(/\s+/g, ' ').toLowerCase();

function collect(concepts: readonly JsonObject[], fold: boolean, into: Map<string, Set<string>>): boolean {
  const waiting = [...concepts];
  for (let concept = waiting.pop(); concept !== undefined; concept = waiting.pop()) {
    const code = textOf(concept.code);
    if (code === undefined || into.size >= conceptsMax) return false;
    const names = [concept.display, ...objectsOf(concept.designation).map(({ value }) => value)];
    const displays = names.flatMap((name) => (typeof name === 'string' ? [folded(name)] : []));
    const key = fold ? code.toLowerCase() : code;
    into.set(key, new Set([...(into.get(key) ?? []), ...displays]));
    waiting.push(...objectsOf(concept.concept));
  }
  return true;
}

function systemOf(resource: Resource | undefined): KnownSystem | null {
  if (resource === undefined) return null;
  // Where it is not said codes are taken in any case, as R4 wants it.
  const caseSensitive = resource.caseSensitive === true;
  const supplement = resource.content === 'supplement' || resource.supplements !== undefined;
  const concepts = new Map<string, Set<string>>();
  if (supplement) return { supplement, caseSensitive, concepts };
  if (resource.content !== 'complete') return null;
  const all = collect(objectsOf(resource.concept), !caseSensitive, concepts);
  return all && concepts.size > 0 ? { supplement, caseSensitive, concepts } : null;
}

export function createCodeSystems(source: ProfileSource): CodeSystems {
  let known = new Map<string, KnownSystem | null>();
  return {
    get: (url) => known.get(url),
    async load(url) {
      // What is forgotten meanwhile must not come back.
      const kept = known;
      if (kept.has(url)) return;
      kept.set(url, systemOf(await source.find('CodeSystem', url)));
      const [oldest] = kept.keys();
      if (kept.size > systemsMax && oldest !== undefined) kept.delete(oldest);
    },
    clear() {
      known = new Map();
    },
  };
}

/** Systems that HL7 and DICOM go on adding codes to between versions of FHIR: R4's edition need not have them all. */
const growing = /^http:\/\/(?:terminology\.hl7\.org|dicom\.nema\.org)\//;

/** A Coding with a system. */
export function checkCode(run: Run, systems: CodeSystems, coding: JsonObject): void {
  const { system: url, code, display, version } = coding;
  if (typeof url !== 'string' || typeof code !== 'string') return;
  // Of another version than the one it names nothing can be told.
  const canonical = typeof version === 'string' ? `${url}|${version}` : url;
  const system = systems.get(canonical);
  if (system === undefined) {
    defer(run, 'CodeSystem', canonical, (later) => checkCode(later, systems, coding));
    return;
  }
  if (system === null) {
    if (!run.probe)
      run.codings.push({
        trail: [...run.trail],
        system: url,
        version: textOf(version),
        code,
        display: textOf(display),
      });
    return;
  }
  if (system.supplement) {
    report(
      run,
      'error',
      'not-found',
      'code-supplement',
      `${shown(url)} is a supplement, which no Coding.system may be`,
    );
    return;
  }
  const displays = system.concepts.get(system.caseSensitive ? code : code.toLowerCase());
  if (displays === undefined) {
    const severity = growing.test(url) ? 'warning' : 'error';
    report(run, severity, 'code-invalid', 'code-unknown', `${shown(url)} has no code '${shown(code)}'`, 'code');
  } else if (typeof display === 'string' && displays.size > 0 && !displays.has(folded(display))) {
    const message = `'${shown(display)}' is not how ${shown(url)} displays ${shown(code)}`;
    report(run, 'warning', 'invalid', 'code-display', message, 'display');
  }
}
