// A rule of alerting, read: what a PlanDefinition of type eca-rule says (https://hl7.org/fhir/R4/plandefinition.html) with
// the extensions of docs/alerts.md.
import type { FhirPath, JsonObject, SearchQuery } from '#fhir-model';
import type { Severity } from '../seams.ts';

export const ruleKinds = [
  'threshold',
  'critical-value',
  'delta',
  'trend',
  'score',
  'absence',
  'combination',
  'failure-rate',
  'claim',
] as const;
export type RuleKind = (typeof ruleKinds)[number];

export interface Rule {
  /** PlanDefinition.id */
  id: string;
  /** Of the PlanDefinition; 0 of a built-in one. */
  version: number;
  title: string;
  kind: RuleKind;
  actions: RuleAction[];
  queries: ContextQuery[];
  /** Whether `%previous` is asked for by the subject or the key. */
  usesPrevious: boolean;
  /** Yields the reference of the subject; without it the resource's own. */
  subject?: FhirPath;
  /** Our own FHIR base: what is below it is the same subject as without it. */
  baseUrl?: string;
  /** Tells findings of one subject apart; without it the kind's own way. */
  key?: FhirPath;
  /** While it holds, what is found stays silent. */
  suppress?: FhirPath;
  /** Of delta, trend, combination, absence and failure-rate. */
  windowMs: number;
  quietHours?: QuietHours;
  storm?: Storm;
  escalation?: string;
  /** Of the Task: `PractitionerRole/1`. */
  owner?: string;
  /** Until then somebody should have acknowledged; 0: there is no Task. Without it by severity. */
  acknowledgeWithinMs?: number;
  /** A DetectedIssue is written too. */
  detectedIssue: boolean;
}

export interface RuleAction {
  title: string;
  severity: Severity;
  code?: { system: string; code: string; display: string };
  triggers: Trigger[];
  /** All of them must hold. */
  conditions: FhirPath[];
  /** What was raised is over when it holds; without it when the conditions don't. */
  rearm?: FhirPath;
  /** Yields the value, a Quantity or a number; without it `value` of the resource. */
  value?: FhirPath;
  /** The text of what was found; without it the kind's own. */
  detail?: FhirPath;
  limits?: ActionLimits;
  /** In the unit of `limits`, or a percentage. */
  change?: { by: number; unit: string; percent: boolean; direction: Direction };
  /** In the unit an hour, over so many values at least. */
  slope?: { perHour: number; unit: string; pointsMin: number; direction: Direction };
  /** Of the triggers, so many must have held within the window. */
  atLeast: number;
  /** Of a failure-rate: so many failures, and so large a part of all. */
  failures?: { count: number; percent: number };
}

export type Direction = 'up' | 'down' | 'both';

export interface ActionLimits {
  unit: string;
  low?: number;
  high?: number;
  /** What was raised by `low` is over from here on; the limit itself without it. */
  rearmLow?: number;
  rearmHigh?: number;
}

/** Kinds that judge by the values that they remember of a subject. */
export const overTime: ReadonlySet<RuleKind> = new Set(['delta', 'trend', 'combination']);

/** Whether what is found of a change depends on what is remembered of those before it. */
export const remembers = ({ kind }: Pick<Rule, 'kind'>): boolean => kind === 'absence' || overTime.has(kind);

export interface Search {
  /** `Observation?status=final` */
  text: string;
  query: SearchQuery;
}

export interface Trigger {
  name: string;
  /** https://hl7.org/fhir/R4/valueset-trigger-type.html */
  type: 'data-added' | 'data-modified' | 'data-changed' | 'data-removed';
  query: SearchQuery;
  /** Whose later versions may end what an earlier one led to, though they no longer meet `query`. */
  later: Search[];
  condition?: FhirPath;
  /** Codings of a component whose value is meant where the Observation has none of its own. */
  components?: JsonObject[];
  /** Search parameters of the type: whom a resource is about, and its clinical time; where it has none there is none. */
  parameters: { subject?: string; time?: string };
}

/** A search of the store whose result conditions see as `%name`, a list of resources. */
export interface ContextQuery {
  name: string;
  type: string;
  /** A search string in which each `{{…}}` is replaced by what that expression yields. */
  parts: (string | FhirPath)[];
}

/** Local times, minutes from midnight; `to` before `from` is the next day's. */
export interface QuietHours {
  fromMinutes: number;
  toMinutes: number;
  timeZone: string;
  /** Alerts below this severity wait for the end of it. */
  below: Severity;
}

/** So many alerts of the rule within so long become one. */
export interface Storm {
  count: number;
  windowMs: number;
}

export const severities: readonly Severity[] = ['info', 'low', 'moderate', 'high', 'critical'];
export const rankOf = (severity: Severity): number => severities.indexOf(severity);
