// One check of one resource: where it stands, what it found, what it has to come back to. https://hl7.org/fhir/R4/validation.html
import type { Issue, IssueSeverity, JsonObject } from '#fhir-model';
import { pathOf } from '../report.ts';

/** The resource around the current element, and those around that. */
export interface Frame {
  readonly resource: JsonObject;
  /** The resource that contains `resource`; itself where none does. `%rootResource`, and where `#id` is looked for. */
  readonly root: JsonObject;
  /** The Bundle or Parameters in which `root` stands. */
  readonly outer: Frame | undefined;
  /** `Bundle.entry.fullUrl` of `root`. */
  readonly fullUrl: string | undefined;
}

/** The resources of a Bundle that have one URL or one name. */
export interface Candidates {
  readonly fullUrl: string | undefined;
  latest: JsonObject;
  readonly byVersion: Map<unknown, JsonObject>;
  /** They are no versions of one, having other fullUrls or none: nobody can tell which is meant. */
  isOpen: boolean;
}

/** What the definitions at hand don't suffice for: done again, at the same place, once they are loaded. */
export interface Deferred {
  readonly trail: readonly (string | number)[];
  readonly frame: Frame;
  readonly parents: readonly string[];
  /** What has to be known first: a profile or extension, or a code system. */
  readonly type: 'StructureDefinition' | 'CodeSystem';
  readonly canonical: string;
  readonly check: (run: Run) => void;
}

/** A code that is asked of the terminology service, all of a resource in one go. */
export interface CodeQuestion {
  readonly path: string;
  /** One is enough: the codings of a CodeableConcept. */
  readonly codings: readonly { system: string | undefined; code: string; display: string | undefined }[];
  readonly valueSet: string;
  readonly strength: 'required' | 'extensible';
  /** The profile that asks. */
  readonly source: string;
}

export interface SystemCode {
  readonly trail: readonly (string | number)[];
  readonly system: string;
  readonly version: string | undefined;
  readonly code: string;
  readonly display: string | undefined;
}

export interface Settings {
  readonly unknownExtension: IssueSeverity;
  readonly bestPractice: IssueSeverity | undefined;
  readonly mustSupport: boolean;
  /** Whether `meta.profile` is followed. */
  readonly claims: boolean;
  /** References may be conditional, `Patient?identifier=…`, anywhere. */
  readonly conditional: boolean;
  /** So many errors, and so many other issues: what only informs must not keep an error from being told. */
  readonly issuesMax: number;
  /** What limits that are relative to now are measured from. */
  readonly nowMs: number;
}

export interface Run {
  readonly settings: Settings;
  /** The outermost resource; `trail` starts there. */
  readonly top: JsonObject;
  readonly issues: Issue[];
  /** Names and indexes from the resource's type on. */
  readonly trail: (string | number)[];
  frame: Frame;
  /** The urls of the extensions that the current element is in, innermost last. */
  parents: readonly string[];
  readonly deferred: Deferred[];
  readonly questions: CodeQuestion[];
  /** Codings of systems whose codes are not known here. */
  readonly codings: SystemCode[];
  /** References whose targets are elsewhere: `Patient/1` and where it stands. */
  readonly references: { path: string; type: string; id: string }[];
  /** QuestionnaireResponses, whose Questionnaires have to be found first. */
  readonly responses: { readonly trail: readonly (string | number)[]; readonly frame: Frame }[];
  /** Profiles, whose bases have to be found first. */
  readonly structures: { readonly trail: readonly (string | number)[]; readonly resource: JsonObject }[];
  /** Only whether there is an error counts: the first ends it. */
  readonly probe: boolean;
  /** Invariants of which it has been told that they can't be evaluated. */
  readonly untold: Set<string>;
  /** Profiles that have to be loaded before it can be told which slice an element is of. */
  readonly awaited: string[];
  failed: boolean;
  errors: number;
  /** Profiles that are being checked, innermost last: a circle of them ends. */
  depth: number;
  /** By value and profile, whether it conforms: references to the same target are judged once. */
  readonly verdicts: Map<JsonObject, Map<string, boolean>>;
  /** By value the profiles that it has been held to: once is enough, whoever asks for it again. */
  readonly followed: Map<JsonObject, Set<string>>;
  /** By what contains them, contained resources by id. */
  readonly contained: Map<JsonObject, ReadonlyMap<string, JsonObject>>;
  readonly bundles: Map<JsonObject, ReadonlyMap<string, Candidates>>;
}

/** Profiles within profiles; a resource nests no deeper in real life, a profile may name itself. */
export const depthMax = 24;

/** The Bundle that a resource which is checked by itself is an entry of. */
export interface Around {
  readonly bundle: JsonObject;
  readonly fullUrl: string | undefined;
  /** What the runs of its entries share, empty for the first: each would find it out anew. */
  readonly shared: Pick<Run, 'bundles' | 'verdicts'>;
}

export function startRun(settings: Settings, resource: JsonObject, type: string, around?: Around): Run {
  const { bundle, fullUrl, shared } = around ?? {};
  const outer: Frame | undefined = bundle && { resource: bundle, root: bundle, outer: undefined, fullUrl: undefined };
  return {
    settings,
    top: resource,
    issues: [],
    trail: [type],
    frame: { resource, root: resource, outer, fullUrl },
    parents: [],
    deferred: [],
    questions: [],
    codings: [],
    references: [],
    responses: [],
    structures: [],
    probe: false,
    untold: new Set(),
    awaited: [],
    failed: false,
    errors: 0,
    depth: 0,
    verdicts: shared?.verdicts ?? new Map(),
    followed: new Map(),
    contained: new Map(),
    bundles: shared?.bundles ?? new Map(),
  };
}

/** A run of the same place that only finds out whether something conforms. */
export function probeRun(run: Run): Run {
  return {
    ...run,
    issues: [],
    trail: [...run.trail],
    deferred: [],
    questions: [],
    codings: [],
    references: [],
    responses: [],
    structures: [],
    probe: true,
    followed: new Map(),
    awaited: [],
    failed: false,
  };
}

export function isDone(run: Run): boolean {
  return run.probe ? run.failed : run.errors >= run.settings.issuesMax;
}

/** Beyond the settings' number of its kind it is dropped. */
export function addIssue(run: Run, issue: Issue): void {
  const isError = issue.severity === 'error';
  const count = isError ? run.errors : run.issues.length - run.errors;
  if (isError) run.failed = true;
  if (run.probe || count >= run.settings.issuesMax) return;
  run.issues.push(issue);
  if (isError) run.errors++;
}

/** Adds an issue at the current place, or at its child `name`. */
export function report(
  run: Run,
  severity: IssueSeverity,
  code: string,
  messageId: string,
  diagnostics: string,
  name?: string,
): void {
  if (run.probe) {
    if (severity === 'error') run.failed = true;
    return;
  }
  const path = pathOf(name === undefined ? run.trail : [...run.trail, name]);
  addIssue(run, { severity, code, diagnostics: `${path}: ${diagnostics}`, expression: [path], messageId });
}

/** Has `check` done at the current place once `canonical` is loaded. */
export function defer(run: Run, type: Deferred['type'], canonical: string, check: (run: Run) => void): void {
  run.deferred.push({ trail: [...run.trail], frame: run.frame, parents: run.parents, type, canonical, check });
}

/** Does at its place what has been put off. */
export function resume(run: Run, { trail, frame, parents, check }: Deferred): void {
  run.trail.length = 0;
  run.trail.push(...trail);
  run.frame = frame;
  run.parents = parents;
  check(run);
}
