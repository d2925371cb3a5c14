// What each kind of rule carries out. What a kind would pass over is refused: a limit that nobody looks at, or a key that
// values over time are not told apart by, would be alerts that never come, or come for nothing.
import { type JsonObject, objectsOf } from '#fhir-model';
import { ownValue } from '#platform';
import { extensionBase, refuse, textOf } from './extensions.ts';
import { type RuleAction, type RuleKind, remembers, ruleKinds } from './rule.ts';

/** They judge one resource by limits and conditions. */
const single: readonly RuleKind[] = ['threshold', 'score', 'claim'];
const ofValues: readonly RuleKind[] = ['delta', 'trend'];
const but = (...left: RuleKind[]): readonly RuleKind[] => ruleKinds.filter((kind) => !left.includes(kind));

type Table = Readonly<Record<string, readonly RuleKind[]>>;

/** By name of the extension, the kinds that look at it; what is not here is for all. */
const ofRule: Table = {
  window: ['delta', 'trend', 'absence', 'combination', 'failure-rate'],
  // What is remembered of a subject is not told apart by it.
  key: [...single, 'critical-value'],
  subject: but('failure-rate'),
  suppress: but('failure-rate'),
  query: but('failure-rate'),
};

const ofAction: Table = {
  low: single,
  high: single,
  'rearm-low': single,
  'rearm-high': single,
  rearm: single,
  value: [...single, ...ofValues],
  detail: [...single, ...ofValues, 'combination'],
  severity: but('critical-value'),
  change: ['delta'],
  'change-percent': ['delta'],
  direction: ofValues,
  'change-per-hour': ['trend'],
  points: ['trend'],
  'at-least': ['combination'],
  failures: ['failure-rate'],
  'failures-percent': ['failure-rate'],
};

/** The extensions of the PlanDefinition. */
export const checkRuleParts = (plan: JsonObject, kind: RuleKind, at: string): void =>
  checkParts(plan, kind, ofRule, at);

/** The extensions and conditions of an action, one of `actions`. */
export function checkActionParts(action: JsonObject, kind: RuleKind, at: string, actions: number): void {
  checkParts(action, kind, ofAction, at);
  if (kind === 'failure-rate' && objectsOf(action.condition).length > 0) {
    refuse(
      `${at}.condition`,
      'a failure-rate rule looks at no resource that conditions could be asked of',
      'unsupported',
    );
  }
  if (kind === 'absence' && actions > 1) {
    refuse(at, 'an absence rule has one action; write another rule for another severity', 'unsupported');
  }
}

function checkParts(element: JsonObject, kind: RuleKind, table: Table, at: string): void {
  for (const [i, { url }] of objectsOf(element.extension).entries()) {
    const name = textOf(url);
    const kinds = name.startsWith(extensionBase) ? ownValue(table, name.slice(extensionBase.length)) : undefined;
    if (!kinds || kinds.includes(kind)) continue;
    refuse(
      `${at}.extension[${i}]`,
      `${kind} rules do not look at ${name}; it is for ${kinds.join(', ')}`,
      'unsupported',
    );
  }
}

/** What each kind can't do without. */
const needs: Partial<Record<RuleKind, [keyof RuleAction, string]>> = {
  delta: ['change', 'change or urn:cerebra:alert:change-percent'],
  trend: ['slope', 'change-per-hour'],
  'failure-rate': ['failures', 'failures'],
};

/** An action as it was read. */
export function checkKind(action: RuleAction, kind: RuleKind, at: string): void {
  const need = needs[kind];
  if (need && action[need[0]] === undefined) refuse(at, `a ${kind} rule has urn:cerebra:alert:${need[1]}`, 'required');
  const decides = action.conditions.length > 0 || action.limits !== undefined;
  if ((kind === 'threshold' || kind === 'score') && !decides) {
    refuse(at, `a ${kind} rule has a condition or the limits urn:cerebra:alert:low and high`, 'required');
  }
  if (kind === 'combination' && (action.triggers.length < 2 || action.atLeast > action.triggers.length)) {
    refuse(at, 'a combination has two triggers or more, and at-least no more than them');
  }
  for (const [i, { type, query }] of action.triggers.entries()) {
    const trigger = `${at}.trigger[${i}]`;
    if (type === 'data-removed' && (remembers({ kind }) || kind === 'critical-value')) {
      refuse(`${trigger}.type`, `a ${kind} rule judges what is there: it has no data-removed`, 'unsupported');
    }
    const wanted = typesOf(kind, decides);
    if (wanted && !wanted.includes(query.type)) {
      refuse(`${trigger}.data[0].type`, `${query.type} would find nothing: it must be ${wanted.join(' or ')}`);
    }
  }
}

/** Of others the kind by itself finds nothing, ever. */
function typesOf(kind: RuleKind, decides: boolean): readonly string[] | undefined {
  if (kind === 'critical-value') return ['Observation'];
  return kind === 'claim' && !decides ? ['ClaimResponse', 'ExplanationOfBenefit'] : undefined;
}
