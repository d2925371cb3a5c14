// All that is checked of a resource: https://hl7.org/fhir/R4/validation.html
import type { Definitions, Issue, JsonObject, Resource } from '#fhir-model';
import { type Clock, systemClock } from '#platform';
import { isObject, stringsOf, textOf } from './json.ts';
import { addFaults } from './profile/add-faults.ts';
import { askCodes, type ValidateCodes } from './profile/ask-codes.ts';
import { type BaseCheck, checkBase } from './profile/base-check.ts';
import { createBasePlans } from './profile/base-plan.ts';
import { checkProfiles } from './profile/check.ts';
import { createProfileCache, type ProfileCache, type ProfileSource } from './profile/profiles.ts';
import { checkResponse, type ResponseParts } from './profile/responses.ts';
import {
  type Around,
  addIssue,
  defer,
  isDone,
  type Run,
  report,
  resume,
  type Settings,
  startRun,
} from './profile/run.ts';
import { checkStructures, isProfile } from './profile/structures.ts';
import { pathOf } from './report.ts';
import { resourceFaults } from './resource-rules.ts';
import { createInvariantCompiler } from './rules/invariants.ts';
import { createStructureValidator } from './structure.ts';

export type { ProfileSource } from './profile/profiles.ts';
export type { Around } from './profile/run.ts';

export interface ValidateOptions {
  /** Canonicals, perhaps with `|version`, of profiles that the resource must conform to, claimed or not. */
  profiles?: readonly string[];
  /**
   * `structure`: names, cardinality, types, required codes. `base`: everything of R4 itself. `claimed` (default): also the
   * profiles that meta.profile names, in the resource and in those within it.
   */
  level?: 'structure' | 'base' | 'claimed';
  /** Tell as information which mustSupport elements of the profiles are absent. */
  mustSupport?: boolean;
  /** Whether a resource is here, as `Patient/1`; without it references to this server are not followed. */
  existence?: (type: string, id: string) => Promise<boolean>;
  /**
   * The resource is an entry of a transaction, whose references may be conditional: `Patient?identifier=…`. Within a
   * Bundle that is told by its type.
   */
  inTransaction?: boolean;
  /** The Bundle that the resource is an entry of: its references may lead to others there. */
  around?: Around | undefined;
  /** What an unknown extension that isn't a modifier is; default `information`. Unknown modifierExtensions are errors. */
  unknownExtension?: 'information' | 'warning' | 'error';
  /** What a best practice that is not followed is (dom-6: a narrative); default: not told. */
  bestPractice?: 'information' | 'warning';
  /** At most so many issues; default 100. */
  issuesMax?: number;
}

export interface ResourceValidator {
  /**
   * Issues of severity error mean that it is not valid; none at all that there is nothing to tell. Never throws for what is
   * in a resource. https://hl7.org/fhir/R4/validation.html
   */
  validateResource(resource: Resource, options?: ValidateOptions): Promise<Issue[]>;
}

export interface ResourceValidatorParts {
  definitions: Definitions;
  /** Without it no profile and no extension is known. */
  profiles?: ProfileSource;
  /** What the terminology service says of codes that can't be looked up in definitions at hand, all of a resource at once. */
  validateCodes?: ValidateCodes | undefined;
  clock?: Clock;
}

const defaultIssuesMax = 100;
/** Definitions that one resource can have looked up: a hostile one could name thousands of extensions. */
const lookupsMax = 1000;
/** Each is another walk over the resource. */
const claimsMax = 50;
/** References that are asked for at a time. */
const existenceTogether = 100;
const unknownSource: ProfileSource = { find: async () => undefined };

function settingsOf(options: ValidateOptions, nowMs: number): Settings {
  return {
    unknownExtension: options.unknownExtension ?? 'information',
    bestPractice: options.bestPractice,
    mustSupport: options.mustSupport ?? false,
    conditional: options.inTransaction ?? false,
    claims: (options.level ?? 'claimed') === 'claimed',
    issuesMax: options.issuesMax ?? defaultIssuesMax,
    nowMs,
  };
}

interface Engine {
  readonly base: BaseCheck;
  readonly cache: ProfileCache;
  readonly responses: ResponseParts;
  readonly clock: Clock;
  readonly validateCodes: ValidateCodes | undefined;
}

const claimsOf = ({ meta }: JsonObject): string[] => (isObject(meta) ? stringsOf(meta.profile) : []);

/** The profiles that a resource says it conforms to: https://hl7.org/fhir/R4/resource.html#Meta.profile */
function checkClaims(run: Run, cache: ProfileCache, resource: JsonObject): void {
  const claims = new Set(claimsOf(resource));
  if (claims.size > claimsMax) {
    const message = `at most ${claimsMax} profiles are checked, found ${claims.size}`;
    report(run, 'error', 'too-costly', 'claims', message, 'meta');
    return;
  }
  for (const claim of claims) checkProfile(run, cache, resource, claim);
}

function checkProfile(run: Run, cache: ProfileCache, resource: JsonObject, canonical: string): void {
  const type = textOf(resource.resourceType);
  checkProfiles(run, cache, { value: resource, companion: undefined, type, index: 0 }, [canonical], run.frame);
}

/** What had to wait for definitions; what they lead to may have to wait again. */
async function finishDeferred(run: Run, cache: ProfileCache): Promise<void> {
  let left = lookupsMax;
  while (run.deferred.length > 0 && !isDone(run)) {
    const batch = run.deferred.splice(0);
    const byName = new Map(batch.map((deferred) => [`${deferred.type} ${deferred.canonical}`, deferred]));
    const wanted = [...byName].slice(0, left);
    await cache.load(wanted.map(([, deferred]) => deferred));
    const loaded = new Set(wanted.map(([name]) => name));
    for (const deferred of batch) if (loaded.has(`${deferred.type} ${deferred.canonical}`)) resume(run, deferred);
    if (byName.size > left) return tooMany(run);
    left -= byName.size;
  }
}

