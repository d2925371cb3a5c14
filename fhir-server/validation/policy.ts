// What is checked of a resource that is written, by its type: https://hl7.org/fhir/R4/validation.html
import type { Definitions } from '#fhir-model';
import { CerebraError, listOf } from '#platform';

/**
 * `off`: nothing; `structure`: names, cardinalities, types, required codes; `claimed`: also the profiles that meta.profile
 * names, as far as they are known.
 */
export type Level = 'off' | 'structure' | 'claimed';

export interface PolicyOptions {
  /** `claimed`, or with types: `structure,Patient=claimed,Binary=off`. */
  levels?: string | undefined;
  /** `Type=canonical,…`: resources of the type must conform to it, whether they claim it or not. */
  profiles?: string | undefined;
  /** `all`, types, and canonicals of profiles whose faults are recorded, and don't keep a resource out. */
  record?: string | undefined;
}

export interface Policy {
  /** What it was made of: plain data, for threads that make their own. */
  readonly options: PolicyOptions;
  level(type: string): Level;
  /** Types of which nothing is checked. */
  off: ReadonlySet<string>;
  /** Canonicals, perhaps with `|version`. */
  required(type: string): readonly string[];
  /** Whether faults against the profile are recorded only. */
  records(type: string, profile: string): boolean;
}

/** Needed whole by the server itself: their structure is always checked. */
const KEPT = new Set(['Bundle', 'Parameters', 'SearchParameter', 'Subscription']);
const LEVELS: readonly string[] = ['off', 'structure', 'claimed'] satisfies Level[];

const wrong = (variable: string, text: string): CerebraError => new CerebraError('config', `${variable}: ${text}`);

function assertType({ isResourceType }: Definitions, variable: string, type: string): void {
  if (!isResourceType(type)) throw wrong(variable, `'${type}' is not a resource type of FHIR R4`);
}

function readLevels(definitions: Definitions, text: string | undefined): { all: Level; types: Map<string, Level> } {
  const types = new Map<string, Level>();
  let all: Level = 'claimed';
  for (const part of listOf(text)) {
    const [left = '', right] = part.split('=').map((each) => each.trim());
    const level = right ?? left;
    if (!LEVELS.includes(level)) throw wrong('VALIDATION', `'${level}' is none of ${LEVELS.join(', ')}`);
    if (right === undefined) all = level as Level;
    else {
      assertType(definitions, 'VALIDATION', left);
      if (level === 'off' && KEPT.has(left))
        throw wrong('VALIDATION', `${left} can't be off: the server needs it sound`);
      types.set(left, level as Level);
    }
  }
  return { all, types };
}

function readRequired(definitions: Definitions, text: string | undefined): Map<string, string[]> {
  const required = new Map<string, string[]>();
  for (const part of listOf(text)) {
    const at = part.indexOf('=');
    const [type, canonical] = [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    if (at === -1 || canonical === '') throw wrong('VALIDATION_PROFILES', `'${part}' is not Type=canonical`);
    assertType(definitions, 'VALIDATION_PROFILES', type);
    required.set(type, [...(required.get(type) ?? []), canonical]);
  }
  return required;
}

const withoutVersion = (canonical: string): string => canonical.split('|')[0]!;

function readRecorded(definitions: Definitions, text: string | undefined): Policy['records'] {
  const listed = listOf(text);
  for (const one of listed) if (one !== 'all' && !one.includes(':')) assertType(definitions, 'VALIDATION_RECORD', one);
  const names = new Set(listed);
  if (names.size === 0) return () => false;
  return (type, profile) =>
    names.has('all') || names.has(type) || names.has(profile) || names.has(withoutVersion(profile));
}

/** Throws `config` that names the variable and what in it is wrong. */
export function createPolicy(definitions: Definitions, options: PolicyOptions = {}): Policy {
  const { all, types } = readLevels(definitions, options.levels);
  const required = readRequired(definitions, options.profiles);
  const level = (type: string): Level => types.get(type) ?? (all === 'off' && KEPT.has(type) ? 'structure' : all);
  return {
    options,
    level,
    off: new Set(definitions.resourceTypes.filter((type) => level(type) === 'off')),
    required: (type) => required.get(type) ?? [],
    records: readRecorded(definitions, options.record),
  };
}