/** What isn't looked up isn't checked: the resource can't be called valid. */
function tooMany(run: Run): void {
  run.trail.length = 1;
  const message = `names more than ${lookupsMax} profiles, extensions and code systems that would have to be looked up`;
  report(run, 'error', 'too-costly', 'lookups', message);
}

type Existence = NonNullable<ValidateOptions['existence']>;

async function absentOf(run: Run, existence: Existence): Promise<Set<string>> {
  const asked = [...new Map(run.references.map(({ type, id }) => [`${type}/${id}`, { type, id }]))];
  const absent = new Set<string>();
  for (let start = 0; start < asked.length; start += existenceTogether) {
    const some = asked.slice(start, start + existenceTogether);
    const there = await Promise.all(some.map(([, { type, id }]) => existence(type, id)));
    some.forEach(([key], index) => {
      if (there[index] !== true) absent.add(key);
    });
  }
  return absent;
}

async function checkExistence(run: Run, existence: Existence): Promise<void> {
  const absent = await absentOf(run, existence);
  for (const { path, type, id } of run.references) {
    const key = `${type}/${id}`;
    if (!absent.has(key)) continue;
    const diagnostics = `${path}: ${key} is not here`;
    const messageId = 'reference-absent';
    addIssue(run, { severity: 'error', code: 'not-found', diagnostics, expression: [path], messageId });
  }
}

/** A slice repeats what is said of its element, a profile what is said of its base: each fault is told once. */
function withoutRepeats(issues: readonly Issue[]): Issue[] {
  const seen = new Set<string>();
  return issues.filter(({ messageId, expression, diagnostics }) => {
    const key = `${messageId} ${expression?.[0]} ${/^[a-z]+-\d+[a-z]?$/.test(messageId ?? '') ? '' : diagnostics}`;
    return !seen.has(key) && seen.add(key) !== undefined;
  });
}

const gravity: Readonly<Record<string, number>> = { fatal: 0, error: 0, warning: 1, information: 2 };

/** At most so many, in their order: errors go before what only informs. */
function gravest(issues: readonly Issue[], most: number): Issue[] {
  if (issues.length <= most) return [...issues];
  const sorted = issues.toSorted((one, other) => (gravity[one.severity] ?? 0) - (gravity[other.severity] ?? 0));
  const kept = new Set(sorted.slice(0, most));
  return issues.filter((issue) => kept.has(issue));
}

/** The structure check's own issues: an invariant's key stands before its text. */
function named(issue: Issue): Issue {
  const [, key] = /: ([a-z]+-\d+[a-z]?): /.exec(issue.diagnostics) ?? [];
  return { ...issue, messageId: issue.code === 'invariant' && key !== undefined ? key : `structure-${issue.code}` };
}

async function checkAll(engine: Engine, resource: Resource, options: ValidateOptions): Promise<Issue[]> {
  const { base, cache, clock, validateCodes } = engine;
  await cache.refresh();
  const run = startRun(settingsOf(options, clock.now()), resource, resource.resourceType, options.around);
  checkBase(base, run, resource);
  for (const canonical of options.profiles ?? []) {
    defer(run, 'StructureDefinition', canonical, (later) => checkProfile(later, cache, resource, canonical));
  }
  await finishDeferred(run, cache);
  for (const response of run.responses) await checkResponse(run, engine.responses, response);
  await checkStructures(run, engine.responses.source);
  await askCodes(run, validateCodes);
  if (options.existence !== undefined) await checkExistence(run, options.existence);
  return run.issues;
}

export function createResourceValidator(parts: ResourceValidatorParts): ResourceValidator {
  const { definitions, profiles: source = unknownSource, validateCodes, clock = systemClock } = parts;
  const structure = createStructureValidator(definitions);
  const besides = createStructureValidator(definitions, false);
  const invariant = createInvariantCompiler(definitions);
  const plans = createBasePlans(definitions, invariant);
  const rules = { definitions, isResourceType: definitions.isResourceType };
  const engineOf = (mustSupport: boolean): Engine => {
    const cache = createProfileCache({ definitions, invariant, source, mustSupport });
    const resource = (run: Run, nested: JsonObject) => {
      addFaults(run, resourceFaults(nested, pathOf(run.trail), run.frame.root, rules));
      if (nested.resourceType === 'QuestionnaireResponse')
        run.responses.push({ trail: [...run.trail], frame: run.frame });
      if (isProfile(nested)) run.structures.push({ trail: [...run.trail], resource: nested });
      if (run.settings.claims) checkClaims(run, cache, nested);
    };
    const { isResourceType } = definitions;
    const responses = { source, valueSets: cache.valueSets, invariant, isResourceType };
    return {
      cache,
      responses,
      clock,
      validateCodes,
      base: { plans, extensions: cache, systems: cache.systems, isResourceType, resource },
    };
  };
  const engine = engineOf(false);
  let supporting: Engine | undefined;
  return {
    async validateResource(resource, options = {}) {
      const issuesMax = options.issuesMax ?? defaultIssuesMax;
      const alone = options.level === 'structure' || typeof resource?.resourceType !== 'string';
      const issues = (alone ? structure : besides).validate(resource, issuesMax).map(named);
      if (alone) return issues;
      if (options.mustSupport === true) supporting ??= engineOf(true);
      const more = await checkAll((options.mustSupport === true ? supporting : undefined) ?? engine, resource, options);
      return more.length === 0 ? issues : gravest(withoutRepeats([...issues, ...more]), issuesMax);
    },
  };
}
